"""RoIs that do not come from the RPN, to train the heads with (`USE_RPN_ROIS = False`)."""

from __future__ import annotations

import numpy as np

NEAR_SHARE = 0.9  # of the RoIs lie around instances, the rest anywhere


def generate_random_rois(
    image_shape: tuple[int, ...],
    count: int,
    gt_class_ids: np.ndarray,
    gt_boxes: np.ndarray,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """Draw boxes around the instances of an image, and some anywhere, as matterport does.

    Nine of ten RoIs are shared out among the instances; their corners are drawn from the box of
    the instance enlarged by its own height and width on each side. The others, and all of them
    where there is no instance, are drawn from the whole image.

    Args:
        image_shape: (height, width, ...) in pixels.
        count: number of RoIs.
        gt_class_ids: (N,) int; instances with an id above 0 count.
        gt_boxes: (N, 4) pixel boxes (y1, x1, y2, x2).
        rng: numpy Generator; a fresh one when None.

    Returns:
        (count, 4) int32 pixel boxes within the image, none of them empty.
    """
    rng = np.random.default_rng() if rng is None else rng
    limits = np.array([*image_shape[:2]] * 2)
    boxes = np.asarray(gt_boxes, int).reshape(-1, 4)[np.asarray(gt_class_ids) > 0]
    size = boxes[:, 2:] - boxes[:, :2]
    around = np.clip(np.concatenate([boxes[:, :2] - size, boxes[:, 2:] + size], axis=1), 0, limits)
    each = int(NEAR_SHARE * count / len(boxes)) if len(boxes) else 0
    anywhere = np.tile([0, 0, *limits[:2]], (count - each * len(boxes), 1))
    regions = np.concatenate([np.repeat(around, each, axis=0), anywhere])
    low, high = regions[:, :2], regions[:, 2:]
    # Two different places of each axis: the second is drawn among one place less.
    first = rng.integers(low, high, endpoint=True)
    second = rng.integers(low, high)
    second += second >= first
    return np.concatenate(
        [np.minimum(first, second), np.maximum(first, second)], axis=1, dtype=np.int32
    )
