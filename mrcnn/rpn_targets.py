"""Targets of the RPN, in NumPy: which anchors are positive, which negative, and their deltas."""

import numpy as np

from mrcnn import box_tools

POSITIVE_IOU = 0.7  # an anchor with at least this IoU is positive
NEGATIVE_IOU = 0.3  # an anchor below this IoU with every instance is negative

_BLOCK = 64  # anchors that are passed over together; only speed depends on it


def build_rpn_targets(image_shape, anchors, gt_class_ids, gt_boxes, config, rng=None):
    """Choose the anchors to train the RPN on, and compute what it should answer.

    Positive are the anchors of IoU >= 0.7 with an instance, and for each instance the anchor (or
    anchors) that overlaps it most, however little. Negative are those of IoU < 0.3 with all.
    Instances with a negative class id are regions to ignore: no target, and an anchor is not
    negative when such regions cover more than config.IGNORE_OVERLAP (0.001 when absent) of its
    area. At most half of the anchors are positive; the surplus becomes neutral, drawn at random.

    Args:
        image_shape: not used; kept for the callers of the public API.
        anchors: (A, 4) pixel boxes.
        gt_class_ids: (N,) int.
        gt_boxes: (N, 4) pixel boxes.
        config: its RPN_TRAIN_ANCHORS_PER_IMAGE, RPN_BBOX_STD_DEV and IGNORE_OVERLAP count.
        rng: numpy Generator for the drawing; a fresh one when None.

    Returns:
        rpn_match: (A,) int32: 1 positive, -1 negative, 0 neutral.
        rpn_bbox: (RPN_TRAIN_ANCHORS_PER_IMAGE, 4) float64 (dy, dx, log dh, log dw) over
            RPN_BBOX_STD_DEV of the positive anchors, in the order of the anchors; the rest zeros.
    """
    rng = np.random.default_rng() if rng is None else rng
    anchors = np.asarray(anchors)
    gt_boxes = np.asarray(gt_boxes, np.float64).reshape(-1, 4)
    ignored = np.asarray(gt_class_ids) < 0
    targets = gt_boxes[~ignored]

    iou, target, best = match_anchors(anchors, targets)
    match = np.zeros(len(anchors), np.int32)
    match[iou < NEGATIVE_IOU] = -1
    if ignored.any():
        limit = getattr(config, "IGNORE_OVERLAP", 0.001)
        match[covered_share(anchors, gt_boxes[ignored]) > limit] = 0
    match[best] = 1
    match[iou >= POSITIVE_IOU] = 1

    total = config.RPN_TRAIN_ANCHORS_PER_IMAGE
    _thin_out(match, 1, total // 2, rng)
    positive = np.flatnonzero(match == 1)
    _thin_out(match, -1, total - len(positive), rng)

    deltas = np.zeros((total, 4))
    # float64: the best anchor's tie with its mirror image must not hang on rounding.
    deltas[: len(positive)] = (
        box_tools.box_refinement(anchors[positive].astype(np.float64), targets[target[positive]])
        / config.RPN_BBOX_STD_DEV
    )
    return match, deltas


def _thin_out(match, value, count, rng):
    """Make entries of `value` neutral, drawn at random, until at most `count` are left."""
    there = np.flatnonzero(match == value)
    if len(there) > count:
        match[rng.choice(there, len(there) - count, replace=False)] = 0


def _intersections(anchors, boxes):
    """Yield for each box the indices of the anchors that touch it, and the shared areas.

    Few of many thousand anchors touch one instance, so this is far cheaper than a matrix of all
    anchors by all boxes. Neighbours in the list are mostly neighbours in the image: whole blocks
    of them are passed over by the box around the block.
    """
    starts = np.arange(0, len(anchors), _BLOCK)
    if not len(starts):
        yield from ((starts, np.zeros(0)) for _ in boxes)
        return
    low_y, low_x = (np.minimum.reduceat(anchors[:, side], starts) for side in (0, 1))
    high_y, high_x = (np.maximum.reduceat(anchors[:, side], starts) for side in (2, 3))
    top, left, bottom, right = np.ascontiguousarray(anchors.T)
    for y1, x1, y2, x2 in boxes:
        blocks = starts[(low_y < y2) & (high_y > y1) & (low_x < x2) & (high_x > x1)]
        near = (blocks[:, None] + np.arange(_BLOCK)).ravel()
        near = near[near < len(anchors)]  # the last block may be short
        height = np.minimum(bottom[near], y2) - np.maximum(top[near], y1)
        width = np.minimum(right[near], x2) - np.maximum(left[near], x1)
        touches = np.flatnonzero((height > 0) & (width > 0))
        yield near[touches], height[touches] * width[touches]


def match_anchors(
    anchors: np.ndarray, gt_boxes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Match every anchor with the instance that it overlaps most.

    Args:
        anchors: (A, 4) pixel boxes.
        gt_boxes: (N, 4) pixel boxes.

    Returns:
        iou: (A,) float64, greatest IoU of the anchor with an instance.
        target: (A,) int, the first instance that has it; 0 where the anchor touches none.
        best: (A,) bool, whether some instance is overlapped by no anchor more than by this one.
    """
    anchors = np.asarray(anchors, np.float64)
    iou = np.zeros(len(anchors))
    target = np.zeros(len(anchors), int)
    best = np.zeros(len(anchors), bool)
    areas = _areas(anchors)
    pairs = zip(_intersections(anchors, gt_boxes), _areas(gt_boxes), strict=True)
    for number, ((near, intersection), area) in enumerate(pairs):
        overlap = intersection / (areas[near] + area - intersection)
        better = overlap > iou[near]
        iou[near[better]] = overlap[better]
        target[near[better]] = number
        # An instance that no anchor touches has no best anchor.
        best[near[overlap == overlap.max(initial=0)]] = True
    return iou, target, best


def covered_share(anchors: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Compute the share of every anchor's area that regions cover.

    Args:
        anchors: (A, 4) pixel boxes.
        regions: (R, 4) pixel boxes; where they overlap, the shared area counts for each.

    Returns:
        (A,) float64 shares, 1 and more where an anchor is covered wholly.
    """
    anchors = np.asarray(anchors, np.float64)
    covered = np.zeros(len(anchors))
    for near, intersection in _intersections(anchors, np.asarray(regions, np.float64)):
        covered[near] += intersection
    return covered / _areas(anchors)


def _areas(boxes):
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
