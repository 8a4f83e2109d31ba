"""Gwyddion Simple Field files (.gsf): a line of words each, NULs up to a multiple of 4, float32.

See https://gwyddion.net/documentation/user-guide-en/gsf.html.
"""

from __future__ import annotations

from pathlib import Path

from spm import instruments
from spm.errors import InputError
from spm.instruments import raw

_MAGIC = b"Gwyddion Simple Field 1."


def read(path: Path) -> list[instruments.Channel]:
    """Return the one channel of the file; row 0 is the upper edge."""
    data = raw.read_bytes(path)
    end = data.find(b"\0")
    if not data.startswith(_MAGIC):
        raise InputError(f"{path}: not a Gwyddion Simple Field file; check the name.")
    if end < 0:
        raise InputError(f"{path}: the file ends in its header; copy it again.")
    pairs = (line.partition("=") for line in data[:end].decode("utf-8", "replace").splitlines())
    header = {key.strip(): value.strip() for key, _, value in pairs}
    columns, rows = raw.whole(header.get("XRes")), raw.whole(header.get("YRes"))
    title = header.get("Title") or "channel 0"
    name, direction, sense = instruments.split_title(title)
    unit_xy = header.get("XYUnits", "")
    width, height = (raw.number(header.get(key)) for key in ("XReal", "YReal"))
    return [
        instruments.Channel(
            name=name or title,
            direction=direction,
            unit=header.get("ZUnits", ""),
            values=raw.pixels(path, data, end + 4 - end % 4, "<f4", rows, columns),
            width_nm=instruments.nanometres(width, unit_xy),
            height_nm=instruments.nanometres(height, unit_xy),
            sense=sense,
            label=title,
        )
    ]
