"""The crops of a screening: from folders of crops, or cut out of annotated images."""

from __future__ import annotations

from pathlib import Path

from spm.errors import InputError, raise_problems
from spm.similarity.crops import Crop, read_crop_folder
from spm.similarity.outlined_crops import cut_crops
from spm.structures.annotation import iter_annotations, read_annotations
from spm.structures.classes import ClassChoice, Classes


def load_crops(folders: list[Path], classes: list[str], margin: float, mask: bool) -> list[Crop]:
    """Read crops through the door that the folders belong to.

    Raises:
        InputError: when the folders are of both kinds, of none, or hold fewer than four crops.
    """
    if not folders:
        raise InputError("give one folder of crops per class, or a folder of annotated images.")
    problems = Classes(classes).problems()
    problems += [
        f"{folder}: no such folder or file; check the name."
        for folder in folders
        if not folder.exists()
    ]
    raise_problems(problems)
    annotations = [_annotations(folder) for folder in folders]
    if all(annotations):
        paths = list(dict.fromkeys(path for found in annotations for path in found))
        crops = cut_crops(paths, ClassChoice(classes or None), margin, mask)
    elif any(annotations):
        raise InputError("some folders hold annotations and some do not; give one kind at a time.")
    else:
        crops = _read_folders(folders, classes)
    if len(crops) < 4:
        raise InputError(f"t-SNE needs at least 4 crops; found {len(crops)}. Outline or crop more.")
    return crops


def _annotations(path: Path) -> list[Path]:
    """Return the user's own annotations (not the copies that our steps made) at a path."""
    if path.is_file():
        return [path] if path.suffix.lower() == ".json" else []
    found, problems = read_annotations(iter_annotations(path))
    raise_problems(problems)
    return [annotation.path for annotation in found if annotation.derived is None]


def _read_folders(folders: list[Path], classes: list[str]) -> list[Crop]:
    names = classes or [folder.resolve().name for folder in folders]
    if len(names) != len(folders):
        raise InputError(
            f"--classes names {len(names)} classes for {len(folders)} folders; name one for each."
        )
    if len(set(names)) < len(names):
        raise InputError("two folders have the same name; tell the classes apart with --classes.")
    return [c for folder, name in zip(folders, names, strict=True)
            for c in read_crop_folder(folder, name)]  # fmt: skip
