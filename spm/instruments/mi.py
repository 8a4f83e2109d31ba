"""Molecular Imaging, Agilent and Keysight images (.mi): a text header, then the buffers' numbers.

A line of the header is a key of 14 letters and a value. Each buffer begins with the lowest line;
its numbers are spread over the buffer's range to both sides of zero.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from spm import instruments
from spm.instruments import raw

_KEY = 14  # letters
_TYPES = {"BINARY": "<i2", "BINARY_32": "<i4"}


def read(path: Path) -> list[instruments.Channel]:
    """Return the buffers of an image; spectroscopy is not read."""
    data = raw.read_bytes(path)
    end = re.search(rb"\ndata {10}(BINARY_32|BINARY)\r?\n", data[:1_000_000])
    if not re.match(rb"fileType {6}Image", data) or end is None:
        raise instruments.UnknownVariant(
            f"{path}: not an image of Molecular Imaging with binary data; {instruments.WAY_OUT}."
        )
    lines = data[: end.start()].decode("latin-1").splitlines()
    pairs = [(line[:_KEY].strip(), line[_KEY:].strip()) for line in lines]
    first = next((i for i, (key, _) in enumerate(pairs) if key == "bufferLabel"), len(pairs))
    common, buffers = dict(pairs[:first]), []
    for key, value in pairs[first:]:
        if key == "bufferLabel":
            buffers.append({})
        buffers[-1].setdefault(key, value)
    dtype = _TYPES[end[1].decode()]
    columns, rows = raw.whole(common.get("xPixels")), raw.whole(common.get("yPixels"))
    channels, start = [], end.end()
    for buffer in buffers:
        values = raw.pixels(path, data, start, dtype, rows, columns)[::-1]
        start += rows * columns * np.dtype(dtype).itemsize
        span = raw.number(buffer.get("bufferRange")) or 0.0
        way = {"Trace": "forward", "Retrace": "backward"}.get(buffer.get("direction", ""), "")
        channels.append(
            instruments.Channel(
                name=buffer["bufferLabel"] or "channel",
                direction=way,
                unit=buffer.get("bufferUnit", ""),
                values=values * (span / 2 ** (8 * np.dtype(dtype).itemsize - 1)),
                width_nm=instruments.nanometres(raw.number(common.get("xLength")), "m"),
                height_nm=instruments.nanometres(raw.number(common.get("yLength")), "m"),
                sense={"TRUE": "up", "FALSE": "down"}.get(common.get("scanUp", ""), ""),
            )
        )
    return channels
