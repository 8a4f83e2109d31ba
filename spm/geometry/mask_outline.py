"""The border of a mask as a polygon; coordinates as in `spm.geometry.polygon_filling`."""

from __future__ import annotations

import cv2
import numpy as np

from spm.geometry.polygon_filling import polygon_mask
from spm.geometry.polygons import polygon_area


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
    border, alone = _edge_border(patch)
    part = patch if alone else polygon_mask(border.astype(float), *patch.shape) & patch
    corners = border[:, None].astype(np.float32)
    while tolerance > 0.1:
        polygon = cv2.approxPolyDP(corners, tolerance, True)[:, 0].astype(np.float64)
        if len(polygon) >= 3 and _agree(polygon, part):
            return polygon + (left, top)
        tolerance /= 2
    return border + (left, top)


def _edge_border(patch: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return the (n, 2) border of the largest part of a bool patch, along its pixels' edges, and
    whether it is the only part.

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
    return border[border.sum(axis=1) % 2 == 1] / 2, len(borders) == 1


def _agree(polygon: np.ndarray, part: np.ndarray, least: float = 0.97, area: float = 0.01) -> bool:
    """Return whether the polygon's mask and `part` have an IoU of at least `least`, and their areas
    differ by no more than a share `area`."""
    pixels = max(1, part.sum())
    if abs(polygon_area(polygon) - pixels) > max(area * pixels, 0.5):
        return False
    again = polygon_mask(polygon, *part.shape)
    return (again & part).sum() >= least * max(1, (again | part).sum())
