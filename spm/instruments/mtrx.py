"""Omicron Matrix results (NAME--1_1.Z_mtrx beside NAME_0001.mtrx), with access2thematrix."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spm import instruments
from spm.errors import InputError

SUFFIXES = ("_mtrx", ".mtrx")


def read(path: Path) -> list[instruments.Channel]:
    """Return forward and backward, up and down channels of a Matrix result file.

    A .mtrx file holds only the parameters of a series; for it, the pictures of all result files of
    the series beside it are returned. access2thematrix gives every trace with the lowest line
    first and from left to right.
    """
    reader = instruments.need("access2thematrix", "access2thematrix", path)
    if path.name.lower().endswith(".mtrx"):
        return [c for result in results_of(path) for c in _read_result(reader, result)]
    return _read_result(reader, path)


def results_of(parameters: Path) -> list[Path]:
    """Return the picture files of a series, given its parameter file NAME_0001.mtrx.

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


def _read_result(reader: object, path: Path) -> list[instruments.Channel]:
    data = reader.MtrxData()
    # The reader looks for "--" and the parameter file in the text of the path.
    traces, message = data.open(str(path))
    if not traces:
        series = path.name.rpartition("--")[0]
        raise InputError(
            f"{path}: {message.strip()} Its parameter file {series}_0001.mtrx must lie beside it, "
            "both under their original names."
        )
    channels = []
    for trace in traces.values():
        image, _ = data.select_image(trace)
        if np.ndim(image.data) != 2 or not image.data.size:
            continue
        direction, sense = trace.split("/")
        name, unit = image.channel_name_and_unit
        channels.append(
            instruments.Channel(
                name=name,
                direction=direction,
                unit="m" if unit.lower() == "meter" else unit,
                values=np.ascontiguousarray(image.data[::-1], dtype=np.float64),
                width_nm=instruments.nanometres(image.width, "m"),
                height_nm=instruments.nanometres(image.height, "m"),
                sense=sense,
                extra=_extra(data, image),
            )
        )
    return channels


def _extra(data: object, image: object) -> dict[str, object]:
    extra = {"scan_angle": float(getattr(image, "angle", 0) or 0)}
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
