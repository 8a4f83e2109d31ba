"""What a detector says, made from a few numbers: for tests that need one but no network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spm.geometry.cropped_mask import CroppedMask
from spm.inference.detector import Detections


def detections(
    boxes: Sequence = (),
    classes: Sequence[int] = (),
    scores: Sequence[float] = (),
    masks: Sequence[np.ndarray] | None = None,
    class_count: int = 2,
) -> Detections:
    """Make detections whose other classes have a score of 0.

    Args:
        boxes: N pixel boxes (y1, x1, y2, x2) of whole numbers.
        classes: N numbers of a class, from 0.
        scores: N scores.
        masks: N masks (H, W) bool of the whole image; without them the boxes are full.
        class_count: number of classes.
    """
    count = len(boxes)
    class_scores = np.zeros((count, class_count), np.float32)
    class_scores[np.arange(count), np.asarray(classes, int)] = scores
    cropped = []
    for k, (y1, x1, y2, x2) in enumerate(boxes):
        full = np.ones((y2 - y1, x2 - x1), bool) if masks is None else masks[k][y1:y2, x1:x2]
        cropped.append(CroppedMask(full, int(y1), int(x1)))
    return Detections(np.array(boxes, np.float64).reshape(-1, 4), class_scores, cropped)
