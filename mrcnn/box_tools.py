"""Box arithmetic in NumPy: boxes of masks, overlaps, suppression, box deltas.

Boxes are (y1, x1, y2, x2) with y2 and x2 exclusive. Pixel boxes count pixels; normalised boxes
run from 0 to 1 over the image, with y2 and x2 shifted by one pixel, so that a box over the whole
image is exactly (0, 0, 1, 1). The same arithmetic for the network is in `boxes.py`.
"""

import numpy as np

# Pixels that `compute_overlaps_masks` looks at in one go: bounds its memory.
_MASK_CHUNK = 1 << 16


def extract_bboxes(mask: np.ndarray) -> np.ndarray:
    """Find the tight box of every instance mask.

    Args:
        mask: (H, W, N) bool or number; every value other than 0 belongs to the instance.

    Returns:
        (N, 4) int32 pixel boxes; an instance without a pixel gets (0, 0, 0, 0).
    """
    mask = np.asarray(mask)
    height, width, count = mask.shape
    if mask.size == 0:
        return np.zeros((count, 4), np.int32)
    boxes = np.zeros((count, 4), np.int32)
    for axis, length in ((0, height), (1, width)):
        used = mask.any(axis=1 - axis)  # (length, N): which rows (columns) the instance touches
        boxes[:, axis] = used.argmax(axis=0)
        boxes[:, axis + 2] = length - used[::-1].argmax(axis=0)
        boxes[~used.any(axis=0)] = 0
    return boxes


def _areas(boxes):
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def compute_iou(
    box: np.ndarray, boxes: np.ndarray, box_area: float, boxes_area: np.ndarray
) -> np.ndarray:
    """Compute the IoU of one box with many.

    Args:
        box: (4,) box.
        boxes: (N, 4) boxes.
        box_area: area of `box`, passed in so that a caller's loop computes it once.
        boxes_area: (N,) areas of `boxes`.

    Returns:
        (N,) float IoU; 0 where both boxes are empty.
    """
    height = np.minimum(box[2], boxes[:, 2]) - np.maximum(box[0], boxes[:, 0])
    width = np.minimum(box[3], boxes[:, 3]) - np.maximum(box[1], boxes[:, 1])
    intersection = np.maximum(height, 0) * np.maximum(width, 0)
    return _ratio(intersection, box_area + boxes_area - intersection)


def _ratio(intersection, union):
    """Divide, with 0 where the union is empty."""
    result = np.zeros(np.shape(intersection), np.result_type(intersection, union, np.float32))
    return np.divide(intersection, union, out=result, where=np.asarray(union) > 0)


def compute_overlaps(boxes1: np.ndarray, boxes2: np.ndarray) -> np.ndarray:
    """Compute the IoU of every box of one set with every box of another.

    Args:
        boxes1: (N1, 4) boxes.
        boxes2: (N2, 4) boxes, in the same coordinates.

    Returns:
        (N1, N2) float IoU.
    """
    boxes1, boxes2 = np.asarray(boxes1), np.asarray(boxes2)
    if len(boxes1) == 0 or len(boxes2) == 0:
        return np.zeros((len(boxes1), len(boxes2)))
    one, two = boxes1[:, None], boxes2[None]
    intersection = np.minimum(one[..., 2], two[..., 2]) - np.maximum(one[..., 0], two[..., 0])
    np.maximum(intersection, 0, out=intersection)
    width = np.minimum(one[..., 3], two[..., 3]) - np.maximum(one[..., 1], two[..., 1])
    intersection *= np.maximum(width, 0, out=width)
    return _ratio(intersection, _areas(one) + _areas(two) - intersection)


def compute_overlaps_masks(masks1: np.ndarray, masks2: np.ndarray) -> np.ndarray:
    """Compute the IoU of every mask of one set with every mask of another.

    Args:
        masks1: (H, W, N1) bool or number; a pixel above 0.5 belongs to the instance.
        masks2: (H, W, N2), likewise.

    Returns:
        (N1, N2) float64 IoU; 0 where both masks are empty.
    """
    count1, count2 = masks1.shape[-1], masks2.shape[-1]
    if count1 == 0 or count2 == 0:
        return np.zeros((count1, count2))
    flat1, flat2 = masks1.reshape(-1, count1), masks2.reshape(-1, count2)
    intersection = np.zeros((count1, count2))
    area1, area2 = np.zeros((count1, 1)), np.zeros((1, count2))
    for start in range(0, len(flat1), _MASK_CHUNK):
        part1 = _sparse(flat1[start : start + _MASK_CHUNK])
        part2 = _sparse(flat2[start : start + _MASK_CHUNK])
        intersection += (part1.T @ part2).toarray()
        area1[:, 0] += part1.sum(axis=0)
        area2[0] += part2.sum(axis=0)
    return _ratio(intersection, area1 + area2 - intersection)


