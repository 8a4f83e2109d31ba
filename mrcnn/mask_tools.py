"""Instance masks: full size, mini size within the box, and back.

A full mask is (H, W, N), one instance a channel. A mini mask is the part of it within the
instance's box, resized to a small fixed size: memory and transport for a training image then
do not grow with its size. The interpolation is that of `resizing`, with zeros around.
"""

import numpy as np

# Rounding noise of the interpolation must not decide a tie at exactly one half.
_TIE = 1e-6


def resize_mask(
    mask: np.ndarray,
    scale: float,
    padding: list[tuple[int, int]],
    crop: tuple[int, ...] | None = None,
) -> np.ndarray:
    """Resize masks as `resize_image` resized their image.

    Args:
        mask: (H, W, N) masks.
        scale, padding, crop: what `resize_image` returned.

    Returns:
        (H', W', N) masks of the same dtype, by nearest neighbour: corner pixels map to corner
        pixels, the convention of `scipy.ndimage.zoom`.
    """
    mask = np.asarray(mask)
    if scale != 1:
        rows, columns = (_nearest(length, scale) for length in mask.shape[:2])
        mask = mask[rows[:, None], columns[None]]
    if crop is not None:
        top, left, height, width = crop
        return mask[top : top + height, left : left + width]
    # A mask has three axes even where the image is grey and brings two pairs of padding.
    return np.pad(mask, [*padding[:2], (0, 0)])


def _nearest(length, scale):
    """Return, for each resized row, the row it is copied from."""
    new_length = round(length * scale)
    step = (length - 1) / max(new_length - 1, 1)
    # ndimage.zoom leaves the last row black where rounding noise puts it beyond the mask; here
    # it stays within.
    return np.minimum(np.arange(new_length) * step + 0.5, max(length - 1, 0)).astype(int)


def _bilinear(length, new_length):
    """Return the (new_length, length) matrix that interpolates a column of samples.

    Samples sit at the centres of their cells; beyond the outermost ones the value falls to zero.
    """
    place = (np.arange(new_length) + 0.5) * (length / new_length) - 0.5
    return np.maximum(0, 1 - np.abs(place[:, None] - np.arange(length)))


def _resize_small(mask, height, width):
    """Resize an (h, w) mask bilinearly to (height, width) float64."""
    return _bilinear(mask.shape[0], height) @ mask @ _bilinear(mask.shape[1], width).T


def minimize_mask(bbox: np.ndarray, mask: np.ndarray, mini_shape: tuple[int, ...]) -> np.ndarray:
    """Cut masks down to their boxes and resize these to a common small size.

    Args:
        bbox: (N, 4) pixel boxes of the instances.
        mask: (H, W, N) masks.
        mini_shape: (height, width) of the mini masks.

    Returns:
        (height, width, N) bool.

    Raises:
        ValueError: a box is empty.
    """
    mini = np.zeros((*mini_shape[:2], mask.shape[-1]), bool)
    for i, (y1, x1, y2, x2) in enumerate(np.asarray(bbox)[:, :4].astype(int)):
        part = mask[y1:y2, x1:x2, i]
        if part.size == 0:
            raise ValueError(f"Instance {i} has an empty box. Received: {[y1, x1, y2, x2]}.")
        # Contiguous and in floats: only so is the product a fast one.
        part = np.ascontiguousarray(part != 0, np.float64)
        mini[..., i] = _resize_small(part, *mini.shape[:2]) > 0.5 + _TIE
    return mini


def expand_mask(
    bbox: np.ndarray, mini_mask: np.ndarray, image_shape: tuple[int, ...]
) -> np.ndarray:
    """Put mini masks back into full size: the approximate inverse of `minimize_mask`.

    Args:
        bbox: (N, 4) pixel boxes of the instances.
        mini_mask: (h, w, N) mini masks.
        image_shape: (H, W, ...) of the image.

    Returns:
        (H, W, N) bool.
    """
    parts = np.moveaxis(mini_mask != 0, -1, 0)
    return _paste(parts, bbox, image_shape, 0.5 + _TIE)


