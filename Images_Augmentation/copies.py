"""Folders in which our copies lie beside the user's own files: which is which.

A copy is a PNG and a JSON file of the same stem; the JSON is marked with the flag `derived` and
with a key `derived` that says how the copy was made. Only files so marked, or written down in the
step's manifest, are ever replaced or deleted.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spm.errors import InputError
from spm.io.images import list_images, read_bytes
from spm.io.pixel_size import KEY
from spm.run.files import remove_leftovers
from spm.run.manifest import Manifest, digest
from spm.run.resumable import ResumableStep
from spm.run.words import counted
from spm.structures.annotated_folder import read_folder
from spm.structures.annotation import Annotation, iter_annotations, read_annotation
from spm.structures.shape import Shape, region

# Part of every digest. Raise it when a change of the code changes the copies.
VERSION = 2


@dataclass
class Source:
    """An annotated image that copies are made of.

    Attributes:
        annotation: as read, checked.
        digest: hash of the annotation's and the image's bytes.
        origin: stem of the user's own image.
    """

    annotation: Annotation
    digest: str
    origin: str

    @property
    def name(self) -> str:
        """The stem of the annotation file."""
        return self.annotation.path.stem


def read_sources(folder: Path, copies_of: str | None = None) -> tuple[list[Source], list[str]]:
    """Return the annotated images in a folder and the problems of those that cannot be used.

    Args:
        folder: with NAME.json and images.
        copies_of: name of the step whose copies count as sources too. Defaults to none: only the
            user's own images.

    Raises:
        InputError: when there is no annotation in the folder at all.
    """
    annotations, problems = read_folder(folder, copies_of)
    return [_source(annotation) for annotation in annotations], problems


def _source(annotation: Annotation) -> Source:
    image = b""
    if annotation.image_bytes is None:
        image = read_bytes(annotation.image_path())
    made = annotation.derived or {}
    return Source(
        annotation=annotation,
        digest=digest(annotation.path.read_bytes(), image),
        origin=str(made.get("origin") or annotation.path.stem),
    )


def notice_images_without_annotation(folder: Path, manifest: Manifest) -> None:
    """Print one line about images in a folder that nobody annotated; they are not used."""
    annotated = {path.stem for path in iter_annotations(folder)}
    ours = manifest.owned_files()
    names = [
        path.name
        for path in list_images(folder)
        if path.stem not in annotated and path.name not in ours
    ]
    if names:
        print(f"{folder}: without annotation and not used: {', '.join(names)}")


def is_ours(json_path: Path, manifest: Manifest, step: str) -> bool:
    """Return whether a step of ours wrote this JSON file, so that it may be replaced."""
    name = json_path.stem
    if name in manifest.items and manifest.untouched(name):
        return True
    try:
        made = read_annotation(json_path).derived
    except InputError:
        return False
    return made is not None and made.get("step") == step


def conflicts(folder: Path, names: list[str], manifest: Manifest, step: str) -> dict[str, str]:
    """Return, for each wanted copy whose name a file of the user has, a sentence about it."""
    found = {}
    owned = manifest.owned_files()
    present = {path.name for path in folder.iterdir()}
    for name in names:
        json_name, image_name = f"{name}.json", f"{name}.png"
        if json_name in present:
            taken = None if is_ours(folder / json_name, manifest, step) else json_name
        elif image_name in present and image_name not in owned:
            taken = image_name
        else:
            taken = None
        if taken:
            found[name] = (
                f"{folder / taken}: is not ours, but a copy must have this name; rename it."
            )
    return found


def remove_stale(folder: Path, wanted: set[str], manifest: Manifest, step: str) -> int:
    """Delete the step's copies in a folder that are not wanted any more; return how many.

    Nothing is touched but marked copies, their PNG, and files in the manifest whose JSON is gone.
    """
    count = 0
    with_annotation = set()
    for path in iter_annotations(folder):
        with_annotation.add(path.stem)
        if path.stem in wanted or not is_ours(path, manifest, step):
            continue
        # The JSON goes first: an image without it is never taken for a training image.
        path.unlink()
        path.with_name(f"{path.stem}.png").unlink(missing_ok=True)
        manifest.items.pop(path.stem, None)
        count += 1
    for name in manifest.owned_files():
        stem = Path(name).stem
        if stem not in wanted and stem not in with_annotation:
            (folder / name).unlink(missing_ok=True)
            manifest.items.pop(stem, None)
    return count


def copies_of_broken(folder: Path, source_dir: Path, usable: list[Source]) -> set[str]:
    """Return the stems of copies whose source is there but cannot be used at present."""
    names, kept = {source.name for source in usable}, set()
    for path in iter_annotations(folder):
        try:
            made = read_annotation(path).derived or {}
        except InputError:
            continue
        source = str(made.get("source", ""))
        if source and source not in names and (source_dir / f"{source}.json").exists():
            kept.add(path.stem)
    return kept


def files_of(name: str) -> list[str]:
    """Return the files of a copy, in the order in which they are written."""
    return [f"{name}.png", f"{name}.json"]


class CopyStep(ResumableStep):
    """A step whose items are copies, in a folder where the user's own files may lie too.

    Attributes:
        taken: for each copy whose name a file of the user has, a sentence about it.
        stale: how many old copies `clear` removed.
    """

    taken: dict[str, str]
    stale = 0

    def clear(self, kept: set[str]) -> None:
        """Remove leftovers and stale copies, and note the files that are about to be written.

        Args:
            kept: stems of copies that are not stale, though they are not wanted now.
        """
        folder, step = self.manifest.folder, self.name
        remove_leftovers(folder)
        self.stale = remove_stale(folder, set(self.digests) | kept, self.manifest, step)
        self.taken = conflicts(folder, list(self.digests), self.manifest, step)
        self.leave_out(self.taken)
        self.manifest.plan(file for name in self.todo for file in files_of(name))

    def said(self) -> str:
        """Return what was done, as text."""
        made = len(self.todo)
        fresh = len(self.digests) - made - len(self.taken)
        return (
            f"{counted(made, 'copy', 'copies')} made, {fresh} up to date, "
            f"{self.stale} old ones removed in {self.manifest.folder}"
        )


def marked(
    source: Source,
    shapes: list[Shape],
    size: tuple[int, int],
    name: str,
    made: dict[str, Any],
    notes: list[str],
) -> Annotation:
    """Return the annotation of a copy.

    Args:
        source: what the copy is made of.
        shapes: in the copy's coordinates.
        size: height and width of the copy.
        name: stem of the copy.
        made: how, for the key `derived`; source and origin are added.
        notes: short texts that labelme shows as ticked flags. Flags must be name -> bool, or
            labelme does not open the file, so the text is the flag's name.
    """
    original = source.annotation
    flags = {"derived": True, f"source: {source.name}": True} | dict.fromkeys(notes, True)
    if original.partial:
        flags["partial"] = True
    kept = {k: v for k, v in original.extra.items() if k not in ("derived", "partial", KEY)}
    return Annotation(
        shapes=shapes,
        height=size[0],
        width=size[1],
        image_name=f"{name}.png",
        flags=flags,
        version=original.version,
        extra={**kept, "derived": {**made, "source": source.name, "origin": source.origin}},
    )


def moved_shape(shape: Shape, points: np.ndarray) -> Shape:
    """Return the shape as a polygon through `points`, all else kept."""
    return Shape(
        label=shape.label,
        points=points,
        group_id=shape.group_id,
        flags=shape.flags,
        description=shape.description,
        extra=shape.extra,
    )


def outlines(annotation: Annotation) -> list[np.ndarray]:
    """Return one (n, 2) polygon of all that each molecule covers; see `shape.region`."""
    return [region(shape) for shape in annotation.shapes]
