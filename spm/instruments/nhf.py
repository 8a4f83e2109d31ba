"""Nanosurf Studio files (.nhf): HDF5 with a group a measurement, a segment a direction.

Names of the settings by NSFopen 2.2.4 (MIT), which gives forward and backward images of both
versions of the format. It is not used: it shapes the pixels as (columns, lines) and leaves the
offset of the calibration out. There was no real file to check this with.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from spm import instruments
from spm.errors import InputError
from spm.instruments import raw
from spm.io.images import check_pixels


def read(path: Path) -> list[instruments.Channel]:
    """Return the images of the first measurement."""
    h5py = instruments.need("h5py", "h5py", path)
    raw.refuse_empty(path)
    channels = []
    try:
        with h5py.File(path, "r") as file:
            version = int(file.attrs.get("nsf_file_version_major", 0))
            if version not in (1, 2) or not len(file):
                raise instruments.UnknownVariant(
                    f"{path}: not a Nanosurf file that is known here; {instruments.WAY_OUT}."
                )
            group = file[sorted(file)[0]]
            for key in sorted(group):
                if isinstance(group[key], h5py.Group):
                    channels += _segment(path, group, group[key], version)
    except OSError as error:
        raise InputError(f"{path}: not a Nanosurf file, or damaged; copy it again.") from error
    return channels


def _segment(path: Path, group: Any, segment: Any, version: int) -> list[instruments.Channel]:
    if version == 1:
        shape = [group.attrs.get(f"image_{k}", 0) for k in ("points_per_line", "number_of_lines")]
        prefix, title = "base_calibration", segment.attrs.get("name", "")
    else:
        shape = segment.attrs.get("rect_axis_size", (0, 0))
        prefix, title = "signal_calibration", segment.attrs.get("segment_name", "")
    columns, rows = (int(n) for n in shape)
    if columns < 1 or rows < 1:
        return []
    check_pixels(columns, rows, str(path))
    frame = _frame(group.attrs if version == 1 else segment.attrs)
    _, direction = instruments.split_direction(_text(title))
    found = []
    for key in sorted(segment):
        data = segment[key]
        name = data.attrs.get("name" if version == 1 else "signal_name")
        if name is None or getattr(data, "size", 0) != rows * columns:
            continue
        low, high = (float(data.attrs[f"{prefix}_{end}"]) for end in ("min", "max"))
        numbers = np.asarray(data[...]).reshape(rows, columns)[::-1]
        if numbers.dtype.kind in "iu":
            limits = np.iinfo(numbers.dtype)
            span = float(limits.max) - float(limits.min)
            numbers = low + (numbers.astype(np.float64) - limits.min) * ((high - low) / span)
        found.append(
            instruments.Channel(
                name=_text(name),
                direction=direction,
                unit=_text(data.attrs.get(f"{prefix}_unit", "")),
                values=numbers.astype(np.float64),
                width_nm=frame[0],
                height_nm=frame[1],
            )
        )
    return found


def _frame(settings: Any) -> tuple[float | None, float | None]:
    """Return the size of the scan frame in nanometres; the program gives it in metres."""
    if "rect_axis_range" in settings:
        sizes = settings["rect_axis_range"]
    else:
        sizes = [settings.get(f"image_size_{axis}", 0.0) for axis in "xy"]
    width, height = (instruments.nanometres(float(size), "m") for size in list(sizes)[:2])
    return width, height


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
