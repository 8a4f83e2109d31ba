"""Bruker, Veeco and Digital Instruments files (.spm, .di, .000 ...) of NanoScope 5 and later.

A text header of lists, each with the settings of one image, then the images' numbers at the places
that it names, the lowest line first. A value is

    number * (Z scale / 2^bits) * sensitivity

where the sensitivity is the one that the Z scale names in square brackets.
"""

from __future__ import annotations

import re
from pathlib import Path

from spm import instruments
from spm.errors import InputError
from spm.instruments import raw

_BEGINNING = rb"\\?\*?(File|Force file) list"
_SCALE = re.compile(r"V \[(?P<sens>[^\]]*)\] \([^)]*\) *(?P<value>[-+.\deE]+) *(?P<unit>\S*)")
_NAME = re.compile(r'S \[(?P<short>[^\]]*)\] "(?P<long>[^"]*)"')


def read(path: Path) -> list[instruments.Channel]:
    """Return the images of a NanoScope file; force curves have none."""
    data = raw.read_bytes(path)
    if not re.match(_BEGINNING, data[:32]):
        raise instruments.UnknownVariant(f"{path}: not a NanoScope file; {instruments.WAY_OUT}.")
    lists = _lists(data[: data.find(b"\x1a") + 1 or 1_000_000].decode("latin-1"))
    images = [settings for name, settings in lists if name.endswith("image list")]
    common: dict[str, str] = {}
    for name, settings in lists:
        if not name.endswith("image list"):
            common |= {k: v for k, v in settings.items() if k not in common}
    if not any("@2:image data" in image for image in images):
        raise instruments.UnknownVariant(
            f"{path}: holds no image that is known here (curves, or NanoScope before 5); "
            f"{instruments.WAY_OUT}."
        )
    return [_image(path, data, image, common) for image in images if "@2:image data" in image]


def _lists(header: str) -> list[tuple[str, dict[str, str]]]:
    """Return (name, settings) of each list, all words of names and keys in lower case."""
    lists: list[tuple[str, dict[str, str]]] = []
    for line in header.splitlines():
        if line.startswith("\\*"):
            lists.append((line[2:].strip().lower(), {}))
        elif line.startswith("\\") and lists:
            # "\@2:Image Data: S [Height]" has a colon in its key.
            match = re.match(r"\\((?:@\d+:)?[^:]*):(.*)", line)
            if match:
                lists[-1][1].setdefault(match[1].strip().lower(), match[2].strip())
    return lists


def _image(
    path: Path, data: bytes, image: dict[str, str], common: dict[str, str]
) -> instruments.Channel:
    columns, rows = raw.whole(image.get("samps/line")), raw.whole(image.get("number of lines"))
    length = raw.whole(image.get("data length"))
    # Numbers of 4 bytes may have 2 in Bytes/pixel, and then the scale is that of 2 bytes.
    size = length // (rows * columns) if rows > 0 and columns > 0 else 0
    if size not in (2, 4):
        raise InputError(f"{path}: {length} bytes for {columns} x {rows} pixels; damaged header.")
    values = raw.pixels(path, data, raw.whole(image.get("data offset")), f"<i{size}", rows, columns)
    bits = 8 * (raw.whole(image.get("bytes/pixel")) or size)
    factor, unit = _scale(path, image, common, min(bits, 32))
    width, height = _frame(image, common, rows, columns)
    name = _NAME.match(image["@2:image data"])
    line = image.get("line direction", "").lower()
    way = {"trace": instruments.FORWARD, "retrace": instruments.BACKWARD}.get(line, "")
    sense = image.get("frame direction", "").lower()
    return instruments.Channel(
        name=name["short"] if name else image["@2:image data"],
        direction=way,
        unit=unit,
        values=values[::-1] * factor,
        width_nm=width,
        height_nm=height,
        sense=sense if sense in ("up", "down") else "",
        label=name["long"] if name else "",
    )


def _scale(
    path: Path, image: dict[str, str], common: dict[str, str], bits: int
) -> tuple[float, str]:
    """Return the value of one number and its unit."""
    match = _SCALE.match(image.get("@2:z scale", ""))
    scale = raw.number(match["value"]) if match else None
    if scale is None:
        raise InputError(f"{path}: an image has no Z scale that is known; {instruments.WAY_OUT}.")
    unit = "deg" if match["unit"] in ("°", "º") else match["unit"]
    factor = scale / 2**bits
    # "V 20.82646 nm/V"; without a unit it is no sensitivity.
    given = re.match(r"V\s+(.*)", common.get(f"@{match['sens'].lower()}", ""))
    sensitivity, per = raw.quantity(given[1]) if given else (None, "")
    above, slash, below = per.partition("/")
    thousandth = slash and unit == f"m{below}"  # a scale in mV and a sensitivity in nm/V
    if sensitivity is not None and slash and (below == unit or thousandth):
        factor, unit = factor * sensitivity * (1e-3 if thousandth else 1.0), above
    return factor, unit


def _frame(
    image: dict[str, str], common: dict[str, str], rows: int, columns: int
) -> tuple[float | None, float | None]:
    """Return width and height in nanometres; pixels are square where only one size is given."""
    text = image.get("scan size") or common.get("scan size", "")
    match = re.match(r"([-+.\deE]+)(?: +([-+.\deE]+))? *(\S+)", text)
    if match is None:
        return None, None
    width = raw.number(match[1])
    height = raw.number(match[2])
    if height is None and width is not None:
        height = width * rows / columns
    return instruments.nanometres(width, match[3]), instruments.nanometres(height, match[3])
