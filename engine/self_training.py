"""A second training where few molecules were outlined: what the first one found teaches too.

A network that was shown two outlines of each class finds nearly every molecule of the images and
names many wrongly. So they are named anew by their likeness to the outlined ones
(`spm.similarity.label_spreading`), get the outline of the most similar one of these
(`spm.similarity.outline_fit`), and the surest become annotations: a second training learns from
them and from the user's own. The others stay unclear; where nothing was found, or what looks like
no outlined molecule, is background.

A network that was shown nothing but simulated images does the same. A simulated molecule is no
example of a real one's look, so that names spread from the network's own, and its outlines stay;
the simulated images have taught what they can, and are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from spm.dataset.annotated_images import Source, classify, median_diameter
from spm.errors import InputError
from spm.geometry import polygons
from spm.instruments.inputs import open_image
from spm.io.images import write_image
from spm.report.result_files import find_images, output_names
from spm.run.files import LOCK_NAME, make_folder
from spm.similarity.label_spreading import (
    Examples,
    likeness_to_examples,
    name_by_examples,
    name_by_neighbours,
)
from spm.similarity.outline_fit import lay_outlines
from spm.structures.annotation import Annotation, read_annotation, write_annotation
from spm.structures.classes import Classes
from spm.structures.labelme_file import UNCLEAR
from spm.structures.molecule import Molecule, annotation_to_molecules, labels_of
from spm.structures.shape import Shape

KEPT = 0.85  # of each class, the surest names; the rest teaches nothing
MOST = 800  # molecules that are compared with each other: the time grows with their square
ALIKE = 0.4  # correlation with an example; pores taken for molecules have -0.2 to 0.2, these 0.7
WRITTEN = re.compile(r"(own|found)[0-9]+\.(json|png)")  # files of `write_annotated`
FEWEST = 10  # found molecules, below which an image says little


@dataclass
class Found:
    """A recognised image: (H, W, 3) uint8, and its molecules."""

    image: np.ndarray
    molecules: list[Molecule]


def read_found(json_path: Path, image: np.ndarray, classes: Classes) -> Found:
    """Read an image's prediction."""
    return Found(image, annotation_to_molecules(read_annotation(json_path).classified(classes)))


def read_examples(sources: list[Source], classes: Classes) -> Examples:
    """Return what the user's own annotated images tell of the classes."""
    outlines = [source.read_outlines() for source in sources]
    ids = [source.class_ids.tolist() for source in sources]
    images = [source.read_image() for source in sources]
    return Examples(images, outlines, ids, len(classes), median_diameter(sources))


def choose_pseudo_labels(
    found: Found, examples: Examples | None, classes: Classes, mirror: bool, seed: int
) -> list[Molecule]:
    """Return the molecules that teach, with the names and outlines that they teach.

    Those that the image's border cuts do not, and none of an image that shows too few.

    Args:
        found: the image and what was recognised.
        examples: what the user outlined; None lets the recognised molecules name one another.
        classes: the classes.
        mirror: whether mirror images are the same molecule.
        seed: chooses among very many.
    """
    molecules = [m for m in found.molecules if not m.edge]
    if len(molecules) > MOST:
        chosen = np.random.default_rng(seed).choice(len(molecules), MOST, replace=False)
        molecules = [molecules[k] for k in np.sort(chosen)]
    if len(molecules) < FEWEST:
        return []
    centroids = [m.centroid for m in molecules]
    if examples is not None:
        shares = name_by_examples(found.image, centroids, examples, mirror)
    else:
        diameter = polygons.median_diameter(m.area for m in molecules)
        class_scores = np.array([_class_scores(m, classes) for m in molecules])
        shares = name_by_neighbours(found.image, centroids, class_scores, diameter, mirror)
    kept, ids = _surest(shares), shares.argmax(axis=1)
    taught = [replace(molecules[k], class_name=classes[ids[k]]) for k in kept]
    if examples is None:
        return taught
    places = [m.centroid for m in taught]
    outlines = lay_outlines(found.image, places, ids[kept], examples, mirror)
    border = found.image.shape[1::-1]  # an outline that was laid may reach over it
    return [
        replace(molecule, outline=np.clip(points, 0, border), further=())
        for molecule, points in zip(taught, outlines, strict=True)
    ]


def _class_scores(molecule: Molecule, classes: Classes) -> np.ndarray:
    """The scores that the network gave, as far as it told."""
    scores = np.zeros(len(classes))
    scores[classes.index(molecule.class_name)] = molecule.score
    if molecule.second_class:
        scores[classes.index(molecule.second_class)] = molecule.second_score
    return scores


