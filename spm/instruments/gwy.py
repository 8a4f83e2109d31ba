"""Gwyddion files (.gwy), read with gwyfile."""

from __future__ import annotations

import importlib
import re
import struct
from pathlib import Path

import numpy as np

from spm import instruments
from spm.errors import InputError

SUFFIXES = (".gwy",)


def read(path: Path) -> list[instruments.Channel]:
    """Return the data fields of a Gwyddion file in the order of their numbers.

    Gwyddion's own rows run from the top, and it turned the scan the right way round when it read
    the instrument's file.
    """
    gwyfile = instruments.need("gwyfile", "gwyfile", path)
    _check_whole(path)
    importlib.import_module("gwyfile.objects")
    container = gwyfile.objects.GwyObject.frombuffer(_Strict(path.read_bytes()[4:]))
    channels = []
    for number in sorted(int(m[1]) for k in container if (m := re.fullmatch(r"/(\d+)/data", k))):
        field = container[f"/{number}/data"]
        title = str(container.get(f"/{number}/data/title", f"channel {number}"))
        name, direction = instruments.split_direction(title)
        unit_xy = _unit(field.get("si_unit_xy"))
        channels.append(
            instruments.Channel(
                name=name or title,
                direction=direction,
                unit=_unit(field.get("si_unit_z")),
                values=np.array(field.data, dtype=np.float64),
                width_nm=instruments.nanometres(field.get("xreal"), unit_xy),
                height_nm=instruments.nanometres(field.get("yreal"), unit_xy),
                extra={"title": title},
            )
        )
    return channels


class _Strict(bytes):
    """Bytes in which a search that finds nothing is an error, like all pieces of them.

    gwyfile 0.3.0 takes the -1 of an end that is missing for a place, and reads for ever.
    """

    def find(self, *what) -> int:
        return self.index(*what)

    def __getitem__(self, key):
        piece = super().__getitem__(key)
        return _Strict(piece) if isinstance(key, slice) else piece


def _unit(unit: object) -> str:
    return str(unit.get("unitstr", "")) if unit is not None else ""


def _check_whole(path: Path) -> None:
    """Raise InputError for a file that is not Gwyddion's or shorter than it says."""
    with path.open("rb") as file:
        head = file.read(256)
    name, end, rest = head[4:].partition(b"\0")
    if head[:4] != b"GWYP" or not end or len(rest) < 4:
        raise InputError(f"{path}: not a Gwyddion file; check the name.")
    (size,) = struct.unpack("<I", rest[:4])
    if path.stat().st_size < 4 + len(name) + 1 + 4 + size:
        raise InputError(f"{path}: the file is truncated; copy it again.")
