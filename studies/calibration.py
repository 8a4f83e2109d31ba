"""Whether the scores of a trained network are what they say.

    python studies/calibration.py --seeds 3

For each case a network is trained on some 22 outlined molecules of a simulated image and recognises
others of the system: as they are, recorded by an unstable tip, and with adsorbates. Prints the
answers, the share of right ones (class, and mask IoU from 0.5), and the expected calibration error,
of all answers and of those that are not flagged as unfamiliar. Shares its trainings and
its settings with `studies/strangers.py`.
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
from spm.run.settings import takes
from spm.simulate import SYSTEMS
from spm.structures.annotation import Annotation
from spm.structures.molecule import Molecule
from studies.strangers import Strangers, trained

# --- settings ----------------------------------------------------------------------------------
CASES = ("network", "A+B", "A+B+dichlorobiphenyl")
IMAGES = {
    "new images": {},
    "unstable tip": {"unstable_tip": True},
    "12 adsorbates": {"adsorbates": 12},
}
TEST_SIZE, TEST_COUNT, TEST_SEED = 800, 2, 7000
FOUND = 0.5  # mask IoU from which an answer is right
# -----------------------------------------------------------------------------------------------


@takes(Strangers)
def main(settings: Strangers) -> int:
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
    from studies import networks

    names, answers = SYSTEMS[system].class_names, {}
    with trained(system, seed, work_dir) as recognise:
        for images, extra in IMAGES.items():
            asked = {"system": system, "size": TEST_SIZE, "count": TEST_COUNT, **extra}
            rows = []
            for image, truth in networks.draw({**asked, "seed": TEST_SEED + 100 * seed}):
                rows += judged(recognise(image), truth, names)
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
