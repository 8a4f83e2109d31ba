"""The files of images/ and aug_test_in/, opened once for all that ask."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from engine.app.kept import Kept
from engine.app.project import NotFound, existing
from spm import instruments
from spm.annotate import digest_of_image
from spm.checks.predictions import image_digest
from spm.errors import InputError
from spm.instruments import heights
from spm.instruments.heights import Levelled, Opened, draw, level_file
from spm.instruments.inputs import image_path, open_image, settings_of
from spm.instruments.levelling import METHODS
from spm.io.colour_maps import COLOUR_MAPS
from spm.io.images import encode_png, image_size, is_plain_png, read_bytes
from spm.run.manifest import stamp

PNG_BYTES = 256 * 1024**2  # of images as they are shown; as many of their pixels
LEVELLED_BYTES = 320 * 1024**2  # of heights; those of 4096 x 4096 pixels have 128 MB
SIGHT_PIXELS = 160_000  # of the first look at a large scan
ASKED = ("channel", "levelling", "colour_map")
DEFAULTS = {"levelling": heights.LEVELLING, "colour_map": heights.COLOUR_MAP}

_pngs: Kept[bytes] = Kept(PNG_BYTES, len)
_pixels: Kept[np.ndarray] = Kept(PNG_BYTES, lambda one: one.nbytes)
_levelled: Kept[Levelled] = Kept(LEVELLED_BYTES, lambda one: one.heights.nbytes)


@dataclass(frozen=True)
class Shown:
    """A file as it is shown.

    Attributes:
        image: what is opened: the file, or the PNG that was made of it.
        source: the instrument file that the image is or was made from, None for an image.
        settings: with which it was converted; {} for none.
    """

    image: Path
    source: Path | None
    settings: dict[str, Any]

    @classmethod
    def of(cls, path: Path) -> Shown:
        """Return how a file is shown."""
        if instruments.module_name(path):
            made = image_path(path, path.parent)
            settings = settings_of(made)
            fits = settings.get("source") == path.name
            return cls(made, path, settings) if fits else cls(path, path, {})
        settings = settings_of(path)
        try:
            source = existing(path.parent, str(settings.get("source", "")))
        except NotFound:
            return cls(path, None, {})
        return cls(path, source, settings)

    def asked(self, values: Any) -> dict[str, str]:
        """Return the settings of a conversion: those asked for, the file's own for the others.

        Raises:
            InputError: for a levelling or colour map that there is not.
        """
        found = {name: str(self.settings.get(name, DEFAULTS.get(name, ""))) for name in ASKED}
        found |= {name: str(values[name]) for name in ASKED if values.get(name)}
        for name, known in (("levelling", METHODS), ("colour_map", COLOUR_MAPS)):
            if found[name] not in known:
                raise InputError(f"{name} must be one of {', '.join(known)}.")
        return found

    def key(self, asked: dict[str, str]) -> str:
        """Return what tells one picture of the file from another, and from one before a change."""
        return repr([str(self.image.resolve()), stamp(self.image), sorted(asked.items())])

    def png(self, asked: dict[str, str]) -> bytes:
        """Return the PNG that the page shows.

        Args:
            asked: see `asked`; {} for an image.
        """
        return _pngs.get(self.key(asked), lambda: self._png(asked))

    def _png(self, asked: dict[str, str]) -> bytes:
        if asked and not self.is_made_with(asked):
            return encode_png(self.converted(asked).image)
        data = read_bytes(self.image)
        if is_plain_png(data):  # the browser shows its very pixels
            return data
        return encode_png(open_image(self.image).image)

    def sight(self) -> bytes | None:
        """Return a small PNG of an instrument file that takes seconds to level; None where the
        image itself is there as soon."""
        if self.source is None or self.image != self.source:
            return None
        asked = self.asked({})
        key = _level_key(self.source, asked["channel"], heights.DIRECTION, asked["levelling"])
        if key in _levelled:
            return None
        levelled = level_file(self.source, levelling=asked["levelling"], most_pixels=SIGHT_PIXELS)
        if levelled.every == 1:
            _levelled.get(key, lambda: levelled)
            return None
        return encode_png(draw(levelled, colour_map=asked["colour_map"]).image)

    def pixels(self) -> np.ndarray:
        """Return the image (H, W, 3) uint8 RGB as the page shows it at first; to be read only."""
        return _pixels.get(self.key({}), self._pixels)

    def _pixels(self) -> np.ndarray:
        if self.image == self.source:
            return self.converted(self.asked({})).image
        return open_image(self.image).image

    def is_made_with(self, asked: dict[str, str]) -> bool:
        """Return whether the converted PNG beside the instrument file has these settings."""
        same = all(self.settings.get(name) == value for name, value in asked.items())
        return same and self.image != self.source

    def converted(self, asked: dict[str, str]) -> Opened:
        """Return the image of an instrument file with these settings; range and direction are those
        that it was converted with before."""
        same_channel = self.settings.get("channel") == asked["channel"]
        direction = str(self.settings.get("direction", "")) if same_channel else ""
        limits = {name: self.settings[name] for name in ("low", "high") if name in self.settings}
        levelled = _level(self.source, asked["channel"], direction, asked["levelling"])
        return draw(levelled, colour_map=asked["colour_map"], **limits)

    def channels(self) -> list[str]:
        """Return the names of the channels of an instrument file."""
        return list(_channels(self.source, repr(stamp(self.source))))


def _level(path: Path, channel: str, direction: str, levelling: str) -> Levelled:
    return _levelled.get(
        _level_key(path, channel, direction, levelling),
        lambda: level_file(path, channel=channel, direction=direction, levelling=levelling),
    )


def _level_key(path: Path, *asked: str) -> str:
    return repr([str(path.resolve()), stamp(path), *asked])


@lru_cache(maxsize=64)
def _channels(path: Path, _: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(channel.name for channel in instruments.read_channels(path)))


def size_of(path: Path) -> tuple[int, int]:
    """Return (H, W) of an image or an instrument file as the scripts open it."""
    return _size(path.resolve(), repr(stamp(path)))


@lru_cache(maxsize=1024)
def _size(path: Path, _: str) -> tuple[int, int]:
    if not instruments.module_name(path):
        return image_size(path)
    return _level(path, heights.CHANNEL, heights.DIRECTION, heights.LEVELLING).heights.shape


def digest_of(path: Path) -> str:
    """Return `spm.annotate.digest_of_image`; of a file that did not change it is made once."""
    return _digest(path.resolve(), repr(stamp(path)))


@lru_cache(maxsize=1024)
def _digest(path: Path, _: str) -> str:
    if not instruments.module_name(path):
        return digest_of_image(path)
    levelled = _level(path, heights.CHANNEL, heights.DIRECTION, heights.LEVELLING)
    return image_digest(draw(levelled).image)
