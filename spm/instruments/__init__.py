"""Files of scanning probe microscopes: one module a format, all giving the same `Channel`.

The reader package of a format is imported only when such a file is met; requirements-spm.txt lists
all of them. Each module has `SUFFIXES` and `read(path) -> list[Channel]`.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from spm.errors import InputError

# Suffix of a file in lower case -> module of this package. Omicron's data files end in
# ".Z_mtrx", ".I_mtrx" and so on; ".mtrx" alone is the parameter file of a series.
MODULES = {
    ".sxm": "sxm",
    "_mtrx": "mtrx",
    ".mtrx": "mtrx",
    ".gwy": "gwy",
    ".ibw": "ibw",
    ".sm4": "sm4",
}
FORWARD, BACKWARD = "forward", "backward"
# Names of the height channel in the programs' own words, best first.
HEIGHT_NAMES = ("z", "topography", "topo", "height", "zsensor", "z sensor")


@dataclass
class Channel:
    """One measured quantity of one scan, the way it lay under the tip.

    Attributes:
        name: the program's name of the channel without the scan direction, such as "Z".
        direction: "forward", "backward" or "" where the file does not say.
        unit: SI unit of the values ("m", "A", ...) or "".
        values: (H, W) float64; row 0 is the upper edge of the scan frame, column 0 its left edge,
            whatever direction was scanned. Lines that were never scanned are NaN.
        width_nm, height_nm: size of the scan frame, None where the file does not say.
        sense: slow scan direction, "up", "down" or "".
        extra: what else the file tells and is worth keeping (bias, set point...), JSON values.
    """

    name: str
    direction: str
    unit: str
    values: np.ndarray
    width_nm: float | None = None
    height_nm: float | None = None
    sense: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The channel in words, such as "Z forward up"."""
        return " ".join(part for part in (self.name, self.direction, self.sense) if part)


def module_name(path: Path) -> str | None:
    """Return the module that reads this file, or None if it is no instrument file."""
    name = path.name.lower()
    return next((MODULES[suffix] for suffix in MODULES if name.endswith(suffix)), None)


def read_channels(path: Path) -> list[Channel]:
    """Read all picture channels of an instrument file.

    Raises:
        InputError: when the file is missing, damaged, of an unknown format or holds no picture, or
            when the reader package is not installed; the message has the pip line.
    """
    path = Path(path)
    name = module_name(path)
    if name is None:
        raise InputError(
            f"{path}: not a known instrument file; expected one of {', '.join(MODULES)}."
        )
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the name.")
    module = importlib.import_module(f"spm.instruments.{name}")
    try:
        channels = module.read(path)
    except InputError:
        raise
    except PermissionError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); close programs that use it or change its "
            "permissions."
        ) from error
    except Exception as error:  # the readers raise nearly anything on a damaged file
        words = " ".join(f"{type(error).__name__}: {error}".split())
        words = words if len(words) <= 120 else f"{words[:120]}..."
        raise InputError(
            f"{path}: the file is damaged or of an unknown variant ({words}); open it in the "
            "microscope's program and save it again, or export a PNG."
        ) from error
    channels = [c for c in channels if c.values.size and np.isfinite(c.values).any()]
    if not channels:
        raise InputError(f"{path}: holds no picture; choose a file with a scanned channel.")
    return channels


def choose(path: Path, channels: list[Channel], name: str = "", direction: str = "") -> Channel:
    """Return the wanted channel.

    Args:
        path: the file, for the message.
        channels: what `read_channels` gave.
        name: part of the channel's name, any case; empty for the height channel (by the usual
            names), else the first.
        direction: "forward" or "backward", or "up" / "down" for files with both senses; several
            words may be joined by a space. Empty prefers forward.

    Raises:
        InputError: when there is no such channel; the message lists what there is.
    """
    wanted = direction.lower().replace("/", " ").split()
    found = [c for c in channels if set(wanted) <= {c.direction, c.sense}]
    # A file that does not say its direction has only one.
    found = found or [c for c in channels if not c.direction]
    if name:
        exact = [c for c in found if c.name.lower() == name.lower()]
        found = exact or [c for c in found if name.lower() in c.name.lower()]
    if not found:
        there = ", ".join(dict.fromkeys(c.title for c in channels))
        asked = " ".join([name, *wanted]).strip()
        raise InputError(f"{path}: there is no channel {asked!r}; choose among: {there}.")
    return min(found, key=lambda c: (_height_rank(c) if not name else 0, c.direction == BACKWARD))


def _height_rank(channel: Channel) -> int:
    """Return how little a channel looks like the height: 0 is the best."""
    name = channel.name.lower()
    for rank, known in enumerate(HEIGHT_NAMES):
        if name == known or name.split("_")[0].split(" ")[0] == known:
            return rank
    if channel.unit == "m":
        return len(HEIGHT_NAMES)
    return len(HEIGHT_NAMES) + 1


def split_direction(title: str) -> tuple[str, str]:
    """Return (name, direction) of a channel title such as "Z (Backward)" or "HeightRetrace"."""
    import re

    pattern = r"[\s_(\[-]*(forward|backward|retrace|trace|fwd|bwd)\b[)\]]*"
    match = re.search(pattern, title, re.IGNORECASE) or re.search(r"(Retrace|Trace)(?=$|\d)", title)
    if match is None:
        return title.strip(), ""
    word = match.group(1).lower()
    direction = BACKWARD if word in ("backward", "retrace", "bwd") else FORWARD
    return (title[: match.start()] + title[match.end() :]).strip(), direction


def need(package: str, module: str, path: Path) -> ModuleType:
    """Import a reader package or say in one sentence how to install it.

    Args:
        package: its name on PyPI.
        module: its import name.
        path: the file that needs it, for the message.

    Raises:
        InputError: when it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"{path}: reading this format needs the package {package}; "
            f"install it with: python -m pip install {package}"
        ) from error


def nanometres(length: float | None, unit: str) -> float | None:
    """Return a length in nanometres, or None where it or its unit is unknown or senseless."""
    factors = {"m": 1e9, "meter": 1e9, "metre": 1e9, "mm": 1e6, "µm": 1e3, "μm": 1e3, "um": 1e3}
    factors |= {"nm": 1.0, "å": 0.1, "a": 0.1, "angstrom": 0.1, "pm": 1e-3}
    factor = factors.get(str(unit).strip().lower())
    if length is None or factor is None or not np.isfinite(length) or length <= 0:
        return None
    return float(length) * factor
