"""The images and instrument files of a folder, and opening either."""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from spm import instruments
from spm.errors import InputError
from spm.instruments.heights import Opened, convert_file
from spm.instruments.notices import tell
from spm.io import pixel_size
from spm.io.images import SUFFIXES, read_image
from spm.run.files import is_file, natural_sorted, visible_files

# What lies beside images and is none: notes, tables, results, droppings of systems.
NO_IMAGES = frozenset(
    {".json", ".npz", ".npy", ".csv", ".txt", ".md", ".html", ".htm", ".pdf", ".log", ".ini",
     ".db", ".lnk", ".xml", ".yaml", ".yml", ".doc", ".docx", ".odt", ".xls", ".xlsx", ".ods",
     ".ppt", ".pptx", ".odp", ".svg", ".py", ".ipynb", ".h5", ".zip", ".url", ".bak", ".tmp"}
)  # fmt: skip


SCALA_NUMBERS = re.compile(r"\.[ts][fb]\d+")  # read by way of the .par beside them


def open_image(path: Path, nm_per_pixel: float | None = None, **settings: Any) -> Opened:
    """Open an image or an instrument file.

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
        return _with_scale(convert_file(path, **settings), nm_per_pixel)
    try:
        image = read_image(path)
    except InputError:
        if path.suffix.lower() in SUFFIXES or not path.is_file():
            raise
        # Neither an image nor a file with a reader here: Gwyddion may know it.
        return _with_scale(convert_file(path, **settings), nm_per_pixel)
    if (image == image[0, 0]).all():
        tell(path, "has the same colour everywhere; nothing can be recognised in it.")
    heights = _stored_heights(path, image.shape[:2])
    return Opened(image, nm_per_pixel or pixel_size.read_scale(path), heights, settings_of(path))


def _with_scale(opened: Opened, nm_per_pixel: float | None) -> Opened:
    return replace(opened, nm_per_pixel=nm_per_pixel or opened.nm_per_pixel)


def list_inputs(folder: Path) -> list[Path]:
    """Return images and instrument files of a folder, naturally sorted.

    Not among them are hidden files, Matrix parameter files and curves, Matrix channels other than
    the height where the height is there, and instrument files whose converted PNG lies beside them;
    and what nothing here reads, see `left_out`.
    """
    found = visible_files(folder)
    files = instrument_files(found)
    images = [p for p in found if p.suffix.lower() in SUFFIXES and p not in files]
    return natural_sorted(images + [p for p in files if not _is_converted(p)])


def left_out(folder: Path) -> list[Path]:
    """Return the files of a folder that may be images but that nothing here reads.

    Not among them are hidden files, notes and tables, what the project's own steps write, curves of
    Matrix and Nanonis, and files that lie there converted, as NAME.png of `spm.convert` or as the
    NAME.gwy that Gwyddion saved.
    """
    found = visible_files(folder)
    stems = {p.stem.lower() for p in found if p.suffix.lower() == ".gwy"}
    scala = {p.stem.lower() for p in found if p.suffix.lower() == ".par"}
    return natural_sorted(
        p
        for p in found
        if p.suffix.lower() not in SUFFIXES | NO_IMAGES
        and not instruments.module_name(p)
        and not instruments.holds_curves(p)
        and not (p.stem.lower() in scala and SCALA_NUMBERS.fullmatch(p.suffix.lower()))
        and not {p.stem.lower(), p.name.lower()} & stems
        and not _is_converted(p)
    )


def left_out_sentences(folder: Path) -> list[str]:
    """Return a sentence with the way out for each file of `left_out`."""
    return [
        f"{path}: no reader here knows this kind of file, it is left out; {instruments.WAY_OUT} "
        "(python -m spm.convert tries that itself where Gwyddion is installed)."
        for path in left_out(folder)
    ]


def _is_converted(path: Path) -> bool:
    return _source_of(image_path(path, path.parent)) == path.name


def _source_of(image: Path) -> Any:
    """Return the file that an image was made from, None if it is not known.

    Damaged settings are told when their image is opened; a list of others goes on.
    """
    try:
        return settings_of(image).get("source")
    except InputError:
        return None


def instrument_files(found: list[Path]) -> list[Path]:
    """Return the files to convert among `found`, one per image."""
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


def image_path(path: Path, folder: Path) -> Path:
    """Return the PNG of an instrument file.

    A Matrix channel goes into the name, and so does the number of a NanoScope file NAME.001, and
    any suffix where NAME.png was made from another file, as of NAME.gwy beside NAME.nid.
    """
    suffix = path.suffix[1:]
    stem = path.stem
    if suffix.lower().endswith("_mtrx"):
        stem = f"{stem}_{suffix[:-5]}"
    elif suffix.isdigit():
        stem = f"{stem}_{suffix}"
    image = folder / f"{stem}.png"
    if _source_of(image) not in (None, path.name):
        image = folder / f"{stem}_{suffix}.png"
    return image


def settings_of(image: Path) -> dict[str, Any]:
    """Return the convert settings stored beside an image, {} if there are none."""
    path = image.with_name(f"{image.stem}_convert.json")
    return read_settings(path) if is_file(image) and is_file(path) else {}


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


def _stored_heights(image: Path, shape: tuple[int, int]) -> np.ndarray | None:
    """Return the heights stored beside an image if they fit its size."""
    path = image.with_name(f"{image.stem}_heights.npz")
    if not is_file(path):
        return None
    try:
        with np.load(path, allow_pickle=False) as data:
            heights = data["heights_nm"].astype(np.float64)
    except (OSError, ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile,
            zlib.error) as error:  # fmt: skip
        words = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: damaged ({words}); delete it or convert again.") from error
    return heights if heights.shape == tuple(shape) else None
