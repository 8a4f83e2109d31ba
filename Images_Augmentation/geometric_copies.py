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
from spm.errors import InputError, raise_problems
from spm.geometry import affine
from spm.io.images import write_image
from spm.run.files import folder_lock, missing_folder
from spm.run.manifest import Manifest, digest
from spm.run.resumable import Job, Made, ResumableStep
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
        raise missing_folder(in_dir)
    with folder_lock(in_dir) as folder:
        sources, problems = copies.read_sources(folder)
        copies.notice_images_without_annotation(folder, Manifest(folder, STEP))
        jobs = {f"{s.name}{copy.suffix}": (s, copy) for s in sources for copy in plan}
        digests = {name: _digest(*job) for name, job in jobs.items()}
        step = copies.CopyStep(folder, STEP, digests, force)
        # A source that cannot be read now keeps the copies that it has.
        step.clear(copies.copies_of_broken(folder, folder, sources) if problems else set())
        problems += step.taken.values()
        problems += _make_all(step, jobs, workers)
        step.finish()
    print(f"L1: {counted(len(sources), 'annotated image')}, {step.said()}")
    raise_problems(problems)
    return 0


def remove_copies(in_dir: Path) -> None:
    """Delete the L1 copies in a folder; the user's files stay, and so does what was made of the
    copies: made again they are the same, and later steps are up to date."""
    with folder_lock(in_dir) as folder:
        manifest = Manifest(folder, STEP)
        count = copies.remove_stale(folder, set(), manifest, STEP)
        manifest.compact()
    removed = counted(count, "copy", "copies")
    print(f"L1: {removed} removed from {in_dir}, the next run makes them again")


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


def _make_all(step: ResumableStep, jobs: dict[str, tuple[Source, Copy]], workers: int) -> list[str]:
    """Write the copies to make, one source after the other; return the problems."""
    problems = []
    folder = step.manifest.folder
    by_source: dict[str, list[str]] = {}
    for name in step.todo:
        by_source.setdefault(jobs[name][0].name, []).append(name)
    for source_name, names in by_source.items():
        source = jobs[names[0]][0]
        try:
            image = source.annotation.read_image()
        except InputError as error:
            problems.append(str(error))
            continue
        tasks = [Job([name], (folder, name, source, image, jobs[name][1])) for name in names]
        problems += step.make(_make, tasks, workers, f"L1 {source_name}", threads=True)
    return problems


def _make(task: tuple[Path, str, Source, np.ndarray, Copy]) -> list[Made]:
    """Write one copy, the image before the JSON."""
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
    return [Made(copies.files_of(name))]
