"""One answer per place: which molecules were found and rightly named, mistaken, missed, invented.

Average precision matches each class by itself. Here all classes compete: the prediction of
highest score that covers a truth is the answer for that place, whatever it is called. From these
outcomes come the confusion matrix, the recognition rate and the coloured image.
"""

from dataclasses import dataclass

import numpy as np

from spm.evaluation.matching import UNMATCHED, Overlaps, match

RIGHT, WRONG_CLASS, FALSE, IGNORED = "right", "wrong class", "false", "ignored"


@dataclass(frozen=True)
class Outcomes:
    """What became of one image's molecules.

    Attributes:
        predictions: list of (Instance, outcome) for each prediction at or above the threshold;
            outcome is RIGHT, WRONG_CLASS, FALSE (nothing there, or there already) or IGNORED
            (on an ignored truth).
        missed: list of Instance, counted truths that no prediction matches.
        names: list of (true name or None, predicted name or None), one per counted truth and
            per false prediction; None stands for the background.
    """

    predictions: list
    missed: list
    names: list


def judge(truths, predictions, overlaps, iou=0.5, score_threshold=0.5):
    """Gives every molecule of an image its outcome.

    Args:
        truths, predictions: lists of Instance of one image.
        overlaps: their `matching.Overlaps`.
        iou: lowest overlap of a good match.
        score_threshold: predictions whose objectness is below it are left out.

    Returns:
        Outcomes.
    """
    scores = np.array([p.score for p in predictions], np.float64)
    kept = np.array([p.objectness for p in predictions]) >= score_threshold
    ignored = np.array([t.ignore for t in truths], bool)
    allowed = kept[overlaps.prediction] & _may_forgive(truths, predictions, overlaps)
    matches, _ = match(overlaps, scores, ignored, iou, allowed)
    judged, names, taken = [], [], set()
    for d in np.flatnonzero(kept):
        prediction, truth = predictions[d], matches[d]
        if truth == UNMATCHED:
            judged.append((prediction, FALSE))
            names.append((None, prediction.class_name))
        elif ignored[truth]:
            judged.append((prediction, IGNORED))
        else:
            taken.add(int(truth))
            same = prediction.class_name == truths[truth].class_name
            judged.append((prediction, RIGHT if same else WRONG_CLASS))
            names.append((truths[truth].class_name, prediction.class_name))
    missed = [t for k, t in enumerate(truths) if not t.ignore and k not in taken]
    names += [(t.class_name, None) for t in missed]
    return Outcomes(judged, missed, names)


def _may_forgive(truths, predictions, overlaps: Overlaps):
    """(P,) bool: an ignored truth forgives its own class, or all when it has none."""
    return np.array(
        [
            not truths[t].ignore or truths[t].class_name in (None, predictions[d].class_name)
            for d, t in zip(overlaps.prediction, overlaps.truth, strict=True)
        ],
        bool,
    )


def confusion_matrix(outcomes, class_names):
    """Counts true against predicted names.

    Args:
        outcomes: list of Outcomes, one per image.
        class_names: list of C names.

    Returns:
        (C + 1, C + 1) int64: row = true class, column = predicted class; the last row holds
        predictions with nothing (left) under them, the last column missed truths.
    """
    place = {name: k for k, name in enumerate(class_names)} | {None: len(class_names)}
    matrix = np.zeros((len(class_names) + 1,) * 2, np.int64)
    for image in outcomes:
        for true_name, predicted_name in image.names:
            matrix[place[true_name], place[predicted_name]] += 1
    return matrix
