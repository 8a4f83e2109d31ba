"""NT-MDT files (.mdt): a chain of frames, of which scans and MDAn images hold images.

The layout is that of NT-MDT's own description as published in the Kaitai format gallery, and for
MDA frames that of a real file. Checked against Gwyddion 2.62: an MDA file of GaAs, and a scan frame
made by the tests.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from spm import instruments
from spm.errors import InputError
from spm.instruments import raw

_MAGIC = b"\x01\xb0\x93\xff"
_FIRST_FRAME, _HEADER = 33, 22
_SCAN, _MDA = 0, 106
_UNITS = {-5: "m", -4: "cm", -3: "mm", -2: "um", -1: "nm", 0: "Å", 1: "nA", 2: "V", 4: "kHz",
          5: "deg", 6: "%", 20: "A", 21: "mA", 22: "uA", 23: "nA", 24: "pA", 25: "V", 26: "mV",
          30: "N", 31: "mN", 32: "uN", 33: "nN", 34: "pN"}  # fmt: skip
# MDA: minus the bytes of a number, and 256 times the bits of a float's fraction.
_TYPES = {-1: "<i1", 1: "<u1", -2: "<i2", 2: "<u2", -4: "<i4", 4: "<u4", -8: "<i8", 8: "<u8",
          -5892: "<f4", -13320: "<f8"}  # fmt: skip


def read(path: Path) -> list[instruments.Channel]:
    """Return the images of all frames, in the order of the file."""
    data = raw.read_bytes(path)
    if not data.startswith(_MAGIC):
        raise instruments.UnknownVariant(f"{path}: not an NT-MDT file; {instruments.WAY_OUT}.")
    channels = []
    for kind, start, end, size in _frames(path, data):
        if kind == _SCAN:
            channels.append(_scan(path, data[:end], start, size))
        elif kind == _MDA:
            channels.append(_mda(path, data, start))
    return [channel for channel in channels if channel is not None]


def _frames(path: Path, data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield (kind, place behind the header, end, size of the settings) of each frame."""
    (last,) = struct.unpack_from("<H", data, 12)
    place = _FIRST_FRAME
    for _ in range(last + 1):
        if place + _HEADER > len(data):
            break
        size, kind = struct.unpack_from("<IH", data, place)
        (settings,) = struct.unpack_from("<H", data, place + 20)
        if size < _HEADER or place + size > len(data):
            raise InputError(f"{path}: the file is truncated or damaged; copy it again.")
        yield kind, place + _HEADER, place + size, settings
        place += size


def _scan(path: Path, data: bytes, start: int, settings: int) -> instruments.Channel:
    axes = [struct.unpack_from("<ffh", data, start + 10 * i) for i in range(3)]
    mode = start + settings
    _, columns, rows, dots = struct.unpack_from("<4H", data, mode)
    place = mode + 8
    if dots:  # curves were measured at some points, whose places lie before the pixels
        (header,) = struct.unpack_from("<I", data, place)
        place += header + 16 * dots
    values = raw.pixels(path, data, place, "<i2", rows, columns)[::-1]
    place += 2 * rows * columns
    (length,) = struct.unpack_from("<I", data, place) if place + 4 <= len(data) else (0,)
    title = data[place + 4 : place + 4 + min(length, 200)].decode("cp1251", "replace")
    offset, step, unit = axes[2]
    return _channel(
        title, values * (step or 1.0) + offset, _UNITS.get(unit, ""),
        [abs(step) * n for (_, step, _), n in zip(axes, (columns, rows), strict=False)],
        [_UNITS.get(unit, "") for _, _, unit in axes[:2]],
    )  # fmt: skip


def _mda(path: Path, data: bytes, start: int) -> instruments.Channel | None:
    """Return the image of an MDA frame, None for a frame of another shape (a curve, a volume)."""
    (header,) = struct.unpack_from("<I", data, start)
    sizes = struct.unpack_from("<6I", data, start + 44)
    (place,) = struct.unpack_from("<I", data, start + 68)
    title = data[start + header : start + header + min(sizes[0], 200)].decode("latin-1")
    axes = start + header + sum(sizes[:5])
    length, dimensions, measurands = struct.unpack_from("<I12x2I", data, axes + 4)
    if (dimensions, measurands) != (2, 1):
        return None
    axes += 8 + length
    scales = []
    for _ in range(3):
        scales.append(_Axis(data, axes))
        axes = scales[-1].end
    x, y, z = scales
    if z.kind not in _TYPES:
        raise instruments.UnknownVariant(
            f"{path}: numbers of the MDA type {z.kind} are not known; {instruments.WAY_OUT}."
        )
    values = raw.pixels(path, data, place, _TYPES[z.kind], y.count, x.count)
    lengths = [abs(axis.step) * (axis.count - 1) for axis in (x, y)]
    return _channel(title, values[::-1] * z.step + z.bias, z.unit, lengths, [x.unit, y.unit])


class _Axis:
    """The calibration of one axis of an MDAn image: value = number * step + bias."""

    def __init__(self, data: bytes, place: int) -> None:
        size, length, name, comment, unit = struct.unpack_from("<5I", data, place)
        self.bias, self.step = struct.unpack_from("<2d", data, place + 44)
        first, last, self.kind = struct.unpack_from("<2qi", data, place + 60)
        self.count = last - first + 1
        text = place + 8 + length + name + comment
        self.unit = data[text : text + min(unit, 20)].decode("latin-1").strip("\0 ")
        self.end = place + size


def _channel(
    title: str, values: np.ndarray, unit: str, lengths: list[float], units: list[str]
) -> instruments.Channel:
    title = title.strip("\0 ")
    match = re.fullmatch(r"\d*([FB]):\s*(.*)", title)  # "1F:Height": forward
    name, direction = (match[2], {"F": "forward", "B": "backward"}[match[1]]) if match else ("", "")
    if not match:
        name, direction = instruments.split_direction(title)
    return instruments.Channel(
        name=name or title or "channel",
        direction=direction,
        unit=unit,
        values=values,
        width_nm=instruments.nanometres(lengths[0], units[0]),
        height_nm=instruments.nanometres(lengths[1], units[1]),
        label=title,
    )
