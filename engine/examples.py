"""One outline of each class is enough: what is like it teaches, before anything is trained.

A network that is shown one molecule of each class learns hardly more than that one. But molecules
on a surface are copies of one another: in the images that are to be recognised, and around the
outlined ones, those that look like an example, whichever way they are turned, are found by their
brightness alone (`spm.similarity.find_alike`) and get its outline. Those of one class are more like
one another than like the other class's example, so that names spread from neighbour to neighbour
(`spm.similarity.label_spreading`). All of them teach the network as if the user had outlined them;
what only resembles an example teaches nothing, and the rest is background.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.self_training import empty_folder, read_examples, write_annotated
from spm.dataset.annotated_images import Source, classify, outlined_sources
from spm.errors import InputError
from spm.geometry.polygons import polygon_centroid
from spm.instruments.inputs import open_image
from spm.report.result_files import find_images
from spm.run.progress import progress
from spm.run.words import counted
from spm.similarity import find_alike, label_spreading
from spm.similarity.find_alike import Outlined, Proposal
from spm.similarity.outline_fit import lay_outlines
from spm.structures.classes import Classes
from spm.structures.shape import Shape

MOST = 800  # molecules that are compared with each other: the time grows with their square


@dataclass
class Search:
    """What the user outlined, and how more of it is found.

    Attributes:
        patterns: the examples as they are looked for in an image.
        examples: the same as names spread from them.
        classes: the classes.
        mirror: whether mirror images are the same molecule.
        seed: divides very many molecules into portions.
    """

    patterns: find_alike.Examples
    examples: label_spreading.Examples
    classes: Classes
    mirror: bool
    seed: int

    def find(
        self, image: np.ndarray, outlined: Outlined = ()
    ) -> tuple[list[Proposal], list[Proposal]]:
        """Return the molecules that are like the examples, and what only resembles them.

        Args:
            image: (H, W, 3) uint8.
            outlined: (class name, outline (n, 2) x, y) of what is outlined in it already.
        """
        found, unclear = find_alike.search(image, self.patterns, outlined)
        return self._named(image, found), unclear

    def _named(self, image: np.ndarray, found: list[Proposal]) -> list[Proposal]:
        """Return them with the names that spread; who changes its name gets the other outline."""
        named = list(found)
        places = np.array([polygon_centroid(proposal.points) for proposal in found]).reshape(-1, 2)
        order = np.random.default_rng(self.seed).permutation(len(found))
        for portion in np.array_split(order, max(-(-len(order) // MOST), 1)):
            shares = label_spreading.name_by_examples(
                image, places[portion], self.examples, self.mirror
            )
            ids = shares.argmax(axis=1)
            names = [self.classes[k] for k in ids]
            other = [k for k, i in enumerate(portion) if names[k] != found[i].class_name]
            outlines = lay_outlines(
                image, places[portion[other]], ids[other], self.examples, self.mirror
            )
            for k, points in zip(other, outlines, strict=True):
                within = np.clip(points, 0, image.shape[1::-1])
                named[portion[k]] = replace(found[portion[k]], class_name=names[k], points=within)
        return named


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
        InputError: when nothing like the outlined molecules is found.
    """
    sources = [one for one in outlined_sources(source_dir) if not one.simulated]
    classify(sources, classes)
    own = [(source.read_image(), _outlined(source, classes)) for source in sources]
    patterns = find_alike.Examples(own, mirror)
    search = Search(patterns, read_examples(sources, classes), classes, mirror, seed)
    paths = find_images(None, images_dir)
    empty_folder(folder)
    counts = dict.fromkeys(classes, 0)
    with progress(len(own) + len(paths), "what looks like your outlines", "image") as bar:
        for number, (image, outlined) in enumerate(own):
            _teach(folder / f"own{number}", image, outlined, search, counts)
            bar.update()
        for number, path in enumerate(paths):
            _teach(folder / f"found{number}", open_image(path).image, (), search, counts)
            bar.update()
    if not sum(counts.values()):
        raise InputError(
            f"{images_dir}: nothing looks like the molecules that are outlined in {source_dir}; "
            "outline more, or run without --examples."
        )
    found = ", ".join(f"{count} {name}" for name, count in counts.items())
    print(f"{counted(sum(counts.values()), 'molecule')} like your outlines teach too: {found}")


def _outlined(source: Source, classes: Classes) -> Outlined:
    names = [classes[k] for k in source.class_ids.tolist()]
    return list(zip(names, source.read_outlines(), strict=True))


def _teach(
    path: Path, image: np.ndarray, outlined: Outlined, search: Search, counts: dict[str, int]
) -> None:
    """Write an image with the outlined and the found molecules; count the found ones."""
    found, unclear = search.find(image, outlined)
    for proposal in found:
        counts[proposal.class_name] += 1
    if not outlined and not found:
        return
    taught = [*outlined, *((proposal.class_name, proposal.points) for proposal in found)]
    shapes = [Shape(class_name, points) for class_name, points in taught]
    extra = {"unclear": [proposal.points.tolist() for proposal in unclear]}
    write_annotated(path.parent, path.name, image, shapes, extra=extra)
