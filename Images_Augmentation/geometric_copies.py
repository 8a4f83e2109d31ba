"""L1: turned, flipped and shrunk copies of annotated images, outlines and all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from Images_Augmentation import copies
from Images_Augmentation.copies import Source
from spm.dataset.index import full_rectangle
from spm.errors import InputError
from spm.geometry import affine
from spm.io.images import write_image
from spm.run.files import folder_lock, remove_leftovers
from spm.run.manifest import Manifest, digest
from spm.run.parallel import run_jobs
from spm.run.words import counted
from spm.structures.annotation import write_annotation

STEP = "geo"


@dataclass(frozen=True)
class Copy:
    """One way of copying an image: turn, then flip, then shrink."""

    angle: float = 0.0
    flip: str = ""
    ratio: float = 1.0

    @property
    def suffix(self) -> str:
        """What is added to the source's name: `(15)(lr)`, with `(x0.5)` for shrinking."""
        parts = [f"{self.angle:g}"] if self.angle else []
        parts += [self.flip] if self.flip else []
        parts += [f"x{self.ratio:g}"] if self.ratio != 1 else []
        return "".join(f"({part})" for part in parts)


def make_copies(settings: Any) -> int:
    """Make the L1 copies of all annotated images in a folder.

    Args:
        settings: `geo_aug_img_json.Geometry`; this module knows no script.

    Returns:
        0. Problems of single images are raised together after all others are done.
    """
    plan = plan_copies(settings.angles, settings.flips, settings.shrink_list)
    in_dir, force, workers = settings.in_dir, settings.force, settings.workers
    if not in_dir.is_dir():  # the lock would create it
        raise InputError(f"{in_dir}: there is no such folder; check the name.")
    with folder_lock(in_dir) as folder:
        remove_leftovers(folder)
        manifest = Manifest(folder, STEP)
        sources, problems = copies.read_sources(folder)
        copies.notice_images_without_annotation(folder, manifest)
        jobs = {f"{s.name}{copy.suffix}": (s, copy) for s in sources for copy in plan}
        # A source that cannot be read now keeps the copies that it has.
        broken = _copies_of_broken(folder, {s.name for s in sources}) if problems else set()
        stale = copies.remove_stale(folder, set(jobs) | broken, manifest, STEP)
        taken = copies.conflicts(folder, list(jobs), manifest, STEP)
        digests = {name: _digest(*job) for name, job in jobs.items()}
        todo = [
            name
            for name in jobs
            if name not in taken and (force or not manifest.done(name, digests[name]))
        ]
        manifest.plan(f"{name}{suffix}" for name in todo for suffix in (".png", ".json"))
        problems += [*taken.values(), *_make_all(folder, jobs, todo, digests, manifest, workers)]
        manifest.compact()
    fresh = len(jobs) - len(todo) - len(taken)
    print(
        f"L1: {counted(len(sources), 'annotated image')}, "
        f"{counted(len(todo), 'copy', 'copies')} made, "
        f"{fresh} up to date, {stale} old ones removed in {folder}"
    )
    if problems:
        raise InputError.joined(problems)
    return 0


def plan_copies(
    angles: Sequence[float], flips: Sequence[str], shrink_list: Sequence[float] = ()
) -> list[Copy]:
    """Return the distinct ways of copying an image, the image itself not among them.

    A left-right flip after a turn by t is the same image as a top-bottom flip after t + 180
    degrees, so that of 23 turns and both flips only 48 images would differ. Where a flipped copy
    has been made already the image is turned by half a step more first: `(180)(tb)`, which is
    `(lr)` again, becomes `(187.5)(tb)`. With the default settings all 72 images are distinct.
    """
    turns = [0.0, *sorted({float(angle) % 360 for angle in angles} - {0.0})]
    if not all(np.isfinite(turns)):
        raise InputError(f"angles must be numbers. Received: {list(angles)}.")
    unknown = set(flips) - {"tb", "lr"}
    if unknown:
        raise InputError(f'flips may be "tb" and "lr". Received: {", ".join(sorted(unknown))}.')
    if not all(0 < ratio < 1 for ratio in shrink_list):
        raise InputError(f"shrink_list must lie between 0 and 1. Received: {list(shrink_list)}.")
    half_step = min(np.diff([*turns, 360.0])) / 2
    plan = [Copy(turn) for turn in turns]
    mirrored = set()  # by the angle of the equal left-right flip
    for turn in turns:
        for flip in dict.fromkeys(flips):
            for angle in (turn, (turn + half_step) % 360):
                key = round((angle + 180 * (flip == "tb")) % 360, 6)
                if key not in mirrored:
                    mirrored.add(key)
                    plan.append(Copy(angle, flip))
                    break
    ratios = [1.0, *dict.fromkeys(float(ratio) for ratio in shrink_list)]
    all_copies = [Copy(copy.angle, copy.flip, ratio) for copy in plan for ratio in ratios]
    return all_copies[1:]


