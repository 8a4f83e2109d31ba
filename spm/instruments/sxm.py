"""Nanonis scans (.sxm), read with nanonispy2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from spm import instruments
from spm.errors import InputError


def read(path: Path) -> list[instruments.Channel]:
    """Return forward and backward channels of a Nanonis scan.

    Nanonis stores the pixels in the order of time: an upward scan begins with its lowest line, a
    backward line with its right end. Lines that were not scanned any more are NaN.
    """
    reader = instruments.need("nanonispy2", "nanonispy2.read", path)
    scan = _scan_class(reader)(str(path))
    header = scan.header
    upward = header.get("scan_dir", "down").strip().lower() == "up"
    width, height = (float(v) for v in header["scan_range"])
    channels = []
    for name, unit, direction, values in scan.signals:
        values = values.astype(np.float64)
        values = values[::-1] if upward else values
        values = values[:, ::-1] if direction == instruments.BACKWARD else values
        channels.append(
            instruments.Channel(
                name=name,
                direction=direction,
                unit=unit,
                values=np.ascontiguousarray(values),
                width_nm=instruments.nanometres(width, "m"),
                height_nm=instruments.nanometres(height, "m"),
                sense="up" if upward else "down",
                extra=_extra(header),
            )
        )
    return channels


def _scan_class(reader: Any) -> type:
    """Return nanonispy2's Scan with a data part that also reads channels of one direction.

    Version 1.2.0 takes both directions for granted, and gives forward and backward pixels mixed up
    or an error for a channel that was saved in one direction only. It knows ".sxm", not ".SXM".
    """

    class Scan(reader.Scan):
        def __init__(self, fname: str) -> None:
            reader.NanonisFile.__init__(self, fname)
            self.set_data_format(None)
            self.header = reader._parse_sxm_header(self.header_raw)
            self.byte_offset += 4  # the mark between header and data
            self.signals = self._load_data()

        def _determine_filetype(self) -> str:
            return "scan"

        def _load_data(self) -> list[tuple[str, str, str, np.ndarray]]:
            table = self.header["data_info"]
            columns, rows = (int(n) for n in self.header["scan_pixels"])
            planes = []
            for name, unit, direction in zip(
                table["Name"], table["Unit"], table["Direction"], strict=True
            ):
                word = direction.strip().lower()
                both = (instruments.FORWARD, instruments.BACKWARD)
                planes += [(name, unit, d) for d in (both if word == "both" else (word,))]
            data = np.fromfile(self.fname, dtype=self.data_format, offset=self.byte_offset)
            if len(data) < len(planes) * rows * columns:
                raise InputError(
                    f"{self.fname}: the file ends before its {len(planes)} images of "
                    f"{rows} x {columns} pixels do; copy it again from the microscope."
                )
            data = data[: len(planes) * rows * columns].reshape(len(planes), rows, columns)
            return [(*plane, values) for plane, values in zip(planes, data, strict=True)]

    return Scan


def _extra(header: dict[str, Any]) -> dict[str, Any]:
    """Return bias, angle, offset and time of the scan as plain values."""
    extra: dict[str, Any] = {}
    for key in ("bias", "acq_time"):
        if key in header:
            extra[key] = float(header[key])
    for key in ("scan_angle", "rec_date", "rec_time", "comment"):
        if str(header.get(key, "")).strip():
            extra[key] = str(header[key]).strip()
    if "scan_offset" in header:
        extra["scan_offset_nm"] = [float(v) * 1e9 for v in header["scan_offset"]]
    return extra
