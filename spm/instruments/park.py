"""Park Systems images (.tiff): a thumbnail for everyone, the measured numbers in private tags.

Tag 50432 is a magic number, 50434 the numbers, the lowest line first, 50435 a table of settings.
What the other TIFF readers show is the thumbnail.
"""

from __future__ import annotations

import struct
from pathlib import Path

from spm import instruments
from spm.errors import InputError
from spm.instruments import raw

_MAGIC = 0x0E031301
_TAG_MAGIC, _TAG_DATA, _TAG_HEADER = 50432, 50434, 50435
_TYPES = {0: "i2", 1: "i4", 2: "f4"}
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 7: 1}  # size of one value of a TIFF type
# Places in the table of settings.
_SOURCE, _SIZE, _FRAME, _GAIN, _UNIT, _TYPE = 4, 100, 140, 220, 244, 348


def is_park(path: Path) -> bool:
    """Return whether a TIFF has Park's tags; a file that is no TIFF has none."""
    try:
        with path.open("rb") as file:
            data = file.read(8)
            if data[:4] not in (b"II*\0", b"MM\0*"):
                return False
            order = "<" if data[:1] == b"I" else ">"
            file.seek(struct.unpack(f"{order}I", data[4:])[0])
            data = file.read(2 + 12 * 1000)
    except (OSError, struct.error):
        return False
    count = struct.unpack(f"{order}H", data[:2])[0] if len(data) >= 2 else 0
    entries = (data[2 + 12 * i : 14 + 12 * i] for i in range(count))
    magic = struct.pack(f"{order}H", _TAG_MAGIC)
    return any(entry[:2] == magic and len(entry) == 12 for entry in entries)


def read(path: Path) -> list[instruments.Channel]:
    """Return the one channel of a Park image."""
    data = raw.read_bytes(path)
    order = "<" if data[:1] == b"I" else ">"
    tags = _tags(path, data, order)
    table = tags.get(_TAG_HEADER, b"")
    if len(table) < _UNIT + 16 or _TAG_DATA not in tags:
        raise instruments.UnknownVariant(
            f"{path}: a Park TIFF without its measured data; {instruments.WAY_OUT}."
        )
    columns, rows = struct.unpack_from(f"{order}2i", table, _SIZE)
    width, height = struct.unpack_from(f"{order}2d", table, _FRAME)
    gain, scale, offset = struct.unpack_from(f"{order}3d", table, _GAIN)
    # The first version of the table has no type: its numbers are short.
    (kind,) = struct.unpack_from(f"{order}i", table, _TYPE) if len(table) >= _TYPE + 4 else (0,)
    if kind not in _TYPES:
        raise instruments.UnknownVariant(
            f"{path}: numbers of Park's type {kind} are not known; {instruments.WAY_OUT}."
        )
    values = raw.pixels(path, tags[_TAG_DATA], 0, order + _TYPES[kind], rows, columns)
    name, direction = instruments.split_direction(_text(table[_SOURCE : _SOURCE + 64], order))
    return [
        instruments.Channel(
            name=name or "channel",
            direction=direction,
            unit=_text(table[_UNIT : _UNIT + 16], order),
            values=values[::-1] * gain * scale + offset,
            width_nm=instruments.nanometres(width, "um"),
            height_nm=instruments.nanometres(height, "um"),
        )
    ]


def _tags(path: Path, data: bytes, order: str) -> dict[int, bytes]:
    """Return number -> bytes of the tags of the first image in a TIFF."""
    (place,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, place)
    tags = {}
    for i in range(count):
        at = place + 2 + 12 * i
        tag, kind, number = struct.unpack_from(f"{order}2HI", data, at)
        size = _BYTES.get(kind, 0) * number
        if size > 4:
            (at,) = struct.unpack_from(f"{order}I", data, at + 8)
            at -= 8
        if at + 8 + size > len(data):
            raise InputError(f"{path}: the file is truncated or damaged; copy it again.")
        tags[tag] = data[at + 8 : at + 8 + size]
    return tags


def _text(data: bytes, order: str) -> str:
    text = data.decode("utf-16-le" if order == "<" else "utf-16-be", "replace")
    return text.split("\0")[0].strip()
