"""Cutting an image into overlapping square tiles at the network's scale, and turning tiles.

The *lattice* of an image is the image resampled by `scale` (network pixels per image pixel).
It is never made as a whole: each tile is resampled on its own, straight from the 8-bit image, so
that memory is bounded by a tile. Lattice and image share their top-left corner; a point (x, y)
of the image in continuous coordinates (the first pixel covers [0, 1)) lies at (x, y) * scale on
the lattice, exactly and in both directions: nothing is squashed to fit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from spm.errors import InputError

# Smallest overlap of neighbouring tiles as a share of the tile, when the molecules' size is not
# known. A square image of 5/3 tiles gets four tiles of 3/5 of its side (they overlap by 1/3).
DEFAULT_OVERLAP = 0.3
# The overlap in molecule diameters when their size is known: each molecule is whole in one tile.
OVERLAP_DIAMETERS = 1.3
LARGEST_OVERLAP = 0.5  # share of the tile; above it each place would be seen three times
SCALE_RANGE = (0.02, 50.0)


@dataclass(frozen=True)
class Tile:
    """One tile: its place in the grid and its top-left corner (y, x) on the lattice.

    The corner is negative where an image smaller than a tile is padded on all sides.
    """

    row: int
    column: int
    y: int
    x: int


@dataclass(frozen=True)
class Grid:
    """The tiles of one image.

    Attributes:
        height, width: the image's size in pixels.
        scale: network pixels per image pixel.
        size: side of a tile in network pixels.
        rows, columns: first lattice row (column) of each row (column) of tiles.
    """

    height: int
    width: int
    scale: float
    size: int
    rows: tuple[int, ...]
    columns: tuple[int, ...]

    def tiles(self) -> list[Tile]:
        """Returns all tiles, row by row."""
        return [
            Tile(r, c, y, x) for r, y in enumerate(self.rows) for c, x in enumerate(self.columns)
        ]

    def cut(self, image: np.ndarray, tile: Tile) -> np.ndarray:
        """Resamples one tile from the image.

        Args:
            image: (height, width, 3) uint8.
            tile: one of `tiles()`.

        Returns:
            (size, size, 3) uint8. Beyond the image's border its last pixels are repeated.
        """
        return cut_square(image, tile.y, tile.x, self.size, self.scale)

    def sees_clearly(self, boxes: np.ndarray, tile: Tile, margin: float) -> np.ndarray:
        """Says which boxes a tile shows whole.

        Args:
            boxes: (N, 4) float (y1, x1, y2, x2) on the lattice.
            tile: the tile.
            margin: a box nearer than this to an inner tile border counts as cut (lattice pixels).

        Returns:
            (N,) bool. The image's own border cuts nothing: no other tile sees beyond it.
        """
        rows = _clear(boxes[:, 0], boxes[:, 2], (tile.y,), self.rows, self.size, margin)
        columns = _clear(boxes[:, 1], boxes[:, 3], (tile.x,), self.columns, self.size, margin)
        return rows & columns

    def any_sees_clearly(self, boxes: np.ndarray, margin: float) -> np.ndarray:
        """Says which boxes at least one tile shows whole; arguments as `sees_clearly`."""
        rows = _clear(boxes[:, 0], boxes[:, 2], self.rows, self.rows, self.size, margin)
        columns = _clear(boxes[:, 1], boxes[:, 3], self.columns, self.columns, self.size, margin)
        # The grid is a product of rows and columns, so both answers hold for one tile together.
        return rows & columns


def make_grid(
    height: int,
    width: int,
    scale: float,
    size: int,
    overlap: int | None = None,
) -> Grid:
    """Lays tiles over an image so that each pixel of it is in at least one.

    Args:
        height, width: the image's size in pixels.
        scale: network pixels per image pixel.
        size: side of a tile in network pixels.
        overlap: smallest overlap of neighbours in network pixels. Defaults to
            `DEFAULT_OVERLAP * size`.

    Raises:
        InputError: for a scale outside SCALE_RANGE.
        ValueError: for an image without pixels.
    """
    low, high = SCALE_RANGE
    if not low <= scale <= high:
        raise InputError(
            f"The tile scale must lie between {low} and {high} network pixels per image pixel; "
            f"check --tile-scale or the weights file. Received: {scale}."
        )
    if height < 1 or width < 1:
        raise ValueError(f"An image needs pixels. Received: {height} x {width}.")
    if overlap is None:
        overlap = int(DEFAULT_OVERLAP * size)
    overlap = min(overlap, int(LARGEST_OVERLAP * size))
    # The lattice ends with the last part of a pixel; the tolerance is for 1024 * 0.3 = 307.2000001.
    rows, columns = (
        _starts(math.ceil(length * scale - 1e-6), size, overlap) for length in (height, width)
    )
    return Grid(height, width, scale, size, rows, columns)


def overlap_for(molecule_size: float | None, scale: float) -> int | None:
    """Returns the overlap in network pixels for molecules of a diameter in image pixels."""
    if not molecule_size:
        return None
    return math.ceil(OVERLAP_DIAMETERS * molecule_size * scale)


def cut_square(image: np.ndarray, y: int, x: int, size: int, scale: float) -> np.ndarray:
    """Resamples the square [y, y + size) x [x, x + size) of the lattice from an image.

    Bilinear; when shrinking, the image is smoothed first so that fine noise does not alias.
    Only the part that the square needs is touched, in 8 bits.

    Args:
        image: (H, W, 3) uint8.
        y, x: the square's corner on the lattice.
        size: its side in network pixels.
        scale: network pixels per image pixel.

    Returns:
        (size, size, 3) uint8, edge pixels repeated beyond the image.
    """
    height, width = image.shape[:2]
    # Standard deviation, in image pixels, that makes up for the lower sampling rate.
    sigma = 0.5 * math.sqrt(max(1 / scale**2 - 1, 0.0))
    margin = 2 + math.ceil(3 * sigma)
    top, bottom = _span(y, size, scale, margin, height)
    left, right = _span(x, size, scale, margin, width)
    part = image[top:bottom, left:right]
    if sigma > 0.1:
        part = cv2.GaussianBlur(part, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    # From a centre on the lattice to one in `part`: continuous coordinates conjugated by half a
    # pixel, (x + 0.5) / scale - 0.5.
    shift_x = (x + 0.5) / scale - 0.5 - left
    shift_y = (y + 0.5) / scale - 0.5 - top
    matrix = np.array([[1 / scale, 0, shift_x], [0, 1 / scale, shift_y]])
    return cv2.warpAffine(
        np.ascontiguousarray(part),
        matrix,
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )


def view_count_ok(views: int, mirror: bool = True) -> int:
    """Returns `views` if it is 1, 2, 4 or, unless nothing may be mirrored, 8.

    Raises:
        InputError: when it is not.
    """
    if views not in (1, 2, 4, 8):
        raise InputError(f"views must be 1, 2, 4 or 8. Received: {views}.")
    if views == 8 and not mirror:
        raise InputError(
            "views = 8 mirrors the image, but these weights were trained without mirror images "
            "(mirror = False); use 4."
        )
    return views


def turn(image: np.ndarray, view: int) -> np.ndarray:
    """Returns one of the 8 flipped and turned copies of a square image.

    Views 0 to 3 are turns by 0, 180, 90 and 270 degrees, 4 to 7 their mirror images. Turns come
    first because they keep the handedness of chiral molecules.

    Args:
        image: (S, S) or (S, S, C) array.
        view: 0 to 7.
    """
    turned = np.rot90(image, _quarter_turns(view))
    return np.ascontiguousarray(turned[:, ::-1] if view >= 4 else turned)


def turn_back(image: np.ndarray, view: int) -> np.ndarray:
    """Undoes `turn`; the array need not be square (a mask cropped to its box)."""
    upright = image[:, ::-1] if view >= 4 else image
    return np.ascontiguousarray(np.rot90(upright, -_quarter_turns(view)))


def turn_boxes_back(boxes: np.ndarray, view: int, size: int) -> np.ndarray:
    """Moves boxes found in a turned copy of a tile to the tile itself.

    Args:
        boxes: (N, 4) numbers (y1, x1, y2, x2), ends exclusive.
        view: the copy's view, 0 to 7.
        size: side of the tile.

    Returns:
        (N, 4) array of the same dtype.
    """
    y1, x1, y2, x2 = np.asarray(boxes).reshape(-1, 4).T
    if view >= 4:
        x1, x2 = size - x2, size - x1
    for _ in range(_quarter_turns(view)):
        y1, x1, y2, x2 = x1, size - y2, x2, size - y1
    return np.stack([y1, x1, y2, x2], axis=1)


def _quarter_turns(view: int) -> int:
    return (0, 2, 1, 3)[view % 4]


def _starts(length: int, size: int, overlap: int) -> tuple[int, ...]:
    """Returns where tiles start along one axis: the first at 0, the last ending at `length`."""
    if length <= size:
        return (-((size - length) // 2),)
    count = max(2, math.ceil((length - overlap) / (size - overlap)))
    return tuple(round(i * (length - size) / (count - 1)) for i in range(count))


def _span(start: int, size: int, scale: float, margin: int, length: int) -> tuple[int, int]:
    """Returns the image's rows (columns) that a tile's rows (columns) are made of."""
    first = min(max(math.floor(start / scale) - margin, 0), length - 1)
    last = min(max(math.ceil((start + size) / scale) + margin, first + 1), length)
    return first, last


def _clear(low, high, starts, all_starts, size, margin) -> np.ndarray:
    """Says along one axis whether [low, high) is whole in one of the tiles at `starts`."""
    clear = np.zeros(len(low), bool)
    for start in starts:
        first = -np.inf if start == all_starts[0] else start + margin
        last = np.inf if start == all_starts[-1] else start + size - margin
        clear |= (low >= first) & (high <= last)
    return clear
