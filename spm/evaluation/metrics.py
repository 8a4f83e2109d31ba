"""Measured results: average precision, recall, precision, F1, recognition rate, mean IoU.

Usage:
    truths = [[Instance, ...], ...]         # one list per image, see spm.evaluation.instances
    predictions = [[Instance, ...], ...]    # the same images in the same order
    average_precision(truths, predictions, iou=0.5, kind="mask")
    summary(truths, predictions)

All predictions count, however many an image has (pycocotools stops at 100 by default). A class
without truth has no average precision (NaN) and does not enter the mean.
"""

from collections import Counter

import numpy as np

from spm.evaluation.calibration import expected_calibration_error
from spm.evaluation.confusion import confusion_matrix, judge
from spm.evaluation.curves import (
    AR_THRESHOLDS,
    COCO_THRESHOLDS,
    area_under,
    f1,
    precision_recall,
    twice_area,
)
from spm.evaluation.matching import UNMATCHED, find_overlaps, match

KINDS = ("mask", "box")
# The name under which the figures over all classes stand beside the classes' own.
ALL = "all classes"


class Comparison:
    """Truths and predictions of some images, matched at any threshold.

    Args:
        truths: list with one list of Instance per image.
        predictions: the same for the predictions, images in the same order.
        kind: what overlaps: "mask" or "box".
        class_names: order of the classes; those that occur, sorted, by default.

    Raises:
        ValueError: if the lists differ in length, a molecule has an unknown class, or a score
            is not a number.
    """

    def __init__(self, truths, predictions, kind="mask", class_names=None):
        if len(truths) != len(predictions):
            raise ValueError(
                "truths and predictions must hold one list per image, in the same order. "
                f"Received: {len(truths)} and {len(predictions)} images."
            )
        self.truths, self.predictions, self.kind = truths, predictions, kind
        pairs = zip(truths, predictions, strict=True)
        self.overlaps = [find_overlaps(t, p, kind) for t, p in pairs]
        self.class_names = _class_names(truths, predictions, class_names)
        self._scores = [np.array([p.score for p in ps], np.float64) for ps in predictions]
        if not all(np.isfinite(s).all() for s in self._scores):
            raise ValueError("every score must be a finite number. Received: NaN or infinity.")
        self.objectness = np.array([p.objectness for ps in predictions for p in ps], np.float64)
        self._ignored = [np.array([t.ignore for t in ts], bool) for ts in truths]
        self._same_class = [self._pairs_of_one_class(k) for k in range(len(truths))]
        self._names = np.array([p.class_name for ps in predictions for p in ps], object)
        self._matches = {}
        self._counts = Counter((t.class_name, t.ignore) for ts in truths for t in ts)
        self._counts += Counter((ALL, t.ignore) for ts in truths for t in ts)

    def _pairs_of_one_class(self, k):
        truths, predictions, overlaps = self.truths[k], self.predictions[k], self.overlaps[k]
        names = (
            (truths[t].class_name, predictions[d].class_name)
            for d, t in zip(overlaps.prediction, overlaps.truth, strict=True)
        )
        return np.array([a is None or a == b for a, b in names], bool)

    def truth_count(self, class_name=ALL, ignored=False):
        """Number of truths of a class (or of ALL) that count, or of those ignored."""
        return self._counts[class_name, ignored]

    def matches(self, iou):
        """Matches every class by itself.

        Args:
            iou: lowest overlap of a good match.

        Returns:
            Arrays over the predictions of all images together: scores (D,), right (D,) bool,
            counted (D,) bool (False: on an ignored truth), overlap (D,).
        """
        iou = float(iou)
        if iou not in self._matches:
            right, counted, overlap = [], [], []
            for k, scores in enumerate(self._scores):
                matched, value = match(
                    self.overlaps[k], scores, self._ignored[k], iou, self._same_class[k]
                )
                # A last False answers for UNMATCHED, which is -1.
                forgiven = np.append(self._ignored[k], False)[matched]
                right.append((matched != UNMATCHED) & ~forgiven)
                counted.append(~forgiven)
                overlap.append(value)
            self._matches[iou] = tuple(
                np.concatenate(parts) if parts else np.zeros(0, kind)
                for parts, kind in zip(
                    (self._scores, right, counted, overlap),
                    (float, bool, bool, float),
                    strict=True,
                )
            )
        return self._matches[iou]

    def of_class(self, class_name):
        """(D,) bool over all images' predictions: those of the class, or of ALL."""
        if class_name == ALL:
            return np.ones(len(self._names), bool)
        return self._names == class_name

    def curve(self, class_name=ALL, iou=0.5):
        """The precision-recall curve of a class, or of ALL classes' predictions together."""
        scores, right, counted, _ = self.matches(iou)
        chosen = self.of_class(class_name) & counted
        return precision_recall(scores[chosen], right[chosen], self.truth_count(class_name))

    def recall(self, class_name, iou):
        """Share of the class's truths found by any prediction, at one IoU; NaN without truth."""
        _, right, _, _ = self.matches(iou)
        truths = self.truth_count(class_name)
        return np.count_nonzero(right & self.of_class(class_name)) / truths if truths else np.nan

    def recalls(self, class_name, thresholds):
        """`recall` at each of some thresholds; for ALL the mean of the classes with truth."""
        if class_name == ALL:
            each = [self.recalls(name, thresholds) for name in self.class_names]
            each = [r for r in each if not np.isnan(r).any()]
            return np.mean(each, axis=0) if each else np.full(len(thresholds), np.nan)
        return np.array([self.recall(class_name, iou) for iou in thresholds])

    def average_precision(self, class_name, iou=0.5, protocol="coco"):
        """AP of a class; for ALL the mean of the classes with truth; NaN without truth.

        Args:
            class_name: a class or ALL.
            iou: one threshold, or several of which the mean is taken.
            protocol: "coco" or "paper", see spm.evaluation.curves.
        """
        if class_name == ALL:
            return _mean(self.average_precision(c, iou, protocol) for c in self.class_names)
        areas = [area_under(self.curve(class_name, t), protocol) for t in np.atleast_1d(iou)]
        return float(np.mean(areas))

    def outcomes(self, iou=0.5, score_threshold=0.5):
        """`spm.evaluation.confusion.Outcomes` of each image, all classes competing."""
        return [
            judge(self.truths[k], self.predictions[k], self.overlaps[k], iou, score_threshold)
            for k in range(len(self.truths))
        ]


