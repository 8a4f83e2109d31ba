"""Omicron Matrix results (NAME--1_1.Z_mtrx beside NAME_0001.mtrx), with access2thematrix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from spm import instruments
from spm.errors import InputError
from spm.io.images import check_pixels

_SCANNER = "EEPA::XYScanner."


def read(path: Path) -> list[instruments.Channel]:
    """Return forward and backward, up and down channels of a Matrix result file.

    A .mtrx file holds only the parameters of a series; for it, the images of all result files of
    the series beside it are returned.
    """
    reader = instruments.need("access2thematrix", "access2thematrix", path)
    if path.name.lower().endswith(".mtrx"):
        return [c for result in results_of(path) for c in _read_result(reader, result)]
    return _read_result(reader, path)


def results_of(parameters: Path) -> list[Path]:
    """Return the image files of a series, given its parameter file NAME_0001.mtrx.

    Raises:
        InputError: when there is none beside it.
    """
    series = parameters.stem.rpartition("_")[0]
    found = [
        p
        for p in sorted(parameters.parent.iterdir())
        if p.name.startswith(f"{series}--") and p.name.endswith("_mtrx") and "(" not in p.suffix
    ]
    if not found:
        raise InputError(
            f"{parameters}: holds only the parameters of a series; put its result files "
            f"({series}--1_1.Z_mtrx and so on) beside it."
        )
    return found


def _read_result(reader: Any, path: Path) -> list[instruments.Channel]:
    """Return the passes of one result file on the whole frame.

    access2thematrix 0.4.4 finds the parameters and the numbers. Its images are not used: it gives a
    scan that was stopped as a smaller frame, without its last line, and none of a single line.
    """
    data = reader.MtrxData()
    # The reader looks for "--" and the parameter file in the text of the path.
    _, message = data.open(str(path))
    if "(" in path.suffix:
        raise InputError(f"{path}: holds curves, no image; choose a file such as NAME.Z_mtrx.")
    if f"{_SCANNER}Points" not in data.param or not len(data.data):
        raise InputError(f"{path}: {_trouble(path, message)}")
    images = _passes(path, data)
    name, unit = data.channel_name_and_unit
    width, height = (float(data.param[_SCANNER + key][0]) for key in ("Width", "Height"))
    return [
        instruments.Channel(
            name=name,
            direction=title.split("/")[0],
            unit="m" if unit.lower() == "meter" else unit,
            values=np.ascontiguousarray(values),
            width_nm=instruments.nanometres(width, "m"),
            height_nm=instruments.nanometres(height, "m"),
            sense=title.split("/")[1],
            extra=_extra(data),
        )
        for title, values in images.items()
        if np.isfinite(values).any()
    ]


def _trouble(path: Path, message: str) -> str:
    """Return what is wrong with a file that could not be read, and the way out."""
    parameters = path.with_name(f"{path.name.rpartition('--')[0]}_0001.mtrx")
    if not parameters.is_file():
        return (
            f"{message.strip()} Its parameter file {parameters.name} must lie beside it, both "
            "under their original names."
        )
    if path.stat().st_size and path.read_bytes()[:8] != b"ONTMATRX":
        return "is no Matrix result file; check the file."
    return (
        f"{message.strip()} It or {parameters.name} is damaged or holds no finished line; copy "
        "both again."
    )


def _passes(path: Path, data: Any) -> dict[str, np.ndarray]:
    """Return "forward/up" and so on -> (lines, points) float64; what was not scanned is NaN.

    The numbers lie in the order of time: up from the lowest line, then down from the highest, each
    line forward and then backward.
    """
    backward, down = (bool(data.param[_SCANNER + k][0]) for k in ("X_Retrace", "Y_Retrace"))
    points, lines = (int(data.param[_SCANNER + key][0]) for key in ("Points", "Lines"))
    if points < 1 or lines < 1:
        raise InputError(f"{path}: {points} x {lines} pixels are no image; the file is damaged.")
    check_pixels(points, lines, str(path))
    shape = (1 + down, lines, 1 + backward, points)
    numbers = np.full(int(np.prod(shape)), np.nan)
    scanned = np.asarray(data._transfer(data.data[: numbers.size]), dtype=np.float64)
    numbers[: scanned.size] = scanned
    numbers = numbers.reshape(shape)
    images = {"forward/up": numbers[0, ::-1, 0]}
    if backward:
        images["backward/up"] = numbers[0, ::-1, 1, ::-1]
    if down:
        images["forward/down"] = numbers[1, :, 0]
    if backward and down:
        images["backward/down"] = numbers[1, :, 1, ::-1]
    return images


def _extra(data: Any) -> dict[str, object]:
    extra: dict[str, object] = {}
    if f"{_SCANNER}Angle" in data.param:
        extra["scan_angle"] = float(data.param[f"{_SCANNER}Angle"][0])
    for key, name in (("sample_name", "sample"), ("data_set_name", "data_set")):
        text = str(getattr(data, key, "")).strip()
        if text:
            extra[name] = text
    for key, name in (
        ("EEPA::GapVoltageControl.Voltage", "bias"),
        ("EEPA::Regulator.Setpoint_1", "set_point"),
    ):
        if key in data.param:
            extra[name] = float(data.param[key][0])
    return extra
