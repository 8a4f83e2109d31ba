"""Which images to predict and what their results are called."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from spm.errors import InputError
from spm.inference.tiles import Tile
from spm.instruments.inputs import left_out_sentences, list_inputs
from spm.run.files import is_file

LONGEST_NAME = 255  # bytes of a file's name, on the file systems in use
POOLED = "all"  # NAME of what is written of all images together, see spm.pooled
LONGEST_ENDING = len("_corrected_99.json")  # of what is put behind an image's stem


def find_images(files: Sequence[Path] | None, in_dir: Path) -> list[Path]:
    """Returns the named images (of a folder all), or those of `in_dir`; none twice.

    Raises:
        InputError: when there is no image at all. One missing file of several is reported later, by
            itself.
    """
    paths: dict[Path, Path] = {}
    for path in map(Path, files or [in_dir]):
        for image in list_inputs(path) if path.is_dir() or not files else [path]:
            paths.setdefault(image.resolve(), image)
    if not paths:
        where = " ".join(str(path) for path in files) if files else in_dir
        sentence = f"{where}: there is no image in it; put the images to predict there."
        raise InputError.joined([*unread(files, in_dir), sentence])
    found = list(paths.values())
    if not any(map(is_file, found)):
        raise InputError.joined(f"{path}: no such file; check the name." for path in found)
    return found


def unread(files: Sequence[Path] | None, in_dir: Path) -> list[str]:
    """Returns a sentence for each file of the folders that nothing here reads."""
    folders = [path for path in map(Path, files or [in_dir]) if path.is_dir()]
    return [sentence for folder in folders for sentence in left_out_sentences(folder)]


def check_name(path: Path, name: str) -> None:
    """Raise InputError when the results of an image would have names that the system refuses."""
    too_long = len(os.fsencode(name)) - (LONGEST_NAME - LONGEST_ENDING)
    if too_long > 0:
        raise InputError(
            f"{path}: the name is {too_long} bytes too long for its results (such as "
            "NAME_predicted.json); give it a shorter one."
        )


def output_names(paths: list[Path]) -> list[str]:
    """Returns a distinct NAME for the results of each image: its stem wherever that is enough.

    Of `a.png` and `a.jpg` in one folder the results are called `a_png` and `a_jpg`, also when only
    one of them is predicted, so that neither run overwrites the other's. Case does not count: on
    Windows `A` and `a` are one file.
    """
    siblings = {path.resolve() for path in paths}
    for folder in {path.parent for path in paths}:
        if folder.is_dir():
            siblings |= {path.resolve() for path in list_inputs(folder)}
    stems = Counter(path.stem.casefold() for path in siblings)
    taken: set[str] = set()
    names = []
    for path in paths:
        name = path.stem
        if stems[name.casefold()] > 1 and path.suffix:
            name = f"{path.stem}_{path.suffix[1:]}"
        elif name.casefold() == POOLED:
            name = f"{path.stem}_{path.suffix[1:] or 'image'}"
        base, number = name, 2
        while name.casefold() in taken or (name != path.stem and stems[name.casefold()]):
            name, number = f"{base}_{number}", number + 1
        taken.add(name.casefold())
        names.append(name)
    return names


def tile_name(name: str, tile: Tile) -> str:
    """Returns the file name of a tile's image: `NAME_r00_c01.png`."""
    return f"{name}_r{tile.row:02}_c{tile.column:02}.png"


def remove_tiles(out_dir: Path, name: str) -> None:
    """Deletes the tile images that an earlier run wrote for NAME, and nobody else's."""
    tile = re.compile(re.escape(name) + r"_r\d{2,}_c\d{2,}\.png")
    for folder in (out_dir / "pre_predict", out_dir / "post_predict"):
        if folder.is_dir():
            for path in folder.iterdir():
                if tile.fullmatch(path.name):
                    path.unlink()


def link(image: Path, folder: Path) -> str:
    """Returns the image's path as seen from `folder`, for the JSON."""
    try:
        return Path(os.path.relpath(image, folder)).as_posix()
    except ValueError:  # another drive on Windows
        return image.name
