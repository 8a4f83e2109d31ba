"""Names by likeness: the class of found molecules, told by a few outlined examples, or by all.

A network that was shown two outlines of each class finds nearly every molecule of an image, but
gives one in four another's name; one that was shown simulated images alone, too. The molecules
themselves know better: those of one class look alike. Each is compared with each, whichever way it
is turned, and the examples' names, or the network's own, spread from neighbour to neighbour (Zhou
et al., "Learning with Local and Global Consistency", NIPS 2003).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from spm.geometry.polygons import polygon_centroid

RADII, ANGLES = 14, 64  # of the polar image of a molecule
REACH = 1.2  # radius of that image, in radii of the median molecule
SMOOTH = 0.035  # standard deviation of the blur before, in diameters: noise is no likeness
NEIGHBOURS = 12  # molecules that each one passes names on to, at most
SHARE = 0.5  # of the molecules of a class of the usual size: of few, all are not neighbours
SPREAD = 0.99  # how far names travel: the share of a neighbour's scores against one's own
SPREAD_SCORES = 0.95  # where every molecule starts with one, they need not travel as far
HARDLY = 0.02  # share of the names that a network gives, below which a class may not show at all


@dataclass
class Examples:
    """Outlined molecules, all images at the scale of those that are to be named.

    Attributes:
        images: (H, W, 3) uint8 each.
        outlines: of each image the (K, 2) outlines of its molecules, x and y in pixels.
        classes: of each image the classes of its molecules, from 0.
        class_count: number of classes.
        diameter: of the median molecule, pixels.
    """

    images: Sequence[np.ndarray]
    outlines: Sequence[Sequence[np.ndarray]]
    classes: Sequence[Sequence[int]]
    class_count: int
    diameter: float

    @functools.cached_property
    def centroids(self) -> list[np.ndarray]:
        """Of each image the (x, y) of its molecules, (N, 2) pixels."""
        return [
            np.array([polygon_centroid(points) for points in one]).reshape(-1, 2)
            for one in self.outlines
        ]

    @functools.cached_property
    def descriptors(self) -> np.ndarray:
        """What they look like, see `polar_descriptors`."""
        pairs = zip(self.images, self.centroids, strict=True)
        return np.concatenate([polar_descriptors(p, c, self.diameter) for p, c in pairs])


def polar_descriptors(
    image: np.ndarray, centroids: Sequence[tuple[float, float]], diameter: float
) -> np.ndarray:
    """Return what molecules look like around their centroids, brightness and contrast made equal.

    Args:
        image: (H, W, 3) uint8.
        centroids: N (x, y) in pixels.
        diameter: of the median molecule, pixels.

    Returns:
        (N, RADII, ANGLES) float32 of norm 1 each, so that their product is a correlation.
    """
    grey = smoothed(image, diameter)
    radii = (np.arange(RADII) + 0.5) / RADII * REACH * diameter / 2
    weight = np.sqrt(radii / radii.sum() / ANGLES)[:, None]  # by area: outer rings are longer
    descriptors = np.zeros((len(centroids), RADII, ANGLES), np.float32)
    for k, centroid in enumerate(centroids):
        values = polar_image(grey, centroid, radii, ANGLES)
        values = weight * (values - (weight**2 * values).sum())
        descriptors[k] = values / max(np.linalg.norm(values), 1e-6)
    return descriptors


def smoothed(image: np.ndarray, diameter: float) -> np.ndarray:
    """Return the sum of the channels (H, W) float32, without the noise that is no likeness."""
    return cv2.GaussianBlur(image.sum(axis=2, dtype=np.float32), (0, 0), SMOOTH * diameter)


def polar_image(
    grey: np.ndarray, centroid: Sequence[float], radii: np.ndarray, count: int
) -> np.ndarray:
    """Return the brightness around a centroid (x, y), (radii, `count` angles) float32."""
    angles = np.arange(count) * (2 * np.pi / count)
    # remap counts in pixel centres.
    columns = (centroid[0] - 0.5 + radii[:, None] * np.cos(angles)).astype(np.float32)
    rows = (centroid[1] - 0.5 + radii[:, None] * np.sin(angles)).astype(np.float32)
    return cv2.remap(grey, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def descriptor_distances(descriptors: np.ndarray, mirror: bool = True) -> np.ndarray:
    """Return the (N, N) distances of descriptors, each pair turned (and mirrored) to its best fit.

    The distance is that of unit vectors: 0 for equal descriptors, sqrt(2) for uncorrelated ones.
    """
    best = _correlations(descriptors, descriptors, mirror)
    best = np.maximum(best, best.T)
    return np.sqrt(np.maximum(2 - 2 * best, 0))


def _correlations(descriptors: np.ndarray, others: np.ndarray, mirror: bool) -> np.ndarray:
    """(N, M) correlations, each pair turned (and mirrored) to its best fit."""
    turns = [others, others[:, :, ::-1]] if mirror else [others]
    waves = [np.fft.rfft(one, axis=2) for one in turns]
    best = np.full((len(descriptors), len(others)), -1.0, np.float32)
    for k, wave in enumerate(np.fft.rfft(descriptors, axis=2)):
        for other in waves:
            turned = np.fft.irfft((wave.conj() * other).sum(axis=1), n=ANGLES, axis=1)
            np.maximum(best[k], turned.max(axis=1), out=best[k])
    return best


def spread_names(distances: np.ndarray, start: np.ndarray, spread: float) -> np.ndarray:
    """Let names spread over the nearest neighbours.

    scikit-learn's LabelSpreading takes a class for each example but no shares, and iterates where
    the equations are solved here: hundreds of times, until it gives the same.

    Args:
        distances: (N, N), symmetric.
        start: (N, class_count), 0 or greater: what each molecule is taken for at first.
        spread: how far names travel, below 1.

    Returns:
        (N, class_count) shares of the names that arrived, which add up to 1; equal shares where
        none did.
    """
    count = len(distances)
    apart = distances + np.diag(np.full(count, np.inf))
    neighbours = min(NEIGHBOURS, max(int(SHARE * count / start.shape[1]), 2), count - 1)
    nearest = np.sort(apart, axis=1)[:, neighbours - 1] if count > 1 else np.ones(1)
    close = np.exp(-(distances**2) / np.maximum(np.outer(nearest, nearest), 1e-12))
    mutual = apart <= nearest[:, None]
    close[~(mutual | mutual.T)] = 0
    np.fill_diagonal(close, 0)
    degree = np.sqrt(np.maximum(close.sum(axis=1), 1e-12))
    links = close / degree[:, None] / degree
    arrived = np.linalg.solve(np.eye(count) - spread * links, start)
    arrived = np.maximum(arrived, 0) + 1e-9
    return arrived / arrived.sum(axis=1, keepdims=True)


def name_by_examples(
    image: np.ndarray,
    centroids: Sequence[tuple[float, float]],
    examples: Examples,
    mirror: bool = True,
) -> np.ndarray:
    """Return the shares of each class for molecules that a network found.

    Args:
        image: (H, W, 3) uint8.
        centroids: N (x, y) in it.
        examples: see `Examples`.
        mirror: whether mirror images are the same molecule.

    Returns:
        (N, class_count).
    """
    descriptors = np.concatenate(
        [polar_descriptors(image, centroids, examples.diameter), examples.descriptors]
    )
    known = np.concatenate([np.full(len(centroids), -1), *examples.classes]).astype(int)
    start = (known[:, None] == np.arange(examples.class_count)).astype(float)
    return spread_names(descriptor_distances(descriptors, mirror), start, SPREAD)[: len(centroids)]


def names_agree(
    descriptors: np.ndarray, names: np.ndarray, examples: Examples, mirror: bool = True
) -> np.ndarray:
    """Return of which molecules the class that they were taken for is beyond doubt.

    It must be that of the example that they are most like, too, and the one that spreads to them
    from those of which that is so. Each class has the same weight in all, however many it has.

    Args:
        descriptors: (N, RADII, ANGLES), of `polar_descriptors` with the examples' diameter.
        names: (N,) the class that each was taken for, from 0.
        examples: see `Examples`.
        mirror: whether mirror images are the same molecule.

    Returns:
        (N,) bool.
    """
    known = np.concatenate(examples.classes).astype(int)
    correlations = _correlations(descriptors, examples.descriptors, mirror)
    most_alike = known[correlations.argmax(axis=1)]
    together = np.concatenate([np.where(most_alike == names, names, -1), known])
    start = (together[:, None] == np.arange(examples.class_count)).astype(float)
    start /= np.maximum(start.sum(axis=0), 1)
    every = np.concatenate([descriptors, examples.descriptors])
    spread = spread_names(descriptor_distances(every, mirror), start, SPREAD_SCORES)
    return (most_alike == names) & (spread[: len(names)].argmax(axis=1) == names)


def likeness_to_examples(
    image: np.ndarray,
    centroids: Sequence[tuple[float, float]],
    examples: Examples,
    mirror: bool = True,
) -> np.ndarray:
    """Return (N,) the correlation, at most 1, of each place with the example most like it."""
    descriptors = polar_descriptors(image, centroids, examples.diameter)
    return _correlations(descriptors, examples.descriptors, mirror).max(axis=1)


def name_by_neighbours(
    image: np.ndarray,
    centroids: Sequence[tuple[float, float]],
    class_scores: np.ndarray,
    diameter: float,
    mirror: bool = True,
) -> np.ndarray:
    """Return the shares of each class where a network's scores are all that there is.

    They are often lopsided: it may take nearly all molecules for one class, but leans to it most
    for those that are of it. So each class gets the same weight in all (as in Zhu, Ghahramani and
    Lafferty's class mass normalisation, ICML 2003), except one whose name the network gave to
    hardly any: it may not show at all. Then the surer half of each class lend their names as
    examples do: classes need not be equally frequent any more.

    Args:
        image: (H, W, 3) uint8.
        centroids: N (x, y) in it.
        class_scores: (N, class_count) scores, 0 or greater.
        diameter: of the median molecule, pixels.
        mirror: whether mirror images are the same molecule.

    Returns:
        (N, class_count).
    """
    distances = descriptor_distances(polar_descriptors(image, centroids, diameter), mirror)
    class_scores = class_scores / np.maximum(class_scores.sum(axis=1, keepdims=True), 1e-9)
    named = np.bincount(class_scores.argmax(axis=1), minlength=class_scores.shape[1])
    start = class_scores / np.maximum(class_scores.sum(axis=0), 1e-9)
    start[:, named < HARDLY * len(class_scores)] = 0
    shares = spread_names(distances, start, SPREAD_SCORES)
    return spread_names(distances, _surer_half(shares), SPREAD_SCORES)


def _surer_half(shares: np.ndarray) -> np.ndarray:
    """1 for the name of those that are at least as sure as their class's median, else 0."""
    named, sure = shares.argmax(axis=1), shares.max(axis=1)
    median = np.array([np.median(sure[named == k]) for k in named])
    return (named[:, None] == np.arange(shares.shape[1])) & (sure >= median)[:, None]
