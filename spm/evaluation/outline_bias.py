"""The mean error of a trained network's outlines, measured on images with known answers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from spm.dataset.annotated_images import Source, TurnedSource
from spm.evaluation.instances import from_molecules
from spm.evaluation.matching import find_overlaps
from spm.evaluation.threshold import Seen, look, true_instances
from spm.geometry.cropped_mask import CroppedMask
from spm.geometry.profiles import best_turn, radial_profile
from spm.inference.detector import Detector
from spm.inference.outline_bias import LARGEST, OutlineBias, star_shape

SAME = 0.75  # IoU from which an answer outlines a molecule
ENOUGH = 160  # outlines looked at, those of turned images counted again
FEWEST = 4  # different molecules of a class, below which their mean error says little
ROUNDS = 4  # of finding the mean profile, each time of the profiles turned onto the last one
# Profiles of one class are further apart than this share of the mean radius where it has several
# shapes: no mean is theirs.
ONE_SHAPE = 0.1
REACH = 2.0  # an outline is of the class's shape up to this multiple of the usual difference


def look_at_outlines(
    detector: Detector, sources: Sequence[Source], mirror: bool = True
) -> list[Seen]:
    """Predict annotated images, and turned ones where there are few outlines: each turn lies
    otherwise on the network's cells.

    Args:
        detector: the trained network.
        sources: annotated images as prediction sees them, with their own colours.
        mirror: whether mirror images may be shown to it.
    """
    count = sum(len(source.labels) for source in sources)
    views = min(max(math.ceil(ENOUGH / max(count, 1)), 1), 8 if mirror else 4)
    seen, outlines = [], 0
    for source in sources:
        if outlines >= ENOUGH:
            break
        for view in range(views):
            seen += look(detector, [TurnedSource(source, view)], partial=True)
            outlines += len(source.labels)
    return seen


def outline_biases(
    seen: Sequence[Seen], class_names: Sequence[str], scale: float, threshold: float
) -> dict[str, OutlineBias]:
    """Return the mean error of the network's outlines of each class, where it can be told.

    Args:
        seen: what the network says of annotated images, see `look_at_outlines`.
        class_names: all classes.
        scale: network pixels per image pixel; masks are compared at the network's resolution.
        threshold: score from which molecules are reported.
    """
    pairs: dict[str, list] = {name: [] for name in class_names}
    molecules: dict[str, set] = {name: set() for name in class_names}
    for one in seen:
        truths = true_instances(one, class_names)
        found = [m for m in one.found if m.score >= threshold and not m.edge]
        overlaps = find_overlaps(truths, from_molecules(found, *one.inner.shape))
        for t, p, iou in zip(overlaps.truth, overlaps.prediction, overlaps.overlap, strict=True):
            name = truths[t].class_name
            if iou >= SAME and not truths[t].ignore and found[p].class_name == name:
                pairs[name].append(_pair(found[p].outline * scale, truths[t].outline * scale))
                molecules[name].add((one.source.origin, t))
    biases = {
        name: outline_bias(pairs[name]) for name in class_names if len(molecules[name]) >= FEWEST
    }
    return {name: bias for name, bias in biases.items() if bias is not None}


def _pair(found: np.ndarray, truth: np.ndarray) -> tuple[CroppedMask, np.ndarray]:
    """Return the mask of a found outline (n, 2) and the true outline, in the mask's pixels."""
    corner = np.floor(found.min(axis=0))
    width, height = np.ceil(found.max(axis=0) - corner).astype(int) + 1
    return CroppedMask.of_polygon(found - corner, int(height), int(width)), truth - corner


def outline_bias(pairs: Sequence[tuple[CroppedMask, np.ndarray]]) -> OutlineBias | None:
    """Return the mean error of the network's outlines of one class.

    Args:
        pairs: the network's mask and the true outline (n, 2) of whole molecules, in the same
            pixels.

    Returns:
        None when fewer than FEWEST are of one shape that rays cross once.
    """
    profiles, errors = [], []
    for mask, truth in pairs:
        seen = star_shape(mask)
        if seen is None:
            continue
        _, centre, found = seen
        wanted = radial_profile(truth, centre)
        if wanted is not None:
            profiles.append(found / found.mean())
            errors.append((wanted - found) / found.mean())
    if len(profiles) < FEWEST:
        return None
    mean = profiles[0]
    for _ in range(ROUNDS):
        turns = [best_turn(profile, mean) for profile in profiles]
        turned = [t.apply(p) for (t, _), p in zip(turns, profiles, strict=True)]
        mean = np.mean(turned, axis=0)
    turns = [best_turn(profile, mean) for profile in profiles]
    usual = float(np.median([apart for _, apart in turns]))
    if usual > ONE_SHAPE:
        return None
    near = [k for k, (_, apart) in enumerate(turns) if apart <= REACH * usual]
    if len(near) < FEWEST:
        return None
    error = np.mean([turns[k][0].apply(errors[k]) for k in near], axis=0)
    return OutlineBias(mean, np.clip(error, -LARGEST, LARGEST), REACH * usual)
