"""An outlined molecule made ready to be looked for: cut out, reduced, and turned by many angles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from spm.geometry.polygon_filling import polygon_mask
from spm.geometry.polygons import diameter, polygon_area, polygon_centroid

COARSE, FINE = 14.0, 28.0  # diameter of the median molecule in the reduced images, pixels
SMOOTH = 0.035  # standard deviation of the blur, in diameters: noise is no likeness
RIM = 0.12  # what counts around an outline, in diameters: the flank
MARGIN = 0.5  # what is kept of an example's image around its outline, in diameters
STEP = 15  # degrees between the angles that are tried first
SAME = 0.94  # correlation of two turned templates, from which one of them is enough
OVERSAMPLING = 4  # of a mask's drawing: its rim is no whole number of pixels


class ReducedImage:
    """An image at the scale at which the molecules have a certain diameter.

    Args:
        grey: (H, W) float32.
        molecule: diameter of the molecules in it, pixels.
        wanted: diameter in the reduced image, pixels; images are never enlarged.

    Attributes:
        grey: (h, w) float32, blurred.
        factor: (2,) size of the reduced image over the image's, x and y.
        molecule: diameter in the reduced image.
    """

    def __init__(self, grey: np.ndarray, molecule: float, wanted: float):
        scale = min(1.0, wanted / max(molecule, 1.0))
        size = [max(1, round(side * scale)) for side in grey.shape[::-1]]
        self.factor = np.array(size) / grey.shape[::-1]  # the sizes are whole numbers
        self.molecule = molecule * scale
        shrunk = cv2.resize(grey, size, interpolation=cv2.INTER_AREA) if scale < 1 else grey
        self.grey = cv2.GaussianBlur(shrunk, (0, 0), max(SMOOTH * self.molecule, 0.3))


@dataclass(frozen=True, eq=False)
class OutlinedExample:
    """An outlined molecule and what its image shows around it.

    Attributes:
        class_name: its class.
        outline: (n, 2) x, y, pixels of `grey`.
        grey: (h, w) float32, a part of the image; it ends where the image ends, or MARGIN away
            from the outline.
    """

    class_name: str
    outline: np.ndarray
    grey: np.ndarray

    @classmethod
    def cut_out(cls, image: np.ndarray, class_name: str, outline: np.ndarray) -> OutlinedExample:
        """Cut an example out of its image.

        Args:
            image: (H, W, 3) uint8.
            class_name: its class.
            outline: (n, 2) x, y in the image; it encloses an area within it.
        """
        outline = np.asarray(outline, np.float64)
        margin = MARGIN * float(diameter(polygon_area(outline))) + 4
        left, top = np.maximum(outline.min(axis=0) - margin, 0).astype(int)
        right, bottom = np.ceil(outline.max(axis=0) + margin).astype(int)
        part = image[top:bottom, left:right].sum(axis=2, dtype=np.float32)
        return cls(class_name, outline - (left, top), part)

    @property
    def diameter(self) -> float:
        """Of the disc of its area, pixels."""
        return float(diameter(polygon_area(self.outline)))


class Template:
    """An example at the two scales of the search.

    Args:
        example: the outlined molecule.
        molecule: diameter of the median molecule, pixels; decides about the scales.
        mirror: whether mirror images are the same molecule.

    Attributes:
        coarse, fine: the example cut out, see `Cut`.
        bank: it turned by many angles, see `Bank`.
    """

    def __init__(self, example: OutlinedExample, molecule: float, mirror: bool):
        self.class_name = example.class_name
        self.diameter = example.diameter
        self.outline = example.outline - polygon_centroid(example.outline)
        self.coarse = Cut.of_example(example, ReducedImage(example.grey, molecule, COARSE))
        self.fine = Cut.of_example(example, ReducedImage(example.grey, molecule, FINE))
        self.bank = Bank(self.coarse, (False, True) if mirror else (False,))

    @property
    def reach(self) -> float:
        """Distance of the farthest point of the outline from its centroid, image pixels."""
        return float(np.hypot(*self.outline.T).max())


class Cut:
    """An example upright in reduced pixels around its centroid.

    Args:
        grey: (h, w) float32, reduced and blurred.
        centre: (2,) x, y of the centroid in it.
        outline: (n, 2) x, y relative to the centroid.
        molecule: diameter of the median molecule.

    Attributes:
        half: its mask is (2 half + 1, 2 half + 1).
    """

    def __init__(self, grey: np.ndarray, centre: np.ndarray, outline: np.ndarray, molecule: float):
        self.grey, self.centre, self.outline, self.molecule = grey, centre, outline, molecule
        self.rim = RIM * molecule
        self.half = int(np.ceil(np.hypot(*outline.T).max() + self.rim)) + 1

    @classmethod
    def of_example(cls, example: OutlinedExample, image: ReducedImage) -> Cut:
        """Cut an example out of its image at one scale."""
        centre = np.array(polygon_centroid(example.outline)) * image.factor
        return cls(image.grey, centre, example.outline * image.factor - centre, image.molecule)

    def of_mean(self, patches: np.ndarray) -> Cut:
        """Return the same with what molecules of its kind show in the mean.

        Args:
            patches: (N, 2 half + 1, 2 half + 1) float32, the molecules brought onto this one.
        """
        centre = np.full(2, self.half + 0.5)
        return Cut(patches.mean(axis=0), centre, self.outline, self.molecule)

    def sampled(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the brightness at places (h, w) relative to the centroid, float32."""
        columns = (x + self.centre[0] - 0.5).astype(np.float32)  # remap counts in pixel centres
        rows = (y + self.centre[1] - 0.5).astype(np.float32)
        return cv2.remap(
            self.grey, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )

    def mask(self) -> np.ndarray:
        """Return 1 inside the outline and its rim, else 0; float32, pixels around the centroid."""
        side = 2 * self.half + 1
        points = (self.outline + self.half + 0.5) * OVERSAMPLING
        inside = polygon_mask(points, side * OVERSAMPLING, side * OVERSAMPLING).astype(np.uint8)
        size = 2 * max(1, round(self.rim * OVERSAMPLING)) + 1
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        grown = cv2.dilate(inside, disc).astype(np.float32)
        mask = cv2.resize(grown, (side, side), interpolation=cv2.INTER_AREA)
        # Beyond its image nothing is known of the example.
        axis = np.arange(side) - self.half
        height, width = self.grey.shape
        mask *= ((axis + self.centre[0] >= 0) & (axis + self.centre[0] <= width))[None]
        return mask * ((axis + self.centre[1] >= 0) & (axis + self.centre[1] <= height))[:, None]


