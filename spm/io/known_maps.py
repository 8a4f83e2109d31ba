"""Colour maps that are known by their colours, so that heights can be read off an image.

In most colour maps the luminance rises with the height (`spm.io.colour_curve`), if not evenly. In
rainbows and in maps of two diverging colours it does not. But they are few, and every program draws
the same ones.
"""

from __future__ import annotations

import functools

import numpy as np

from spm.io.colour_maps import COLOUR_MAPS, lookup_table

# Of matplotlib, beside our own.
NAMES = (
    "jet", "turbo", "rainbow", "gist_rainbow", "nipy_spectral", "hsv", "coolwarm", "seismic", "bwr",
    "RdBu", "RdYlBu", "Spectral", "twilight", "viridis", "plasma", "inferno", "magma", "cividis",
    "hot", "gist_heat", "copper", "bone", "pink", "cubehelix", "Blues",
)  # fmt: skip
BITS = 5  # of a channel, by which colours are counted
NEAR = 9.0  # levels off the map's colours, in the mean over the pixels, up to which it is the map
LEAST = 0.2  # part of a map that an image's colours must span


def heights_by_map(image: np.ndarray) -> np.ndarray | None:
    """Return what an image drawn in a known map, greys among them, shows.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        (H, W) uint8, the place of each pixel's colour on the map, 0 to 255; None where the colours
        are no known map's.
    """
    kinds, of_pixel = _kinds(image)
    places = places_on_map(kinds, np.bincount(of_pixel.ravel(), minlength=len(kinds)))
    if places is None:
        return None
    low, high = np.quantile(places[of_pixel], (0.01, 0.99))
    return places.astype(np.uint8)[of_pixel] if high - low >= LEAST * 255 else None


def places_on_map(colours: np.ndarray, counts: np.ndarray) -> np.ndarray | None:
    """Return the places (K,) of colours on the known map that they are nearest to, 0 to 255; None
    where they are on none.

    Args:
        colours: (K, 3) RGB, 0 to 255.
        counts: (K,) how often each occurs.
    """
    from scipy.spatial import cKDTree

    best = None
    for table in _tables():
        distance, places = cKDTree(table).query(colours)
        off = float(distance @ counts / counts.sum())
        if best is None or off < best[0]:
            best = off, places
    off, places = best
    return places if off <= NEAR else None


@functools.cache
def _tables() -> list[np.ndarray]:
    """The maps, (256, 3) RGB, 0 to 255, each."""
    from matplotlib import colormaps

    known = [colormaps[name](np.linspace(0, 1, 256))[:, :3] * 255 for name in NAMES]
    return [lookup_table(name).astype(float) for name in COLOUR_MAPS] + known


def _kinds(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the colours (K, 3) that occur, those of one cell of RGB as their mean, and the number
    of each pixel's (H, W)."""
    cells = image.astype(np.int32) >> (8 - BITS)
    codes = (cells[..., 0] << 2 * BITS) | (cells[..., 1] << BITS) | cells[..., 2]
    counts = np.bincount(codes.ravel(), minlength=1 << 3 * BITS)
    occur = np.flatnonzero(counts)
    sums = [np.bincount(codes.ravel(), image[..., k].ravel(), len(counts)) for k in range(3)]
    means = np.stack(sums, axis=1)[occur] / counts[occur, None]
    numbers = np.zeros(len(counts), np.int32)
    numbers[occur] = np.arange(len(occur))
    return means, numbers[codes]