def _surest(shares: np.ndarray) -> np.ndarray:
    named, sure = shares.argmax(axis=1), shares.max(axis=1)
    least = {k: np.quantile(sure[named == k], 1 - KEPT) for k in np.unique(named)}
    return np.flatnonzero([s >= least[k] for k, s in zip(named, sure, strict=True)])


def write_pseudo_labels(
    folder: Path,
    found: Iterable[Found],
    sources: list[Source],
    classes: Classes,
    mirror: bool,
    seed: int,
) -> int:
    """Write the annotated images of the second training: the user's own and the recognised ones.

    Args:
        folder: is emptied before.
        found: taken one after the other: large images need not be in memory together.
        sources: the images of the first training.
        classes: the classes.

    Returns:
        How many molecules of recognised images teach.
    """
    empty_folder(folder)
    own = [source for source in sources if not source.simulated]
    for number, source in enumerate(own):
        shapes = [
            Shape(label, points)
            for label, points in zip(source.labels, source.read_outlines(), strict=True)
        ]
        flags = {"partial": source.partial}
        write_annotated(folder, f"own{number}", source.read_image(), shapes, flags=flags)
    classify(sources, classes)
    all_shown = _shown(own) == _shown(sources)
    examples = read_examples(own, classes) if all_shown else None
    count = 0
    for number, one in enumerate(found):
        if examples is not None:
            one = _without_pores(one, examples, mirror)
        molecules = choose_pseudo_labels(one, examples, classes, mirror, seed)
        if not molecules:
            continue
        shapes = [Shape(x, m.region) for x, m in zip(labels_of(molecules), molecules, strict=True)]
        taught = {m.centroid for m in molecules}
        unclear = [m.region.tolist() for m in one.molecules if m.centroid not in taught]
        write_annotated(folder, f"found{number}", one.image, shapes, extra={UNCLEAR: unclear})
        count += len(molecules)
    return count


def empty_folder(folder: Path) -> None:
    """Make a folder of what teaches, or take away what an earlier run wrote there.

    Raises:
        InputError: when it holds something else.
    """
    make_folder(folder)
    inside = [path for path in folder.iterdir() if path.name != LOCK_NAME]
    others = [path.name for path in inside if not (WRITTEN.fullmatch(path.name) and path.is_file())]
    if others:
        raise InputError(
            f"{folder}: holds files that no step wrote ({', '.join(sorted(others)[:3])}); move "
            "them elsewhere, a run writes here what it teaches."
        )
    for path in inside:
        path.unlink()


def _without_pores(found: Found, examples: Examples, mirror: bool) -> Found:
    """Leave out what looks like no example: a pore, which the pseudo-labels then show as
    background. Of what the border cuts too little is seen to tell."""
    if not found.molecules:
        return found
    places = [m.centroid for m in found.molecules]
    likeness = likeness_to_examples(found.image, places, examples, mirror)
    kept = [m for m, r in zip(found.molecules, likeness, strict=True) if m.edge or r >= ALIKE]
    return Found(found.image, kept)


def _shown(sources: list[Source]) -> set[int]:
    return {k for source in sources for k in source.class_ids.tolist()}


def write_annotated(
    folder: Path, name: str, image: np.ndarray, shapes: list[Shape], **more
) -> None:
    """Write an image that teaches, and its outlines; `more` are fields of the `Annotation`."""
    write_image(folder / f"{name}.png", image)
    height, width = image.shape[:2]
    annotation = Annotation(shapes, height, width, f"{name}.png", **more)
    write_annotation(folder / f"{name}.json", annotation)


def teach_by_likeness(
    pseudo_labels: Path,
    images_dir: Path,
    out_dir: Path,
    sources: list[Source],
    classes: Classes,
    mirror: bool,
    seed: int,
) -> None:
    """Writes the images of the second training.

    Args:
        pseudo_labels: folder to write.
        images_dir, out_dir: the images, and what was recognised in them.
        sources: the user's annotated images.
        classes, mirror, seed: as in `write_pseudo_labels`.

    Raises:
        InputError: when too little was recognised to teach anything.
    """
    found = _recognised(images_dir, out_dir, classes)
    count = write_pseudo_labels(pseudo_labels, found, sources, classes, mirror, seed)
    if not count:
        raise InputError(
            f"{images_dir}: too few molecules were recognised for self-training; outline more, or "
            "run without --self-training."
        )
    print(f"Self-training: {count} recognised molecules teach, named by their likeness")


def _recognised(images_dir: Path, out_dir: Path, classes: Classes) -> Iterator[Found]:
    """Yields the images that were predicted, one at a time. Prediction has told of the others."""
    paths = find_images(None, images_dir)
    for path, name in zip(paths, output_names(paths), strict=True):
        result = out_dir / f"{name}_predicted.json"
        try:
            yield read_found(result, open_image(path).image, classes)
        except InputError:
            continue
