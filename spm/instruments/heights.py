"""From the measured heights of an instrument file to the image that the network sees."""

from __future__ import annotations

import math
import platform
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from spm import instruments
from spm.errors import InputError
from spm.instruments import levelling
from spm.instruments.notices import tell
from spm.io import colour_maps
from spm.io.images import check_pixels

CHANNEL = ""  # part of the channel's name; empty: the height channel
DIRECTION = ""  # "forward", "backward", "up", "down" or two words; empty: forward if there is one
LEVELLING = "both"  # "none", "plane", "lines" or "both"
LOW = 0.5  # percentile of the heights drawn darkest, 0 to 100
HIGH = 99.5  # percentile drawn brightest
COLOUR_MAP = "hot"  # one of spm.io.colour_maps.COLOUR_MAPS
# Pixels whose sides differ by less than this are taken for square (1 is 100 %).
SQUARE_TOLERANCE = 0.002
# Pixels longer than so many times their other side are an error in the file.
LONGEST_PIXEL = 100.0
# Share of the measured range that levelling must leave for anything to be seen.
FLAT = 1e-9


@dataclass
class Opened:
    """An image ready for the network, and what is known of its size.

    Attributes:
        image: (H, W, 3) uint8 RGB with square pixels.
        nm_per_pixel: None where it is not known.
        heights_nm: (H, W) float64 levelled heights, None where they are not known.
        settings: how it was made; empty for an image that was not converted.
    """

    image: np.ndarray
    nm_per_pixel: float | None
    heights_nm: np.ndarray | None
    settings: dict[str, Any]


@dataclass
class Levelled:
    """The heights of one channel of an instrument file, before they are coloured.

    Attributes:
        path: the instrument file.
        heights: (H, W) float64 on square pixels, every one of them known; in nm, or `unit`.
        unit: "nm", or the channel's own.
        nm_per_pixel: None where it is not known.
        is_height: whether the channel holds heights of the surface.
        span: difference of the largest and the smallest measured value.
        settings: how they were made.
        every: of how many pixels and lines one was taken.
    """

    path: Path
    heights: np.ndarray
    unit: str
    nm_per_pixel: float | None
    is_height: bool
    span: float
    settings: dict[str, Any]
    every: int = 1


def convert_file(
    path: Path,
    *,
    channel: str = CHANNEL,
    direction: str = DIRECTION,
    levelling: str = LEVELLING,
    low: float = LOW,
    high: float = HIGH,
    colour_map: str = COLOUR_MAP,
) -> Opened:
    """Make an image of one channel of an instrument file.

    Args:
        path: the instrument file.
        channel, direction, levelling: see `level_file`.
        low, high, colour_map: see `draw`.

    Raises:
        InputError: when the file or a setting is wrong.
    """
    levelled = level_file(path, channel=channel, direction=direction, levelling=levelling)
    return draw(levelled, low=low, high=high, colour_map=colour_map)


def level_file(
    path: Path,
    *,
    channel: str = CHANNEL,
    direction: str = DIRECTION,
    levelling: str = LEVELLING,
    most_pixels: int | None = None,
) -> Levelled:
    """Read one channel of an instrument file and level it.

    Lines that were never scanned are cut off, other missing pixels get the median height, and
    pixels that are not square are resampled to the finer of their two sides.

    Args:
        path: the instrument file.
        channel: part of the channel's name; empty for the height channel.
        direction: "forward", "backward", "up", "down", or two of them; empty prefers forward.
        levelling: "none", "plane", "lines" or "both".
        most_pixels: for a first look, of which nothing is kept, lines and pixels of a larger image
            are left out.

    Raises:
        InputError: when the file or a setting is wrong.
    """
    path = Path(path)
    chosen = instruments.choose(path, instruments.read_channels(path), channel, direction)
    every = math.ceil(math.sqrt(chosen.values.size / (most_pixels or chosen.values.size)))
    chosen = replace(chosen, values=chosen.values[::every, ::every])
    values, frame_nm, cut = _scanned_part(chosen)
    unit = chosen.unit
    if unit == "m":
        values, unit = values * 1e9, "nm"
    heights = _levelled(values, levelling)
    missing = ~np.isfinite(heights)
    heights[missing] = np.median(heights[~missing])
    heights, nm_per_pixel = _square_pixels(path, heights, frame_nm)
    settings = {
        "source": path.name,
        "channel": chosen.name,
        "direction": " ".join(part for part in (chosen.direction, chosen.sense) if part),
        "levelling": levelling,
        "measured_pixels": list(chosen.values.shape),
        "frame_nm": [chosen.width_nm, chosen.height_nm],
        "lines_cut": list(cut),
        "missing_pixels": int(missing.sum()),
        "pixels": list(heights.shape),
        "nm_per_pixel": nm_per_pixel,
        "scan": chosen.extra,
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
    }
    span = float(np.ptp(values[np.isfinite(values)]))
    return Levelled(path, heights, unit, nm_per_pixel, chosen.is_height, span, settings, every)


