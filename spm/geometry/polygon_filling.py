"""Which pixels lie inside a polygon.

Coordinates are labelme's: the image's corner is (0, 0), pixel (row r, column c) has its centre at
(c + 0.5, r + 0.5) and belongs to a polygon when that centre is inside. The polygon of the whole
image therefore fills the last row and column too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Filled = tuple[np.ndarray, int, int]


def polygon_mask(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the (height, width) bool mask of a polygon (n, 2) x, y, which may leave the image."""
    mask = np.zeros((height, width), bool)
    pixels, top, left = fill_polygons([points], height, width)[0]
    mask[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return mask


def fill_polygons(polygons: Sequence[np.ndarray], height: int, width: int) -> list[Filled]:
    """Return the pixels of many polygons, each inside its own bounding box only.

    Each edge toggles, in each row whose centre line it crosses, all pixels right of the crossing;
    the parity of the running sum along the row is the mask. All masks lie one after the other
    in one flat buffer, and one running sum does for all: in each row the toggles are even in
    number, so that the parity is 0 again at the row's end.

    Args:
        polygons: (n, 2) x, y each.
        height, width: of the image; masks are cut at its border.

    Returns:
        (pixels, top, left) of each polygon: (h, w) bool, and row and column of its first pixel;
        without pixels (0, 0) at (0, 0). Self-crossings follow the even-odd rule.
    """
    polygons = [np.asarray(points, np.float64).reshape(-1, 2) for points in polygons]
    counts = np.array([len(points) for points in polygons], int)
    filled = np.flatnonzero(counts >= 3)
    masks: list[Filled] = [(np.zeros((0, 0), bool), 0, 0)] * len(polygons)
    if not len(filled):
        return masks
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
    # Both sides of a bridge (see `spm.geometry.rings`) must cross a row at the very same place.
    upward = (start[:, 1] > end[:, 1])[:, None]
    high_end, low_end = np.where(upward, end, start), np.where(upward, start, end)
    # A vertex at height y lies above the centre line of row ceil(y - 0.5) and all below it.
    line = np.clip(np.ceil(start[:, 1] - 0.5), 0, rows[owner]).astype(int)
    top_line, bottom_line = np.minimum(line, line[following]), np.maximum(line, line[following])
    crossed = bottom_line - top_line
    edge = np.repeat(np.arange(len(points)), crossed)
    row = np.arange(len(edge)) - (np.cumsum(crossed) - crossed)[edge] + top_line[edge]
    (x0, y0), (x1, y1) = high_end[edge].T, low_end[edge].T
    x = x0 + (row + 0.5 - y0) * (x1 - x0) / (y1 - y0)
    part = owner[edge]
    column = np.clip(np.ceil(x - 0.5), 0, columns[part]).astype(int)
    index = offset[part] + row * (columns[part] + 1) + column
    toggles = np.bincount(index, minlength=int((rows * (columns + 1)).sum()))
    # Eight bits are enough: the sum may overflow without changing its parity.
    inside = (np.cumsum(toggles.astype(np.uint8), dtype=np.uint8) & 1).astype(bool)
    for k, h, w, at, (left, top) in zip(filled, rows, columns, offset, low, strict=True):
        pixels = inside[at : at + h * (w + 1)].reshape(h, w + 1)[:, :w]
        if pixels.size:
            masks[k] = pixels, int(top), int(left)
    return masks
