"""The image file that belongs to an annotation file."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from spm.errors import InputError
from spm.io.images import SUFFIXES
from spm.run.files import is_file


def find_image(json_path: Path, image_name: str) -> Path:
    """Return the image of an annotation file: the one that it names, or else that of its own stem.

    Args:
        json_path: the annotation file; the image is beside it.
        image_name: its imagePath, which is never followed out of the folder; may be empty.

    Raises:
        InputError: when neither exists.
    """
    folder = json_path.parent
    named = folder / PurePosixPath(image_name.replace("\\", "/")).name
    if image_name and named.suffix.lower() != ".json":
        if is_file(named):
            return named
        # Windows and macOS take a.Tif for a.tif, so that files come from there named either way.
        if (other := _in_other_case(named)) is not None:
            return other
    # NAME_predicted.png has the outlines drawn in: training on it would teach nonsense.
    stem = json_path.stem
    if not stem.endswith("_predicted"):
        beside = [p for p in folder.glob("*.*") if p.stem == stem and p.suffix.lower() in SUFFIXES]
        for path in sorted(beside, key=lambda path: (path.suffix.lower(), path.suffix)):
            if path.is_file():
                return path
    raise InputError(
        f"{json_path}: its image {named.name!r} is not beside it; copy the image there."
    )


def _in_other_case(path: Path) -> Path | None:
    """Return the one file whose name differs by upper and lower case only."""
    wanted = path.name.casefold()
    found = [p for p in path.parent.iterdir() if p.name.casefold() == wanted and is_file(p)]
    return found[0] if len(found) == 1 else None
