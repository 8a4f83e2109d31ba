"""Files of scanning probe microscopes: one module a format, all giving the same `Channel`.

A format is a module with `read(path) -> list[Channel]` and a line in `MODULES`; a reader package,
if one is used, is imported only when such a file is met. What no module reads goes through Gwyddion
where that program is installed.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from spm.errors import InputError
from spm.instruments.notices import one_line_notices, tell

# Suffix of a file in lower case -> module of this package. Omicron's data files end in
# ".Z_mtrx", ".I_mtrx" and so on; ".mtrx" alone is the parameter file of a series.
MODULES = {
    ".sxm": "sxm",
    ".3ds": "grid",
    "_mtrx": "mtrx",
    ".mtrx": "mtrx",
    ".par": "scala",
    ".gwy": "gwy",
    ".gsf": "gsf",
    ".ibw": "ibw",
    ".sm4": "sm4",
    ".dat": "createc",
    ".spm": "nanoscope",
    ".di": "nanoscope",
    ".stp": "wsxm",
    ".top": "wsxm",
    ".nid": "nid",
    ".nhf": "nhf",
    ".jpk": "jpk",
    ".jpk-qi-image": "jpk",
    ".h5-jpk": "jpk_hdf5",
    ".tif": "park",
    ".tiff": "park",
    ".mi": "mi",
    ".mdt": "mdt",
}
# NanoScope numbers the scans of a series: NAME.000, NAME.001, ...
_NUMBERED = re.compile(r"\.\d{3}$")
# Suffixes that other programs use too: only what begins like this is an instrument's image.
_BEGINNINGS = {".dat": (b"[Param", b"\xef\xbb\xbf[Param"), ".par": (b";",)}
FORWARD, BACKWARD = "forward", "backward"
# Names of the height channel in the programs' own words, best first.
HEIGHT_NAMES = ("z", "topography", "topo", "height", "z height", "z-axis", "zsensor", "z sensor",
                "z-axissensor", "height (measured)", "measuredheight")  # fmt: skip
# What carries the image where the height is held constant, in the order of preference.
IMAGE_NAMES = ("frequency_shift", "frequency shift", "df", "current", "i")
# Lengths that are no height of the surface.
_NOT_HEIGHTS = re.compile(r"amplitude|deflection|error|lock-?in|\bx\b|\by\b|displacement", re.I)
WAY_OUT = "open it in Gwyddion (gwyddion.net) and save it as .gwy"


class UnknownVariant(InputError):
    """A file that a reader does not know for its own; another program may."""


@dataclass
class Channel:
    """One measured quantity of one scan, the way it lay under the tip.

    Attributes:
        name: the program's name of the channel without the scan direction, such as "Z".
        direction: "forward", "backward" or "" where the file does not say.
        unit: unit of the values as the file has it ("A", "mV", "deg", ...) or ""; `read_channels`
            turns all lengths into "m".
        values: (H, W) float64; row 0 is the upper edge of the scan frame, column 0 its left edge,
            whatever direction was scanned. Lines that were never scanned are NaN.
        width_nm, height_nm: size of the scan frame, None where the file does not say.
        sense: slow scan direction, "up", "down" or "".
        extra: what else the file tells and is worth keeping (bias, set point...), JSON values.
        label: the channel's full name in the file, where it says more than name and direction.
    """

    name: str
    direction: str
    unit: str
    values: np.ndarray
    width_nm: float | None = None
    height_nm: float | None = None
    sense: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    label: str = ""

    @property
    def title(self) -> str:
        """The channel in words, such as "Z forward up"."""
        return " ".join(part for part in (self.name, self.direction, self.sense) if part)

    @property
    def is_height(self) -> bool:
        """Whether the values are heights of the surface: a length, and no amplitude or error."""
        return nanometres(1.0, self.unit) is not None and not _NOT_HEIGHTS.search(self.name)

    @property
    def is_constant(self) -> bool:
        """Whether all pixels that were scanned have the same value."""
        finite = self.values[np.isfinite(self.values)]
        return not finite.size or finite.min() == finite.max()


def module_name(path: Path) -> str | None:
    """Return the module that reads this file, or None if it is no instrument file.

    Suffixes that other programs use too are looked into: a .dat must be Createc's, and a TIFF
    Park's, or else it is no instrument file.
    """
    name = path.name.lower()
    if _NUMBERED.search(name):
        return "nanoscope"
    suffix = next((suffix for suffix in MODULES if name.endswith(suffix)), None)
    if suffix is None:
        return None
    if suffix in _BEGINNINGS and not _head(path).lstrip(b"\r\n ").startswith(_BEGINNINGS[suffix]):
        return None
    if MODULES[suffix] == "park":
        from spm.instruments import park

        return "park" if park.is_park(path) else None
    return MODULES[suffix]


def holds_curves(path: Path) -> bool:
    """Return whether a file is known to hold curves and no image (Matrix, Nanonis)."""
    name = path.name.lower()
    if name.endswith("_mtrx"):
        return "(" in path.suffix
    return name.endswith(".dat") and _head(path).startswith(b"Experiment\t")


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError:
        return b""


def read_channels(path: Path) -> list[Channel]:
    """Read all image channels of an instrument file.

    What a reader warns of is told on stderr, one line a warning that names the file.

    Raises:
        InputError: when the file is missing, damaged, of an unknown format or holds no image, or
            when the reader package is not installed; the message has the pip line.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the name.")
    name = module_name(path)
    try:
        with one_line_notices(path):
            channels = _read(path, name) if name else _read_with_gwyddion(path)
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
            f"microscope's program and save it again, or {WAY_OUT}."
        ) from error
    channels = [c for c in channels if c.values.size and np.isfinite(c.values).any()]
    if not channels:
        raise InputError(f"{path}: holds no image; choose a file with a scanned channel.")
    for channel in channels:
        length = nanometres(1.0, channel.unit)
        if length is not None and channel.unit != "m":
            channel.values, channel.unit = channel.values * (length * 1e-9), "m"
    return channels


