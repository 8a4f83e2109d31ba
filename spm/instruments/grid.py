"""Topography of Nanonis spectroscopy grids (.3ds).

A text header up to ":HEADER_END:", then for each point of the grid its parameters and curves, all
float32 of the highest byte first. Z is one of the parameters, and so are X and Y, which tell where
the first point lies.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from spm import instruments
from spm.errors import InputError
from spm.instruments import raw
from spm.io.images import check_pixels

_END = b":HEADER_END:"


def read(path: Path) -> list[instruments.Channel]:
    """Return the parameters of the points that vary, Z first; missing points are NaN.

    nanonispy2 1.2.0 is not used: it fills the points of an unfinished grid with zeros and takes the
    fifth parameter for Z, whatever it is.
    """
    data = raw.read_bytes(path)
    end = data.find(_END, 0, 1_000_000)
    if end < 0:
        raise InputError(f"{path}: not a Nanonis grid; check the file.")
    header = _header(data[:end].decode("latin-1"))
    start = data.index(b"\n", end) + 1
    columns, rows = _dimensions(path, header)
    points, names = raw.whole(header.get("points")), _list(header, "channels")
    count = raw.whole(header.get("# parameters (4 byte)"))
    size = count + points * len(names)
    check_pixels(columns, rows * min(max(count, 1), 1000), str(path))
    if not 1 <= count <= 1000 or points < 0:
        raise InputError(f"{path}: {count} parameters a point; the header is damaged.")
    numbers = np.full((rows * columns, count), np.nan)
    whole = min((len(data) - start) // (4 * size), rows * columns)
    stored = np.frombuffer(data, ">f4", whole * size, start).reshape(whole, size)
    numbers[:whole] = stored[:, :count]
    titles = _list(header, "fixed parameters") + _list(header, "experiment parameters")
    planes = {title: numbers[:, i].reshape(rows, columns) for i, title in enumerate(titles[:count])}
    settings = [raw.number(text) or 0.0 for text in header.get("grid settings", "").split(";")]
    _, _, width, height, angle = (settings + [0.0] * 5)[:5]
    turned = _turned(planes, angle)
    return [
        instruments.Channel(
            name=name,
            direction="",
            unit=unit,
            values=np.ascontiguousarray(plane[:: turned[0], :: turned[1]]),
            width_nm=instruments.nanometres(width, "m"),
            height_nm=instruments.nanometres(height, "m"),
            extra={"scan_angle": angle},
        )
        for (name, unit), plane in ((_name(title), plane) for title, plane in planes.items())
        if name not in ("X", "Y", "Sweep Start", "Sweep End")
    ]


def _header(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines())
    return {key.strip().lower(): value.strip().strip('"') for key, _, value in pairs}


def _list(header: dict[str, str], key: str) -> list[str]:
    return [text for text in header.get(key, "").split(";") if text]


def _dimensions(path: Path, header: dict[str, str]) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,6}) x (\d{1,6})", header.get("grid dim", ""))
    if match is None or not int(match[1]) or not int(match[2]):
        raise InputError(f"{path}: the header gives no size of the grid; the file is damaged.")
    return int(match[1]), int(match[2])


def _name(title: str) -> tuple[str, str]:
    """Return (name, unit) of a title such as "Z (m)"."""
    match = re.fullmatch(r"(.*?)\s*(?:\(([^)]*)\))?", title)
    return match[1], match[2] or ""


def _turned(planes: dict[str, np.ndarray], angle: float) -> tuple[int, int]:
    """Return the steps, 1 or -1, that bring the upper edge to row 0 and the left to column 0.

    The places of the points are turned back by the angle of the grid (clockwise in degrees).
    """
    x, y = planes.get("X (m)"), planes.get("Y (m)")
    if x is None or y is None:
        return -1, 1  # a grid is measured from its lower left corner
    a = np.deg2rad(angle)
    across = x * np.cos(a) - y * np.sin(a)
    along = x * np.sin(a) + y * np.cos(a)
    up = np.nan_to_num(np.nanmean(np.diff(along, axis=0))) if len(y) > 1 else 1.0
    right = np.nan_to_num(np.nanmean(np.diff(across, axis=1))) if x.shape[1] > 1 else 1.0
    return (-1 if up >= 0 else 1), (1 if right >= 0 else -1)
