"""Writing the five folders of a dataset entry; `dataset_folder` says what they are.

Each entry is made from one annotated image alone, so that a mask cannot end up with another
image, whatever order a folder is listed in.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from spm.dataset.index import FOLDERS, Entry, entry_name, full_rectangle, save_cropped_masks
from spm.errors import InputError
from spm.io.images import (
    decode_image,
    is_plain_png,
    read_bytes,
    write_image,
    write_palette_image,
)
from spm.run.files import link_or_copy, make_folder, remove_leftovers, write_text
from spm.run.manifest import Manifest, digest, stamp
from spm.run.parallel import run_jobs
from spm.run.words import counted
from spm.structures.annotation import (
    Annotation,
    check_annotation,
    check_copy,
    iter_annotations,
    read_annotation,
)
from spm.structures.classes import ClassChoice
from spm.structures.instance_masks import label_image, shape_masks
from spm.structures.labels_together import without_number
from spm.structures.shape import outline, region

# Part of every digest. Raise it when a change of the code changes the files.
VERSION = 3
BACKGROUND = "_background_"
VIEW_SIDE = 256  # longest side of an overlay in pixels: many small ones are looked through
ENTRIES_A_JOB = 16


@dataclass(frozen=True)
class Item:
    """An annotated image that becomes an entry."""

    name: str
    json_path: Path
    digest: str


@dataclass
class Job:
    """Some items for one process."""

    items: list[Item]
    folder: Path
    shared: dict[str, Path]


def list_items(folder: Path) -> tuple[list[Item], list[str]]:
    """Return the annotated images in a folder, numbered in natural order, and what is wrong.

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
    return items, []


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


def write_masks(
    items: Sequence[Item], folder: Path, cache: Path, workers: int, force: bool = False
) -> tuple[int, list[str]]:
    """Write folder/rw_mask/NAME.npz for each item.

    A mask is a link to the one in re_mask_cache/ with exactly the same outlines (only colours
    changed), and is drawn anew otherwise (pixels moved, or the image is the user's own).

    Returns:
        How many were written, and the problems.
    """
    manifest = Manifest(folder, "rw_mask")
    todo = _prepare(items, manifest, force)
    jobs = _jobs(todo, folder, shared_masks(cache))
    problems = []
    sizes = [len(job.items) for job in jobs]
    for number, result in run_jobs(_mask_job, jobs, workers, "masks", sizes):
        for item, outcome in zip(jobs[number].items, result, strict=True):
            if isinstance(outcome, InputError):
                problems.append(str(outcome))
            else:
                manifest.add(item.name, item.digest, [outcome])
    manifest.compact()
    return len(todo), problems


def write_entries(
    items: Sequence[Item], folder: Path, workers: int, force: bool = False
) -> tuple[list[list[str]], int, list[str]]:
    """Write imgs, mask, yaml and label_viz of each item.

    Returns:
        The rows of index.csv, how many entries were written, and the problems.
    """
    manifest = Manifest(folder, "entries")
    todo = _prepare(items, manifest, force)
    jobs = _jobs(todo, folder, {})
    problems = []
    sizes = [len(job.items) for job in jobs]
    for number, result in run_jobs(_entry_job, jobs, workers, "dataset", sizes):
        for item, outcome in zip(jobs[number].items, result, strict=True):
            if isinstance(outcome, InputError):
                problems.append(str(outcome))
            else:
                row, files = outcome
                manifest.add(item.name, item.digest, files, note=row)
    manifest.compact()
    rows = [manifest.items[i.name]["note"] for i in items if manifest.done(i.name, i.digest)]
    return rows, len(todo), problems


def pending(items: Sequence[Item], folder: Path, force: bool = False) -> bool:
    """Return whether `write_masks` or `write_entries` would change anything in the folder."""
    names = {item.name for item in items}
    for step in ("rw_mask", "entries"):
        manifest = Manifest(folder, step)
        if set(manifest.items) != names or not all(manifest.done(i.name, i.digest) for i in items):
            return True
    return force


