"""Whether predicted outlines are as large as the true ones: extent along each axis, and area."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spm.evaluation.instances import Instance
from spm.evaluation.matching import UNMATCHED, find_overlaps, match
from spm.geometry.polygons import polygon_area

SAME = 0.5  # mask IoU from which a prediction outlines a truth


@dataclass(frozen=True, eq=False)
class OutlineErrors:
    """How much larger predicted outlines are than the true ones, as shares of these.

    Attributes:
        width, height: (M,) of the extents along x and y.
        area: (M,) of the polygons' areas.
        iou: (M,) mask IoU of the pairs.
    """

    width: np.ndarray
    height: np.ndarray
    area: np.ndarray
    iou: np.ndarray

    def means(self) -> dict[str, float]:
        """Return the mean of each; NaN without a pair."""
        named = {name: getattr(self, name) for name in ("width", "height", "area", "iou")}
        return {name: float(v.mean()) if len(v) else float("nan") for name, v in named.items()}


def outline_errors(
    truths: Sequence[Instance], predictions: Sequence[Instance], height: int, width: int
) -> OutlineErrors:
    """Compare the outlines of one image's truths with those of the predictions that found them.

    Left out are truths that are ignored or come within a pixel of the image's border, and those
    whose prediction has another class or an IoU below SAME.

    Args:
        truths, predictions: with `outline`.
        height, width: of the image in pixels.
    """
    overlaps = find_overlaps(truths, predictions)
    pairs = zip(overlaps.truth, overlaps.prediction, strict=True)
    same_class = np.array([truths[t].class_name == predictions[p].class_name for t, p in pairs])
    scores = np.array([p.score for p in predictions])
    ignored = np.array([t.ignore for t in truths], bool)
    matched, iou = match(overlaps, scores, ignored, SAME, same_class.astype(bool))
    rows = [
        (*_compare(truths[t].outline, predictions[p].outline), iou[p])
        for p, t in enumerate(matched)
        if t != UNMATCHED and not truths[t].ignore and _is_clear(truths[t].outline, height, width)
    ]
    return OutlineErrors(*np.array(rows, float).reshape(-1, 4).T)


def _compare(truth: np.ndarray, found: np.ndarray) -> tuple[float, float, float]:
    width, height = np.ptp(found, axis=0) / np.ptp(truth, axis=0) - 1
    return width, height, polygon_area(found) / polygon_area(truth) - 1


def _is_clear(points: np.ndarray, height: int, width: int) -> bool:
    return bool(points.min() >= 1 and (points.max(axis=0) <= (width - 1, height - 1)).all())