def _class_names(truths, predictions, class_names):
    found = {i.class_name for ts in truths for i in ts if not i.ignore}
    found |= {i.class_name for ps in predictions for i in ps}
    if None in found:
        raise ValueError("only an ignored truth may be without a class. Received: None.")
    if class_names is None:
        return sorted(found)
    unknown = sorted(found - set(class_names))
    if unknown:
        raise ValueError(f"classes must be among {list(class_names)}. Received: {unknown}.")
    return list(class_names)


def _mean(values):
    """Mean of the numbers that are not NaN; NaN if there is none."""
    values = np.array([v for v in values if not np.isnan(v)])
    return float(values.mean()) if values.size else float("nan")


def average_precisions(truths, predictions, iou=0.5, kind="mask", protocol="coco"):
    """AP of each class: dict of class name -> float, NaN for a class without truth.

    The arguments are those of `average_precision`.
    """
    comparison = Comparison(truths, predictions, kind)
    return {c: comparison.average_precision(c, iou, protocol) for c in comparison.class_names}


def average_precision(truths, predictions, iou=0.5, kind="mask", protocol="coco"):
    """Mean over the classes of the average precision.

    Args:
        truths: list with one list of `spm.evaluation.instances.Instance` per image.
        predictions: the same images' predictions, in the same order.
        iou: lowest overlap of a right prediction; a sequence gives the mean, so that
            `spm.evaluation.curves.COCO_THRESHOLDS` gives AP@[.5:.95].
        kind: "mask" or "box".
        protocol: "coco" (101-point interpolation) or "paper" (exact area).

    Returns:
        float 0..1; NaN if there is no truth at all.
    """
    return Comparison(truths, predictions, kind).average_precision(ALL, iou, protocol)


def summary(
    truths,
    predictions,
    kinds=KINDS,
    class_names=None,
    iou=0.5,
    score_threshold=0.5,
    protocol="coco",
):
    """Every number that evaluate.py reports.

    Args:
        truths, predictions: as for `average_precision`.
        kinds: which of "mask" and "box" to measure.
        class_names: order of the classes; those that occur by default.
        iou: overlap at which precision, recall, F1 and outcomes are taken.
        score_threshold: predictions whose objectness is below it are left out of these; AP and AR
            use all.
        protocol: "coco" or "paper".

    Returns:
        dict with `protocol`, `iou`, `score_threshold`, `images`, `class_names`, and for each
        kind a dict of `per_class` (class name, and ALL -> the dict of `measure`) and
        `confusion` (nested list, see `spm.evaluation.confusion.confusion_matrix`). Numbers that do
            not         exist are NaN.
    """
    comparisons = {kind: Comparison(truths, predictions, kind, class_names) for kind in kinds}
    return report(comparisons, iou, score_threshold, protocol)