def unmold_mask(mask: np.ndarray, bbox: np.ndarray, image_shape: tuple[int, ...]) -> np.ndarray:
    """Turn one mask as the network gives it into a full-size one.

    Args:
        mask: (h, w) float probabilities within the box.
        bbox: (4,) pixel box; its parts beyond the image are left out.
        image_shape: (H, W, ...) of the image.

    Returns:
        (H, W) bool: where the interpolated probability is at least 0.5.
    """
    return unmold_masks(np.asarray(mask)[None], np.asarray(bbox)[None], image_shape)[..., 0]


def unmold_masks(masks: np.ndarray, boxes: np.ndarray, image_shape: tuple[int, ...]) -> np.ndarray:
    """Turn the masks of an image as the network gives them into full-size ones.

    Args:
        masks: (N, h, w) float probabilities within the boxes.
        boxes: (N, 4) pixel boxes; their parts beyond the image are left out.
        image_shape: (H, W, ...) of the image.

    Returns:
        (H, W, N) bool: where the interpolated probability is at least 0.5.
    """
    return _paste(masks, boxes, image_shape, 0.5)


def crop_masks(
    masks: np.ndarray, boxes: np.ndarray, image_shape: tuple[int, ...]
) -> list[tuple[np.ndarray, int, int]]:
    """Turn the masks of an image as the network gives them into masks cut to their boxes.

    A pixel of the image takes the probability at its centre, wherever the box lies: bilinear
    between the centres of the mask's cells, and on in the same line from the outermost centres to
    the box's edges. (`unmold_masks`, as matterport's, rounds boxes to pixels first and lets masks
    fall to zero towards their edges, which cuts off the points of molecules.)

    Args:
        masks: (N, h, w) float probabilities within the boxes.
        boxes: (N, 4) float pixel boxes, not rounded; parts beyond the image are left out.
        image_shape: (H, W, ...) of the image.

    Returns:
        list of N (pixels, top, left): (h', w') bool, set where the interpolated probability is at
        least 0.5, and the row and column of its first pixel. An array may be empty.
    """
    crops = []
    for mask, (y1, x1, y2, x2) in zip(masks, np.asarray(boxes, np.float64), strict=True):
        mask = np.asarray(mask, np.float64)
        top, rows = _cells_of_pixels(y1, y2, mask.shape[0], image_shape[0])
        left, columns = _cells_of_pixels(x1, x2, mask.shape[1], image_shape[1])
        crops.append((rows @ mask @ columns.T >= 0.5, top, left))
    return crops


def _cells_of_pixels(low, high, cells, length):
    """Return the first of the pixels 0..length whose centres lie in [low, high), and the matrix
    (pixels, cells) that interpolates between cells which fill that range."""
    first = min(max(int(np.ceil(low - 0.5)), 0), length)
    last = min(max(int(np.ceil(high - 0.5)), first), length)
    place = (np.arange(first, last) + 0.5 - low) / max(high - low, 1e-9) * cells - 0.5
    before = np.clip(np.floor(place), 0, max(cells - 2, 0)).astype(int)
    share = (place - before)[:, None]
    matrix = np.eye(cells)[before] * (1 - share)
    matrix += np.eye(cells)[np.minimum(before + 1, cells - 1)] * share
    return first, matrix


def _paste(parts, boxes, image_shape, threshold):
    """Resize each of (N, h, w) parts to its box, threshold it, and set it into the image."""
    height, width = image_shape[:2]
    full = np.zeros((height, width, len(parts)), bool)
    for i, (y1, x1, y2, x2) in enumerate(np.asarray(boxes).reshape(-1, 4).astype(int)):
        if y2 <= y1 or x2 <= x1:
            continue
        part = _resize_small(np.asarray(parts[i], np.float64), y2 - y1, x2 - x1) >= threshold
        top, left = max(y1, 0), max(x1, 0)
        bottom, right = max(min(y2, height), top), max(min(x2, width), left)
        full[top:bottom, left:right, i] = part[top - y1 : bottom - y1, left - x1 : right - x1]
    return full
