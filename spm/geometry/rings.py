"""Exact borders of masks, and several borders as one polygon.

A molecule may have several parts and holes. Everything that moves, fills or measures outlines takes
one polygon a molecule, so that its borders are joined by bridges: a side from one border to the
next and the same side back. A bridge has no area, encloses no pixel, and stays a bridge under any
map of the points.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from spm.geometry.polygons import signed_area

# Directions along pixel edges as (x, y); each is the right-hand turn of the one before.
_STEPS = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])


def mask_rings(mask: np.ndarray) -> list[np.ndarray]:
    """Return all borders of a mask along its pixels' edges.

    Pixels that touch at a corner only are separate parts.

    Args:
        mask: (H, W) bool or number, foreground is not 0.

    Returns:
        (n, 2) float64 x, y each, only the corners. Outer borders have a positive area, holes a
        negative one (`signed_area`), and their sum is the number of pixels.
    """
    padded = np.pad(np.asarray(mask) != 0, 1)
    inside, above = padded[1:, 1:], padded[:-1, 1:]
    left = padded[1:, :-1]
    # Edges with the foreground to their right: top edges go right, right ones down, and so on.
    edges = [
        (inside & ~above, 0, (0, 0)),  # from (x, y)
        (~inside & left, 1, (0, 0)),
        (~inside & above, 2, (1, 0)),  # from (x + 1, y)
        (inside & ~left, 3, (0, 1)),
    ]
    going: dict[tuple[int, int], list[int]] = {}
    for flags, direction, (dx, dy) in edges:
        for y, x in np.argwhere(flags).tolist():
            going.setdefault((x + dx, y + dy), []).append(direction)
    rings = []
    for start in sorted(going):
        while going[start]:
            rings.append(_follow(going, start))
    return rings


def _follow(going: dict[tuple[int, int], list[int]], start: tuple[int, int]) -> np.ndarray:
    """Take one border out of the edges that leave each corner; return its corners."""
    place, first = start, going[start].pop()
    direction = first
    corners = []
    while True:
        place = (place[0] + int(_STEPS[direction, 0]), place[1] + int(_STEPS[direction, 1]))
        right, left = (direction + 1) % 4, (direction - 1) % 4
        # Where four edges meet, a border comes back to its start once before it is closed.
        if place == start and right not in going[place]:
            break
        # ... and the right turn stays with the border's own pixel.
        turn = next(d for d in (right, direction, left) if d in going[place])
        going[place].remove(turn)
        if turn != direction:
            corners.append(place)
        direction = turn
    if direction != first:
        corners.append(start)
    return np.array(corners, np.float64)


def bridged(rings: Sequence[np.ndarray]) -> np.ndarray:
    """Return borders (n, 2) as one polygon whose parts are joined by bridges.

    Filled by the even-odd rule it covers what lies within an odd number of the borders. Its area is
    the sum of theirs with their signs. Each border is attached to those before it at the pair of
    corners that lie nearest to each other.
    """
    rings = [np.asarray(ring, np.float64) for ring in rings if len(ring)]
    if not rings:
        return np.zeros((0, 2))
    path = rings[0]
    for ring in rings[1:]:
        i, j = _nearest(path, ring)
        path = np.concatenate([path[: i + 1], ring[j:], ring[: j + 1], path[i:]])
    return path


def unbridged(points: np.ndarray) -> list[np.ndarray]:
    """Return the borders of a polygon that `bridged` made of them: the first one, then those that
    were attached to it; a polygon without a bridge alone.

    A bridge is a side that is gone along once in each direction, with a border of three corners or
    more in between.

    Args:
        points: (n, 2) float64; corners of a bridge are the same numbers both times.
    """
    path = [tuple(point) for point in np.asarray(points, np.float64).tolist()]
    attached = []
    while (found := _first_bridge(path)) is not None:
        start, end = found
        attached.append(path[start + 1 : end])
        path = path[: start + 1] + path[end + 2 :]
    rings = [path, *(ring for one in attached for ring in unbridged(np.array(one)))]
    return [np.array(ring, np.float64).reshape(-1, 2) for ring in rings]


def _first_bridge(path: list[tuple[float, float]]) -> tuple[int, int] | None:
    """Return (start, end) of the first bridge: its sides go from path[start] to path[start + 1],
    and from path[end] back to path[end + 1]."""
    back: dict[tuple, list[int]] = {}
    for k in range(len(path) - 1):
        back.setdefault((path[k + 1], path[k]), []).append(k)
    for start in range(len(path) - 1):
        for end in back.get((path[start], path[start + 1]), ()):
            if end >= start + 4 and len(path) - (end - start) - 1 >= 3:
                return start, end
    return None


def by_part(borders: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return one polygon for each outer border, with bridges to the holes that lie in it.

    Args:
        borders: (n, 2) each; outer ones have a positive area, holes a negative one.
    """
    outer = [ring for ring in borders if signed_area(ring) >= 0]
    parts = [[ring] for ring in outer]
    for hole in (ring for ring in borders if signed_area(ring) < 0):
        # The smallest one around it: a part may lie in another's hole.
        around = [k for k, ring in enumerate(outer) if _is_inside(hole, ring)]
        if around:
            parts[min(around, key=lambda k: signed_area(outer[k]))].append(hole)
    return [bridged(rings) for rings in parts]


def _is_inside(hole: np.ndarray, ring: np.ndarray) -> bool:
    """Return whether most corners of a border lie inside of another."""
    ring = ring.astype(np.float32)
    corners = [tuple(map(float, corner)) for corner in hole]
    inside = sum(cv2.pointPolygonTest(ring, corner, False) >= 0 for corner in corners)
    return inside > len(corners) / 2


def oriented(points: np.ndarray) -> np.ndarray:
    """Return a polygon with a positive `signed_area`."""
    return points if signed_area(points) >= 0 else points[::-1]


def _nearest(first: np.ndarray, second: np.ndarray) -> tuple[int, int]:
    """Return the two corners of two polygons that lie nearest to each other."""
    distances = ((first[:, None] - second[None]) ** 2).sum(axis=2)
    i, j = np.unravel_index(distances.argmin(), distances.shape)
    return int(i), int(j)
