"""Omicron SCALA scans (.par): a text of settings beside one file of numbers for each channel.

Layout by the description in Gwyddion's user guide and checked against Gwyddion 2.62 with files of
our own; there was no real one. The numbers are short ones of the highest byte first, the lowest
line first.
"""

from __future__ import annotations

import re
from pathlib import Path

from spm import instruments
from spm.errors import InputError
from spm.instruments import raw


def read(path: Path) -> list[instruments.Channel]:
    """Return the topographic channels whose files lie beside the .par file.

    Raises:
        InputError: also when none of the files of numbers is there.
    """
    lines = raw.read_bytes(path).decode("latin-1").splitlines()
    lines = [line.partition(";")[0].rstrip() for line in lines]
    if not any(re.match(r"Version\s*:", line) for line in lines):
        raise instruments.UnknownVariant(f"{path}: not a SCALA file; {instruments.WAY_OUT}.")
    settings = dict(_pair(line) for line in lines if ":" in line)
    columns, rows = (raw.whole(settings.get(f"image size in {k}")) for k in "xy")
    frame = [instruments.nanometres(raw.number(settings.get(f"field {k} size in nm")), "nm")
             for k in "xy"]  # fmt: skip
    channels, missing = [], []
    for i, line in enumerate(lines):
        if not line.startswith("Topographic Channel"):
            continue
        # direction, lowest and highest number, lowest and highest value, resolution, unit, file
        words = [text.strip() for text in lines[i + 1 : i + 9]]
        if len(words) < 8:
            raise InputError(f"{path}: the file is truncated; copy it again.")
        numbers = path.with_name(Path(words[7]).name)
        if not numbers.is_file():
            missing.append(numbers.name)
            continue
        low, high, least, most = (raw.number(text) or 0.0 for text in words[1:5])
        values = raw.pixels(path, raw.read_bytes(numbers), 0, ">i2", rows, columns)[::-1]
        step = (most - least) / (high - low) if high != low else 0.0
        channels.append(
            instruments.Channel(
                name={"Z": "Z", "I": "I"}.get(_pair(line)[1], _pair(line)[1]) or "channel",
                direction={"Forward": "forward", "Backward": "backward"}.get(words[0], ""),
                unit=words[6],
                values=least + (values - low) * step,
                width_nm=frame[0],
                height_nm=frame[1],
                extra={"file": numbers.name},
            )
        )
    if not channels and missing:
        raise InputError(f"{path}: its numbers are in {', '.join(missing)}; put them beside it.")
    return channels


def _pair(line: str) -> tuple[str, str]:
    key, _, value = line.partition(":")
    return key.strip().lower(), value.strip()
