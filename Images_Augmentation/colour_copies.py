"""L2 and L3: copies of L1 images with noise, blur, colours and distortion.

Each copy has a random stream of its own, made from the seed, the source's name and the copy's
number: one seed gives the same files with any number of processes, and no two copies share a draw.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from Images_Augmentation import copies, techniques
from Images_Augmentation.copies import Source
from spm.dataset.index import full_rectangle
from spm.errors import raise_problems
from spm.io.images import write_image
from spm.run.files import folder_lock
from spm.run.manifest import digest
from spm.run.resumable import Job, Made
from spm.run.words import counted
from spm.structures.annotation import write_annotation

STEP = "colour"
COPIES_A_JOB = 14  # one job decodes its source once


@dataclass(frozen=True)
class Settings:
    """What every copy of a run is made with."""

    techniques: tuple[str, ...]
    how_many: tuple[int, int]
    seed: int


@dataclass(frozen=True)
class Portion:
    """Some copies of one source, for one process."""

    source: Source
    numbers: list[int]
    settings: Settings
    folder: Path


def make_copies(asked: Any) -> int:
    """Make the L2/L3 copies of all L1 images.

    Args:
        asked: `color_aug_img_json.Colours`; this module knows no script.

    Returns:
        0. Problems of single images are raised together after all others are done.
    """
    settings = settings_of(asked)
    aug_times, force = asked.aug_times, asked.force
    sources, problems = copies.read_sources(asked.in_dir, copies_of="geo")
    with folder_lock(asked.out_dir) as folder:
        wanted = {
            copy_name(source, number): (source, number)
            for source in sources
            for number in range(aug_times)
        }
        digests = {name: _digest(*copy, settings) for name, copy in wanted.items()}
        step = copies.CopyStep(folder, STEP, digests, force)
        # The copies of an image that cannot be read now are not stale.
        step.clear(copies.copies_of_broken(folder, asked.in_dir, sources) if problems else set())
        problems += step.taken.values()
        jobs = _jobs({name: wanted[name] for name in step.todo}, settings, folder)
        problems += step.make(_work, jobs, asked.workers, "L2/L3")
        step.finish()
    print(f"L2/L3: {counted(len(sources), 'image')}, {step.said()}")
    raise_problems(problems)
    return 0


def settings_of(asked: Any) -> Settings:
    """Return what every copy of a run is made with, or raise InputError."""
    names = techniques.check_names(asked.techniques)
    fewest, most = (min(n, len(names)) for n in asked.how_many)
    return Settings(tuple(names), (fewest, most), asked.seed)


def copy_name(source: Source, number: int) -> str:
    """Return the stem of a copy: `NAME(15)_007`."""
    return f"{source.name}_{number:03d}"


def stream(seed: int, source_name: str, number: int) -> np.random.Generator:
    """Return the random generator of one copy; it depends on nothing but these three."""
    name = hashlib.sha256(source_name.encode("utf-8", errors="replace")).digest()
    return np.random.default_rng([seed, int.from_bytes(name[:8], "little"), number])


def make_copy(
    image: np.ndarray, outlines: list[np.ndarray], settings: Settings, rng: np.random.Generator
) -> tuple[np.ndarray, list[np.ndarray] | None, list[str]]:
    """Return an altered image, its outlines if pixels moved (else None), and what was done.

    Args:
        image: (H, W, 3) uint8 RGB.
        outlines: (n, 2) float64 x, y polygons, may be none.
    """
    fewest, most = settings.how_many
    count = int(rng.integers(fewest, most + 1))
    names = [str(name) for name in rng.permutation(settings.techniques)[:count]]
    # All outlines as one array: a call for each molecule would cost more than moving the pixels.
    ends = np.cumsum([len(points) for points in outlines])
    points = np.concatenate([np.zeros((0, 2)), *outlines])
    moved = False
    for name in names:
        image, field = techniques.apply(name, image, rng)
        if field is not None:
            points, moved = field.move_points(points), True
    if not moved:
        return image, None, names
    return image, np.split(points, ends)[: len(outlines)], names


def _digest(source: Source, number: int, settings: Settings) -> str:
    made_of = [settings.techniques, settings.how_many, settings.seed, number]
    if not techniques.PHOTOMETRIC.keys().isdisjoint(settings.techniques):
        made_of.append("not by imgaug")  # copies of before are made anew
    return digest(copies.VERSION, source.digest, made_of)


def _jobs(todo: dict[str, tuple[Source, int]], settings: Settings, folder: Path) -> list[Job]:
    """Return the copies to make in portions of at most COPIES_A_JOB of one source."""
    jobs: list[Job] = []
    for name, (source, number) in todo.items():
        last = jobs[-1] if jobs else None
        if last is None or last.argument.source is not source or len(last.names) >= COPIES_A_JOB:
            last = Job([], Portion(source, [], settings, folder))
            jobs.append(last)
        last.names.append(name)
        last.argument.numbers.append(number)
    return jobs


def _work(job: Portion) -> list[Made]:
    """Write the copies of one job, each image before its JSON."""
    original = job.source.annotation
    image = original.read_image()
    outlines = copies.outlines(original)
    done = []
    for number in job.numbers:
        name = copy_name(job.source, number)
        rng = stream(job.settings.seed, job.source.name, number)
        altered, moved, names = make_copy(image, outlines, job.settings, rng)
        shapes = original.shapes
        if moved is not None:
            shapes = [
                copies.moved_shape(shape, points)
                for shape, points in zip(shapes, moved, strict=True)
            ]
        _write(job, name, altered, shapes, names, number, moved is not None)
        done.append(Made(copies.files_of(name)))
    return done


def _write(
    job: Portion,
    name: str,
    image: np.ndarray,
    shapes: list,
    names: list[str],
    number: int,
    moved: bool,
) -> None:
    original = job.source.annotation
    size = original.height, original.width
    valid = (original.derived or {}).get("valid") or full_rectangle(*size).tolist()
    made = {
        "step": STEP,
        "techniques": names,
        "seed": job.settings.seed,
        "copy": number,
        "moved": moved,
        "valid": valid,
    }
    notes = [
        f"techniques: {', '.join(names)}",
        f"seed: {job.settings.seed}",
        "pixels moved" if moved else "pixels not moved",
    ]
    write_image(job.folder / f"{name}.png", image)
    annotation = copies.marked(job.source, shapes, size, name, made, notes)
    write_annotation(job.folder / f"{name}.json", annotation, durable=False)
