"""Turn instrument files into images.

    python -m spm.convert FOLDER "scan 7.sxm" --colour-map gwyddion

Reads the formats of `spm.instruments.MODULES`, and through Gwyddion, where that is installed, all
others that it knows. For each file NAME it writes NAME.png (levelled heights in a colour map, the
scale inside), NAME_heights.npz (the levelled heights) and NAME_convert.json (all settings;
`--like NAME_convert.json` makes the same image again).
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

if __name__ == "__main__" and not __package__:  # started by its file
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from spm import instruments
from spm.errors import InputError, raise_problems
from spm.instruments.heights import Opened, convert_file
from spm.instruments.inputs import (
    image_path,
    instrument_files,
    left_out,
    read_settings,
    settings_of,
)
from spm.io import colour_maps, pixel_size
from spm.run import command_line
from spm.run.files import atomic_path, folder_lock, natural_sorted, visible_files, write_json
from spm.run.setting_kinds import ColourMap, Positional, Range
from spm.run.settings import Settings, takes

Percentile = Annotated[float, Range(0, 100)]


# --- settings: change the values, the text below each says what it is ---------------------------
class Conversion(Settings):
    """Which files become images, and how their heights are drawn."""

    files: Positional[list[Path]] = []
    """Instrument files or folders of them; the folder below if none is named."""
    folder: Path = Path("images")
    """A folder, or one instrument file."""
    channel: str = ""
    """Part of the channel's name, such as Z or Current; empty for the height."""
    direction: str = ""
    """forward or backward, for some files also up or down, or two words in quotes; empty for
    forward where there is one."""
    levelling: Literal["none", "plane", "lines", "both"] = "both"
    """What is taken out of the heights."""
    low: Percentile = 0.5
    """Percentile of the heights that is drawn darkest, 0 to 100."""
    high: Percentile = 99.5
    """Percentile that is drawn brightest, 0 to 100."""
    colour_map: ColourMap = "hot"
    """How heights become colours."""
    out: Path | None = None
    """Where to write. None: beside each file."""
    like: Path | None = None
    """A NAME_convert.json whose settings replace all the others. None: those above hold."""


# ------------------------------------------------------------------------------------------------


@takes(Conversion)
def main(asked: Conversion) -> int:
    """Convert instrument files, those of a folder or those that are named.

    Returns:
        0; a file that fails is reported after the others are done, with status 1.
    """
    names = ("channel", "direction", "levelling", "low", "high", "colour_map")
    settings = {name: getattr(asked, name) for name in names}
    if asked.like is not None:
        stored = read_settings(asked.like)
        settings = {key: stored.get(key, value) for key, value in settings.items()}
    colour_maps.lookup_table(settings["colour_map"])  # a wrong name is not each file's fault
    found = [_files_to_convert(p, settings["channel"]) for p in asked.files or [asked.folder]]
    problems, written, locked = [], set(), set()
    with ExitStack() as locks:
        for path in dict.fromkeys(path for paths in found for path in paths):
            try:
                opened = convert_file(path, **settings)
                folder = asked.out or path.parent
                if folder.resolve() not in locked:
                    locks.enter_context(folder_lock(folder))
                    locked.add(folder.resolve())
                target = write_converted(path, folder, opened, written)
            except InputError as error:
                problems.append(error)
                continue
            print(f"{path.name} -> {target}: {_describe(opened)}")
    raise_problems(problems)
    return 0


def write_converted(path: Path, folder: Path, opened: Opened, written: set[Path]) -> Path:
    """Write NAME.png, NAME_heights.npz and NAME_convert.json; return the PNG's path.

    Args:
        path: the instrument file.
        folder: where to write.
        opened: what is written.
        written: the PNGs of this run; this one is added.

    Raises:
        InputError: when an image of that name is there that was not made from this file.
    """
    target = image_path(path, folder)
    if target in written:
        raise InputError(
            f"{path}: {target} was just made from another file of that name; convert this one into "
            "another folder with --out."
        )
    written.add(target)
    if target.exists() and settings_of(target).get("source") != path.name:
        raise InputError(
            f"{target}: this image was not made from {path.name}; "
            "move it away or choose another folder with --out."
        )
    write_json(target.with_name(f"{target.stem}_convert.json"), opened.settings)
    heights_path = target.with_name(f"{target.stem}_heights.npz")
    if opened.heights_nm is not None:
        with atomic_path(heights_path) as temporary:
            np.savez_compressed(temporary, heights_nm=opened.heights_nm.astype(np.float32))
    else:
        heights_path.unlink(missing_ok=True)  # of an earlier run with another channel
    pixel_size.write_scaled_png(target, opened.image, opened.nm_per_pixel)
    return target


def _files_to_convert(folder: Path, channel: str) -> list[Path]:
    """Return the instrument files of a folder and what nothing here reads, or the one file."""
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder or file; check the name.")
    found = visible_files(folder)
    files = instrument_files(found)
    if channel:  # a Matrix file is one channel: the asked one is another file than the height's
        matrix = [p for p in found if p.suffix.lower() == f".{channel.lower()}_mtrx"]
        files = [p for p in files if not p.name.lower().endswith("_mtrx")] + matrix
    files = natural_sorted(files) + left_out(folder)
    if not files:
        raise InputError(
            f"{folder}: holds no instrument file ({', '.join(instruments.MODULES)}); "
            "check the name."
        )
    return files


def _describe(opened: Opened) -> str:
    settings = opened.settings
    rows, columns = settings["pixels"]
    size = f"{columns} x {rows} pixels"
    if opened.nm_per_pixel:
        size += f" of {opened.nm_per_pixel:.4g} nm"
    channel = f"{settings['channel']} {settings['direction']}".strip()
    return f"{channel}, {size}"


if __name__ == "__main__":
    command_line.run(main)
