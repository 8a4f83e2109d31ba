"""The pictures and instrument files of a folder, and opening either."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from spm import instruments
from spm.errors import InputError
from spm.instruments.heights import Opened, convert_file
from spm.io import pixel_size
from spm.io.images import SUFFIXES, read_picture
from spm.run.files import natural_sorted


def open_picture(path: Path, nm_per_pixel: float | None = None, **settings: Any) -> Opened:
    """Open a picture or an instrument file.

    Args:
        path: any file of `list_inputs`.
        nm_per_pixel: the user's scale; wins over the one in the file. Defaults to None.
        settings: channel, direction, levelling, low, high, colour_map as in `convert_file`; only
            for instrument files.

    Raises:
        InputError: when the file cannot be read.
    """
    path = Path(path)
    if nm_per_pixel is not None:
        nm_per_pixel = pixel_size.check(nm_per_pixel)
    if instruments.module_name(path):
        opened = convert_file(path, **settings)
        return Opened(
            opened.picture,
            nm_per_pixel or opened.nm_per_pixel,
            opened.heights_nm,
            opened.settings,
        )
    picture = read_picture(path)
    heights = _stored_heights(path, picture.shape[:2])
    return Opened(picture, nm_per_pixel or pixel_size.read_scale(path), heights, settings_of(path))


def list_inputs(folder: Path) -> list[Path]:
    """Return pictures and instrument files of a folder, naturally sorted.

    Left out are hidden files, Matrix parameter files and curves, Matrix channels other than the
    height where the height is there, and instrument files whose converted PNG lies beside them.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; check the name.")
    found = [p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")]
    pictures = [p for p in found if p.suffix.lower() in SUFFIXES]
    files = [p for p in instrument_files(found) if settings_of(picture_path(p, folder)) == {}]
    return natural_sorted(pictures + files)


def instrument_files(found: list[Path]) -> list[Path]:
    """Return the files to convert among `found`, one per picture."""
    known = [p for p in found if instruments.module_name(p) and p.suffix.lower() != ".mtrx"]
    known = [p for p in known if "(" not in p.suffix]  # Matrix: spectroscopy curves
    with_height = {p.name.rpartition(".")[0] for p in known if p.suffix.lower() == ".z_mtrx"}
    return [
        p
        for p in known
        if not p.name.lower().endswith("_mtrx")
        or p.suffix.lower() == ".z_mtrx"
        or p.name.rpartition(".")[0] not in with_height
    ]


def picture_path(path: Path, folder: Path) -> Path:
    """Return the PNG of an instrument file; a Matrix channel goes into the name."""
    suffix = path.suffix[1:]
    stem = path.stem
    if suffix.lower().endswith("_mtrx"):
        stem = f"{stem}_{suffix[:-5]}"
    return folder / f"{stem}.png"


def settings_of(picture: Path) -> dict[str, Any]:
    """Return the convert settings stored beside a picture, {} if there are none."""
    path = picture.with_name(f"{picture.stem}_convert.json")
    return read_settings(path) if picture.is_file() and path.is_file() else {}


def read_settings(path: Path) -> dict[str, Any]:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the name.") from None
    except ValueError as error:
        raise InputError(f"{path}: is not valid JSON ({error}); convert again.") from error
    if not isinstance(settings, dict):
        raise InputError(f"{path}: holds no settings; convert again.")
    return settings


def _stored_heights(picture: Path, shape: tuple[int, int]) -> np.ndarray | None:
    """Return the heights stored beside a picture if they fit its size."""
    path = picture.with_name(f"{picture.stem}_heights.npz")
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as data:
            heights = data["heights_nm"].astype(np.float64)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: damaged ({error}); delete it or convert again.") from error
    return heights if heights.shape == tuple(shape) else None