def _read(path: Path, name: str) -> list[Channel]:
    try:
        return importlib.import_module(f"spm.instruments.{name}").read(path)
    except UnknownVariant as error:
        return _read_with_gwyddion(path, error)


def _read_with_gwyddion(path: Path, reason: UnknownVariant | None = None) -> list[Channel]:
    """Read what no module here knows through Gwyddion, if that is installed."""
    from spm.instruments import gwyddion

    if not gwyddion.command():
        raise reason or InputError(f"{path}: no reader here knows this kind of file; {WAY_OUT}.")
    channels = gwyddion.read(path)
    tell(path, "read with the Gwyddion that is installed here.")
    return channels


def choose(path: Path, channels: Sequence[Channel], name: str = "", direction: str = "") -> Channel:
    """Return the wanted channel.

    Where no name is given and the height was held constant (feedback off), the channel that
    carries the image is taken instead, and that is told on stderr.

    Args:
        path: the file, for the message.
        channels: what `read_channels` gave.
        name: part of the channel's name, any case; empty for the height channel (by the usual
            names), else the first.
        direction: "forward" or "backward", or "up" / "down" for files with both senses; several
            words may be joined by a space. Empty prefers forward. A channel that does not say its
            direction counts as forward.

    Raises:
        InputError: when there is no such channel, or it is the same everywhere; the message lists
            what there is.
    """
    wanted = direction.lower().replace("/", " ").split()
    named = _named(channels, name) if name else list(channels)
    found = [c for c in named if set(wanted) <= {c.direction, c.sense}]
    if not found and FORWARD in wanted:
        rest = set(wanted) - {FORWARD}
        found = [c for c in named if not c.direction and rest <= {c.sense}]
    if not found:
        asked = " ".join([name, *wanted]).strip()
        raise InputError(
            f"{path}: there is no channel {asked!r}; choose among: {_titles(channels)}."
        )
    best = min(found, key=lambda c: (_height_rank(c) if not name else (), c.direction == BACKWARD))
    if not best.is_constant:
        return best
    if name:
        raise InputError(
            f"{path}: {best.title} is the same everywhere; choose among: {_titles(channels)}."
        )
    return _instead_of_constant(path, best, found, channels)


def _named(channels: Sequence[Channel], name: str) -> list[Channel]:
    """Return the channels of that name: equal, else beginning so, else with it in their name."""
    wanted = name.lower()
    tests = (
        lambda text: text == wanted,
        lambda text: text.startswith(wanted),
        lambda text: re.search(rf"(?<![a-z]){re.escape(wanted)}", text),
        lambda text: wanted in text,
    )
    for test in tests:
        found = [c for c in channels if test(c.name.lower()) or (c.label and test(c.label.lower()))]
        if found:
            return found
    return []


