"""What docs/guide.md was tried with: a simulated microscope file, and the hands at labelme.

    python -m tests.helpers.guide_scene file TRUTH SXM
    python -m tests.helpers.guide_scene outline TRUTH PIECE LEFT TOP
    python -m tests.helpers.guide_scene correct TRUTH RESULT

TRUTH is a JSON file that the first line writes. SXM: 512 x 512 pixels and 30 nm, both directions,
scanned upward, tilted, with offsets of the lines. The second line outlines the whole molecules of a
piece that `spm.crop` cut from LEFT and TOP (step 5), the third corrects a prediction (step 11).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from spm.evaluation.instances import from_annotation
from spm.evaluation.matching import find_overlaps
from spm.io.images import read_image
from spm.simulate import simulate
from spm.structures.annotation import Annotation, read_annotation, write_annotation
from spm.structures.classes import Classes
from spm.structures.shape import Shape
from tests.helpers.instrument_files import write_sxm

NAMES = ["003a", "020a"]
SIDE, NM, SEED = 512, 30.0, 17
HAND = 0.4  # standard deviation of a hand's points, pixels


def write_file(truth_path: Path, sxm: Path) -> None:
    image, truth = simulate(
        "network",
        SIDE,
        SEED,
        pixels_per_molecule=36,
        colour_map="grey",
        nm_per_pixel=NM / SIDE,
        image_name=f"{sxm.stem}.png",
    )
    rng = np.random.default_rng(SEED)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    surface = image[..., 0] / 255 * 2e-10 + 1.5e-12 * columns - 0.8e-12 * rows
    passes = [
        surface
        + rng.normal(scale=5e-12, size=(SIDE, 1))
        + rng.normal(scale=1e-12, size=(SIDE, SIDE))
        for _ in range(2)
    ]
    write_sxm(sxm, *passes, frame=(NM * 1e-9, NM * 1e-9))
    write_annotation(truth_path, truth)
    print(truth.extra["simulation"])


def outline_piece(truth_path: Path, piece: Path, left: int, top: int) -> None:
    height, width = read_image(piece).shape[:2]
    rng = np.random.default_rng(SEED)
    shapes = []
    for shape in read_annotation(truth_path).shapes:
        points = np.asarray(shape.points, float) - (left, top)
        if (
            (points >= 0).all()
            and (points <= (width, height)).all()
            and not shape.flags.get("edge")
        ):
            shapes.append(Shape(shape.label, points + rng.normal(scale=HAND, size=points.shape)))
    write_annotation(piece.with_suffix(".json"), Annotation(shapes, height, width, piece.name))
    print(f"{len(shapes)} outlined")


def correct(truth_path: Path, result: Path) -> None:
    """Deletes what is no molecule, renames, and outlines what was missed."""
    truth, found = read_annotation(truth_path), read_annotation(result)
    overlaps = find_overlaps(
        from_annotation(truth.classified(NAMES)), from_annotation(found.classified(NAMES))
    )
    best = {}
    for t, p, iou in zip(overlaps.truth, overlaps.prediction, overlaps.overlap, strict=True):
        if iou > 0.5:
            best[p] = t
    kept, renamed = [], 0
    for p, t in sorted(best.items()):
        shape, name = found.shapes[p], Classes.of(NAMES).class_of(truth.shapes[t].label)
        renamed += Classes.of(NAMES).class_of(shape.label) != name
        kept.append(Shape(f"{name}{p}", shape.points))
    missed = [shape for t, shape in enumerate(truth.shapes) if t not in set(best.values())]
    added = [
        Shape(f"{Classes.of(NAMES).class_of(s.label)}{900 + k}", s.points)
        for k, s in enumerate(missed)
    ]
    print(f"{len(found.shapes) - len(kept)} deleted, {renamed} renamed, {len(added)} outlined")
    found.shapes = kept + added
    write_annotation(result, found)


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    paths = [Path(text) for text in arguments[:2]]
    {"file": write_file, "outline": outline_piece, "correct": correct}[what](
        *paths, *(int(text) for text in arguments[2:])
    )
