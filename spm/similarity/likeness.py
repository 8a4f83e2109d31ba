"""Whether a recognised molecule looks like those that were outlined, and is of their size.

A network answers with the classes that it knows: an adsorbate or a smeared blob gets one of their
names, with a high score. So the outlined molecules are kept with the weights, as small polar
images, and each recognised molecule is compared with them: the correlation of brightness inside the
outline of the example, whichever way it is turned, however bright the image is. Only what lies
inside the outline counts, since neighbours and ground differ from place to place. A smooth blob
correlates with many a molecule, but seldom has its size, so that counts as well.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Self

import cv2
import numpy as np

from spm.geometry.polygons import lies_inside, polygon_area
from spm.similarity.label_spreading import Examples, polar_image, smoothed

RADII, ANGLES = 14, 64  # of a polar image
REACH = 1.5  # its radius, in radii of the median molecule: a long molecule's ends lie outside
RIM = 0.03  # what counts around an outline, in diameters
MOST = 200  # examples that are kept of all classes together
# A molecule is unfamiliar when its likeness lies this far below the median of the outlined ones
# among each other, both as Fisher's z (atanh); but never when it is LOOKS_ALIKE or more, and
# never when one in twenty of the outlined ones would be. Measured by studies/likeness.py
# (docs/laboratory.md).
FAR = 1.0
LOOKS_ALIKE = 0.9
ODD_SHARE = 0.05
# It is unfamiliar, too, when its area is this factor or more from the usual one of its class; both
# add up (as logarithms over their limits, in squares). Measured by studies/strangers.py.
SIZE_FAR = 1.5
# Its name is in doubt when it is more like an outlined one of another class by this much (Fisher's
# z; twice that where a class has FEW outlines), but for no more than one in twenty of those.
MISNAMED = 0.2
# The look names an uncertain one where it tells the outlined ones of the two classes apart: of each
# at least so many, and at least this share of them most like one of their own class.
TELLING = 5
TOLD_APART = 0.95
MANY = 10  # molecules of a class in an image from which their median is the class's size there
AT_ONCE = 128  # molecules that are compared at once: the memory grows with it
FEW = 3  # outlines of a class, below which they say nothing about one another


@dataclass
class References:
    """What the outlined molecules look like.

    Attributes:
        values: (N, RADII, ANGLES) float32, brightness around each centroid, any unit.
        masks: (N, RADII, ANGLES) bool, inside its outline.
        classes: (N,) int, from 0.
        diameter: of the median molecule, pixels of the images that were outlined.
        areas: (N,) of its outline in square diameters; nan where an older weights file has none.
        usual: likeness of the median one to the others of its class.
        lowest: likeness below which a molecule is unfamiliar.
        apart: by how much more it must be like another class (Fisher's z) for its name to be in
            doubt; infinite where an older weights file does not say.
        told_apart: pairs of classes (the lower one first) that the look of their outlined molecules
            tells apart; none where an older weights file does not say.
        mirror: whether mirror images are the same molecule.
    """

    values: np.ndarray
    masks: np.ndarray
    classes: np.ndarray
    areas: np.ndarray
    diameter: float
    usual: float
    lowest: float
    apart: float
    told_apart: frozenset[tuple[int, int]]
    mirror: bool

    @classmethod
    def of(cls, examples: Examples, mirror: bool) -> Self | None:
        """Return the references of outlined molecules; None where no outline lies whole in its
        image.

        Args:
            examples: see `Examples`.
            mirror: whether mirror images are the same molecule.
        """
        values, masks, classes, areas = [], [], [], []
        for image, outlines, centroids, names in zip(
            examples.images, examples.outlines, examples.centroids, examples.classes, strict=True
        ):
            grey = smoothed(image, examples.diameter)
            for outline, centroid, name in zip(outlines, centroids, names, strict=True):
                if lies_inside(outline, *image.shape[1::-1]):
                    values.append(_polar(grey, centroid, examples.diameter))
                    masks.append(_polar_mask(outline, centroid, examples.diameter))
                    classes.append(name)
                    areas.append(polygon_area(outline) / examples.diameter**2)
        if not values:
            return None
        kept = np.unique(np.linspace(0, len(values) - 1, MOST).round().astype(int))
        found = cls(
            np.array(values, np.float32)[kept], np.array(masks)[kept], np.array(classes)[kept],
            np.array(areas)[kept], float(examples.diameter), 0.0, 0.0, 0.0, frozenset(), mirror,
        )  # fmt: skip
        among = _correlations(found.values, found)
        np.fill_diagonal(among, -1.0)
        found.usual, found.lowest, found.apart = found._limits(among)
        found.told_apart = frozenset(_told_apart(among, found.classes))
        return found

    def _limits(self, among: np.ndarray) -> tuple[float, float, float]:
        """Choose `usual`, `lowest` and `apart` by the likeness of the outlined ones among each
        other."""
        same = self.classes[:, None] == self.classes
        enough = np.bincount(self.classes)[self.classes] >= FEW
        if not enough.any():
            lowest = np.tanh(_z(LOOKS_ALIKE) - FAR / 2)
            return LOOKS_ALIKE, float(lowest), 2 * MISNAMED
        best = np.where(same, among, -1.0).max(axis=1)[enough]
        usual = min(float(np.median(best)), 0.9999)
        lowest = min(LOOKS_ALIKE, np.tanh(_z(usual) - FAR), np.quantile(best, ODD_SHARE))
        others = np.where(same, -1.0, among).max(axis=1)[enough]
        apart = MISNAMED if enough.all() else 2 * MISNAMED
        odd = float(np.quantile(_z(others) - _z(best), 1 - ODD_SHARE))
        return usual, max(0.0, float(lowest)), max(apart, odd)

    def likeness(
        self,
        image: np.ndarray,
        centroids: Sequence[tuple[float, float]],
        classes: Sequence[int],
        diameter: float | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Compare molecules with the outlined ones.

        Args:
            image: (H, W, 3) uint8 RGB.
            centroids: N (x, y) in pixels.
            classes: of each the class that it was recognised as, from 0.
            diameter: of the median molecule in pixels of this image. Defaults to that of the images
                that were outlined.

        Returns:
            own: (N,) correlation, at most 1, with the most similar example of its class; nan for a
                class without an example.
            best: (N,) the same with the most similar of all.
            alike: (N,) int, the class of that one.
        """
        if not len(centroids):
            return np.zeros(0), np.zeros(0), np.zeros(0, int)
        diameter = diameter or self.diameter
        grey = smoothed(image, diameter)
        values = np.array([_polar(grey, centroid, diameter) for centroid in centroids])
        found = _correlations(values, self)
        own = np.where(np.asarray(classes)[:, None] == self.classes, found, -np.inf).max(axis=1)
        own = np.where(np.isfinite(own), own, np.nan)
        return own, found.max(axis=1), self.classes[found.argmax(axis=1)]

    def misnamed(self, own: np.ndarray, best: np.ndarray) -> np.ndarray:
        """(N,) bool, which molecules are so much more like another class that their name is in
        doubt; from what `likeness` returns. Not those whose class has no example."""
        return _z(best) - _z(np.nan_to_num(own, nan=1.0)) > self.apart

    def telling(self, classes: Sequence[int], alike: np.ndarray) -> np.ndarray:
        """(N,) bool, for which molecules the look tells the class that they were recognised as from
        another one that they are most like, `alike` of `likeness`."""
        pairs = zip(classes, alike.tolist(), strict=True)
        return np.array([tuple(sorted(pair)) in self.told_apart for pair in pairs], bool)

    def unfamiliar(
        self,
        best: np.ndarray,
        classes: Sequence[int],
        areas: Sequence[float],
        diameter: float | None = None,
    ) -> np.ndarray:
        """Say which molecules of an image are none of the outlined ones.

        Args:
            best: (N,) likeness to the most similar outlined one, see `likeness`.
            classes: of each the class that it was recognised as, from 0.
            areas: of each, square pixels.
            diameter: as in `likeness`.

        Returns:
            (N,) bool.
        """
        areas, classes = np.asarray(areas, float), np.asarray(classes, int)
        size = np.zeros(len(areas))
        for name in np.unique(classes):
            here = classes == name
            outlined = self.areas[self.classes == name] * (diameter or self.diameter) ** 2
            size[here] = _sizes_apart(areas[here], outlined)
        beyond = max(_z(self.usual) - _z(self.lowest), 1e-6)
        form = np.maximum(_z(self.usual) - _z(best), 0) / beyond
        return (best < self.lowest) | (form**2 + size**2 > 1)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads: about a kilobyte an example."""
        low = self.values.min(axis=(1, 2), keepdims=True)
        high = self.values.max(axis=(1, 2), keepdims=True)
        levels = np.round((self.values - low) / np.maximum(high - low, 1e-6) * 255)
        return {
            "values": _packed(levels.astype(np.uint8)),
            "masks": _packed(np.packbits(self.masks)),
            "classes": self.classes.tolist(),
            "areas": None if np.isnan(self.areas).any() else self.areas.round(4).tolist(),
            "diameter": round(self.diameter, 3),
            "usual": round(self.usual, 4),
            "lowest": round(self.lowest, 4),
            "apart": round(self.apart, 4),
            "told_apart": sorted(self.told_apart),
            "mirror": self.mirror,
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Return the references that `to_json` stored.

        Raises:
            ValueError: when the record is not whole.
        """
        try:
            classes = np.array(record["classes"], int)
            shape = (len(classes), RADII, ANGLES)
            values = _unpacked(record["values"]).reshape(shape).astype(np.float32)
            bits = np.unpackbits(_unpacked(record["masks"]))[: values.size]
            lowest, apart = float(record["lowest"]), float(record.get("apart", np.inf))
            numbers = float(record["diameter"]), float(record.get("usual", lowest)), lowest
            if not len(classes) or not np.isfinite(numbers).all() or numbers[0] <= 0:
                raise ValueError("no example, or a number that cannot be")
            areas = np.array(record.get("areas") or [np.nan] * len(classes), float)
            if areas.shape != classes.shape or (areas <= 0).any():
                raise ValueError("areas that cannot be")
            masks = bits.reshape(shape).astype(bool)
            pairs = frozenset((int(a), int(b)) for a, b in record.get("told_apart", ()))
            mirror = bool(record["mirror"])
            return cls(values, masks, classes, areas, *numbers, apart, pairs, mirror)
        except (KeyError, TypeError, AttributeError, zlib.error) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error


def _told_apart(among: np.ndarray, classes: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the pairs of classes of which nearly all are most like another one of their own.

    Args:
        among: (N, N) likeness among each other, -1 of each with itself.
        classes: (N,) int.
    """
    enough = np.flatnonzero(np.bincount(classes) >= TELLING).tolist()
    nearest = {name: among[:, classes == name].max(axis=1) for name in enough}
    for a, b in combinations(enough, 2):
        right = np.where(classes == a, nearest[a] > nearest[b], nearest[b] > nearest[a])
        if right[np.isin(classes, (a, b))].mean() >= TOLD_APART:
            yield a, b


def _packed(array: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(array.tobytes())).decode("ascii")


def _unpacked(text: str) -> np.ndarray:
    most = MOST * RADII * ANGLES
    return np.frombuffer(zlib.decompressobj().decompress(base64.b64decode(text), most), np.uint8)


def _z(likeness: float | np.ndarray) -> np.ndarray:
    """Fisher's z of a correlation, finite."""
    return np.arctanh(np.clip(likeness, -0.9999, 0.9999))


def _sizes_apart(areas: np.ndarray, outlined: np.ndarray) -> np.ndarray:
    """(N,) how far the areas of one class are from the usual one, 1 being unfamiliar; 0 where
    nothing is known.

    The usual one is the median of the outlined ones or, where there are many, of those in the
    image, whichever is nearer: the image may be of another scale, or most of it be foreign. Where
    the outlined ones differ much among each other, 1 is farther.
    """
    if not len(outlined) or np.isnan(outlined).any():
        return np.zeros(len(areas))
    usual = [np.median(outlined)] + [np.median(areas)] * (len(areas) >= MANY)
    apart = np.abs(np.log(areas[:, None] / usual)).min(axis=1)
    spread = np.abs(np.log(outlined / np.median(outlined))).max()
    return apart / max(np.log(SIZE_FAR), 2 * spread)


def _radii(diameter: float) -> np.ndarray:
    return (np.arange(RADII) + 0.5) / RADII * REACH * diameter / 2


def _polar(grey: np.ndarray, centroid: Sequence[float], diameter: float) -> np.ndarray:
    return polar_image(grey, centroid, _radii(diameter), ANGLES)


def _polar_mask(outline: np.ndarray, centroid: Sequence[float], diameter: float) -> np.ndarray:
    """(RADII, ANGLES) bool, what lies inside an outline or within RIM of it."""
    points = np.asarray(outline, np.float32).reshape(-1, 1, 2)
    angles = np.arange(ANGLES) * (2 * np.pi / ANGLES)
    radii = _radii(diameter)[:, None]
    x, y = centroid[0] + radii * np.cos(angles), centroid[1] + radii * np.sin(angles)
    distances = [
        cv2.pointPolygonTest(points, (float(a), float(b)), True)
        for a, b in zip(x.ravel(), y.ravel(), strict=True)
    ]
    return np.array(distances).reshape(x.shape) >= -RIM * diameter


def _correlations(values: np.ndarray, references: References) -> np.ndarray:
    """(N, M) correlations inside the examples' masks, each pair turned (and mirrored) to its best
    fit."""
    best = np.full((len(values), len(references.values)), -1.0)
    weight = (np.arange(RADII) + 0.5)[:, None] / RADII  # a cell farther out is larger
    for step in (1, -1) if references.mirror else (1,):
        mask = references.masks[:, :, ::step] * weight
        example = references.values[:, :, ::step].astype(np.float64)
        total = np.maximum(mask.sum(axis=(1, 2)), 1e-9)
        example = example - ((mask * example).sum(axis=(1, 2)) / total)[:, None, None]
        spread = np.maximum((mask * example**2).sum(axis=(1, 2)), 1e-9)
        masked, weighted = _waves(mask), _waves(mask * example)
        for start in range(0, len(values), AT_ONCE):
            some = values[start : start + AT_ONCE].astype(np.float64)
            waves = _waves(some)
            own = _turned(_waves(some**2), masked) - _turned(waves, masked) ** 2 / total
            fit = _turned(waves, weighted) / np.sqrt(np.maximum(own, 1e-9) * spread)
            np.maximum(best[start : start + AT_ONCE], fit.max(axis=0), out=best[start:][:AT_ONCE])
    return best


def _waves(values: np.ndarray) -> np.ndarray:
    """(ANGLES // 2 + 1, N, RADII) complex: the Fourier transform along the angle."""
    return np.fft.rfft(values, axis=2).transpose(2, 0, 1)


def _turned(waves: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(ANGLES, N, M) sums of products, at each angle between the two."""
    return np.fft.irfft(waves.conj() @ others.transpose(0, 2, 1), n=ANGLES, axis=0)