def _titles(channels: Sequence[Channel]) -> str:
    shown = [c.title + (" (the same everywhere)" if c.is_constant else "") for c in channels]
    return ", ".join(dict.fromkeys(shown))


def _instead_of_constant(
    path: Path, constant: Channel, found: Sequence[Channel], channels: Sequence[Channel]
) -> Channel:
    """Return the channel that carries the image, by its usual names, and say so."""
    for name in IMAGE_NAMES:
        for channel in found:
            words = channel.name.lower().replace("_", " ").split()
            same = channel.name.lower() == name or words[:1] == [name]
            if same and channel.direction == constant.direction and not channel.is_constant:
                tell(path, f"{constant.title} is the same everywhere (feedback off?); "
                           f"{channel.title} is taken, --channel names another.")  # fmt: skip
                return channel
    raise InputError(
        f"{path}: {constant.title} is the same everywhere; name another channel with --channel: "
        f"{_titles(channels)}."
    )


def _height_rank(channel: Channel) -> tuple[int, int]:
    """Return how little a channel looks like the height: (0, 0) is the best."""
    name = channel.name.lower()
    first = re.split(r"[_ ,(]", name)[0]
    known = [*HEIGHT_NAMES, *(f"{word} ..." for word in HEIGHT_NAMES)]
    rank = min(known.index(word) if word in known else 99 for word in (name, f"{first} ..."))
    if channel.is_height:
        return 0, rank
    return (1 if rank < 99 and not channel.unit else 2), rank


def split_direction(title: str) -> tuple[str, str]:
    """Return (name, direction) of a channel title such as "Z (Backward)" or "HeightRetrace"."""
    name, direction, _ = split_title(title)
    return name, direction


def split_title(title: str) -> tuple[str, str, str]:
    """Return (name, direction, sense) of a channel title.

    Besides "Z (Backward)" it knows "HeightRetrace" (and the "HeightTracee" of real MFP-3D files),
    and "1-1 Z TraceUp" and "Topography [Left]", as Gwyddion calls channels of Matrix and RHK. What
    is not said is "".
    """
    match = re.search(r"\s*\[(right|left|up|down)\]$", title, re.IGNORECASE)
    if match:
        word = match.group(1).lower()
        direction = {"right": FORWARD, "left": BACKWARD}.get(word, "")
        return title[: match.start()].strip(), direction, "" if direction else word
    words = r"forward|backward|retrace|trace|fwd|bwd"
    pattern = rf"[\s_(\[-]*(?:\b|_)({words})e?\s*(up|down)?\b[)\]]*"
    match = re.search(pattern, title, re.IGNORECASE)
    match = match or re.search(r"(Re[Tt]race|Trace)e?(Up|Down)?(?=$|[\d ])", title)
    if match is None:
        return title.strip(), "", ""
    word = match.group(1).lower()
    direction = BACKWARD if word in ("backward", "retrace", "bwd") else FORWARD
    name = (title[: match.start()] + title[match.end() :]).strip()
    return name, direction, (match.group(2) or "").lower()


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


# Both micro signs, and both ways to write an Angstrom; what is not here is no length.
_LENGTHS = {"m": 1e9, "meter": 1e9, "metre": 1e9, "mm": 1e6, "µm": 1e3, "μm": 1e3, "um": 1e3,
            "~m": 1e3, "nm": 1.0, "å": 0.1, "Å": 0.1, "ang": 0.1, "angstrom": 0.1, "ångström": 0.1,
            "pm": 1e-3, "fm": 1e-6}  # fmt: skip


def nanometres(length: float | None, unit: str) -> float | None:
    """Return a length in nanometres, or None where it or its unit is unknown or senseless.

    A capital A is an Ampere; "Å" (either letter), "Ang" and "Angstrom" are Angstrom.
    """
    unit = str(unit).strip()
    factor = _LENGTHS.get(unit, _LENGTHS.get(unit.lower()))
    if length is None or factor is None or not np.isfinite(length) or length <= 0:
        return None
    return float(length) * factor
