"""How good proposed outlines are, and how many clicks they spare.

    python studies/proposals.py

No network. On simulated images of each system and seed: the mean mask IoU with the truth of the
outline that one click near a molecule's centre proposes, without and with one outlined example of
each class; and what "find alike" finds from that example of each class. Then an annotated image is
outlined anew, clicks counted. Molecules that the border cuts count neither way in the first table.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":  # the folder above holds the packages
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from spm.errors import InputError
from spm.geometry.cropped_mask import CroppedMask
from spm.geometry.polygons import diameter, polygon_area, polygon_centroid
from spm.run import command_line
from spm.run.setting_kinds import Count
from spm.run.settings import Settings, takes
from spm.similarity.find_alike import Proposal, find_alike
from spm.similarity.outline_proposal import OutlineProposer
from spm.simulate import SYSTEMS, simulate
from spm.structures.annotation import classes_of, read_annotation
from spm.structures.classes import Classes

SIDE, MOLECULE = 512, 46.0  # pixels
OFFSET = 0.15  # of a click from the centre along x and y, in diameters, at most
SAME = 0.5  # mask IoU from which a proposal is the molecule's


class Proposals(Settings):
    """What is measured."""

    seeds: Count = 3
    """Seeds of each system."""
    annotated: Path = Path("aug_test_in/00-cut.json")
    """Labelme annotation that is outlined anew."""


@dataclass(frozen=True, eq=False)
class Scene:
    """An image and the outlines that are right.

    Attributes:
        image: (H, W, 3) uint8.
        outlines: N polygons (n, 2) x, y.
        names: their classes.
        cut: whether the border cuts them.
    """

    image: np.ndarray
    outlines: list[np.ndarray]
    names: list[str]
    cut: list[bool]

    def masks(self, outlines: list[np.ndarray]) -> list[CroppedMask]:
        """Return outlines filled in this image."""
        return CroppedMask.of_polygons(outlines, *self.image.shape[:2])

    def examples(self, rng: np.random.Generator) -> list[int]:
        """Draw one whole molecule of each class."""
        whole = [k for k in range(len(self.names)) if not self.cut[k]]
        by_class = [[k for k in whole if self.names[k] == n] for n in sorted(set(self.names))]
        return [int(rng.choice(own)) for own in by_class if own]


@takes(Proposals)
def main(settings: Proposals) -> int:
    """Print the tables.

    Raises:
        InputError: when the annotation or its image cannot be read.
    """
    print(f"{'system':22}  outlines    IoU, no example   IoU, one each   recall   precision")
    for system in SYSTEMS:
        rows = np.array([measure(system, seed) for seed in range(settings.seeds)])
        asked, first, second, found, wanted, right, proposed = rows.sum(axis=0)
        print(
            f"{system:22}{asked:10.0f}{first / asked:19.3f}{second / asked:16.3f}"
            f"{found / wanted:9.3f}{right / proposed:12.3f}"
        )
    print(clicks(settings.annotated))
    return 0


def measure(system: str, seed: int) -> list[float]:
    """Return outlines asked for, sums of their IoU (without examples, with them), and of "find
    alike": molecules found, wanted; right proposals, all proposals."""
    scene, rng = _simulated(system, seed), np.random.default_rng(seed)
    chosen = scene.examples(rng)
    examples = [(scene.names[k], scene.outlines[k]) for k in chosen]
    asked = [k for k in range(len(scene.names)) if not scene.cut[k] and k not in chosen]
    offsets = rng.uniform(-OFFSET, OFFSET, (len(asked), 2))
    sums = []
    for known in ([], examples):
        proposer = OutlineProposer(scene.image, known)
        ious = [_iou(scene, proposer, k, d) for k, d in zip(asked, offsets, strict=True)]
        sums.append(float(np.sum(ious)))
    matches = _matches(scene, find_alike(scene.image, examples))
    found = {k for k, same_class in matches if same_class and k in asked}
    judged = [same_class for k, same_class in matches if k < 0 or not scene.cut[k]]
    return [len(asked), *sums, len(found), len(asked), sum(judged), max(1, len(judged))]


