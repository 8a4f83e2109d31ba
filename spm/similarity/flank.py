"""The outline around one place of an image, where nothing is known of its molecules.

The image is taken for a relief. Each summit gets the pixels from which one climbs to it
(watershed); summits with no real valley between them are one molecule; and the molecule ends at
the valley to its neighbour, or where its flank has come down to `LEVEL` of its height.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage
from skimage.measure import find_contours
from skimage.segmentation import watershed

from spm.geometry.polygons import clip_polygon, diameter, following

# Height of an outline over the lowest place within NEARBY diameters, as a share of the molecule's.
# Chosen for the outlines of simulated molecules and of real ones drawn by hand.
LEVEL, NEARBY = 0.6, 0.28
# A valley is one between molecules when it is this deep, as a share of the lower summit's height:
# between the lobes of one molecule the simulated and real ones have valleys of up to 0.08.
VALLEY = 0.085
BRIDGE = 0.12  # half the width of what may be a bridge to a neighbour, in diameters
BODY = 0.8  # share of a region that remains without its bridges
VALLEYS = (0.01, 0.02, 0.04, VALLEY, 0.12, 0.17, 0.24, 0.34, 0.48)  # tried where the size is known
WINDOW = 128  # half the side of the window that is looked at, pixels
LARGEST = 0.45  # of the window's side: diameter of a molecule, above which a larger one is taken
FAINT = 0.12  # height of a molecule, as a share of the image's whole range, that stands out
BLUR = 1.5  # standard deviation of the blur, pixels, at least
QUIET = 0.012  # noise that the blur leaves at most, as a share of the range
NEAR = 0.2  # a click this far outside of a molecule, in diameters, means it


@dataclass(frozen=True)
class Relief:
    """A window of the image.

    Attributes:
        heights: (h, w) float32, blurred; molecules are high.
        ground: height of the ground.
        range: height of the image's highest molecules over its ground.
    """

    heights: np.ndarray
    ground: float
    range: float


def blurred(grey: np.ndarray, whole_range: float) -> np.ndarray:
    """Return the image (h, w) float32 without noise that would make summits of its own.

    Args:
        grey: (h, w) float32.
        whole_range: brightness of molecules over the ground.
    """
    calm = cv2.medianBlur(grey, 3)  # single bad pixels and lines
    noise = 1.4826 * float(np.median(np.abs(grey - calm)))
    sigma = noise / max(QUIET * whole_range, 1e-6) / (2 * np.sqrt(np.pi))
    return cv2.GaussianBlur(calm, (0, 0), float(np.clip(sigma, BLUR, 4 * BLUR)))


def flank_region(relief: Relief, row: int, column: int, size: float | None) -> np.ndarray | None:
    """Return the molecule around a pixel.

    Args:
        relief: the window.
        row, column: of the pixel.
        size: diameter of the molecules, pixels of the window; None where it is not known.

    Returns:
        (h, w) bool; None where nothing stands out.
    """
    summits = _Summits(relief)
    if not summits.labels[row, column]:
        row, column = summits.nearest(row, column, size or WINDOW / 4)
        if row < 0:
            return None
    valleys = (VALLEY,) if size is None else VALLEYS
    found = []
    for basin in summits.nested(summits.labels[row, column], valleys):
        region = _above_level(relief, basin, row, column)
        if region is not None:
            found.append(region)
    if not found:
        return None
    if size is None:
        return found[0]
    return min(found, key=lambda region: abs(np.log(diameter(region.sum()) / size)))


class _Summits:
    """The relief's summits, what climbs to them, and the passes between them."""

    def __init__(self, relief: Relief):
        heights = relief.heights
        # Below, the ground's own noise would have summits.
        land = heights > relief.ground + 0.25 * relief.range
        tops = (heights == cv2.dilate(heights, np.ones((3, 3)))) & land
        self.ground = relief.ground
        count, marks = cv2.connectedComponents(tops.astype(np.uint8))
        self.labels = watershed(-heights, marks, mask=land)
        self.peaks = np.full(count, -np.inf)
        np.maximum.at(self.peaks, marks[tops], heights[tops])
        self.passes = _passes(self.labels, heights, count)

    def nearest(self, row: int, column: int, reach: float) -> tuple[int, int]:
        """Return the pixel of a summit's slope that is nearest; (-1, -1) beyond `reach` of it."""
        top, left = max(0, int(row - reach)), max(0, int(column - reach))
        near = self.labels[top : int(row + reach) + 1, left : int(column + reach) + 1]
        rows, columns = np.nonzero(near)
        if not len(rows):
            return -1, -1
        best = np.hypot(rows + top - row, columns + left - column).argmin()
        return int(rows[best] + top), int(columns[best] + left)

    def nested(self, label: int, valleys: tuple[float, ...]):
        """Yield what belongs to a summit, (h, w) bool, when valleys below each depth divide
        nothing."""
        for depth in valleys:
            root = np.arange(len(self.peaks))
            for height, one, other in self.passes:
                a, b = _root(root, one), _root(root, other)
                low, high = (a, b) if self.peaks[a] < self.peaks[b] else (b, a)
                if a != b and self.peaks[low] - height < depth * (self.peaks[low] - self.ground):
                    root[low] = high
            roots = np.array([_root(root, k) for k in range(len(root))])
            yield (roots[self.labels] == roots[label]) & (self.labels > 0)


