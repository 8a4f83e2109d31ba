"""Polygons as points: area, centroid, clipping, self-crossing.

Coordinates are labelme's: the image's corner is (0, 0), pixel (row r, column c) has its centre at
(c + 0.5, r + 0.5).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def signed_area(points: np.ndarray) -> float:
    """Return the signed area in square pixels (shoelace formula); positive is clockwise on screen.

    The first point is the origin of the sum, so that far-off polygons lose no digits.

    Args:
        points: (n, 2) x, y; fewer than three enclose nothing.
    """
    if len(points) < 3:
        return 0.0
    x, y = (np.asarray(points, np.float64) - points[0]).T
    # The side back to the first point, now (0, 0), adds nothing.
    return 0.5 * float(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1]))


def following(points: np.ndarray) -> np.ndarray:
    """Return for each point (n, ...) of a closed line the one after it. `np.roll` does the same in
    ten times the time of a short line."""
    return np.concatenate((points[1:], points[:1]))


def polygon_area(points: np.ndarray) -> float:
    """Return the area of a simple polygon (n, 2) in square pixels, whichever way it turns."""
    return abs(signed_area(points))


def diameter(area: float | np.ndarray) -> float | np.ndarray:
    """Return the diameter sqrt(4 area / pi) of the disc of that area."""
    return np.sqrt(4 * area / np.pi)


def median_diameter(areas: Iterable[float]) -> float:
    """Return the diameter of the median of the positive areas; 0 without any."""
    positive = [area for area in areas if area > 0]
    return float(diameter(np.median(positive))) if positive else 0.0


def polygon_centroid(points: np.ndarray) -> tuple[float, float]:
    """Return the centroid (x, y) of a simple polygon's area; of its points if it has none."""
    points = np.asarray(points, np.float64)
    middle = points.mean(axis=0)
    # Relative to the middle, or far from the origin the sums lose digits.
    (x, y), (x2, y2) = (points - middle).T, (following(points) - middle).T
    cross = x * y2 - x2 * y
    if abs(cross.sum()) < 1e-9:
        return float(middle[0]), float(middle[1])
    cx, cy = ((x + x2) @ cross, (y + y2) @ cross) / (3 * cross.sum())
    return float(middle[0] + cx), float(middle[1] + cy)


def lies_inside(points: np.ndarray, width: float, height: float) -> bool:
    """Return whether a polygon (n, 2) stays clear of an image's border, by a pixel or more."""
    (left, top), (right, bottom) = np.min(points, axis=0), np.max(points, axis=0)
    return bool(left >= 1 and top >= 1 and right <= width - 1 and bottom <= height - 1)


def clip_polygon(points: np.ndarray, width: float, height: float) -> np.ndarray:
    """Clip a polygon (n, 2) to the rectangle (0, 0)-(width, height) by Sutherland and Hodgman.

    A concave polygon that falls into two parts keeps them in one outline, joined along the border.

    Returns:
        (m, 2) float64; (0, 2) when nothing is inside.
    """
    kept = [tuple(p) for p in np.asarray(points, float)]
    for axis, limit, sign in (
        (0, 0.0, 1),
        (0, float(width), -1),
        (1, 0.0, 1),
        (1, float(height), -1),
    ):
        source, kept = kept, []
        for index, point in enumerate(source):
            before = source[index - 1]
            inside = sign * (point[axis] - limit) >= 0
            was_inside = sign * (before[axis] - limit) >= 0
            if inside != was_inside:
                share = (limit - before[axis]) / (point[axis] - before[axis])
                crossing = [b + share * (p - b) for b, p in zip(before, point, strict=True)]
                crossing[axis] = limit
                kept.append(tuple(crossing))
            if inside:
                kept.append(point)
    return np.array(kept, float).reshape(-1, 2)


def crosses_itself(points: np.ndarray) -> bool:
    """Return whether two sides of the closed polygon (n, 2) properly cross each other.

    Sides that only touch (a repeated point, a spike back along a line) do not count.
    """
    start = np.asarray(points, np.float64)
    count = len(start)
    if count < 4:
        return False
    side = following(start) - start
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
