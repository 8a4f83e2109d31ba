"""Writing the five folders of a dataset entry; `dataset_folder` says what they are.

Each entry is made from one annotated image alone, so that a mask cannot end up with another
image, whatever order a folder is listed in.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from spm.dataset.index import (
    FILE,
    FOLDERS,
    INDEX,
    LABELS,
    Entry,
    entry_name,
    full_rectangle,
    save_masks,
)
from spm.errors import InputError, raise_problems
from spm.io.images import (
    decode_image,
    is_plain_png,
    read_bytes,
    write_image,
    write_palette_image,
)
from spm.run.files import link_or_copy, make_folder, remove_leftovers, write_text
from spm.run.manifest import Manifest, digest, stamp
from spm.run.resumable import Job, Made, ResumableStep, each
from spm.run.words import counted
from spm.structures.annotation import (
    Annotation,
    check_annotation,
    check_copy,
    classes_of,
    iter_annotations,
    read_annotation,
)
from spm.structures.classes import ClassChoice
from spm.structures.instance_masks import label_image, shape_masks
from spm.structures.shape import outline, region

# Part of every digest. Raise it when a change of the code changes the files.
VERSION = 4
BACKGROUND = "_background_"
VIEW_SIDE = 256  # longest side of an overlay in pixels: many small ones are looked through
ENTRIES_A_JOB = 16


@dataclass(frozen=True)
class Item:
    """An annotated image that becomes an entry."""

    name: str
    json_path: Path
    digest: str


def list_items(folder: Path) -> list[Item]:
    """Return the annotated images in a folder, numbered in natural order.

    Raises:
        InputError: when there is none.
    """
    paths = iter_annotations(folder)
    if not paths:
        raise InputError(
            f"{folder}: there is no annotated image; run color_aug_img_json.py first, or put "
            "NAME.png and NAME.json there."
        )
    items = []
    for number, path in enumerate(paths):
        # The image nearly always has the annotation's stem; a changed one changes the digest.
        stamps = [stamp(path), stamp(path.with_name(f"{path.stem}.png"))]
        items.append(Item(entry_name(number), path, digest(VERSION, path.name, stamps)))
    return items


def prepare_folders(folder: Path) -> None:
    """Create the five folders and clear a killed run's temporary files out of them."""
    for name in (".", *FOLDERS):
        remove_leftovers(make_folder(folder / name))


def shapes_digest(annotation: Annotation) -> str:
    """Return a hash of everything that the masks depend on: size, outlines, their order."""
    regions = [np.ascontiguousarray(region(shape)).tobytes() for shape in annotation.shapes]
    return digest(VERSION, [annotation.height, annotation.width], *regions)


def shared_masks(cache: Path) -> dict[str, Path]:
    """Return the mask files in re_mask_cache/ by the digest of their outlines."""
    manifest = Manifest(cache, "pre_draw")
    return {
        item["note"]["shapes"]: cache / "rw_mask" / f"{name}.npz"
        for name, item in manifest.items.items()
        if item["note"] and manifest.untouched(name)
    }


class DatasetSteps:
    """The two steps of a dataset: the masks, and all else of an entry.

    Args:
        items: of `list_items`.
        folder: of the dataset, which this process has locked.
        force: write again what is up to date.
    """

    def __init__(self, items: Sequence[Item], folder: Path, force: bool = False):
        self.items = {item.name: item for item in items}
        self.folder = folder
        digests = {item.name: item.digest for item in items}
        self.masks = ResumableStep(folder, "rw_mask", digests, force)
        self.entries = ResumableStep(folder, "entries", digests, force)

    def begin(self) -> None:
        """Prepare the folders; where there is something to do, the index goes until the end."""
        prepare_folders(self.folder)
        if self.masks.changes or self.entries.changes:
            (self.folder / INDEX).unlink(missing_ok=True)  # a dataset with an index is whole

    def write_masks(self, cache: Path, workers: int) -> list[str]:
        """Write rw_mask/NAME.npz of each item; return the problems.

        A mask is a link to the one in re_mask_cache/ with exactly the same outlines (only colours
        changed), and is drawn anew otherwise (pixels moved, or the image is the user's own).
        """
        shared = shared_masks(cache)
        return self._write(self.masks, _write_mask, workers, "masks", shared)

    def write_entries(self, workers: int, class_names: Sequence[str] | None = None) -> list[str]:
        """Write imgs, mask, yaml and label_viz of each item; return the problems.

        Args:
            workers: processes; 0 takes one for each processor core.
            class_names: see `write_entry`.
        """
        return self._write(self.entries, write_entry, workers, "dataset", class_names)

    def _write(
        self, step: ResumableStep, function: Callable, workers: int, title: str, *more: Any
    ) -> list[str]:
        step.forget_unwanted()
        jobs = []
        for start in range(0, len(step.todo), ENTRIES_A_JOB):
            names = step.todo[start : start + ENTRIES_A_JOB]
            calls = [(name, self.items[name].json_path, self.folder, *more) for name in names]
            jobs.append(Job(names, (function, calls)))
        problems = step.make(each, jobs, workers, title)
        step.finish()
        return problems


def unknown_labels(rows: Sequence[Sequence[str]], choice: ClassChoice) -> list[str]:
    """Return a sentence for each kind of label of no known class, not one for each copy.

    Args:
        rows: of index.csv.
        choice: of the known classes.
    """
    first: dict[str, tuple[str, int]] = {}
    for row in rows:
        for label in json.loads(row[LABELS]):
            file, count = first.get(label, (row[FILE], 0))
            first[label] = file, count + 1
    classes = choice.of(first)
    problems = []
    for file in dict.fromkeys(file for file, _ in first.values()):
        labels = [label for label, (place, _) in first.items() if place == file]
        for found, error in classes.unknown_kinds(labels):
            others = max(first[label][1] for label in found) - 1
            more = f" (so in {counted(others, 'more image')})" if others else ""
            problems.append(f"{file}: {error}{more}.")
    return problems


