"""Polygons as points and as masks: filling, tracing, area, self-crossing.

Coordinates are labelme's: the picture's corner is (0, 0), pixel (row r, column c) has its centre at
(c + 0.5, r + 0.5) and belongs to a polygon when that centre is inside. The polygon of the whole
picture therefore fills the last row and column too.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np


def polygon_mask(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the (height, width) bool mask of a polygon.

    Args:
        points: (n, 2) x, y in pixels; may leave the picture. Self-crossings follow the even-odd
            rule.
    """
    mask = np.zeros((height, width), bool)
    patch, top, left = polygon_patch(points, height, width)
    mask[top : top + patch.shape[0], left : left + patch.shape[1]] = patch
    return mask


def polygon_patch(points: np.ndarray, height: int, width: int) -> tuple[np.ndarray, int, int]:
    """Return the mask of a polygon inside its bounding box only; see `polygon_patches`."""
    return polygon_patches([points], height, width)[0]


def polygon_patches(
    polygons: Sequence[np.ndarray], height: int, width: int
) -> list[tuple[np.ndarray, int, int]]:
    """Return the masks of many polygons, each inside its own bounding box only.

    Each edge toggles, in each row whose centre line it crosses, all pixels right of the crossing;
    the parity of the running sum along the row is the mask. All polygons' patches lie one after the
    other in one flat buffer, and one running sum does for all: in each row the toggles are even in
    number, so that the parity is 0 again at the row's end.

    Args:
        polygons: (n, 2) x, y each.
        height, width: of the picture; patches are cut at its border.

    Returns:
        For each polygon its (h, w) bool patch, and the patch's top row and left column in the
        picture. Empty patches are (0, 0).
    """
    polygons = [np.asarray(points, np.float64).reshape(-1, 2) for points in polygons]
    counts = np.array([len(points) for points in polygons], int)
    filled = np.flatnonzero(counts >= 3)
    patches = [(np.zeros((0, 0), bool), 0, 0)] * len(polygons)
    if not len(filled):
        return patches
    counts = counts[filled]
    points = np.concatenate([polygons[k] for k in filled])
    first = np.cumsum(counts) - counts
    limits = np.array([width, height])
    low = np.clip(np.floor(np.minimum.reduceat(points, first)), 0, limits).astype(int)
    high = np.clip(np.ceil(np.maximum.reduceat(points, first)), 0, limits).astype(int)
    columns, rows = (high - low).T
    offset = np.cumsum(rows * (columns + 1)) - rows * (columns + 1)

    owner = np.repeat(np.arange(len(filled)), counts)
    start = points - low[owner]
    following = np.arange(len(points)) + 1
    following[first + counts - 1] = first
    end = start[following]
    # A vertex at height y lies above the centre line of row ceil(y - 0.5) and all below it.
    line = np.clip(np.ceil(start[:, 1] - 0.5), 0, rows[owner]).astype(int)
    top_line, bottom_line = np.minimum(line, line[following]), np.maximum(line, line[following])
    crossed = bottom_line - top_line
    edge = np.repeat(np.arange(len(points)), crossed)
    row = np.arange(len(edge)) - (np.cumsum(crossed) - crossed)[edge] + top_line[edge]
    (x0, y0), (x1, y1) = start[edge].T, end[edge].T
    x = x0 + (row + 0.5 - y0) * (x1 - x0) / (y1 - y0)
    part = owner[edge]
    column = np.clip(np.ceil(x - 0.5), 0, columns[part]).astype(int)
    index = offset[part] + row * (columns[part] + 1) + column
    toggles = np.bincount(index, minlength=int((rows * (columns + 1)).sum()))
    # Eight bits are enough: the sum may overflow without changing its parity.
    inside = (np.cumsum(toggles.astype(np.uint8), dtype=np.uint8) & 1).astype(bool)
    for k, h, w, at, (left, top) in zip(filled, rows, columns, offset, low, strict=True):
        patch = inside[at : at + h * (w + 1)].reshape(h, w + 1)[:, :w]
        if patch.size:
            patches[k] = patch, int(top), int(left)
    return patches