def map_of(copy: Copy, height: int, width: int) -> tuple[np.ndarray, int, int]:
    """Return the one (2, 3) map of a copy of a height x width image, and the canvas's size."""
    matrix, new_height, new_width = affine.rotation(copy.angle, height, width)
    if copy.flip:
        matrix = affine.compose(affine.flip(copy.flip, new_height, new_width), matrix)
    if copy.ratio != 1:
        matrix = affine.compose(affine.shrink(copy.ratio, new_height, new_width), matrix)
    return matrix, new_height, new_width


def _digest(source: Source, copy: Copy) -> str:
    return digest(copies.VERSION, source.digest, [copy.angle, copy.flip, copy.ratio])


def _copies_of_broken(folder: Path, usable: set[str]) -> set[str]:
    """Return the stems of copies whose source is in the folder but cannot be used at present."""
    kept = set()
    for path in copies.iter_annotations(folder):
        try:
            made = copies.read_annotation(path).derived or {}
        except InputError:
            continue
        source = str(made.get("source", ""))
        if source and source not in usable and (folder / f"{source}.json").exists():
            kept.add(path.stem)
    return kept


def _make_all(
    folder: Path,
    jobs: dict[str, tuple[Source, Copy]],
    todo: list[str],
    digests: dict[str, str],
    manifest: Manifest,
    workers: int,
) -> list[str]:
    """Write the copies in `todo`, one source after the other; return the problems."""
    problems = []
    by_source: dict[str, list[str]] = {}
    for name in todo:
        by_source.setdefault(jobs[name][0].name, []).append(name)
    for source_name, names in by_source.items():
        source = jobs[names[0]][0]
        try:
            image = source.annotation.read_image()
        except InputError as error:
            problems.append(str(error))
            continue
        tasks = [(folder, name, source, image, jobs[name][1]) for name in names]
        for number, result in run_jobs(_make, tasks, workers, f"L1 {source_name}", threads=True):
            if isinstance(result, InputError):
                problems.append(str(result))
            else:
                manifest.add(names[number], digests[names[number]], result)
    return problems


def _make(task: tuple[Path, str, Source, np.ndarray, Copy]) -> list[str]:
    """Write one copy, the image before the JSON; return the files' names."""
    folder, name, source, image, copy = task
    original = source.annotation
    matrix, height, width = map_of(copy, original.height, original.width)
    write_image(folder / f"{name}.png", affine.warp(image, matrix, height, width))
    shapes = [
        copies.moved_shape(shape, affine.apply_to_points(matrix, points))
        for shape, points in zip(original.shapes, copies.outlines(original), strict=True)
    ]
    valid = affine.apply_to_points(matrix, full_rectangle(original.height, original.width))
    made = {
        "step": STEP,
        "angle": copy.angle,
        "flip": copy.flip,
        "shrink": copy.ratio,
        "matrix": matrix.tolist(),
        "valid": valid.tolist(),
    }
    write_annotation(
        folder / f"{name}.json",
        copies.marked(source, shapes, (height, width), name, made, [f"geometry: {copy.suffix}"]),
        durable=False,
    )
    return [f"{name}.png", f"{name}.json"]
