"""JPK's HDF5 images (.h5-jpk): a group a channel, one column a frame, the lowest line first.

A file may hold a film of several scans; the first has the channels' plain names, the later ones
have the number of the scan behind them. The pixels' own places say which line is the lowest.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from spm import instruments
from spm.errors import InputError
from spm.instruments import raw
from spm.io.images import check_pixels

_GRID = "position-pattern.grid."


def read(path: Path) -> list[instruments.Channel]:
    """Return the channels of all scans, the first scan's first."""
    h5py = instruments.need("h5py", "h5py", path)
    raw.refuse_empty(path)
    channels = []
    try:
        with h5py.File(path, "r") as file:
            scan = file.get("Measurement_000")
            if scan is None or f"{_GRID}ilength" not in scan.attrs:
                raise instruments.UnknownVariant(
                    f"{path}: no JPK image in this HDF5 file; {instruments.WAY_OUT}."
                )
            groups = [scan[k] for k in sorted(scan) if k.startswith("Channel_")]
            for group in groups:
                channels += _channels(path, group, scan.attrs)
    except OSError as error:
        raise InputError(f"{path}: not a JPK image, or damaged; copy it again.") from error
    return [c for _, c in sorted(channels, key=lambda pair: pair[0])]


def _channels(path: Path, group: Any, frame: Any) -> list[tuple[int, instruments.Channel]]:
    """Return (number of the scan, channel) of one quantity."""
    columns, rows = (int(frame[f"{_GRID}{key}length"]) for key in "ij")
    width, height = (float(frame[f"{_GRID}{key}length"]) for key in "uv")
    data = next(group[k] for k in group if k != "thumbnail" and getattr(group[k], "ndim", 0) == 2)
    count = data.shape[1]
    if data.shape[0] != rows * columns or not 1 <= count <= 10_000:
        raise InputError(f"{path}: {data.shape[0]} values for {columns} x {rows} pixels; damaged.")
    check_pixels(columns, rows * count, str(path))
    factor, offset, unit = _scaling(group.attrs)
    numbers = np.asarray(data, dtype=np.float64) * factor + offset
    name = _text(group.attrs.get("channel.fancy-name", "channel"))
    back = _text(group.attrs.get("retrace", "")) == "true"
    return [
        (
            i,
            instruments.Channel(
                name=f"{name} {i + 1}" if i else name,
                direction=instruments.BACKWARD if back else instruments.FORWARD,
                unit=unit,
                values=np.ascontiguousarray(numbers[:, i].reshape(rows, columns)[::-1]),
                width_nm=instruments.nanometres(width, "m"),
                height_nm=instruments.nanometres(height, "m"),
            ),
        )
        for i in range(count)
    ]


def _scaling(settings: Any) -> tuple[float, float, str]:
    """Return (factor, offset, unit) from stored numbers to what the file shows by default."""
    for place in ("net-encoder", "encoder"):
        key = f"{place}.scaling."
        if f"{key}multiplier" in settings:
            factor, offset = (float(settings[key + k]) for k in ("multiplier", "offset"))
            return factor, offset, _text(settings.get(f"{key}unit.unit", ""))
    return 1.0, 0.0, ""


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
