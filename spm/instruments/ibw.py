"""Igor binary waves (.ibw) of Asylum Research and others, read with igor2."""

from __future__ import annotations

import logging
import math
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np

from spm import instruments
from spm.errors import InputError

# Part of an Asylum channel's name -> unit.
_UNITS = (
    ("height", "m"), ("zsensor", "m"), ("amplitude", "m"), ("deflection", "m"), ("phase", "deg"),
    ("current", "A"), ("frequency", "Hz"), ("capacitance", "F"),
)  # fmt: skip
_HIGHEST = 1e-3  # metres


def read(path: Path) -> list[instruments.Channel]:
    """Return the layers of a two- or three-dimensional Igor wave.

    The first dimension of a wave is x and the second y, which points up; so the array is
    transposed and turned upside down. The layers' names are the dimension labels of the third
    dimension, and of an Asylum file each has the unit of its kind, whatever the wave says. Igor
    stores trace and retrace both from left to right.
    """
    binarywave = instruments.need("igor2", "igor2.binarywave", path)
    # igor2 logs the bytes of a damaged file to the console.
    logging.getLogger("igor2").setLevel(logging.CRITICAL + 1)
    _check_sizes(path)
    wave = binarywave.load(str(path))["wave"]
    values = np.asarray(wave["wData"])
    if values.ndim not in (2, 3) or not np.issubdtype(values.dtype, np.number):
        raise InputError(
            f"{path}: the wave has {values.ndim} dimensions; an image has 2, or 3 with channels."
        )
    values = values.real.astype(np.float64).reshape(*values.shape[:2], -1)
    note = _note(wave)
    width, height = _size(wave, values.shape, note)
    titles = _layer_names(wave, values.shape[2])
    channels = []
    unit = _text(wave["wave_header"].get("dataUnits", b""))
    for layer, title in enumerate(titles):
        name, direction = instruments.split_direction(title)
        heights = np.ascontiguousarray(values[:, :, layer].T[::-1])
        channels.append(
            instruments.Channel(
                name=name or title,
                direction=direction,
                unit=_unit_of_layer(name, heights, unit) if direction else unit,
                values=heights,
                width_nm=width,
                height_nm=height,
                extra={k: note[k] for k in ("ScanAngle", "Date", "Time") if k in note},
                label=title,
            )
        )
    return channels


def _unit_of_layer(name: str, values: np.ndarray, unit: str) -> str:
    """Return the unit of an Asylum channel: one wave holds heights, degrees and volts.

    The names are those of the instrument's channels, with the units that Gwyddion 2.62 gives them.
    Real MFP-3D files hold ZSensor in volts under the same name as others in metres; no surface is
    a millimetre high.
    """
    kind = next((u for word, u in _UNITS if word in name.lower()), "V" if unit == "m" else unit)
    finite = values[np.isfinite(values)]
    if kind == "m" and finite.size and np.abs(np.median(finite)) > _HIGHEST:
        return "V"
    return kind


def _check_sizes(path: Path) -> None:
    """Raise InputError when the header announces more than the file holds.

    igor2 0.5.15 makes room for what is announced before it looks for it. The places are those of
    Igor's Technical Note 003: 13 lengths from byte 4 on, four dimensions from byte 132 on.
    """
    with path.open("rb") as file:
        head = file.read(148)
    order = "<" if head[:1] and head[0] else ">"  # the version is below 256
    if len(head) < 148 or struct.unpack(f"{order}h", head[:2])[0] != 5:
        raise InputError(
            f"{path}: not an image of Igor's (its waves of version 5 hold images); check the file."
        )
    lengths = struct.unpack(f"{order}13i", head[4:56])
    dimensions = struct.unpack(f"{order}4i", head[132:148])
    points = math.prod(max(n, 1) for n in dimensions)
    size = path.stat().st_size
    if min(*lengths, *dimensions) < 0 or sum(lengths) > size or points > size:
        raise InputError(f"{path}: the file is truncated or damaged; copy it again.")


def _size(
    wave: dict[str, Any], shape: tuple[int, ...], note: dict[str, str]
) -> tuple[float | None, float | None]:
    """Return width and height in nanometres from the wave's scaling, else from its note."""
    header = wave["wave_header"]
    units = _dimension_units(wave)
    steps = np.asarray(header.get("sfA", [0, 0]), dtype=np.float64)
    sizes = [instruments.nanometres(abs(steps[i]) * shape[i], units[i]) for i in (0, 1)]
    if None in sizes:
        keys = ("FastScanSize", "SlowScanSize")
        sizes = [instruments.nanometres(_number(note.get(key)), "m") for key in keys]
    return sizes[0], sizes[1]


def _dimension_units(wave: dict[str, Any]) -> list[str]:
    """Return the units of the first two dimensions, short form first, then the long form."""
    short = np.asarray(wave["wave_header"].get("dimUnits", np.zeros((2, 4), "S1")))
    units = [_text(b"".join(row)) if short.ndim == 2 else "" for row in short[:2]]
    sizes = wave["bin_header"].get("dimEUnitsSize", [0, 0])
    long = wave.get("dimension_units", b"")
    long = b"".join(long) if isinstance(long, list) else bytes(long)
    start = 0
    for i in (0, 1):
        end = start + int(sizes[i])
        units[i] = units[i] or _text(long[start:end])
        start = end
    return units


def _layer_names(wave: dict[str, Any], count: int) -> list[str]:
    """Return a title for each layer: its dimension label, else the wave's name and a number."""
    labels = wave.get("labels") or []
    texts = [_text(label) for label in (labels[2] if len(labels) > 2 else [])]
    texts = [text for text in texts if text]
    base = _text(wave["wave_header"].get("bname", b"")) or "channel"
    if len(texts) >= count:
        return texts[-count:]  # the first label names the dimension as a whole
    return [base if count == 1 else f"{base} {i + 1}" for i in range(count)]


def _note(wave: dict[str, Any]) -> dict[str, str]:
    """Return the "key: value" lines of the wave's note."""
    text = bytes(wave.get("note", b"")).decode("latin-1")
    pairs = (re.match(r"([\w ]+):\s*(.*)", line) for line in re.split(r"[\r\n]+", text))
    return {pair[1].strip(): pair[2].strip() for pair in pairs if pair}


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _text(data: Any) -> str:
    if isinstance(data, np.ndarray):
        data = b"".join(data.ravel().tolist()) if data.dtype.kind == "S" else data.tobytes()
    elif isinstance(data, (list, tuple)):
        data = b"".join(data)
    return bytes(data).split(b"\0")[0].decode("latin-1").strip()