def report(comparisons, iou=0.5, score_threshold=0.5, protocol="coco"):
    """`summary` of comparisons made before.

    Args:
        comparisons: dict of kind -> Comparison, at least one, of the same molecules.
        iou, score_threshold, protocol: see `summary`.
    """
    first = next(iter(comparisons.values()))
    result = {
        "protocol": protocol,
        "iou": iou,
        "score_threshold": score_threshold,
        "images": len(first.truths),
        "class_names": first.class_names,
    }
    for kind, comparison in comparisons.items():
        result[kind] = measure(comparison, iou, score_threshold, protocol)
    return result


def measure(comparison, iou=0.5, score_threshold=0.5, protocol="coco"):
    """The `per_class` and `confusion` of one Comparison, as in `summary`.

    Per class, and pooled over all molecules under ALL (there AP and AR are class means):
        truths, ignored: truths that count, and that do not;
        true_positives, false_positives, missed: at `iou` and `score_threshold`;
        ap50, ap75, ap: AP at IoU 0.5, at 0.75, mean over 0.5:0.05:0.95; ap_at_iou: at `iou`;
        ar: COCO's AR, mean recall over 0.5:0.05:0.95; ar_area: twice the area under recall
            over IoU 0.5 to 1;
        precision, recall, f1;
        recognition_rate: truths whose one answer bears the right name / truths;
        false_positive_rate: false_positives / predictions, 1 - precision;
        mean_iou: of the true positives;
        calibration_error: of the scores, see `expected_calibration_error`;
        best_f1, best_f1_score: highest F1 on the curve, and the score threshold that gives it.
    """
    matrix = confusion_matrix(comparison.outcomes(iou, score_threshold), comparison.class_names)
    per_class = {}
    for k, name in enumerate([*comparison.class_names, ALL]):
        right = int(np.trace(matrix[:-1, :-1]) if name == ALL else matrix[k, k])
        row = _counts(comparison, name, iou, score_threshold)
        row["recognition_rate"] = _ratio(right, row["truths"])
        row |= {
            "ap50": comparison.average_precision(name, 0.5, protocol),
            "ap_at_iou": comparison.average_precision(name, iou, protocol),
            "ap75": comparison.average_precision(name, 0.75, protocol),
            "ap": comparison.average_precision(name, COCO_THRESHOLDS, protocol),
            "ar": float(np.mean(comparison.recalls(name, COCO_THRESHOLDS))),
            "ar_area": twice_area(AR_THRESHOLDS, comparison.recalls(name, AR_THRESHOLDS)),
        }
        row["best_f1"], row["best_f1_score"] = _best_f1(comparison.curve(name, iou))
        per_class[name] = row
    return {"per_class": per_class, "confusion": matrix.tolist()}


def _counts(comparison, name, iou, score_threshold):
    scores, right, counted, overlap = comparison.matches(iou)
    reported = comparison.objectness >= score_threshold
    chosen = comparison.of_class(name) & counted & reported
    truths = comparison.truth_count(name)
    true_positives = int(np.count_nonzero(right & chosen))
    false_positives = int(np.count_nonzero(~right & chosen))
    precision = _ratio(true_positives, true_positives + false_positives)
    recall = _ratio(true_positives, truths)
    return {
        "truths": truths,
        "ignored": comparison.truth_count(name, ignored=True),
        "true_positives": true_positives,
        "false_positives": false_positives,
        "missed": truths - true_positives,
        "precision": precision,
        "recall": recall,
        # 2 TP / (TP + FP + TP + FN) exists even where nothing is predicted.
        "f1": _ratio(2 * true_positives, true_positives + false_positives + truths),
        "false_positive_rate": _ratio(false_positives, true_positives + false_positives),
        "mean_iou": _mean(overlap[right & chosen]),
        "calibration_error": expected_calibration_error(scores[chosen], right[chosen]),
    }


def _ratio(part, whole):
    return part / whole if whole else float("nan")


def _best_f1(curve):
    if curve.truths == 0 or len(curve.scores) == 0:
        return float("nan"), float("nan")
    # Only the last of equal scores can be a threshold.
    last = np.append(np.diff(curve.scores) != 0, True)
    values = np.where(last, f1(curve.precision, curve.recall), -1)
    best = int(np.argmax(values))
    return float(values[best]), float(curve.scores[best])
