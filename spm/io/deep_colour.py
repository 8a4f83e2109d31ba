"""Images of more than eight bits a channel, signed or with white as zero: TIFF as NumPy's users,
cameras and microscopes write it, and 16-bit colour PNG.

Pillow does not open some of them (float64, float16, float colour), takes others for what they are
not (signed bytes, white as zero), and keeps the upper eight bits of colour of which a camera fills
the lower twelve.
"""

from __future__ import annotations

import io
import sys
from typing import Any

import cv2
import numpy as np

from spm.errors import InputError

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Grey values of more than 8 bits are spread over 0..255 between these percentiles, so that a few
# spikes of the tip do not make the rest of the image dark.
PERCENTILES = (0.1, 99.9)
_PNG = b"\x89PNG\r\n\x1a\n"
_BIT_DEPTHS = (8, 10, 12, 14, 16)  # of cameras
_TRANSPOSED = (5, 6, 7, 8)  # values of the tag Orientation


def decode_deep(data: bytes, name: str) -> np.ndarray | None:
    """Return (H, W, 3) uint8 RGB of a file of the kinds above; None for any other.

    Args:
        data: the file's bytes, of a size that may be unpacked.
        name: of the file, for messages.

    Raises:
        InputError: when the file is damaged.
    """
    if data.startswith(_PNG) and data[24:26] in (b"\x10\x02", b"\x10\x06"):
        array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        rare = b"eXIf" in data[:4096] or b"iCCP" in data[:4096]
        return None if array is None or rare else _colour(_from_bgr(array))
    if not data.startswith(TIFF):
        return None
    import tifffile

    with _damage(name), tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        if not _is_deep(page):
            return None
        if page.dtype.kind == "c":
            raise InputError(
                f"{name}: its pixels are complex numbers; save their magnitude or phase as TIFF."
            )
        array = _pixels(page, data)
        if array is None:
            return None
        if len(file.pages) > 1:
            print(f"{name}: has {len(file.pages)} images; the first one is used.", file=sys.stderr)
        inverted = int(page.photometric) == int(tifffile.PHOTOMETRIC.MINISWHITE)
        return _turned(_eight_bits(array, inverted, name), _orientation(page))


def deep_size(data: bytes, name: str) -> tuple[int, int] | None:
    """Return (H, W) of a TIFF file as `decode_deep` gives it, None for any other file."""
    if not data.startswith(TIFF):
        return None
    import tifffile

    with _damage(name), tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        if not _is_deep(page):
            return None
        height, width = page.imagelength, page.imagewidth
        return (width, height) if _orientation(page) in _TRANSPOSED else (height, width)


def scale_grey(values: np.ndarray) -> np.ndarray:
    """Spread numbers of any type and shape over 0..255 between the 0.1 and 99.9 percentiles.

    NaN and infinity become 0; a constant image becomes 0 everywhere.
    """
    values = values.astype(np.float64)
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(values.shape, np.uint8)
    low, high = np.percentile(values[finite], PERCENTILES)
    if high <= low:
        low, high = values[finite].min(), values[finite].max()
    scaled = (np.where(finite, values, low) - low) / max(high - low, np.finfo(float).tiny)
    return np.rint(np.clip(scaled, 0, 1) * 255).astype(np.uint8)


class _damage:
    """Turn what tifffile raises on a damaged file into an InputError."""

    def __init__(self, name: str):
        self.name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        # tifffile raises nearly anything on damaged files.
        if isinstance(error, Exception) and not isinstance(error, InputError | MemoryError):
            words = " ".join(str(error).split())[:120]
            raise InputError(
                f"{self.name}: the image is damaged or truncated ({words}); copy it again."
            ) from error


def _is_deep(page: Any) -> bool:
    """Return whether Pillow is not to be asked for a page."""
    if page.dtype is None or int(page.photometric) > 2:  # palette, CMYK, YCbCr, CIELAB
        return False
    return page.dtype not in (np.uint8, np.bool_)


def _pixels(page: Any, data: bytes) -> np.ndarray | None:
    """Return (H, W) or (H, W, C) values of a page; None when no one here unpacks it."""
    try:
        array = page.asarray()
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        return None if array is None else _from_bgr(array)
    array = np.squeeze(array) if array.ndim > 3 else array
    if array.ndim == 3 and page.axes.startswith("S"):
        array = np.moveaxis(array, 0, 2)
    return array


def _from_bgr(array: np.ndarray) -> np.ndarray:
    if array.ndim == 3 and array.shape[2] >= 3:
        return array[:, :, [2, 1, 0, *range(3, array.shape[2])]]
    return array


def _orientation(page: Any) -> int:
    tag = page.tags.get(274)
    return int(tag.value) if tag is not None else 1


def _turned(array: np.ndarray, orientation: int) -> np.ndarray:
    """Return an image as the tag Orientation wants it shown (TIFF 6.0, section 8)."""
    if orientation in _TRANSPOSED:
        array = array.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)


def _eight_bits(array: np.ndarray, inverted: bool, name: str) -> np.ndarray:
    if array.ndim == 3 and array.shape[2] >= 3:
        return _colour(array)
    if array.ndim == 3:
        print(f"{name}: has {array.shape[2]} channels; the first one is used.", file=sys.stderr)
        array = array[:, :, 0]
    if array.dtype == np.int8:
        grey = _unsigned(array)
        grey = 255 - grey if inverted else grey
    else:
        grey = scale_grey(-array.astype(np.float64) if inverted else array)
    return np.repeat(grey[:, :, None], 3, axis=2)


def _unsigned(array: np.ndarray) -> np.ndarray:
    return (array.astype(np.int16) + 128).astype(np.uint8)


def _colour(array: np.ndarray) -> np.ndarray:
    """Return (H, W, 3) uint8 of (H, W, 3 or more); a fourth channel is opacity, over black.

    Whole numbers keep the upper eight of the bits that a camera of 8, 10, 12, 14 or 16 bits fills.
    Floats are taken as 0..1 or 0..255 where they lie within that, and are spread otherwise.
    """
    colour = array[:, :, :3]
    if array.dtype == np.int8:
        shown = _unsigned(colour)
    elif array.dtype == np.uint16:
        highest = int(colour.max(initial=0))
        depth = next(bits for bits in _BIT_DEPTHS if highest < 1 << bits)
        shown = (colour >> (depth - 8)).astype(np.uint8)
    else:
        shown = _spread(colour)
    if array.shape[2] < 4:
        return np.ascontiguousarray(shown)
    opacity = array[:, :, 3:4].astype(np.float64)
    whole = (
        np.iinfo(array.dtype).max if array.dtype.kind in "iu" else max(opacity.max(initial=0), 1)
    )
    return np.rint(shown * np.clip(opacity / whole, 0, 1)).astype(np.uint8)


def _spread(colour: np.ndarray) -> np.ndarray:
    finite = colour[np.isfinite(colour)]
    if finite.size and finite.min() >= 0 and colour.dtype.kind == "f":
        for whole in (1.0, 255.0):
            if finite.max() <= whole:
                values = np.where(np.isfinite(colour), colour, 0).astype(np.float64)
                return np.rint(values * (255 / whole)).astype(np.uint8)
    return scale_grey(colour)