def mask_outline(mask: np.ndarray, tolerance: float = 0.7) -> np.ndarray:
    """Return the outer border of the largest connected part of a mask as a polygon.

    The border runs through the midpoints of the pixels' edges, and is then simplified
    (Douglas-Peucker). For shapes so small that the tolerance changes them it is lowered until
    polygon and mask agree.

    Args:
        mask: (H, W) bool or number, foreground is > 0.
        tolerance: the largest distance in pixels between the simplified and the exact border.

    Returns:
        (n, 2) float64 x, y; (0, 2) for an empty mask.
    """
    mask = np.asarray(mask) > 0
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return np.zeros((0, 2))
    top, left = rows[0], columns[0]
    patch = mask[top : rows[-1] + 1, left : columns[-1] + 1]
    border = _edge_border(patch)
    part = polygon_mask(border.astype(float), *patch.shape) & patch
    corners = border[:, None].astype(np.float32)
    while tolerance > 0.1:
        polygon = cv2.approxPolyDP(corners, tolerance, True)[:, 0].astype(np.float64)
        if len(polygon) >= 3 and _agree(polygon, part):
            return polygon + (left, top)
        tolerance /= 2
    return border + (left, top)


def _edge_border(patch: np.ndarray) -> np.ndarray:
    """Return the (n, 2) border of the largest part of a bool patch, along its pixels' edges.

    On a lattice of twice the resolution pixel (r, c) covers the points 2r..2r+2, 2c..2c+2, so that
    its edges and corners are lattice points and OpenCV's border of pixel centres is exactly the
    border of pixel edges. Of it the edges' midpoints are kept: without the corners, slanting
    borders are not staircases and simplify to few points.
    """
    height, width = patch.shape
    lattice = np.zeros((2 * height + 1, 2 * width + 1), np.uint8)
    lattice[1::2, 1::2] = patch
    lattice = cv2.dilate(lattice, np.ones((3, 3), np.uint8))
    borders, _ = cv2.findContours(lattice, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    border = max(borders, key=cv2.contourArea)[:, 0]
    return border[border.sum(axis=1) % 2 == 1] / 2


def _agree(polygon: np.ndarray, part: np.ndarray, least: float = 0.97) -> bool:
    """Return whether the polygon's mask and `part` have an IoU of at least `least`."""
    again = polygon_mask(polygon, *part.shape)
    return (again & part).sum() >= least * max(1, (again | part).sum())


def polygon_area(points: np.ndarray) -> float:
    """Return the signed area in square pixels (shoelace formula); positive is clockwise on screen.

    The first point is the origin of the sum, so that far-off polygons lose no digits.
    """
    x, y = (np.asarray(points, np.float64) - points[0]).T
    return 0.5 * float(np.dot(x, np.roll(y, -1)) - np.dot(np.roll(x, -1), y))


def crosses_itself(points: np.ndarray) -> bool:
    """Return whether two sides of the closed polygon (n, 2) properly cross each other.

    Sides that only touch (a repeated point, a spike back along a line) do not count.
    """
    start = np.asarray(points, np.float64)
    count = len(start)
    if count < 4:
        return False
    side = np.roll(start, -1, axis=0) - start
    for i in range(count - 2):
        # Sides i and j = i + 2 .. ; the last one is a neighbour of the first.
        others = slice(i + 2, count if i else count - 1)
        a, b = start[i], start[i] + side[i]
        c, d = start[others], start[others] + side[others]
        apart = (_turn(a, b, c) * _turn(a, b, d) < 0) & (_turn(c, d, a) * _turn(c, d, b) < 0)
        if apart.any():
            return True
    return False


def _turn(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return twice the signed area of the triangles a, b, c; each (2,) or (n, 2)."""
    ab, ac = b - a, c - a
    return np.sign(ab[..., 0] * ac[..., 1] - ab[..., 1] * ac[..., 0])
