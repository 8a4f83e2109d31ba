"""The colour maps in which microscope programs draw heights: height 0..1 to RGB.

Each map is a list of knots joined by straight lines: no plotting library is needed, and the same
knots give the same image everywhere. Training and prediction should see the same map; convert's
settings file names the one that was used.
"""

from __future__ import annotations

import numpy as np

from spm.errors import InputError

# name: list of (position 0..1, (red, green, blue) 0..255).
COLOUR_MAPS: dict[str, list[tuple[float, tuple[int, int, int]]]] = {
    "grey": [(0.0, (0, 0, 0)), (1.0, (255, 255, 255))],
    # Black, red, yellow: the impression of many published STM images.
    "hot": [
        (0.0, (0, 0, 0)),
        (0.41, (234, 0, 0)),
        (0.545, (255, 57, 0)),
        (0.80, (255, 201, 0)),
        (0.94, (255, 255, 26)),
        (1.0, (255, 255, 63)),
    ],
    # The default gradient of Gwyddion ("Gwyddion.net"): black, brown, sand, white.
    "gwyddion": [
        (0.0, (0, 0, 0)),
        (0.344671, (168, 40, 15)),
        (0.687075, (243, 194, 93)),
        (1.0, (255, 255, 255)),
    ],
    # Black, brown, orange, white: the map of this name in Matplotlib and many AFM programs.
    "afmhot": [
        (0.0, (0, 0, 0)),
        (0.25, (128, 0, 0)),
        (0.5, (255, 128, 0)),
        (0.75, (255, 255, 128)),
        (1.0, (255, 255, 255)),
    ],
    # Black, brown, gold, pale yellow, white.
    "gold": [
        (0.0, (0, 0, 0)),
        (0.33, (106, 40, 6)),
        (0.67, (222, 151, 27)),
        (0.88, (250, 224, 140)),
        (1.0, (255, 255, 255)),
    ],
    # In the manner of WSxM: dark brown, orange, cream.
    "wsxm": [
        (0.0, (16, 2, 0)),
        (0.25, (93, 29, 6)),
        (0.5, (178, 83, 20)),
        (0.75, (238, 168, 87)),
        (1.0, (255, 250, 232)),
    ],
    # Blue through green to yellow, as several viewers offer.
    "cool": [
        (0.0, (4, 4, 40)),
        (0.3, (20, 60, 130)),
        (0.6, (60, 160, 140)),
        (0.85, (200, 220, 110)),
        (1.0, (255, 255, 210)),
    ],
    # Black, blue, cyan, white.
    "sky": [
        (0.0, (0, 0, 0)),
        (0.4, (10, 50, 160)),
        (0.75, (90, 190, 235)),
        (1.0, (255, 255, 255)),
    ],
}


def lookup_table(name: str) -> np.ndarray:
    """Return a colour map as a (256, 3) uint8 RGB table.

    Raises:
        InputError: no such colour map.
    """
    if name not in COLOUR_MAPS:
        raise InputError(f"colour map {name!r} is unknown; choose from {', '.join(COLOUR_MAPS)}.")
    positions, colours = zip(*COLOUR_MAPS[name], strict=True)
    axis = np.linspace(0.0, 1.0, 256)
    channels = [np.interp(axis, positions, channel) for channel in np.array(colours, float).T]
    return np.round(np.stack(channels, axis=1)).astype(np.uint8)


def colour(height: np.ndarray, name: str) -> np.ndarray:
    """Colour a (H, W) float height image; heights beyond 0..1 are clipped.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    levels = np.clip(np.round(height * 255.0), 0, 255).astype(np.uint8)
    return lookup_table(name)[levels]
