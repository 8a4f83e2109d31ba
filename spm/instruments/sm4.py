"""RHK files (.sm4), read by the layout that RHK published for its XPMPro and R9 programs.

A file is a tree of objects (number of the kind, place, size): header -> page index -> pages, each
with a header, texts and its numbers. spym 0.9.2 is not used: it scrambles pages that are not square
and cannot read those that were scanned up or down.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from spm import instruments
from spm.errors import InputError
from spm.instruments import raw

_SIGNATURE = "STiMage".encode("utf-16-le")
_PAGE_INDEX_HEADER, _PAGE_INDEX, _PAGE_HEADER, _PAGE_DATA, _TEXTS = 1, 2, 3, 4, 10
_IMAGE = 0  # kind of a page
# Fast scan direction: (direction, sense). RHK can scan along y as well.
_SCANS = {0: ("forward", ""), 1: ("backward", ""), 2: ("", "up"), 3: ("", "down")}
_MOST = 10_000  # pages or objects; a real file has some ten


def read(path: Path) -> list[instruments.Channel]:
    """Return the image pages of an RHK file, scaled to physical units.

    Pixels lie line by line; a negative x scale means from right to left, a positive y scale from
    the lowest line upwards.
    """
    data = raw.read_bytes(path)
    if _SIGNATURE not in data[:40]:
        raise instruments.UnknownVariant(f"{path}: not an RHK file; {instruments.WAY_OUT}.")
    size, _, pages, count, _ = struct.unpack_from("<H36s3I", data, 0)
    header = _objects(path, data, size + 2, count)
    place = header[_PAGE_INDEX_HEADER][0]
    pages, count = struct.unpack_from("<2I", data, place)
    place = _objects(path, data, place + 16, count)[_PAGE_INDEX][0]
    channels = []
    for _ in range(min(pages, _MOST)):
        kind, _, count, _ = struct.unpack_from("<4I", data, place + 16)
        objects = _objects(path, data, place + 32, count)
        place += 32 + 12 * count
        if kind == _IMAGE:
            channels.append(_page(path, data, objects))
    return channels


def _objects(path: Path, data: bytes, place: int, count: int) -> dict[int, tuple[int, int]]:
    """Return kind -> (place, size) of the objects listed at `place`."""
    if count > _MOST or place + 12 * count > len(data):
        raise InputError(f"{path}: the file is truncated or damaged; copy it again.")
    numbers = [struct.unpack_from("<3I", data, place + 12 * i) for i in range(count)]
    return {kind: (offset, size) for kind, offset, size in reversed(numbers)}


def _page(path: Path, data: bytes, objects: dict[int, tuple[int, int]]) -> instruments.Channel:
    place = objects[_PAGE_HEADER][0]
    _, texts = struct.unpack_from("<2H", data, place)
    integers = struct.unpack_from("<13i", data, place + 4)
    columns, rows, scan = integers[5], integers[6], integers[8]
    x_scale, y_scale, z_scale, _, _, _, z_offset, _, bias, current, angle = struct.unpack_from(
        "<11f", data, place + 56
    )
    (count,) = struct.unpack_from("<I", data, place + 112)
    inner = _objects(path, data, place + 180, count) if count else {}
    words = _texts(data, inner.get(_TEXTS, objects.get(_TEXTS, (0, 0)))[0], texts)
    values = raw.pixels(path, data, objects[_PAGE_DATA][0], "<i4", rows, columns)
    values = values[:, ::-1] if x_scale < 0 else values
    values = values[::-1] if y_scale > 0 else values
    name, direction = instruments.split_direction(words[0])
    said, sense = _SCANS.get(scan, ("", ""))
    return instruments.Channel(
        name=name or "channel",
        direction=direction or said,
        unit=words[9],
        values=np.ascontiguousarray(values) * z_scale + z_offset,
        width_nm=instruments.nanometres(abs(x_scale) * columns, words[7]),
        height_nm=instruments.nanometres(abs(y_scale) * rows, words[8]),
        sense=sense,
        extra={"bias": float(bias), "current": float(current), "scan_angle": float(angle),
               "date": f"{words[5]} {words[6]}".strip()},
    )  # fmt: skip


def _texts(data: bytes, place: int, count: int) -> list[str]:
    """Return the texts of a page, at least ten: label, ..., date, time, units of x, y and z."""
    words = []
    for _ in range(count if place else 0):
        (length,) = struct.unpack_from("<H", data, place)
        text = data[place + 2 : place + 2 + 2 * length].decode("utf-16-le", "replace")
        words.append(text.rstrip("\0").strip())
        place += 2 + 2 * length
    return words + [""] * max(0, 10 - len(words))