def draw(
    levelled: Levelled, *, low: float = LOW, high: float = HIGH, colour_map: str = COLOUR_MAP
) -> Opened:
    """Make an image of levelled heights.

    Args:
        levelled: the heights; they stay as they are.
        low: percentile of the heights drawn darkest, 0 to 100.
        high: percentile drawn brightest.
        colour_map: one of `spm.io.colour_maps.COLOUR_MAPS`.

    Raises:
        InputError: when a setting is wrong.
    """
    heights = levelled.heights
    shown, darkest, brightest = _contrast(heights, low, high)
    _tell_if_flat(levelled.path, levelled.span, brightest - darkest)
    made = dict(levelled.settings)
    # In the order in which the settings have always been written down.
    first = {name: made.pop(name) for name in ("source", "channel", "direction", "levelling")}
    drawn = {
        "low": low,
        "high": high,
        "colour_map": colour_map,
        "shown": {"from": darkest, "to": brightest, "unit": levelled.unit},
    }
    image = colour_maps.colour(shown, colour_map)
    kept = heights if levelled.is_height else None
    return Opened(image, levelled.nm_per_pixel, kept, {**first, **drawn, **made})


def _tell_if_flat(path: Path, span: float, contrast: float) -> None:
    """Say so when levelling, as of a plane, or the percentiles leave nothing to be seen."""
    if not contrast > FLAT * span:
        tell(
            path,
            "the image has one colour: nothing stands out between the percentiles that are drawn; "
            "try --levelling none, or --low 0 --high 100.",
        )


def _scanned_part(
    channel: instruments.Channel,
) -> tuple[np.ndarray, tuple[float | None, float | None], tuple[int, int]]:
    """Return the scanned lines, the (width, height) of their frame in nm, the lines cut off."""
    scanned = np.flatnonzero(np.isfinite(channel.values).any(axis=1))
    first, last = int(scanned[0]), int(scanned[-1]) + 1
    rows = len(channel.values)
    height_nm = channel.height_nm
    if height_nm is not None:
        height_nm *= (last - first) / rows
    return channel.values[first:last], (channel.width_nm, height_nm), (first, rows - last)


def _levelled(values: np.ndarray, method: str) -> np.ndarray:
    try:
        return levelling.level(values, method)
    except ValueError as error:
        raise InputError(f"levelling: {error}") from error


def _contrast(heights: np.ndarray, low: float, high: float) -> tuple[np.ndarray, float, float]:
    try:
        return levelling.contrast(heights, low, high)
    except ValueError as error:
        raise InputError(f"low and high: {error}") from error


def _square_pixels(
    path: Path, heights: np.ndarray, frame_nm: tuple[float | None, float | None]
) -> tuple[np.ndarray, float | None]:
    """Return the heights on square pixels and the pixel's side in nm (None if not known).

    Raises:
        InputError: when the sides of a pixel cannot be true, or too many pixels would come of it.
    """
    width_nm, height_nm = frame_nm
    if width_nm is None or height_nm is None:
        return heights, None
    rows, columns = heights.shape
    dx, dy = width_nm / columns, height_nm / rows
    if abs(dx / dy - 1) < SQUARE_TOLERANCE:
        return heights, (dx + dy) / 2
    side = min(dx, dy)
    if not max(dx, dy) / LONGEST_PIXEL <= side < np.inf:
        raise InputError(
            f"{path}: its frame of {width_nm:.4g} x {height_nm:.4g} nm cannot be that of "
            f"{columns} x {rows} pixels; the file is damaged, or correct the size in the "
            "microscope's program."
        )
    size = (max(1, round(width_nm / side)), max(1, round(height_nm / side)))
    check_pixels(*size, str(path))
    return cv2.resize(heights, size, interpolation=cv2.INTER_LINEAR), side
