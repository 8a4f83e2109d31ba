"""Places in an annotated image that look like its outlined molecules and have no outline.

A molecule that was forgotten teaches the network that it is background. The search is cheap, and a
hint only: the mean outlined crop of each class, turned by 24 angles, is moved over the reduced
image, and where it correlates nearly as well as with its own molecules something is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from spm.geometry.polygon_filling import polygon_mask
from spm.geometry.polygons import median_diameter, polygon_area

REDUCED = 14.0  # diameter of the molecules in the reduced image, pixels
SIDE = 1.3  # of the crops, in diameters
ANGLES = np.arange(0, 360, 15)
FEWEST = 4  # molecules of a class, below which its mean crop says little
# A place must reach this share of the lower quartile of the class's own correlations. The mean crop
# knows its own molecules, so that those without an outline correlate a little less.
SHARE = 0.9
LEAST = 0.3  # correlation below which nothing is reported
APART = 0.6  # of two places nearer than this, in diameters, the better one is reported
NEAR = 0.25  # a place nearer than this to an outline, in diameters, belongs to it


@dataclass(frozen=True)
class UnlabelledInstance:
    """A place that looks like a molecule.

    Attributes:
        class_name: which class it looks like most.
        x, y: centre in image pixels.
        correlation: with the class's mean crop, -1..1.
    """

    class_name: str
    x: float
    y: float
    correlation: float


def find_unlabelled(
    image: np.ndarray, outlines: Sequence[np.ndarray], names: Sequence[str]
) -> list[UnlabelledInstance]:
    """Find what looks like an outlined molecule and has no outline.

    Places nearer to the image's border than half a crop are not looked at.

    Args:
        image: (H, W, 3) uint8.
        outlines: N polygons (n, 2) x, y.
        names: class of each outline.

    Returns:
        The places, best first.
    """
    if not outlines:
        return []
    areas = np.array([polygon_area(points) for points in outlines])
    diameter = median_diameter(areas)
    scale = min(1.0, REDUCED / max(diameter, 1.0))
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    size = [max(1, round(side * scale)) for side in grey.shape[::-1]]
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    factor = np.array(size) / grey.shape[::-1]  # of x and y, the sizes being whole numbers
    polygons = [points * factor for points in outlines]
    reduced = diameter * scale
    free = ~_covered(polygons, small.shape, NEAR * reduced)
    found = []
    for name in sorted(set(names)):
        own = [p for p, c in zip(polygons, names, strict=True) if c == name]
        found += _of_class(small, own, free, name, reduced)
    found.sort(key=lambda place: -place.correlation)
    kept: list[UnlabelledInstance] = []
    for place in found:
        if all(np.hypot(place.x - k.x, place.y - k.y) > APART * reduced for k in kept):
            kept.append(place)
    return [
        UnlabelledInstance(k.class_name, k.x / factor[0], k.y / factor[1], k.correlation)
        for k in kept
    ]


def _of_class(
    small: np.ndarray, own: list[np.ndarray], free: np.ndarray, name: str, diameter: float
) -> list[UnlabelledInstance]:
    """Return the free places of the reduced image that look like one class."""
    side = 2 * int(np.ceil(SIDE * diameter / 2)) + 1
    half = side // 2
    centres = np.array([(p.min(axis=0) + p.max(axis=0)) / 2 for p in own])
    inside = (centres > half).all(axis=1) & (centres < np.array(small.shape[::-1]) - half).all(1)
    centres = centres[inside]
    if len(centres) < FEWEST or min(small.shape) <= side:
        return []
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)).astype(np.float32)
    template = _mean_crop(small, centres, disk)
    response = np.full(small.shape, -1.0, np.float32)
    inner = response[half : small.shape[0] - half, half : small.shape[1] - half]
    for angle in ANGLES:
        np.maximum(inner, _correlate(small, _turned(template, angle), disk), out=inner)
    reach = max(1, round(0.2 * diameter))
    best = cv2.dilate(response, np.ones((2 * reach + 1, 2 * reach + 1)))
    at = np.floor(centres).astype(int)
    least = max(LEAST, SHARE * float(np.quantile(best[at[:, 1], at[:, 0]], 0.25)))
    window = 2 * max(1, round(APART * diameter)) + 1
    peaks = response == cv2.dilate(response, np.ones((window, window)))
    rows, columns = np.nonzero(peaks & (response >= least) & free)
    return [
        UnlabelledInstance(name, x + 0.5, y + 0.5, float(response[y, x]))
        for y, x in zip(rows, columns, strict=True)
    ]


def _mean_crop(small: np.ndarray, centres: np.ndarray, disk: np.ndarray) -> np.ndarray:
    """Return the mean of the crops, each turned to the angle at which it fits the mean best."""
    # getRectSubPix counts in pixel centres.
    crops = [cv2.getRectSubPix(small, disk.shape, (x - 0.5, y - 0.5)) for x, y in centres]
    versions = np.array([[_turned(crop, angle) for angle in ANGLES] for crop in crops])
    inside = disk > 0
    pixels = versions[:, :, inside]  # (crops, angles, pixels of the disk)
    pixels = pixels - pixels.mean(axis=2, keepdims=True)
    pixels /= np.maximum(np.linalg.norm(pixels, axis=2, keepdims=True), 1e-6)
    mean = versions[0, 0]
    for _ in range(3):
        best = (pixels @ (mean[inside] - mean[inside].mean())).argmax(axis=1)
        mean = versions[np.arange(len(crops)), best].mean(axis=0)
    return mean


def _turned(crop: np.ndarray, angle: float) -> np.ndarray:
    half = (crop.shape[0] - 1) / 2
    matrix = cv2.getRotationMatrix2D((half, half), float(angle), 1)
    return cv2.warpAffine(crop, matrix, crop.shape, borderMode=cv2.BORDER_REPLICATE)


def _correlate(image: np.ndarray, template: np.ndarray, disk: np.ndarray) -> np.ndarray:
    """Return the normalised correlation at each place where the template lies inside."""
    response = cv2.matchTemplate(image, template, cv2.TM_CCOEFF_NORMED, mask=disk)
    # Where the image is flat there is no correlation, and OpenCV divides by nothing.
    return np.where(np.abs(response) <= 1.001, response, -1.0).astype(np.float32)


def _covered(polygons: list[np.ndarray], shape: tuple[int, int], near: float) -> np.ndarray:
    covered = np.zeros(shape, np.uint8)
    for points in polygons:
        covered |= polygon_mask(points, *shape)
    size = 2 * max(1, round(near)) + 1
    return cv2.dilate(covered, np.ones((size, size))).astype(bool)
