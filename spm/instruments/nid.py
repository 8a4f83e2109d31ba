"""Nanosurf files (.nid): sections of text, then after "#!" the numbers of all channels.

The channels follow one another in the order of their groups, each the lowest line first, as whole
numbers that are spread over the channel's range.
"""

from __future__ import annotations

import re
from pathlib import Path

from spm import instruments
from spm.errors import InputError
from spm.instruments import raw

_LONGEST_HEADER = 4_000_000  # bytes


def read(path: Path) -> list[instruments.Channel]:
    """Return the images of a Nanosurf file; spectroscopy is left out."""
    data = raw.read_bytes(path)
    place = data.find(b"#!", 0, _LONGEST_HEADER)
    if not data.startswith(b"[DataSet]") or place < 0:
        raise instruments.UnknownVariant(f"{path}: not a Nanosurf file; {instruments.WAY_OUT}.")
    sections = _sections(data[:place].decode("latin-1"))
    start = place + 2
    channels = []
    for name in _order(sections["DataSet"]):
        section = sections.get(name)
        if section is None:
            raise InputError(f"{path}: the section {name} is missing; the file is damaged.")
        columns, rows = raw.whole(section.get("Points")), raw.whole(section.get("Lines"))
        bits = raw.whole(section.get("SaveBits"))
        if bits not in (8, 16, 32) or section.get("SaveMode") != "Binary":
            raise instruments.UnknownVariant(
                f"{path}: saved in a way that is not known here; {instruments.WAY_OUT}."
            )
        signed = section.get("SaveSign", "Signed") == "Signed"
        order = "<" if section.get("SaveOrder", "Intel") == "Intel" else ">"
        dtype = f"{order}{'i' if signed else 'u'}{bits // 8}"
        values = raw.pixels(path, data, start, dtype, rows, columns)
        start += rows * columns * bits // 8
        if "spec" in section.get("Frame", "").lower():
            continue
        lowest, span = (raw.number(section.get(f"Dim2{key}")) or 0.0 for key in ("Min", "Range"))
        values = lowest + (values[::-1] + (2 ** (bits - 1) if signed else 0)) * (span / 2**bits)
        _, direction = instruments.split_direction(section.get("Frame", ""))
        channels.append(
            instruments.Channel(
                name=section.get("Dim2Name", "channel"),
                direction=direction,
                unit=_unit(section.get("Dim2Unit", "")),
                values=values,
                width_nm=_length(section, 0),
                height_nm=_length(section, 1),
                sense={"Up": "up", "Down": "down"}.get(
                    sections.get("DataSet-Info", {}).get("Scan direction", ""), ""
                ),
            )
        )
    return channels


def _sections(text: str) -> dict[str, dict[str, str]]:
    sections: dict[str, dict[str, str]] = {}
    settings: dict[str, str] = {}
    for line in text.splitlines():
        match = re.fullmatch(r"\[(.*)\]", line.strip())
        if match:
            settings = sections.setdefault(match[1], {})
        elif "=" in line:
            key, _, value = line.partition("=")
            settings[key.strip()] = value.strip()
    return sections


def _order(dataset: dict[str, str]) -> list[str]:
    """Return the names of the channels' sections in the order of their numbers in the file."""
    found = []
    for key, name in dataset.items():
        match = re.fullmatch(r"Gr(\d{1,4})-Ch(\d{1,4})", key)
        if match:
            found.append((int(match[1]), int(match[2]), name))
    return [name for _, _, name in sorted(found)]


def _unit(unit: str) -> str:
    return "deg" if unit in ("°", "º") else unit


def _length(section: dict[str, str], axis: int) -> float | None:
    span = raw.number(section.get(f"Dim{axis}Range"))
    return instruments.nanometres(span, section.get(f"Dim{axis}Unit", ""))
