"""Whether the scores of a trained network are what they say.

    python studies/calibration.py --seeds 3

For each case a network is trained on some 22 outlined molecules of a simulated image and recognises
others of the system: as they are, recorded by an unstable tip, and with adsorbates. Prints the
answers, the share of right ones (class, and mask IoU from 0.5), and the expected calibration error,
of all answers and of those that are not flagged as unfamiliar. Shares its trainings with
`studies/strangers.py`.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":  # the folder above holds the packages
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from collections.abc import Sequence

import numpy as np

from spm.evaluation.calibration import expected_calibration_error
from spm.evaluation.instances import from_annotation, from_molecules
from spm.evaluation.metrics import Comparison
from spm.run import command_line
from spm.run.setting_kinds import Count
from spm.run.settings import Settings, takes
from spm.simulate import SYSTEMS
from spm.structures.annotation import Annotation
from spm.structures.molecule import Molecule

# --- settings ----------------------------------------------------------------------------------
CASES = ("network", "A+B", "A+B+dichlorobiphenyl")
CROP = 420  # pixels: some 22 outlined molecules
STEPS = 350
IMAGES = {
    "new images": {},
    "unstable tip": {"unstable_tip": True},
    "12 adsorbates": {"adsorbates": 12},
}
TEST_SIZE, TEST_COUNT, TEST_SEED = 800, 2, 7000
FOUND = 0.5  # mask IoU from which an answer is right
# -----------------------------------------------------------------------------------------------


class Calibration(Settings):
    """How much is measured."""

    seeds: Count = 3
    """Trainings of each system."""
    work_dir: Path = Path("studies/results/strangers")
    """Folder of the trainings; one that is there is not done again."""


@takes(Calibration)
def main(settings: Calibration) -> int:
    """Print the table."""
    print(f"{'system':22} {'images':14} {'':12} answers   right   error")
    for system in CASES:
        seeds = range(settings.seeds)
        answers = [answers_of(system, seed, settings.work_dir) for seed in seeds]
        for images in IMAGES:
            scores, right, flagged = (
                np.concatenate(column)
                for column in zip(*(one[images] for one in answers), strict=True)
            )
            for what, some in (("all", np.full(len(scores), True)), ("not flagged", ~flagged)):
                error = expected_calibration_error(scores[some], right[some])
                print(f"{system:22} {images:14} {what:12} {some.sum():7} {right[some].mean():7.3f} "
                      f"{error:7.3f}", flush=True)  # fmt: skip
    return 0


def answers_of(
    system: str, seed: int, work_dir: Path
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return for each kind of images of one training the answers' scores, whether they are right,
    and whether they are flagged as unfamiliar."""
    from engine.likeness import compare_with_outlined
    from spm.inference.predict import Settings, find_molecules
    from studies import networks

    names = SYSTEMS[system].class_names
    crop = networks.draw({"system": system, "size": CROP, "count": 1, "seed": seed})
    weights = networks.train(crop, names, work_dir / f"{system} {seed}", steps=STEPS, seed=seed)
    answers = {}
    with networks.trained_detector(weights) as detector:
        chosen = Settings(detector.score_threshold)
        for images, extra in IMAGES.items():
            asked = {"system": system, "size": TEST_SIZE, "count": TEST_COUNT, **extra}
            rows = []
            for image, truth in networks.draw({**asked, "seed": TEST_SEED + 100 * seed}):
                found = find_molecules(detector, image, chosen)
                found = compare_with_outlined(found, image, detector, chosen)
                rows += judged(found, truth, names)
            answers[images] = tuple(np.array(column) for column in zip(*rows, strict=True))
    return answers


def judged(
    found: Sequence[Molecule], truth: Annotation, names: Sequence[str]
) -> list[tuple[float, bool, bool]]:
    """Return score, right and unfamiliar of each answer; those at molecules that the border cuts
    are left out."""
    true = from_annotation(truth.classified(names), ("edge",), ignore_unlisted=True)
    given = from_molecules(found, truth.height, truth.width)
    scores, right, counted, _ = Comparison([true], [given], "mask", list(names)).matches(FOUND)
    flagged = [m.unfamiliar for m in found]
    return [row[:3] for row in zip(scores, right, flagged, counted, strict=True) if row[3]]


if __name__ == "__main__":
    command_line.run(main)
