"""Precision along recall, and the numbers read off it.

Two ways to take the area under a precision-recall curve, both under the *envelope*: the
highest precision at any recall at least as high.

- `coco`: the mean of the envelope at recall 0, 0.01, ..., 1 (pycocotools' `accumulate`);
- `paper`: the exact area, the sum over the steps of the envelope (PASCAL VOC since 2010).
"""

from dataclasses import dataclass

import numpy as np

PROTOCOLS = ("coco", "paper")
# IoU 0.5, 0.55, ..., 0.95. Written as pycocotools writes them: the last digits decide ties.
COCO_THRESHOLDS = np.linspace(0.5, 0.95, 10)
# Where the recall-IoU curve is sampled.
AR_THRESHOLDS = np.linspace(0.5, 1.0, 51)
_RECALL_POINTS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class PrecisionRecall:
    """The curve along falling confidence; one entry per counted prediction.

    Attributes:
        scores: (K,) float64, falling.
        recall: (K,) float64, rising: right ones so far / truths.
        precision: (K,) float64: right ones so far / predictions so far.
        envelope: (K,) float64: highest precision at this recall or a higher one.
        truths: number of truths that count.
    """

    scores: np.ndarray
    recall: np.ndarray
    precision: np.ndarray
    envelope: np.ndarray
    truths: int


def precision_recall(scores, right, truths):
    """Walks down the scores of all images together.

    Args:
        scores: (K,) float, one per counted prediction, in image order.
        right: (K,) bool, whether the prediction matched a truth.
        truths: how many truths there are to find.

    Returns:
        PrecisionRecall. Without truths the recall is NaN. Equal scores keep their order.
    """
    scores, right = np.asarray(scores, np.float64), np.asarray(right, bool)
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(right[order], dtype=np.float64)
    precision = found / np.arange(1, len(order) + 1)
    recall = found / truths if truths else np.full(len(order), np.nan)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return PrecisionRecall(scores[order], recall, precision, envelope, int(truths))


def area_under(curve, protocol="coco"):
    """Average precision: the area under the curve's envelope.

    Args:
        curve: PrecisionRecall.
        protocol: "coco" (101 points) or "paper" (exact area).

    Returns:
        float 0..1; 0 where nothing is predicted; NaN where there is no truth.

    Raises:
        ValueError: for another protocol.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol must be one of {PROTOCOLS}. Received: {protocol!r}.")
    if curve.truths == 0:
        return float("nan")
    if protocol == "paper":
        steps = np.diff(curve.recall, prepend=0.0)
        return float(np.sum(steps * curve.envelope))
    # Beyond the highest recall that was reached the precision is 0.
    envelope = np.append(curve.envelope, 0.0)
    return float(envelope[np.searchsorted(curve.recall, _RECALL_POINTS, side="left")].mean())


def twice_area(thresholds, recalls):
    """AR as twice the area under recall over IoU 0.5 to 1 (Hosang et al., PAMI 2016).

    Args:
        thresholds: (M,) IoU from 0.5 to 1, rising.
        recalls: (M,) recall at each.

    Returns:
        float 0..1, by the trapezoidal rule; NaN where a recall is.
    """
    return float(2 * np.trapezoid(recalls, thresholds))


def f1(precision, recall):
    """Harmonic mean of two numbers or arrays; 0 where both are 0."""
    total = np.asarray(precision) + np.asarray(recall)
    product = 2 * np.asarray(precision) * np.asarray(recall)
    return np.divide(product, total, out=np.zeros_like(product, float), where=total != 0)
