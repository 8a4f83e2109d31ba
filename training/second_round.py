"""A second training where few molecules were outlined: what the first one found teaches too.

A network that was shown two outlines of each class finds nearly every molecule of the pictures and
names many wrongly. So they are named anew by their likeness to the outlined ones (`spm.naming`),
get the outline of the most similar one of these (`spm.outline_fit`), and the surest become
annotations, flagged `partial`: a second training learns from them and from the user's own.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from spm.annotation import Annotation, Shape, read_annotation, write_annotation
from spm.files import make_folder
from spm.labels import class_of
from spm.molecules import Molecule, annotation_to_molecules, labels_of
from spm.naming import Examples, name_by_examples
from spm.outline_fit import lay_outlines
from spm.picture import write_picture
from spm.training_data import Source, median_diameter

KEPT = 0.85  # of each class, the surest names; the rest teaches nothing
MOST = 800  # molecules that are compared with each other: the time grows with their square
FEWEST = 10  # found molecules, below which a picture says little


@dataclass
class Found:
    """A recognised picture: (H, W, 3) uint8, and its molecules."""

    picture: np.ndarray
    molecules: list[Molecule]


def read_found(json_path: Path, picture: np.ndarray, class_names: list[str]) -> Found:
    """Read a picture's prediction."""
    return Found(picture, annotation_to_molecules(read_annotation(json_path), class_names))


def read_examples(sources: list[Source], class_names: list[str]) -> Examples:
    """Return what the user's own annotated pictures tell of the classes."""
    outlines = [source.read_outlines() for source in sources]
    classes = [[class_names.index(class_of(x, class_names)) for x in s.labels] for s in sources]
    pictures = [source.read_picture() for source in sources]
    return Examples(pictures, outlines, classes, len(class_names), median_diameter(sources))


def surest(
    found: Found, examples: Examples, class_names: list[str], mirror: bool, seed: int
) -> list[Molecule]:
    """Return the molecules whose new names are the surest, with these names; none of a picture that
    shows too few. Those that the picture's border cuts teach nothing."""
    molecules = [m for m in found.molecules if not m.edge]
    if len(molecules) > MOST:
        chosen = np.random.default_rng(seed).choice(len(molecules), MOST, replace=False)
        molecules = [molecules[k] for k in np.sort(chosen)]
    if len(molecules) < FEWEST:
        return []
    shares = name_by_examples(found.picture, [m.centroid for m in molecules], examples, mirror)
    named, sure = shares.argmax(axis=1), shares.max(axis=1)
    kept = []
    for number in np.unique(named):
        least = np.quantile(sure[named == number], 1 - KEPT)
        kept += [
            (k, class_names[number]) for k in np.flatnonzero((named == number) & (sure >= least))
        ]
    return [replace(molecules[k], class_name=name) for k, name in sorted(kept)]


def write_lessons(
    folder: Path,
    found: Iterable[Found],
    sources: list[Source],
    class_names: list[str],
    mirror: bool,
    seed: int,
) -> int:
    """Write the annotated pictures of the second training: the user's own and the recognised ones.

    Args:
        folder: is emptied before.
        found: taken one after the other: large pictures need not be in memory together.
        sources: the user's own annotated pictures.

    Returns:
        How many molecules of recognised pictures teach.
    """
    if folder.exists():
        shutil.rmtree(folder)
    make_folder(folder)
    for number, source in enumerate(sources):
        shapes = [
            Shape(label, points)
            for label, points in zip(source.labels, source.read_outlines(), strict=True)
        ]
        _write(folder, f"own{number}", source.read_picture(), shapes, source.partial)
    examples = read_examples(sources, class_names)
    count = 0
    for number, one in enumerate(found):
        molecules = surest(one, examples, class_names, mirror, seed)
        if not molecules:
            continue
        outlines = lay_outlines(
            one.picture,
            [molecule.centroid for molecule in molecules],
            [class_names.index(molecule.class_name) for molecule in molecules],
            examples,
            mirror,
        )
        border = one.picture.shape[1::-1]  # an outline that was laid may reach over it
        shapes = [
            Shape(label, np.clip(points, 0, border))
            for label, points in zip(labels_of(molecules), outlines, strict=True)
        ]
        _write(folder, f"found{number}", one.picture, shapes, partial=True)
        count += len(molecules)
    return count


def _write(folder: Path, name: str, picture: np.ndarray, shapes: list, partial: bool) -> None:
    write_picture(folder / f"{name}.png", picture)
    height, width = picture.shape[:2]
    annotation = Annotation(shapes, height, width, f"{name}.png", flags={"partial": partial})
    write_annotation(folder / f"{name}.json", annotation)
