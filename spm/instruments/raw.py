"""Reading numbers from the raw bytes of instrument files, never more than the file holds."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from spm.errors import InputError
from spm.io.images import check_pixels

LARGEST_FILE = 1_000_000_000  # bytes that are read at once; an image has some megabytes


def refuse_empty(path: Path) -> None:
    """Raise InputError for an empty file, for which most packages have no sentence."""
    if not path.stat().st_size:
        raise InputError(f"{path}: the file is empty; copy it again from the microscope.")


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes.

    Raises:
        InputError: when it is empty or larger than any image.
    """
    refuse_empty(path)
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise InputError(
            f"{path}: {size / 1e6:.0f} megabytes are more than an image has (the limit is "
            f"{LARGEST_FILE / 1e6:.0f}); save the channel that you need by itself."
        )
    return path.read_bytes()


def pixels(path: Path, data: bytes, offset: int, dtype: str, rows: int, columns: int) -> np.ndarray:
    """Return (rows, columns) float64 of the numbers at `offset`, in the order of the file.

    Args:
        path: the file, for the message.
        data: its bytes.
        offset: place of the first number in bytes.
        dtype: NumPy's word for one number, such as "<i2".
        rows: number of lines.
        columns: number of pixels of a line.

    Raises:
        InputError: when the size is none of an image or the file ends before its pixels do.
    """
    if rows < 1 or columns < 1:
        raise InputError(f"{path}: {columns} x {rows} pixels are no image; the file is damaged.")
    check_pixels(columns, rows, str(path))
    count = rows * columns
    if offset < 0 or offset + count * np.dtype(dtype).itemsize > len(data):
        raise InputError(
            f"{path}: the file ends before its {columns} x {rows} pixels do; copy it again from "
            "the microscope."
        )
    values = np.frombuffer(data, dtype, count, offset).reshape(rows, columns)
    return values.astype(np.float64)


def quantity(text: str | None) -> tuple[float | None, str]:
    """Return (number, unit) of a text such as "600 nm" or "1.5e-6"; (None, "") if it is none."""
    match = re.match(r"\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*(\S*)", text or "")
    if match is None:
        return None, ""
    try:
        return float(match[1]), match[2]
    except ValueError:
        return None, ""


def number(text: str | None) -> float | None:
    """Return the number that a text begins with, or None."""
    return quantity(text)[0]


def whole(text: str | None) -> int:
    """Return the whole number that a text begins with, 0 if there is none."""
    value = number(text)
    return int(value) if value is not None and abs(value) < 1e9 else 0
