"""Gwyddion files (.gwy), read by their published layout.

A file is "GWYP" and one object; an object is a name, the size of its body and components, each a
name, a letter for the type and the value (https://gwyddion.net/documentation/user-guide-en/
gwyfile-format.html). gwyfile 0.3.0 is not used: it refuses a text that is not UTF-8, as other
programs write it, and can read for ever on a damaged file.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import numpy as np

from spm import instruments
from spm.errors import InputError
from spm.instruments import raw

_NUMBERS = {"b": "<B", "c": "<B", "i": "<i", "q": "<q", "d": "<d"}
_ARRAYS = {"C": "<u1", "I": "<i4", "Q": "<i8", "D": "<f8"}
_DEEPEST = 40  # objects within objects; Gwyddion's own have five


def read(path: Path) -> list[instruments.Channel]:
    """Return the data fields of a Gwyddion file in the order of their numbers.

    Gwyddion's own rows run from the top, and it turned the scan the right way round when it read
    the instrument's file.
    """
    data = raw.read_bytes(path)
    if data[:4] != b"GWYP":
        raise InputError(f"{path}: not a Gwyddion file; check the name.")
    _, container, _ = _Reader(path, data).object(4)
    numbers = (re.fullmatch(r"/(\d{1,9})/data", key) for key in container)
    return [_channel(path, container, n) for n in sorted(int(m[1]) for m in numbers if m)]


def _channel(path: Path, container: dict[str, Any], number: int) -> instruments.Channel:
    field = container[f"/{number}/data"]
    title = container.get(f"/{number}/data/title", f"channel {number}")
    # gwyfile writes a title of one letter as a character.
    title = chr(title) if isinstance(title, int) else str(title)
    name, direction, sense = instruments.split_title(title)
    rows, columns = int(field["yres"]), int(field["xres"])
    values = field["data"]
    if rows < 1 or columns < 1 or values.size != rows * columns:
        raise InputError(
            f"{path}: {title!r} has {values.size} values for {columns} x {rows} pixels; the file "
            "is damaged."
        )
    unit_xy = _unit(field.get("si_unit_xy"))
    return instruments.Channel(
        name=name or title,
        direction=direction,
        unit=_unit(field.get("si_unit_z")),
        values=values.astype(np.float64).reshape(rows, columns),
        width_nm=instruments.nanometres(field.get("xreal"), unit_xy),
        height_nm=instruments.nanometres(field.get("yreal"), unit_xy),
        sense=sense,
        extra={"title": title},
        label=title,
    )


def _unit(unit: object) -> str:
    return str(unit.get("unitstr", "")) if isinstance(unit, dict) else ""


class _Reader:
    """Walks through the bytes of a file; every size in it is held against what is there."""

    def __init__(self, path: Path, data: bytes) -> None:
        self._path, self._data, self._depth = path, data, 0

    def object(self, start: int) -> tuple[str, dict[str, Any], int]:
        """Return (name, components, place behind it) of the object at `start`."""
        name, start = self._text(start)
        (size,) = self._unpack("<I", start)
        start += 4
        end = start + size
        self._depth += 1
        if end > len(self._data) or self._depth > _DEEPEST:
            raise InputError(f"{self._path}: the file is truncated or damaged; copy it again.")
        parts = {}
        while start < end:
            key, start = self._text(start)
            kind = self._data[start : start + 1].decode("latin-1")
            parts[key], start = self._value(kind, start + 1)
        self._depth -= 1
        return name, parts, end

    def _value(self, kind: str, start: int) -> tuple[Any, int]:
        if kind in _NUMBERS and kind:
            (value,) = self._unpack(_NUMBERS[kind], start)
            return value, start + struct.calcsize(_NUMBERS[kind])
        if kind == "s":
            return self._text(start)
        if kind == "o":
            _, value, end = self.object(start)
            return value, end
        if kind not in ("S", "O", *_ARRAYS):
            raise InputError(f"{self._path}: the file is damaged (at byte {start}); copy it again.")
        (count,) = self._unpack("<I", start)
        start += 4
        if kind in _ARRAYS:
            numbers = np.frombuffer(self._data, _ARRAYS[kind], count, start)
            return numbers, start + numbers.nbytes
        values = []
        for _ in range(count):
            value, start = self._value(kind.lower(), start)
            values.append(value)
        return values, start

    def _text(self, start: int) -> tuple[str, int]:
        """Return a text and the place behind its end; bytes that are no UTF-8 are Latin-1."""
        end = self._data.find(b"\0", start)
        if end < 0 or start >= len(self._data):
            raise InputError(f"{self._path}: the file is truncated or damaged; copy it again.")
        text = self._data[start:end]
        try:
            return text.decode("utf-8"), end + 1
        except UnicodeDecodeError:
            return text.decode("latin-1"), end + 1

    def _unpack(self, form: str, start: int) -> tuple:
        return struct.unpack_from(form, self._data, start)
