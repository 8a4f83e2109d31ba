"""The length of a pixel, carried inside the PNG file so that it cannot get lost.

PNG's own field for it (pHYs, whole pixels a metre in 32 bits) ends at 0.23 nm, and programs fill it
with the screen's resolution. So the scale stands in a text field of its own name; a PNG without it
has no known scale, and none is invented.
"""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path

import numpy as np

from spm.errors import InputError
from spm.io.images import encode_png
from spm.run.files import write_bytes

KEY = "nm_per_pixel"
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def write_scaled_png(path: Path, image: np.ndarray, nm_per_pixel: float | None) -> None:
    """Write an image as PNG with its scale, atomically.

    Args:
        path: ends in .png.
        image: (H, W, 3) uint8 RGB or (H, W) uint8/uint16.
        nm_per_pixel: None writes no scale.
    """
    write_bytes(path, scaled_png(image, nm_per_pixel))


def scaled_png(image: np.ndarray, nm_per_pixel: float | None) -> bytes:
    """Return an image as PNG with its scale, see `write_scaled_png`."""
    data = encode_png(image)
    if nm_per_pixel is not None:
        text = KEY.encode("ascii") + b"\0" + repr(check(nm_per_pixel)).encode("ascii")
        end = len(_SIGNATURE) + 25  # the header chunk has 25 bytes and must come first
        data = data[:end] + _chunk(b"tEXt", text) + data[end:]
    return data


def read_scale(path: Path) -> float | None:
    """Return the nanometres a pixel stored in a PNG, or None if the file has none or is no PNG.

    Raises:
        InputError: when the stored scale is not a positive number.
    """
    with Path(path).open("rb") as file:
        if file.read(8) != _SIGNATURE:
            return None
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind == b"IDAT":
                return None  # text of ours stands before the pixels
            if kind == b"tEXt":
                key, _, value = file.read(length).partition(b"\0")
                if key == KEY.encode("ascii"):
                    return _parse(path, value)
                file.seek(4, 1)
            else:
                file.seek(length + 4, 1)
    return None


def check(nm_per_pixel: float) -> float:
    """Return the scale as float.

    Raises:
        InputError: when it is not a positive finite number.
    """
    if not (math.isfinite(nm_per_pixel) and nm_per_pixel > 0):
        raise InputError(f"nm_per_pixel must be a positive number. Received: {nm_per_pixel}.")
    return float(nm_per_pixel)


def _parse(path: Path, value: bytes) -> float:
    try:
        return check(float(value))
    except (ValueError, InputError):
        raise InputError(
            f"{path}: its stored scale {value[:40]!r} is no positive number; "
            "give the scale with --nm-per-pixel on a copy without it."
        ) from None


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