def _passes(labels: np.ndarray, heights: np.ndarray, count: int) -> list[tuple[float, int, int]]:
    """Return (height, label, label) of the highest pass between any two neighbours, highest
    first."""
    heights_of, pairs = [], []
    for one, other in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        a, b = labels[one], labels[other]
        border = (a != b) & (a > 0) & (b > 0)
        pairs.append(np.minimum(a, b)[border].astype(np.int64) * count + np.maximum(a, b)[border])
        heights_of.append(np.minimum(heights[one], heights[other])[border])
    keys, place = np.unique(np.concatenate(pairs), return_inverse=True)
    highest = np.full(len(keys), -np.inf)
    np.maximum.at(highest, place, np.concatenate(heights_of))
    order = np.argsort(-highest, kind="stable")
    return [(float(highest[k]), int(keys[k] // count), int(keys[k] % count)) for k in order]


def _root(root: np.ndarray, k: int) -> int:
    while root[k] != k:
        root[k] = root[root[k]]
        k = root[k]
    return int(k)


def _above_level(relief: Relief, basin: np.ndarray, row: int, column: int) -> np.ndarray | None:
    """Return the part of a basin above its outline's level that a pixel is in or next to."""
    heights = relief.heights
    inside = heights[basin]
    half = relief.ground + 0.5 * (inside.max() - relief.ground)
    top = float(np.quantile(inside[inside >= half], 0.75))
    if top - relief.ground < FAINT * relief.range:
        return None
    core = basin & (heights >= half)
    size = float(diameter(core.sum()))
    rows, columns = np.nonzero(core)
    reach = int(0.7 * size) + 2
    part = np.s_[
        max(0, rows.min() - reach) : rows.max() + reach,
        max(0, columns.min() - reach) : columns.max() + reach,
    ]
    ground = _local_ground(heights[part], NEARBY * size)
    above = np.zeros_like(basin)
    above[part] = basin[part] & (heights[part] > ground + LEVEL * (top - ground))
    parts, _ = ndimage.label(above)
    wanted = parts[row, column] or np.bincount(parts[above], minlength=2).argmax()
    region = ndimage.binary_fill_holes(parts == wanted)
    if not region.any():
        return None
    region = _without_bridges(region)
    apart = ndimage.distance_transform_edt(~region)[row, column]
    return region if apart <= NEAR * diameter(region.sum()) + 1 else None


def _without_bridges(region: np.ndarray) -> np.ndarray:
    """Return a region (h, w) without thin parts that lead to its neighbours; as it is where it is
    thin itself."""
    side = 2 * round(BRIDGE * float(diameter(region.sum()))) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    opened = cv2.morphologyEx(region.astype(np.uint8), cv2.MORPH_OPEN, disc)
    parts, _ = ndimage.label(opened)
    counts = np.bincount(parts[opened > 0], minlength=2)
    if counts.max() < BODY * region.sum():
        return region
    return parts == counts.argmax()


def _local_ground(heights: np.ndarray, reach: float) -> np.ndarray:
    """Return (h, w) the lowest height within `reach` pixels: in a notch between two molecules it is
    not the bare surface's, and there people outline higher up."""
    side = 2 * max(1, int(reach)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return cv2.GaussianBlur(cv2.erode(heights, disc), (0, 0), max(reach / 2, 0.5))


def fits(region: np.ndarray) -> bool:
    """Return whether a molecule (h, w) is so small that a window shows it with its surroundings."""
    return bool(np.sqrt(region.sum()) < LARGEST * 2 * WINDOW)


def region_outline(region: np.ndarray, fewest: int = 12, most: int = 40) -> np.ndarray:
    """Return the border of a region as a polygon that is easy to correct.

    Args:
        region: (h, w) bool, one part.
        fewest, most: points.

    Returns:
        (n, 2) float64 x, y, within the window.
    """
    soft = cv2.GaussianBlur(np.pad(region.astype(np.float32), 3, mode="edge"), (0, 0), 1.0)
    rings = find_contours(np.pad(soft, 1), 0.5)
    border = max(rings, key=len)[:-1, ::-1] - 3.5  # pixel centres become corners; 4 were padded
    border = clip_polygon(border, region.shape[1], region.shape[0])
    return simplified(border, 0.012 * float(diameter(region.sum())), fewest, most)


def simplified(border: np.ndarray, tolerance: float, fewest: int, most: int) -> np.ndarray:
    """Return a polygon (n, 2) with few points, nowhere farther from the given one than needed."""
    corners = border[:, None].astype(np.float32)
    while True:
        points = cv2.approxPolyDP(corners, tolerance, True)[:, 0].astype(np.float64)
        if len(points) <= most:
            break
        tolerance *= 1.3
    while len(points) < fewest:
        side = following(points) - points
        longest = int(np.hypot(*side.T).argmax())
        points = np.insert(points, longest + 1, points[longest] + side[longest] / 2, axis=0)
    return points