class Bank:
    """An example turned by many angles, and mirrored; of those that look the same, one.

    Attributes:
        kernels: (K, s, s) float32, brightness in the mask less its mean, times the mask.
        masks: (K, s, s) float32.
        angles: (K,) radians, from x to y; after the mirroring, which makes y to -y.
        mirrored: (K,) bool.
    """

    def __init__(self, cut: Cut, mirrors: Sequence[bool]):
        self.half = cut.half
        mask = cut.mask()
        kept: list[tuple[np.ndarray, np.ndarray, float, bool]] = []
        units: list[np.ndarray] = []
        for mirrored in mirrors:
            for angle in np.radians(np.arange(0, 360, STEP)).tolist():
                kernel, turned = _turned(cut, mask, angle, mirrored)
                unit = (kernel / max(float(np.linalg.norm(kernel)), 1e-6)).ravel()
                if not units or (np.array(units) @ unit).max() < SAME:
                    units.append(unit)
                    kept.append((kernel, turned, angle, mirrored))
        kernels, masks, angles, flags = zip(*kept, strict=True)
        self.kernels, self.masks = np.array(kernels), np.array(masks)
        self.angles, self.mirrored = np.array(angles), np.array(flags)


def _turned(
    cut: Cut, mask: np.ndarray, angle: float, mirrored: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return kernel and mask of an example turned by an angle."""
    axis = np.arange(-cut.half, cut.half + 1, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    # What lies at (x, y) now was at (u, v) before.
    cosine, sine = math.cos(angle), math.sin(angle)
    u, v = cosine * x + sine * y, (cosine * y - sine * x) * (-1 if mirrored else 1)
    turned = cv2.remap(mask, u + cut.half, v + cut.half, cv2.INTER_LINEAR, borderValue=0)
    values = cut.sampled(u, v)
    return turned * (values - (turned * values).sum() / max(float(turned.sum()), 1e-6)), turned
