"""The score threshold of a trained network, chosen on images with known answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spm.dataset.annotated_images import Source
from spm.evaluation.instances import Instance, from_molecules
from spm.evaluation.metrics import Comparison
from spm.geometry.polygon_filling import polygon_mask
from spm.inference.detector import Detector
from spm.inference.predict import Settings, find_molecules
from spm.structures.molecule import Molecule

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


@dataclass(frozen=True, eq=False)
class Seen:
    """What a network says of an annotated image.

    Attributes:
        source: the image, classified.
        found: its molecules with scores from LOWEST on, in the image's pixels.
        inner: (H, W) bool, False in the rim where molecules that the border cuts are usually not
            outlined.
    """

    source: Source
    found: list[Molecule]
    inner: np.ndarray


def look(
    detector: Detector, sources: Sequence[Source], limit: int = 6, partial: bool = False
) -> list[Seen]:
    """Predicts annotated images: one of each L1 image, `limit` in all. Those that are only partly
    outlined are left out, but with `partial`; they cannot tell a wrong answer from a right one."""
    first = {source.group: source for source in reversed(sources) if partial or not source.partial}
    chosen = list(first.values())
    seen = []
    for source in chosen[:: max(len(chosen) // limit, 1)][:limit]:
        image = source.read_image()
        found = find_molecules(detector, image, Settings(score_threshold=LOWEST))
        inner = polygon_mask(_inner(source.valid, detector.molecule_size or 0), *image.shape[:2])
        seen.append(Seen(source, found, inner))
    return seen


def choose_threshold(seen: Sequence[Seen], class_names: Sequence[str]) -> float:
    """Returns the threshold with which most molecules of annotated images are named rightly.

    Answers in the rim of an image do not count.
    """
    if not seen:
        return 0.5
    truths, predictions = [], []
    for one in seen:
        height, width = one.inner.shape
        found = from_molecules(one.found, height, width)
        predictions.append([p for p in found if at(one.inner, p)])
        truths.append(true_instances(one, class_names))
    comparison = Comparison(truths, predictions, class_names=list(class_names))
    _, right, counted, _ = comparison.matches(0.5)
    scores = comparison.objectness[counted]
    return middle_of_plateau(scores, right[counted], comparison.truth_count())


def true_instances(seen: Seen, class_names: Sequence[str]) -> list[Instance]:
    """Returns the outlined molecules of an image; one in the rim may be found or not."""
    height, width = seen.inner.shape
    return [
        Instance.from_polygon(
            class_names[k], points, height, width,
            ignore=not at(seen.inner, Instance.from_polygon(None, points, height, width)),
        )
        for k, points in zip(seen.source.class_ids, seen.source.read_outlines(), strict=True)
    ]  # fmt: skip


def _inner(valid: np.ndarray, size: float) -> np.ndarray:
    """The (4, 2) rectangle without a rim of half a molecule's diameter."""
    centre = valid.mean(axis=0)
    sides = np.hypot(*(valid[1] - valid[0])), np.hypot(*(valid[3] - valid[0]))
    return centre + (valid - centre) * max(1 - size / max(min(sides), 1), 0.1)


def at(inner: np.ndarray, instance: Instance) -> bool:
    """Whether the centre of an instance's box lies in a region."""
    y = int((instance.box[0] + instance.box[2]) / 2)
    x = int((instance.box[1] + instance.box[3]) / 2)
    return bool(inner[min(max(y, 0), inner.shape[0] - 1), min(max(x, 0), inner.shape[1] - 1)])
