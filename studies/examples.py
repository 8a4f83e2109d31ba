"""What one outline of each class teaches (`workflow.py --examples`), on simulated images.

    python studies/examples.py                     what is found before a training
    python studies/examples.py --train --seeds 1   and what the network then says of images that
                                                   neither the user nor the training has seen

Of each system and seed: a crop in which a few molecules of each class are outlined, and an image to
recognise. What teaches is compared with the truth: precision and recall count the class, too (mask
IoU of at least 0.5); molecules that the border cuts count neither way.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":  # the folder above holds the packages
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from spm.errors import InputError
from spm.io.images import write_image
from spm.run import command_line
from spm.run.setting_kinds import Count
from spm.run.settings import Settings, takes
from spm.simulate import SYSTEMS, simulate
from spm.structures.annotation import Annotation, read_annotation, write_annotation
from spm.structures.classes import Classes
from spm.structures.instance_masks import shape_masks

FIVE = ["A+B", "A", "B", "A+C", "A+B+dichlorobiphenyl"]
CROP, IMAGE = 400, 800  # pixels
FIRST_IMAGE, UNSEEN = 5000, 6000  # seeds of the images
SAME = 0.5  # mask IoU from which an outline is the molecule's


class ExamplesStudy(Settings):
    """What is measured."""

    systems: list[str] = FIVE
    """Systems of molecules (spm.simulate)."""
    seeds: Count = 5
    """Seeds of each system."""
    outlines: Count = 1
    """Outlined molecules of each class."""
    train: bool = False
    """Train the light network, too (minutes each)."""


@dataclass
class Counted:
    """Molecules of the truth, answers, right answers, and the sum of the IoU of these."""

    wanted: int = 0
    answers: int = 0
    right: int = 0
    overlap: float = 0.0

    def __add__(self, other: Counted) -> Counted:
        return Counted(
            self.wanted + other.wanted, self.answers + other.answers, self.right + other.right,
            self.overlap + other.overlap,
        )  # fmt: skip

    def row(self) -> str:
        """Return precision, recall, F1 and mean IoU."""
        precision, recall = self.right / max(self.answers, 1), self.right / max(self.wanted, 1)
        f1 = 2 * self.right / max(self.answers + self.wanted, 1)
        overlap = self.overlap / max(self.right, 1)
        return f"{precision:10.3f}{recall:10.3f}{f1:10.3f}{overlap:10.3f}"


@takes(ExamplesStudy)
def main(settings: ExamplesStudy) -> int:
    """Print a line for each system and seed, and one for all seeds.

    Raises:
        InputError: for a system that there is not.
    """
    if unknown := set(settings.systems) - set(SYSTEMS):
        raise InputError(
            f"systems: there is no {', '.join(sorted(unknown))}; choose among {', '.join(SYSTEMS)}."
        )
    print(f"{'system':30}{'seed':>6}{'precision':>10}{'recall':>10}{'F1':>10}{'mean IoU':>10}")
    for system in settings.systems:
        sums = [Counted(), Counted()]
        for seed in range(settings.seeds):
            with tempfile.TemporaryDirectory() as folder:
                found = measure(Path(folder), system, seed, settings.outlines, settings.train)
            for k, (what, one) in enumerate(zip(("taught", "network"), found, strict=False)):
                sums[k] += one
                print(f"{system:22}{what:8}{seed:6}{one.row()}", flush=True)
        for what, one in zip(("taught", "network"), sums, strict=True):
            if one.wanted:
                print(f"{system:22}{what:8}{'all':>6}{one.row()}", flush=True)
    return 0


def measure(folder: Path, system: str, seed: int, outlines: int, train: bool) -> list[Counted]:
    """Return what was right of what teaches, and of what the network then says."""
    from engine.examples import teach_by_examples

    names = list(SYSTEMS[system].class_names)
    truth = _put(folder / "images", system, FIRST_IMAGE + seed, names)
    _put_crop(folder / "in", system, seed, names, outlines)
    taught = folder / "taught"
    teach_by_examples(taught, folder / "images", folder / "in", Classes.of(names), True, seed)
    counted = [compare(truth, read_annotation(taught / "found0.json").classified(names))]
    if train:
        counted.append(_of_network(folder, taught, system, seed, names))
    return counted


def _of_network(folder: Path, taught: Path, system: str, seed: int, names: list[str]) -> Counted:
    import predict_big_pic
    import train_test

    weights = train_test.train_main(
        source_dir=taught, augment="online", validation_share=0.0, class_names=names, seed=seed,
        init_with="auto", coco_weights=folder / "none", recipe="cpu", log_dir=folder / "logs",
    )  # fmt: skip
    truth = _put(folder / "unseen", system, UNSEEN + seed, names)
    predict_big_pic.main(
        in_dir=folder / "unseen", out_dir=folder / "out", weights=weights, report=False,
        tile_images=False,
    )  # fmt: skip
    return compare(truth, read_annotation(folder / "out" / "a_predicted.json").classified(names))


def _put(folder: Path, system: str, seed: int, names: Sequence[str]) -> Annotation:
    """Write an image and return its truth."""
    image, truth = simulate(system, IMAGE, seed, image_name="a.png")
    folder.mkdir()
    write_image(folder / "a.png", image)
    return truth.classified(names)


def _put_crop(folder: Path, system: str, seed: int, names: Sequence[str], outlines: int) -> None:
    """Write a crop with so many outlines of each class, drawn among the whole molecules."""
    rng = np.random.default_rng(seed)
    image, truth = simulate(system, CROP, seed, image_name="crop.png")
    whole = [s for s in truth.classified(names).shapes if not s.flags.get("edge")]
    shapes = []
    for name in names:
        own = [shape for shape in whole if shape.class_name == name]
        chosen = rng.permutation(len(own))[:outlines]
        shapes += [own[k] for k in chosen]
    folder.mkdir()
    write_image(folder / "crop.png", image)
    write_annotation(folder / "crop.json", Annotation(shapes, *image.shape[:2], "crop.png"))


def compare(truth: Annotation, found: Annotation) -> Counted:
    """Count answers against the truth; both with their classes. What the border cuts, and answers
    there, count neither way."""
    true, answers = shape_masks(truth), shape_masks(found)
    counted = Counted(wanted=sum(not shape.flags.get("edge") for shape in truth.shapes))
    taken: set[int] = set()
    for mask, shape in zip(answers, found.shapes, strict=True):
        ious = [mask.iou(other) for other in true]
        best = int(np.argmax(ious))
        if ious[best] >= SAME and truth.shapes[best].flags.get("edge"):
            continue
        counted.answers += 1
        same_class = truth.shapes[best].class_name == shape.class_name
        if ious[best] >= SAME and same_class and best not in taken:
            taken.add(best)
            counted.right += 1
            counted.overlap += ious[best]
    return counted


if __name__ == "__main__":
    command_line.run(main)