def clicks(path: Path) -> str:
    """Outline an annotated image anew, as a person would who has the right outlines in mind.

    One click in a molecule of each class, one for "find alike", one to accept all. What is wrong
    is refused with a click each, and what is missing gets a click each; a point is dragged for
    every vertex of an outline that still is not the molecule's.
    """
    scene, start = _annotated(path), time.process_time()
    proposer = OutlineProposer(scene.image)
    chosen = scene.examples(np.random.default_rng(0))
    outlined = {k: proposer.propose(*polygon_centroid(scene.outlines[k])) for k in chosen}
    count = len(chosen) + 2
    found = find_alike(scene.image, [(scene.names[k], p) for k, p in outlined.items()])
    for (k, same_class), proposal in zip(_matches(scene, found), found, strict=True):
        if k >= 0 and same_class and k not in outlined:
            outlined[k] = proposal.points
        else:
            count += 1
    alike = len(outlined) - len(chosen)
    proposer = OutlineProposer(scene.image, [(scene.names[k], p) for k, p in outlined.items()])
    for k in set(range(len(scene.names))) - set(outlined):
        count += 1
        outlined[k] = proposer.propose(*polygon_centroid(scene.outlines[k]))
        if scene.masks([outlined[k]])[0].iou(scene.masks([scene.outlines[k]])[0]) < SAME:
            count += len(scene.outlines[k])
    seconds = time.process_time() - start
    by_hand = sum(len(points) + 1 for points in scene.outlines)
    pairs = zip(scene.masks([outlined[k] for k in sorted(outlined)]),
                scene.masks(scene.outlines), strict=True)  # fmt: skip
    iou = np.mean([one.iou(other) for one, other in pairs])
    return (
        f"{path.name}: {len(scene.outlines)} molecules with {count} clicks instead of {by_hand} "
        f"({count / by_hand:.2f}), {alike} of them found alike; {seconds:.2f} s of computing; mean "
        f"IoU with the outlines by hand {iou:.3f}"
    )


def _simulated(system: str, seed: int) -> Scene:
    image, truth = simulate(system, SIDE, seed, pixels_per_molecule=MOLECULE)
    classes = Classes(SYSTEMS[system].class_names)
    outlines = [np.asarray(shape.points, float) for shape in truth.shapes]
    names = [classes.class_of(shape.label) for shape in truth.shapes]
    return Scene(image, outlines, names, [shape.flags["edge"] for shape in truth.shapes])


def _annotated(path: Path) -> Scene:
    annotation = read_annotation(path)
    annotation = annotation.classified(classes_of([annotation]))
    outlines = [np.asarray(shape.points, float) for shape in annotation.shapes]
    if not outlines:
        raise InputError(f"{path}: holds no outline; name an annotation with some.")
    names = [annotation.class_of(shape) for shape in annotation.shapes]
    image = annotation.read_image()
    size = np.array(image.shape[1::-1])
    cut = [bool((p.min(axis=0) < 2).any() or (p.max(axis=0) > size - 2).any()) for p in outlines]
    return Scene(image, outlines, names, cut)


def _iou(scene: Scene, proposer: OutlineProposer, k: int, offset: np.ndarray) -> float:
    """IoU of the outline that a click proposes with the true one; 0 without a proposal."""
    true = scene.outlines[k]
    place = polygon_centroid(true) + offset * diameter(polygon_area(true))
    try:
        points = proposer.propose(*place)
    except InputError:
        return 0.0
    one, other = scene.masks([points, true])
    return one.iou(other)


def _matches(scene: Scene, found: list[Proposal]) -> list[tuple[int, bool]]:
    """Return for each proposal the molecule that it is, -1 for none, and whether the class is
    right too."""
    masks = scene.masks(scene.outlines)
    matches = []
    for proposal, mask in zip(found, scene.masks([p.points for p in found]), strict=True):
        ious = [mask.iou(other) for other in masks]
        k = int(np.argmax(ious))
        matches.append(
            (k, scene.names[k] == proposal.class_name) if ious[k] >= SAME else (-1, False)
        )
    return matches


if __name__ == "__main__":
    command_line.run(main)
