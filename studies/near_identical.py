"""How well six near-identical molecules are told apart from few outlines of each.

    python studies/near_identical.py --seeds 3

Per seed the light network is trained on a simulated image in which 8 molecules of each class are
outlined (flag `partial`), and recognises two others. Prints of each class what its molecules were
called, how many of these names were flagged as uncertain, and of which pairs of classes the look of
the outlined ones tells the two apart.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":  # the folder above holds the packages
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from spm.geometry.cropped_mask import CroppedMask
from spm.run import command_line
from spm.run.setting_kinds import Count
from spm.run.settings import Settings, takes
from spm.simulate.near_identical import near_identical_drawings, near_identical_system
from spm.structures.annotation import Annotation
from spm.structures.classes import Classes
from spm.structures.instance_masks import shape_masks
from spm.structures.molecule import Molecule

# --- settings ----------------------------------------------------------------------------------
OUTLINED = 8  # molecules of each class
STEPS = 350
CROP, IMAGE, IMAGES, TEST_SEED = 640, 800, 2, 5000  # pixels; number, first seed of test images
FOUND = 0.5  # mask IoU from which a molecule is found
MISSED, FALSE = "missed", "no molecule"
# -----------------------------------------------------------------------------------------------


class NearIdentical(Settings):
    """How much is measured."""

    seeds: Count = 3
    """Trainings."""
    work_dir: Path = Path("studies/results/near_identical")
    """Folder of the trainings; one that is there is not done again."""


Answer = tuple[str, str, bool]  # true class or FALSE, what it was called or MISSED, uncertain


@takes(NearIdentical)
def main(settings: NearIdentical) -> int:
    """Print the tables."""
    names = sorted(near_identical_drawings())
    rows: list[Answer] = []
    for seed in range(settings.seeds):
        told_apart, found = answers_of(seed, settings.work_dir, names)
        pairs = ", ".join(f"{names[a]}/{names[b]}" for a, b in sorted(told_apart))
        print(f"seed {seed}: told apart by their look: {pairs}", flush=True)
        rows += found
    for name in [*names, FALSE]:
        called = Counter(answer for true, answer, _ in rows if true == name)
        uncertain = sum(doubt for true, _, doubt in rows if true == name)
        right = f"{called[name] / max(called.total(), 1):6.3f}" if name in names else " " * 6
        words = ", ".join(f"{count} {answer}" for answer, count in called.most_common())
        print(f"{name:12}{right}  {uncertain:4} uncertain  {words}")
    return 0


def answers_of(
    seed: int, work_dir: Path, names: Sequence[str]
) -> tuple[frozenset[tuple[int, int]], list[Answer]]:
    """Return the pairs of classes that the look tells apart, and what a training's network says."""
    from engine.likeness import compare_with_outlined
    from spm.inference.predict import Settings, find_molecules
    from spm.similarity.likeness import References
    from studies import networks

    folder = work_dir / str(seed)
    weights = networks.train([crop(seed, names)], names, folder, steps=STEPS, seed=seed)
    rows = []
    with networks.trained_detector(weights) as detector:
        chosen = Settings(detector.score_threshold)
        for number in range(IMAGES):
            image, truth = scene(IMAGE, TEST_SEED + IMAGES * seed + number)
            found = find_molecules(detector, image, chosen)
            found = compare_with_outlined(found, image, detector, chosen)
            rows += judged(found, truth.classified(names))
        references = References.from_json(detector.appearance["references"])
    return references.told_apart, rows


def crop(seed: int, names: Sequence[str]) -> tuple[np.ndarray, Annotation]:
    """Return an image in which OUTLINED whole molecules of each class are outlined, by lot."""
    image, truth = scene(CROP, seed)
    classes, rng = Classes(names), np.random.default_rng(seed)
    whole = [s for s in truth.shapes if not s.flags.get("edge")]
    shapes = []
    for name in names:
        own = [shape for shape in whole if classes.class_of(shape.label) == name]
        shapes += [own[k] for k in rng.permutation(len(own))[:OUTLINED]]
    return image, replace(truth, shapes=shapes, flags={"partial": True})


def scene(size: int, seed: int) -> tuple[np.ndarray, Annotation]:
    """Return an image with all of the six, and its truth."""
    from spm.simulate import simulate

    drawings = near_identical_drawings()
    return simulate(
        near_identical_system(), size, seed, drawings=drawings, image_name=f"{seed}.png"
    )


def judged(found: Sequence[Molecule], truth: Annotation) -> Iterator[Answer]:
    """Yield what each molecule that the border does not cut was called, and what is none."""
    masks = CroppedMask.of_polygons([m.region for m in found], truth.height, truth.width)
    taken: set[int] = set()
    for own, shape in zip(shape_masks(truth), truth.shapes, strict=True):
        overlaps = [own.iou(mask) for mask in masks]
        best = int(np.argmax(overlaps)) if overlaps else -1
        hit = best >= 0 and overlaps[best] >= FOUND
        taken |= {best} if hit else set()
        if not shape.flags.get("edge"):
            said = (found[best].class_name, found[best].uncertain) if hit else (MISSED, False)
            yield shape.class_name, *said
    for k, molecule in enumerate(found):
        if k not in taken and not molecule.edge:
            yield FALSE, molecule.class_name, molecule.uncertain


if __name__ == "__main__":
    command_line.run(main)