def _sparse(masks):
    """Turn (pixels, N) masks into a sparse matrix of ones.

    Few masks share a pixel, so that products take a small part of the time of dense matrices.
    """
    from scipy import sparse  # some tenths of a second to import

    inside = np.flatnonzero(masks > 0.5)
    pixel, mask = np.divmod(inside, masks.shape[1])
    return sparse.csr_array((np.ones(len(inside)), (pixel, mask)), shape=masks.shape)


def non_max_suppression(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """Keep the best box of every heap of overlapping boxes.

    A suppressed box suppresses no other box.

    Args:
        boxes: (N, 4) boxes.
        scores: (N,) scores.
        threshold: a box is dropped when its IoU with a better kept box is above this.

    Returns:
        (K,) int32 indices into `boxes`, best score first.
    """
    boxes = np.asarray(boxes)
    if boxes.dtype.kind != "f":
        boxes = boxes.astype(np.float32)
    areas = _areas(boxes)
    # Stable, so that equal scores keep the order they came in.
    order = np.argsort(-np.asarray(scores), kind="stable")
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        iou = compute_iou(boxes[best], boxes[rest], areas[best], areas[rest])
        order = rest[iou <= threshold]
    return np.array(kept, np.int32)


def norm_boxes(boxes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Turn pixel boxes into normalised ones.

    Args:
        boxes: (N, 4) pixel boxes.
        shape: (height, width, ...) of the image in pixels.

    Returns:
        (N, 4) float32 boxes: (box - (0, 0, 1, 1)) / (H - 1, W - 1, H - 1, W - 1).
    """
    scale, shift = _norm_terms(shape)
    return ((np.asarray(boxes) - shift) / scale).astype(np.float32)


def denorm_boxes(boxes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Turn normalised boxes into pixel boxes: the inverse of `norm_boxes`.

    Args:
        boxes: (N, 4) normalised boxes.
        shape: (height, width, ...) of the image in pixels.

    Returns:
        (N, 4) int32 pixel boxes, rounded to the nearest.
    """
    return np.around(denorm_boxes_exact(boxes, shape)).astype(np.int32)


def denorm_boxes_exact(boxes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Turn normalised boxes into pixel boxes that are not rounded.

    Args:
        boxes: (N, 4) normalised boxes.
        shape: (height, width, ...) of the image in pixels.

    Returns:
        (N, 4) float64 pixel boxes.
    """
    scale, shift = _norm_terms(shape)
    return np.asarray(boxes, np.float64) * scale + shift


def _norm_terms(shape):
    height, width = shape[:2]
    return np.array([height - 1, width - 1] * 2), np.array([0, 0, 1, 1])


def box_refinement(box: np.ndarray, gt_box: np.ndarray) -> np.ndarray:
    """Compute the deltas that move boxes onto their ground truth.

    The parametrisation is that of Girshick et al., R-CNN (2014): shifts of the centre in units of
    the box's size, and logarithms of the size ratios.

    Args:
        box: (N, 4) boxes.
        gt_box: (N, 4) boxes to reach.

    Returns:
        (N, 4) float (dy, dx, log dh, log dw), not yet divided by BBOX_STD_DEV. float64 where an
        argument is, else float32.
    """
    dtype = (
        np.float64 if np.float64 in (np.result_type(box), np.result_type(gt_box)) else np.float32
    )
    centre, size = _centre_and_size(np.asarray(box, dtype))
    gt_centre, gt_size = _centre_and_size(np.asarray(gt_box, dtype))
    return np.concatenate([(gt_centre - centre) / size, np.log(gt_size / size)], axis=-1)


def apply_box_deltas(boxes: np.ndarray, deltas: np.ndarray) -> np.ndarray:
    """Move boxes by deltas: the inverse of `box_refinement`.

    Args:
        boxes: (N, 4) boxes.
        deltas: (N, 4) (dy, dx, log dh, log dw), already multiplied by BBOX_STD_DEV.

    Returns:
        (N, 4) boxes, float64 where an argument is, else float32.
    """
    dtype = (
        np.float64 if np.float64 in (np.result_type(boxes), np.result_type(deltas)) else np.float32
    )
    centre, size = _centre_and_size(np.asarray(boxes, dtype))
    deltas = np.asarray(deltas, dtype)
    centre = centre + deltas[..., :2] * size
    size = size * np.exp(deltas[..., 2:])
    corner = centre - 0.5 * size
    return np.concatenate([corner, corner + size], axis=-1)


def _centre_and_size(boxes):
    size = boxes[..., 2:] - boxes[..., :2]
    return boxes[..., :2] + 0.5 * size, size


def trim_zeros(x: np.ndarray) -> np.ndarray:
    """Drop the rows that are all zero, with which batches are padded.

    Args:
        x: (N, M) array.

    Returns:
        (K, M) array of the other rows, in their order.
    """
    x = np.asarray(x)
    return x[(x != 0).any(axis=1)]