def unknown_labels(rows: Sequence[Sequence[str]], choice: ClassChoice) -> list[str]:
    """Return a sentence for each kind of label of no known class, not one for each copy.

    Args:
        rows: of index.csv.
        choice: of the known classes.
    """
    first: dict[str, tuple[str, int]] = {}
    for row in rows:
        for label in json.loads(row[5]):
            file, count = first.get(label, (row[10], 0))
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


def _prepare(items: Sequence[Item], manifest: Manifest, force: bool) -> list[Item]:
    """Delete the files of entries that no longer exist; return the items to make."""
    names = {item.name for item in items}
    for name in [name for name in manifest.items if name not in names]:
        manifest.forget(name)
    return [item for item in items if force or not manifest.done(item.name, item.digest)]


def _jobs(items: Sequence[Item], folder: Path, shared: dict[str, Path]) -> list[Job]:
    return [
        Job(list(items[i : i + ENTRIES_A_JOB]), folder, shared)
        for i in range(0, len(items), ENTRIES_A_JOB)
    ]


def _mask_job(job: Job) -> list[str | InputError]:
    return [_or_error(_write_mask, item, job.folder, job.shared) for item in job.items]


def _entry_job(job: Job) -> list[tuple[list[str], list[str]] | InputError]:
    return [_or_error(write_entry, item, job.folder) for item in job.items]


def _or_error(function, *arguments):
    """Call the function; an InputError is returned, so that the other items go on."""
    try:
        return function(*arguments)
    except InputError as error:
        return error


def _write_mask(item: Item, folder: Path, shared: dict[str, Path]) -> str:
    """Write or link one item's masks; return the file, relative to the folder."""
    annotation = read_checked(item.json_path)
    annotation.check_size()
    file = f"rw_mask/{item.name}.npz"
    same = shared.get(shapes_digest(annotation)) if shared else None
    if same is not None:
        link_or_copy(same, folder / file)
    else:
        save_cropped_masks(
            folder / file, shape_masks(annotation), annotation.height, annotation.width
        )
    return file


def read_checked(path: Path) -> Annotation:
    """Read an annotation and check its outlines, those of a copy only for their form.

    Raises:
        InputError: with all problems of the file.
    """
    annotation = read_annotation(path)
    check = check_annotation if annotation.derived is None else check_copy
    if problems := check(annotation):
        raise InputError.joined(problems)
    return annotation


def write_entry(item: Item, folder: Path) -> tuple[list[str], list[str]]:
    """Write image, label image, label names and overlay of one item.

    Returns:
        The entry's row of index.csv, and the files, relative to the folder.
    """
    annotation = read_checked(item.json_path)
    names = [f"imgs/{item.name}.png", f"mask/{item.name}.png", f"label_viz/{item.name}.png"]
    files = [*names, f"yaml/{item.name}.yaml"]
    image = _store_image(annotation, folder / names[0])
    write_labels(folder / names[1], label_image(annotation))
    _write_view(folder / names[2], image, annotation)
    labels = [shape.label for shape in annotation.shapes]
    write_text(folder / files[3], _label_yaml(labels), durable=False)
    made = annotation.derived or {}
    height, width = annotation.height, annotation.width
    entry = Entry(
        name=item.name,
        source=str(made.get("source") or item.json_path.stem),
        origin=str(made.get("origin") or item.json_path.stem),
        image=folder / names[0],
        masks=folder / "rw_mask" / f"{item.name}.npz",
        labels=labels,
        height=height,
        width=width,
        valid=np.array(made.get("valid") or full_rectangle(height, width)),
        partial=annotation.partial,
        file=item.json_path.name,
    )
    return entry.row(), files


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
    """Write the overlay: the image in 192 greys, outlines in one colour for each class."""
    scale = min(1.0, VIEW_SIDE / max(image.shape[:2]))
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if scale < 1:
        size = tuple(max(1, round(side * scale)) for side in grey.shape[::-1])
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    view = (grey.astype(np.uint16) * 191 // 255).astype(np.uint8)
    colours = {}
    for shape in annotation.shapes:
        colour = 192 + colours.setdefault(without_number(shape.label), len(colours)) % 64
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
