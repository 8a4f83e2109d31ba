"""What lies in the folder of the annotated images and is not used, or not as it seems."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spm import instruments
from spm.errors import InputError
from spm.instruments.inputs import NO_IMAGES
from spm.io.images import SUFFIXES, list_images
from spm.run.files import natural_sorted, visible_files
from spm.run.words import counted
from spm.structures.annotation import Annotation, iter_annotations
from spm.structures.other_formats import IMPORT
from spm.structures.placed import Placed
from spm.structures.same_image import embedded_differs, names_another
from spm.structures.shape import Shape, titles


def folder_hints(folder: Path, own: Sequence[Annotation]) -> dict[str, list[str]]:
    """Return kind -> sentences about files that are passed over or may not be what is meant.

    Args:
        folder: of the annotated images.
        own: the user's own annotations in it.
    """
    return {
        "images embedded in an annotation that differ": _of_each(own, embedded_differs),
        "annotations that name another image": _of_each(own, names_another),
        "outlines that one group number joins into one molecule": _groups(own),
        "one group number for different labels": _mixed_groups(own),
        "annotated images marked partial by the flag of an outline": _partial_by_outline(own),
        "images without an annotation (not used)": _without_annotation(folder, own),
        "folders that are not looked into": _subfolders(folder),
        "files that nothing here reads": _unread(folder),
    }


def _of_each(own: Sequence[Annotation], say) -> list[str]:
    found = []
    for annotation in own:
        try:
            found.append(Placed(say(annotation), annotation.path))
        except InputError:
            continue  # its image is missing: a problem, and told as such
    return [sentence for sentence in found if sentence]


def _groups(own: Sequence[Annotation]) -> list[str]:
    return [
        Placed(
            f"{annotation.path.name}: {title} has {len(shape.all_parts)} parts (group number "
            f"{shape.group_id})",
            annotation.path,
            [shape.number],
        )
        for annotation in own
        for shape, title in zip(annotation.shapes, titles(annotation.shapes), strict=True)
        if shape.parts
    ]


def _mixed_groups(own: Sequence[Annotation]) -> list[str]:
    found = []
    for annotation in own:
        groups: dict[int, list[Shape]] = {}
        for shape in annotation.shapes:
            if shape.group_id is not None:
                groups.setdefault(shape.group_id, []).append(shape)
        found += [
            Placed(
                f"{annotation.path.name}: group {number} holds "
                f"{', '.join(shape.label for shape in shapes)}, which count as {len(shapes)} "
                "molecules; give the parts of one molecule one label",
                annotation.path,
                [shape.number for shape in shapes],
            )
            for number, shapes in groups.items()
            if len(shapes) > 1
        ]
    return found


def _partial_by_outline(own: Sequence[Annotation]) -> list[str]:
    return [
        Placed(f"{annotation.path.name}: what is not outlined teaches nothing", annotation.path)
        for annotation in own
        if annotation.partial_by_outline
    ]


def _without_annotation(folder: Path, own: Sequence[Annotation]) -> list[str]:
    stems = {path.stem for path in iter_annotations(folder)}
    used = set()
    for annotation in own:
        try:
            used.add(annotation.image_path().name)
        except InputError:
            continue
    return [
        path.name
        for path in list_images(folder)
        if path.stem not in stems and path.name not in used
    ]


def _subfolders(folder: Path) -> list[str]:
    found = []
    for place in natural_sorted(p for p in folder.iterdir() if p.is_dir()):
        if place.name.startswith("."):
            continue
        files = [p for p in place.iterdir() if p.is_file()]
        count = sum(p.suffix.lower() == ".json" for p in files)
        images = sum(p.suffix.lower() in SUFFIXES for p in files)
        found.append(
            f"{place}: {counted(count, 'JSON file')} and {counted(images, 'image')} in it are not "
            "used; move them up "
            f"into {folder} if they belong to it"
        )
    return found


def _unread(folder: Path) -> list[str]:
    found = []
    for path in visible_files(folder):
        suffix = path.suffix.lower()
        if suffix in SUFFIXES | {"", ".json", ".npz"}:
            continue
        if instruments.module_name(path):
            found.append(
                f"{path.name}: an instrument file is not annotated; convert it (python -m "
                "spm.convert) and outline molecules in the PNG"
            )
        elif suffix in (".xml", ".geojson"):
            found.append(
                f"{path.name}: annotations of another program; export them as COCO there and "
                f"turn them into labelme's (python -m {IMPORT.rpartition(' ')[2]} FILE)"
            )
        elif suffix not in NO_IMAGES:
            found.append(f"{path.name}: is left out; save an image as PNG or TIFF")
    return found
