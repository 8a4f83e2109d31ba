"""One outline of each class is enough: what is like it teaches, before anything is trained.

A network that is shown one molecule of each class learns hardly more than that one. But molecules
on a surface are copies of one another: in the images that are to be recognised, and around the
outlined ones, those that look like an example, whichever way they are turned, are found by their
brightness alone (`spm.similarity.find_alike`) and get its class and outline. They teach the network
as if the user had outlined them; what only resembles an example, or has a class that is in doubt
(`spm.similarity.label_spreading`), teaches nothing, and the rest is background.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.example_checks import example_sources
from engine.self_training import MOST, empty_folder, read_examples, write_annotated
from spm.dataset.annotated_images import Source
from spm.errors import InputError
from spm.geometry.polygons import polygon_centroid
from spm.instruments.inputs import open_image
from spm.report.result_files import find_images
from spm.run.progress import progress
from spm.run.words import counted
from spm.similarity import find_alike, label_spreading
from spm.similarity.find_alike import Outlined, Proposal
from spm.similarity.label_spreading import polar_descriptors
from spm.structures.classes import Classes
from spm.structures.labelme_file import UNCLEAR
from spm.structures.shape import Shape

SHOWN = 12  # images whose finds are told one by one


@dataclass
class Seen:
    """An image and what it shows.

    Attributes:
        name: of the file that teaches.
        path: of the image; None for one that the user annotated.
        outlined: (class name, outline (n, 2) x, y) of the user's own outlines.
        found: what is like the examples.
        unclear: what only resembles them.
    """

    name: str
    path: Path | None
    outlined: Outlined
    found: list[Proposal]
    unclear: list[Proposal]


def teach_by_examples(
    folder: Path, images_dir: Path, source_dir: Path, classes: Classes, mirror: bool, seed: int
) -> None:
    """Write the annotated images of a training with few outlines.

    Args:
        folder: is emptied before.
        images_dir: images of the same scale as those that the user annotated.
        source_dir: the user's annotated images; those of the simulator are no examples.
        classes: the classes.
        mirror: whether mirror images are the same molecule.
        seed: of what is random.

    Raises:
        InputError: when no molecule is outlined, or nothing like the outlined ones is found.
    """
    sources = example_sources(source_dir, classes)
    own = [source.read_image() for source in sources]
    outlined = [_outlined(source, classes) for source in sources]
    patterns = find_alike.Examples(list(zip(own, outlined, strict=True)), mirror)
    examples = read_examples(sources, classes)
    seen, descriptors = [], []
    tasks = [(f"own{k}", None, known) for k, known in enumerate(outlined)]
    tasks += [(f"found{k}", path, ()) for k, path in enumerate(find_images(None, images_dir))]
    unread = []
    with progress(len(tasks), "what looks like your outlines", "image") as bar:
        for number, (name, path, known) in enumerate(tasks):
            bar.update()
            try:
                image = own[number] if path is None else open_image(path).image
            except InputError as error:  # the prediction says it too
                unread.append(str(error))
                continue
            seen.append(Seen(name, path, known, *find_alike.search(image, patterns, known)))
            places = [polygon_centroid(one.points) for one in seen[-1].found]
            descriptors.append(polar_descriptors(image, places, examples.diameter))
    for problem in unread:
        print(f"note: it teaches nothing: {problem}", file=sys.stderr)
    if not sum(len(one.found) for one in seen):
        raise InputError(
            f"{images_dir}: nothing looks like the molecules that are outlined in {source_dir}; "
            "outline more, or run without --examples."
        )
    names = np.array([classes.index(proposal.class_name) for proposal in _found(seen)])
    sure = _sure(np.concatenate(descriptors), names, examples, mirror, seed)
    starts = np.cumsum([len(one.found) for one in seen])[:-1]
    empty_folder(folder)
    divided = [_divided(*one) for one in zip(seen, np.split(sure, starts), strict=True)]
    for number, one in enumerate(divided):
        _write(folder, one, own[number] if one.path is None else open_image(one.path).image)
    for line in _said(divided, [source.origin for source in sources], classes):
        print(line)


def _said(seen: list[Seen], origins: list[str], classes: Classes) -> Iterator[str]:
    """Yield what was found in all, in each image, and of which class nothing."""
    total = Counter(proposal.class_name for proposal in _found(seen))
    count = counted(total.total(), "molecule")
    yield f"{count} like your outlines teach too: {_numbers(total, classes)}"
    for number, one in enumerate(seen[:SHOWN]):
        counts = Counter(proposal.class_name for proposal in one.found)
        doubt = f"; {len(one.unclear)} in doubt teach nothing" if one.unclear else ""
        origin = one.path.name if one.path else origins[number]
        yield f"  {origin}: {_numbers(counts, classes)}{doubt}"
    if len(seen) > SHOWN:
        yield f"  and {len(seen) - SHOWN} more images"
    for name in classes:
        if not total[name]:
            yield (
                f"note: nothing else looks like your {name}; if there are more, outline another "
                "one, or put images of the same scale there"
            )


def _numbers(counts: Counter[str], classes: Classes) -> str:
    return ", ".join(f"{counts[name]} {name}" for name in classes)


def _found(seen: list[Seen]) -> list[Proposal]:
    return [proposal for one in seen for proposal in one.found]


def _outlined(source: Source, classes: Classes) -> Outlined:
    names = [classes[k] for k in source.class_ids.tolist()]
    return list(zip(names, source.read_outlines(), strict=True))


def _sure(
    descriptors: np.ndarray,
    names: np.ndarray,
    examples: label_spreading.Examples,
    mirror: bool,
    seed: int,
) -> np.ndarray:
    """Return (N,) bool of which molecules the class is beyond doubt."""
    sure = np.zeros(len(names), bool)
    order = np.random.default_rng(seed).permutation(len(names))
    for portion in np.array_split(order, -(-len(order) // MOST)):
        sure[portion] = label_spreading.names_agree(
            descriptors[portion], names[portion], examples, mirror
        )
    return sure


def _divided(one: Seen, sure: np.ndarray) -> Seen:
    """Return it with the molecules of an uncertain class among what is unclear."""
    found = [proposal for proposal, known in zip(one.found, sure, strict=True) if known]
    unsure = [proposal for proposal, known in zip(one.found, sure, strict=True) if not known]
    return replace(one, found=found, unclear=one.unclear + unsure)


def _write(folder: Path, one: Seen, image: np.ndarray) -> None:
    """Write an image that teaches with all its molecules, if it has any."""
    if not one.outlined and not one.found:
        return
    taught = [*one.outlined, *((proposal.class_name, proposal.points) for proposal in one.found)]
    shapes = [Shape(class_name, points) for class_name, points in taught]
    unclear = [proposal.points.tolist() for proposal in one.unclear]
    write_annotated(folder, one.name, image, shapes, extra={UNCLEAR: unclear})