def _write_mask(name: str, json_path: Path, folder: Path, shared: dict[str, Path]) -> Made:
    """Write or link one item's masks."""
    annotation = read_checked(json_path)
    annotation.check_size()
    file = f"rw_mask/{name}.npz"
    same = shared.get(shapes_digest(annotation)) if shared else None
    if same is not None:
        link_or_copy(same, folder / file)
    else:
        save_masks(folder / file, shape_masks(annotation), annotation.height, annotation.width)
    return Made([file])


def read_checked(path: Path) -> Annotation:
    """Read an annotation and check its outlines, those of a copy only for their form.

    Raises:
        InputError: with all problems of the file.
    """
    annotation = read_annotation(path)
    check = check_annotation if annotation.derived is None else check_copy
    raise_problems(check(annotation))
    return annotation


def write_entry(
    name: str, json_path: Path, folder: Path, class_names: Sequence[str] | None = None
) -> Made:
    """Write image, label image, label names and overlay of one annotated image.

    The note is the entry's row of index.csv.

    Args:
        name: of the entry.
        json_path: the annotation.
        folder: of the dataset.
        class_names: known classes, for the overlay's colours; None takes those of the labels.
    """
    annotation = read_checked(json_path)
    annotation = annotation.classified(classes_of([annotation], ClassChoice(class_names or None)))
    names = [f"imgs/{name}.png", f"mask/{name}.png", f"label_viz/{name}.png"]
    files = [*names, f"yaml/{name}.yaml"]
    image = _store_image(annotation, folder / names[0])
    write_labels(folder / names[1], label_image(annotation))
    _write_view(folder / names[2], image, annotation)
    labels = [shape.label for shape in annotation.shapes]
    write_text(folder / files[3], _label_yaml(labels), durable=False)
    made = annotation.derived or {}
    height, width = annotation.height, annotation.width
    entry = Entry(
        name=name,
        source=str(made.get("source") or json_path.stem),
        origin=str(made.get("origin") or json_path.stem),
        image=folder / names[0],
        masks=folder / "rw_mask" / f"{name}.npz",
        labels=labels,
        height=height,
        width=width,
        valid=np.array(made.get("valid") or full_rectangle(height, width)),
        partial=annotation.partial,
        file=json_path.name,
        class_names=annotation.class_names,
    )
    return Made(files, entry.row())


def _store_image(annotation: Annotation, target: Path) -> np.ndarray:
    """Put the image at `target`, as the same file where it is an RGB PNG; return it."""
    if annotation.image_bytes is None:
        source = annotation.image_path()
        data = read_bytes(source)
        if is_plain_png(data):
            width, height = struct.unpack(">II", data[16:24])
            if (height, width) == (annotation.height, annotation.width):
                image = decode_image(data, str(source))
                link_or_copy(source, target)
                return image
    image = annotation.read_image()
    write_image(target, image)
    return image


def write_labels(path: Path, labels: np.ndarray) -> None:
    """Write a label image: a palette PNG up to 255 instances, 16-bit grey above."""
    if labels.dtype == np.uint8:
        write_palette_image(path, labels, label_colours())
    else:
        write_image(path, labels)


def label_colours(count: int = 256) -> np.ndarray:
    """Return (count, 3) uint8 RGB: black for the background, then colours far from each other.

    The hue goes round by the golden angle, so that neighbours in number differ most.
    """
    hue = (np.arange(count) * 0.618034) % 1.0
    hsv = np.stack([hue * 179, np.full(count, 200), np.full(count, 255)], axis=1)
    rgb = cv2.cvtColor(hsv.astype(np.uint8)[None], cv2.COLOR_HSV2RGB)[0]
    rgb[0] = 0
    return rgb


def _write_view(path: Path, image: np.ndarray, annotation: Annotation) -> None:
    """Write the overlay: the image in 192 greys, outlines in one colour for each class.

    Args:
        path: the overlay's file.
        image: (H, W, 3) uint8 RGB.
        annotation: of the image, classified; an unknown label has a colour of its own.
    """
    scale = min(1.0, VIEW_SIDE / max(image.shape[:2]))
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if scale < 1:
        size = tuple(max(1, round(side * scale)) for side in grey.shape[::-1])
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    view = (grey.astype(np.uint16) * 191 // 255).astype(np.uint8)
    colours = {name: number for number, name in enumerate(annotation.classes)}
    for shape in annotation.shapes:
        kind = shape.class_name or shape.label
        colour = 192 + colours.setdefault(kind, len(colours)) % 64
        for part in shape.all_parts:
            # cv2 counts in pixel centres; four fractional bits keep the half pixel.
            points = np.rint((outline(part) * scale - 0.5) * 16).astype(np.int32)
            cv2.polylines(view, [points[:, None]], True, colour, 1, cv2.LINE_8, 4)
    greys = np.repeat(np.linspace(0, 255, 192)[:, None], 3, axis=1)
    write_palette_image(path, view, np.vstack([greys, label_colours(65)[1:]]).astype(np.uint8))


def _label_yaml(labels: list[str]) -> str:
    """Return the yaml text; quoted, because labels such as 012 or 1e3 would read as numbers."""
    lines = [f"- {json.dumps(label, ensure_ascii=False)}\n" for label in (BACKGROUND, *labels)]
    return "label_names:\n" + "".join(lines)
