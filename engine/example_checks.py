"""What is wrong with the outlines of a run with --examples: there one outline stands for a class,
and a slip with the mouse would teach hundreds of molecules that are none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from spm.dataset.annotated_images import Source, classify, outlined_sources
from spm.errors import InputError
from spm.geometry.polygons import diameter, lies_inside, polygon_area

SMALLEST = 5.0  # diameter of an example, pixels
UNLIKE = 6.0  # diameter of the largest example over that of the smallest


def example_sources(source_dir: Path, classes: Sequence[str]) -> list[Source]:
    """Return the user's annotated images, classified; those of the simulator are no examples.

    Raises:
        InputError: when no molecule is outlined in any, or they cannot be read.
    """
    sources = [source for source in outlined_sources(source_dir) if not source.simulated]
    classify(sources, classes)
    if not any(source.labels for source in sources):
        raise InputError(
            f"{source_dir}: no molecule of a real image is outlined; outline one of each class, or "
            "run without --examples."
        )
    return sources


def example_problems(source_dir: Path, classes: Sequence[str]) -> list[str]:
    """Return what is wrong with the outlined molecules as examples of their classes: a sentence for
    each class without one that lies whole in its image, and for each outline that cannot be a
    molecule beside the others.

    Args:
        source_dir: of the user's annotated images.
        classes: of the training.
    """
    try:
        sources = example_sources(source_dir, classes)
    except InputError as error:
        return str(error).splitlines()
    return [*_classes_without(sources, classes), *_no_molecules(sources)]


def _classes_without(sources: Sequence[Source], classes: Sequence[str]) -> Iterator[str]:
    cut, whole = set(), set()
    for source in sources:
        size = source.valid.max(axis=0)
        for k, points in zip(source.class_ids.tolist(), source.read_outlines(), strict=True):
            (whole if lies_inside(points, *size) else cut).add(k)
    for k, name in enumerate(classes):
        if k in cut - whole:
            yield (
                f"{name}: the image's border cuts each of its outlined molecules; as an example "
                "outline one that lies whole in the image."
            )
        elif k not in whole:
            yield (
                f"{name}: no molecule is outlined; outline one as its example, or leave the class "
                "out of class_names."
            )


def _no_molecules(sources: Sequence[Source]) -> Iterator[str]:
    """Yield a sentence for each outline that is tiny, by itself or beside the largest."""
    sizes = [
        (float(diameter(polygon_area(points))), source, number, label)
        for source in sources
        for number, (points, label) in enumerate(
            zip(source.read_outlines(), source.labels, strict=True), start=1
        )
    ]
    largest = float(np.max([size for size, *_ in sizes]))
    for size, source, number, label in sizes:
        if size < max(SMALLEST, largest / UNLIKE):
            yield (
                f"{source.origin}: shape {number} ('{label}') is {size:.1f} pixels wide, the "
                f"largest example {largest:.0f}; delete it, or outline the whole molecule."
            )
