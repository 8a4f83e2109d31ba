"""Createc images (.dat): a text header, "DATA" and one zlib stream of float32.

The layout was found in real files of five scans. All channels of the forward lines come first, then
those of the backward ones, both from left to right; a scan at several voltages repeats that. The
first number of the stream is no pixel. Heights are those of Gwyddion 2.62. Its currents are not: it
scales them like heights. Here they are the preamplifier's, which agree with the set points that the
files name (152 for 156, 88.6 for 88.4, 301 for 300 and 107 for 101 pA).
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import numpy as np

from spm import instruments
from spm.errors import InputError
from spm.instruments import raw
from spm.io.images import check_pixels

_LONGEST_HEADER = 65536  # bytes; real ones have some 16 thousand
_VOLTS = 20.0  # the converters reach from -10 to 10 V
_GAIN = 10.0  # amplifier gain that the piezo constants stand for


def read(path: Path) -> list[instruments.Channel]:
    """Return the channels of a Createc image, lines that were never scanned as NaN.

    A broken-off scan has zeros in all channels at once from some line on.
    """
    data = raw.read_bytes(path)
    place = data.find(b"DATA", 0, _LONGEST_HEADER)
    if not data.startswith(b"[Paramco32]") or place < 0:
        raise instruments.UnknownVariant(
            f"{path}: not a Createc image with compressed data; {instruments.WAY_OUT}."
        )
    header = _header(data[:place])
    columns, rows = (raw.whole(header.get(key)) for key in ("num.x", "num.y"))
    count = raw.whole(header.get("channels"))
    if columns < 1 or rows < 1 or not 1 <= count <= 1000:
        raise InputError(f"{path}: {count} channels of {columns} x {rows} pixels; damaged header.")
    check_pixels(columns, rows * count, str(path))
    size = 4 + 4 * columns * rows * count
    try:
        numbers = zlib.decompressobj().decompress(data[place + 4 :], size)
    except zlib.error as error:
        raise InputError(f"{path}: the data are damaged ({error}); copy the file again.") from error
    values = raw.pixels(path, numbers, 4, "<f4", rows * count, columns)
    planes = values.reshape(count, rows, columns)
    scanned = np.flatnonzero((planes != 0).any(axis=(0, 2)))
    planes[:, (scanned[-1] + 1 if scanned.size else 0) :] = np.nan
    return [
        _channel(header, plane, *words)
        for plane, words in zip(planes, _names(header, count), strict=True)
    ]


def _header(data: bytes) -> dict[str, str]:
    """Return the header's settings; lines are "old name / new name=value" or "name=value"."""
    settings: dict[str, str] = {}
    for line in data.decode("latin-1").splitlines():
        names, equals, value = line.partition("=")
        for name in names.split(" / ") if equals else ():
            settings.setdefault(re.sub(r"\W*\[.*", "", name).strip().lower(), value.strip())
    return settings


def _names(header: dict[str, str], count: int) -> list[tuple[str, str]]:
    """Return (name, direction) of each stored channel."""
    selected = raw.whole(header.get("channelselectval"))
    names = [
        {0: "Topography", 1: "Current"}.get(bit, f"Channel {bit}")
        for bit in range(32)
        if selected >> bit & 1
    ]
    # Without a sensible selection: topography and current, as most scans have them.
    if not names or count % (2 * len(names)):
        names = ["Topography", "Current"][: max(1, count // 2)]
    both = [(name, way) for way in ("forward", "backward") for name in names]
    found = []
    for i in range(count):
        name, way = both[i % len(both)]
        repeat = i // len(both)
        voltage = raw.number(header.get(f"mvolt_{repeat + 1}"))
        if count > len(both) and repeat:
            name += f" {voltage:g} mV" if voltage is not None else f" {repeat + 1}"
        found.append((name, way if count > 1 else ""))
    return found


def _channel(
    header: dict[str, str], values: np.ndarray, name: str, direction: str
) -> instruments.Channel:
    def value(key: str, default: float) -> float:
        found = raw.number(header.get(key))
        return default if found is None else found

    bits = raw.whole(re.sub(r"\D.*", "", header.get("dac-type", ""))) or 20
    volts = _VOLTS / 2**bits  # one step of the converters
    unit, factor = "", 1.0
    if name.startswith("Topography"):
        gain = value("gainz", _GAIN) / _GAIN
        unit, factor = "m", volts * value("zpiezoconst", 0) * 1e-9 * gain
    elif name.startswith("Current"):
        unit, factor = "A", volts * 10.0 ** -value("gainpre 10^", value("gainpreamp", 9))
    sizes = []
    for axis, pixels in (("x", values.shape[1]), ("y", values.shape[0])):
        step = value(f"delta {axis}", 0) * volts * value(f"{axis}piezoconst", 0)
        sizes.append(step * pixels * value(f"gain{axis}", _GAIN) / _GAIN)
    return instruments.Channel(
        name=name,
        direction=direction,
        unit=unit if factor else "",
        values=values * (factor or 1.0),
        width_nm=instruments.nanometres(sizes[0], "nm"),
        height_nm=instruments.nanometres(sizes[1], "nm"),
        extra={"bias": value("biasvoltage", 0) * 1e-3, "scan_angle": value("rotation", 0)},
    )
