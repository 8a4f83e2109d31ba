"""The demo data of the repository, made anew: the same files on every machine.

The demo imitates a user's situation: a large image `images/00.png`, and a small crop of it,
`00-cut.png`, outlined by hand.  The hand's uncertainty is simulated too; the truth is exact.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spm.geometry.polygons import clip_polygon, polygon_area
from spm.io.images import write_image
from spm.simulate.image import simulate
from spm.structures.annotation import Annotation, write_annotation
from spm.structures.shape import Shape

SEED = 22
SIZE = 1024
LATTICE_ANGLE = 3.0  # degrees
CROP = (570, 300)  # left, top of the crop in the demo image
CROP_SIZE = 320
SMALLEST_SHARE = 0.93  # a person outlines molecules of which at least this share is in the crop
HAND = 0.6  # standard deviation of each clicked point, pixels


def demo_image() -> tuple[np.ndarray, Annotation]:
    """Return the demo image (1024, 1024, 3) uint8 and its truth."""
    return simulate("network", SIZE, SEED, angle=LATTICE_ANGLE, image_name="00.png")


def demo_crop(image: np.ndarray, truth: Annotation) -> tuple[np.ndarray, Annotation]:
    """Cut the crop out of the demo image and outline its molecules as a person would.

    Returns:
        (320, 320, 3) uint8 and the annotation, its labels numbered per class from the top.
    """
    left, top = CROP
    crop = image[top : top + CROP_SIZE, left : left + CROP_SIZE]
    rng = np.random.default_rng([SEED, 99])
    names = truth.extra["simulation"]["class_names"]
    numbers = dict.fromkeys(names, 0)
    outlined: dict[str, list[Shape]] = {name: [] for name in names}
    for shape in truth.shapes:
        moved = shape.points - (left, top)
        inside = polygon_area(clip_polygon(moved, CROP_SIZE, CROP_SIZE))
        if inside < SMALLEST_SHARE * polygon_area(moved):
            continue
        name = next(n for n in names if shape.label.startswith(n))
        numbers[name] += 1
        clicked = np.clip(moved + rng.normal(0.0, HAND, moved.shape), 0, CROP_SIZE - 1)
        outlined[name].append(Shape(f"{name}{numbers[name]}", np.round(clicked, 1)))
    shapes = [shape for name in names for shape in outlined[name]]
    return crop, Annotation(shapes, CROP_SIZE, CROP_SIZE, "00-cut.png")


def write_demo(root: Path) -> list[Path]:
    """Write the demo files below `root`, the repository; return their paths."""
    image, truth = demo_image()
    crop, outlined = demo_crop(image, truth)
    images = {"images/00.png": image, "images/00-cut.png": crop, "aug_test_in/00-cut.png": crop}
    annotations = {"aug_test_in/00-cut.json": outlined, "tests/data/00_truth.json": truth}
    for name in (*images, *annotations):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
    for name, pixels in images.items():
        write_image(root / name, pixels, level=6)
    for name, annotation in annotations.items():
        write_annotation(root / name, annotation)
    return [root / name for name in (*images, *annotations)]
