"""WSxM images (.stp, .top): a text header of named size, then the numbers.

The pixels begin at the lower right corner (Gwyddion 2.62 reads the same). Whole numbers are spread
over the header's Z amplitude; decimal ones are nanometres or whatever unit the amplitude has.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from spm import instruments
from spm.errors import InputError
from spm.instruments import raw

_TYPES = {"short": "<i2", "": "<i2", "integer": "<i4", "float": "<f4", "double": "<f8"}


def read(path: Path) -> list[instruments.Channel]:
    """Return the one channel of a WSxM image."""
    data = raw.read_bytes(path)
    size = re.search(rb"Image header size: *(\d{1,7})", data[:300])
    if not data.startswith(b"WSxM file copyright") or b"SxM Image file" not in data[:200]:
        raise instruments.UnknownVariant(f"{path}: not a WSxM image; {instruments.WAY_OUT}.")
    if size is None:
        raise InputError(f"{path}: the header says no size; the file is damaged.")
    header = _header(data[: int(size[1])].decode("latin-1"))
    dtype = _TYPES.get(header.get("image data type", "").lower())
    if dtype is None:
        raise instruments.UnknownVariant(
            f"{path}: numbers of the type {header['image data type']!r} are not known; "
            f"{instruments.WAY_OUT}."
        )
    rows, columns = (raw.whole(header.get(f"number of {k}")) for k in ("rows", "columns"))
    values = raw.pixels(path, data, int(size[1]), dtype, rows, columns)[::-1, ::-1]
    amplitude, unit = raw.quantity(header.get("z amplitude"))
    if dtype[1] == "i" and amplitude is not None:
        span = values.max() - values.min()
        values = values * (amplitude / span if span else 0.0)
    frame = [instruments.nanometres(*raw.quantity(header.get(f"{k} amplitude"))) for k in "xy"]
    way, sense = (header.get(f"{k} scanning direction", "").lower() for k in "xy")
    return [
        instruments.Channel(
            name=header.get("acquisition channel") or "channel",
            direction=way if way in (instruments.FORWARD, instruments.BACKWARD) else "",
            unit=unit,
            values=np.ascontiguousarray(values),
            width_nm=frame[0],
            height_nm=frame[1],
            sense=sense if sense in ("up", "down") else "",
        )
    ]


def _header(text: str) -> dict[str, str]:
    """Return the settings of all sections, keys in lower case."""
    pairs = (line.partition(":") for line in text.splitlines() if ":" in line)
    settings: dict[str, str] = {}
    for key, _, value in pairs:
        settings.setdefault(key.strip().lower(), value.strip())
    return settings
