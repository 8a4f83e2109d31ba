"""Outlines of examples, laid onto molecules of the same class.

A network that was shown two outlines of each class draws others roughly, above all where it took a
molecule for one of another class. But molecules of a class have one shape, and the image tells
how each is turned: the example's outline is drawn once more in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spm.similarity.label_spreading import ANGLES, Examples, polar_descriptors

SHIFTS = np.linspace(-0.12, 0.12, 5)  # from the found centroid, in diameters of a molecule


@dataclass
class _Fit:
    """How an example comes to lie on a molecule: mirrored first, then turned, then moved."""

    likeness: float  # correlation of the descriptors, at most 1
    example: int
    mirrored: bool
    angle: float  # radians, from x to y
    centre: np.ndarray  # (x, y) that the example's centroid comes to


def lay_outlines(
    image: np.ndarray,
    centroids: Sequence[tuple[float, float]],
    classes: Sequence[int],
    examples: Examples,
    mirror: bool = True,
) -> list[np.ndarray]:
    """Return for each molecule the outline of the example of its class that fits best.

    Args:
        image: (H, W, 3) uint8.
        centroids: N (x, y) of molecules in it, pixels; right to an eighth of a diameter.
        classes: N; each has an example.
        examples: see `spm.similarity.label_spreading.Examples`.
        mirror: whether mirror images are the same molecule.

    Returns:
        N outlines (K, 2), x and y in pixels; they may reach over the image's border.
    """
    known = np.concatenate(examples.classes)
    outlines = [np.asarray(points, float) for one in examples.outlines for points in one]
    places = np.concatenate(examples.centroids)
    laid = []
    for centroid, number in zip(centroids, classes, strict=True):
        fit = _best_fit(image, centroid, np.flatnonzero(known == number), examples, mirror)
        laid.append(_moved(outlines[fit.example] - places[fit.example], fit))
    return laid


def _best_fit(
    image: np.ndarray,
    centroid: tuple[float, float],
    chosen: np.ndarray,
    examples: Examples,
    mirror: bool,
) -> _Fit:
    steps = SHIFTS * examples.diameter
    centres = np.asarray(centroid) + np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    waves = np.fft.rfft(polar_descriptors(image, centres, examples.diameter), axis=2)
    fits = []
    for k in chosen:
        for mirrored in (False, True) if mirror else (False,):
            descriptor = examples.descriptors[k]
            if mirrored:
                descriptor = np.roll(
                    descriptor[:, ::-1], 1, axis=1
                )  # angle a becomes -a, and 0 stays
            wave = np.fft.rfft(descriptor, axis=1).conj()
            turned = np.fft.irfft((wave * waves).sum(axis=1), n=ANGLES, axis=1)
            place, turn = np.unravel_index(turned.argmax(), turned.shape)
            angle = (turn + _peak(turned[place], turn)) * (2 * np.pi / ANGLES)
            fits.append(_Fit(turned[place, turn], k, mirrored, angle, centres[place]))
    return max(fits, key=lambda fit: fit.likeness)


def _peak(values: np.ndarray, k: int) -> float:
    """Where between the samples of a ring the greatest one, `k`, peaks: a parabola's offset."""
    before, at, after = values[k - 1], values[k], values[(k + 1) % len(values)]
    bend = before - 2 * at + after
    return 0.0 if bend == 0 else float(0.5 * (before - after) / bend)


def _moved(points: np.ndarray, fit: _Fit) -> np.ndarray:
    if fit.mirrored:
        points = points * (1, -1)
    cosine, sine = np.cos(fit.angle), np.sin(fit.angle)
    return points @ np.array([[cosine, sine], [-sine, cosine]]) + fit.centre
