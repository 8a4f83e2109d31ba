"""The score threshold of a trained network, chosen on images with known answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spm.dataset.annotated_images import Source
from spm.evaluation.instances import Instance, from_molecules
from spm.evaluation.metrics import Comparison
from spm.geometry.polygon_filling import polygon_mask
from spm.inference.detector import Detector
from spm.inference.predict import Settings, find_molecules

LOWEST = 0.05  # score down to which answers are looked at
BOUNDS = (0.2, 0.6)  # a threshold outside of them says more of the few images than of the network
TOLERANCE = 0.005  # F1 that counts as equally good


def middle_of_plateau(scores: np.ndarray, right: np.ndarray, truths: int) -> float:
    """Returns the middle of the range of thresholds with the best F1.

    The best threshold itself would hug the scores of the few images at hand; any in the range
    serves them equally, and its middle serves new images best.

    Args:
        scores: (K,) of all answers.
        right: (K,) bool: whether each is right.
        truths: number of molecules that there are.
    """
    if truths == 0 or not right.any():
        return 0.5
    order = np.argsort(-scores, kind="stable")
    scores, found = scores[order], np.cumsum(right[order])
    f1 = 2 * found / (truths + np.arange(1, len(found) + 1))
    good = np.flatnonzero(f1 >= f1.max() - TOLERANCE)
    upper = scores[good[0]]
    lower = scores[good[-1] + 1] if good[-1] + 1 < len(scores) else LOWEST
    return float(np.clip((lower + upper) / 2, *BOUNDS))


def choose_threshold(detector: Detector, sources: Sequence[Source], limit: int = 6) -> float:
    """Predicts annotated images and returns the threshold that names most of them rightly.

    Answers in the rim of an image do not count: molecules that its border cuts are usually not
    outlined.

    Args:
        detector: the trained network.
        sources: annotated images, classified by the detector's classes; one of each L1 image,
            `limit` in all, is looked at. Those that are only partly outlined cannot tell a wrong
            answer from a right one.
    """
    first = {source.group: source for source in reversed(sources) if not source.partial}
    chosen = list(first.values())
    chosen = chosen[:: max(len(chosen) // limit, 1)][:limit]
    truths, predictions = [], []
    for source in chosen:
        image = source.read_image()
        height, width = image.shape[:2]
        found = find_molecules(detector, image, Settings(score_threshold=LOWEST))
        inner = polygon_mask(_inner(source.valid, detector.molecule_size or 0), height, width)
        predictions.append([p for p in from_molecules(found, height, width) if _at(inner, p)])
        truths.append(
            [
                # One that lies in the rim may be found or not.
                Instance.from_polygon(
                    detector.class_names[k], points, height, width,
                    ignore=not _at(inner, Instance.from_polygon(None, points, height, width)),
                )
                for k, points in zip(source.class_ids, source.read_outlines(), strict=True)
            ]
        )  # fmt: skip
    if not chosen:
        return 0.5
    comparison = Comparison(truths, predictions, class_names=detector.class_names)
    scores, right, counted, _ = comparison.matches(0.5)
    return middle_of_plateau(scores[counted], right[counted], comparison.truth_count())


def _inner(valid: np.ndarray, size: float) -> np.ndarray:
    """The (4, 2) rectangle without a rim of half a molecule's diameter."""
    centre = valid.mean(axis=0)
    sides = np.hypot(*(valid[1] - valid[0])), np.hypot(*(valid[3] - valid[0]))
    return centre + (valid - centre) * max(1 - size / max(min(sides), 1), 0.1)


def _at(inner: np.ndarray, instance: Instance) -> bool:
    """Whether the centre of an instance's box lies in a region."""
    y = int((instance.box[0] + instance.box[2]) / 2)
    x = int((instance.box[1] + instance.box[3]) / 2)
    return bool(inner[min(max(y, 0), inner.shape[0] - 1), min(max(x, 0), inner.shape[1] - 1)])
