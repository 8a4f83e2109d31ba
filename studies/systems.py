"""How well different molecules are recognised: a network for each system (the paper's Table S4).

    python studies/systems.py --quick
    python studies/systems.py --cases "A + B" "A only"

For each system a network is trained on one simulated crop and recognises other images of the
system. The network of A + B also recognises images that an unstable tip recorded; in the full
setting another one is trained on such a crop. Writes systems.csv, .json, .png and .svg
(systems_quick.*) to studies/results/; what is measured is not measured again.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":  # the folder above holds the packages
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from spm.errors import InputError
from spm.run import command_line
from spm.run.settings import takes
from studies.points import Study, run_study

# --- settings ----------------------------------------------------------------------------------
# Title -> the simulated system that is trained on, and whether the tip was unstable then.
TRAININGS = {
    "A + B": ("A+B", False),
    "A + B, trained with an unstable tip": ("A+B", True),
    "B only": ("B", False),
    "A only": ("A", False),
    "biphenyl": ("biphenyl", False),
    "A + C": ("A+C", False),
    "A + B + dichlorobiphenyl": ("A+B+dichlorobiphenyl", False),
}
FULL_ONLY = ("A + B, trained with an unstable tip",)
# Title of the rows of images by an unstable tip, by the training that recognises them.
UNSTABLE = {
    "A + B": "A + B, unstable tip",
    "A + B, trained with an unstable tip": "A + B, unstable tip, trained with it",
}
SEEDS, QUICK_SEEDS = (0, 1, 2, 3, 4), (0,)
# Training steps for one class and for several, which take longer to be told apart. 350 are the
# recipe's.
STEPS, QUICK_STEPS = (350, 350), (50, 150)
# Side of the outlined crop, pixels: some twenty molecules, in crystals (one class) and in the
# thinner layers of several.
CROPS = (320, 420)
TEST_SIZE, TEST_SEED = 800, 5000  # images to be recognised
TEST_COUNT, QUICK_COUNT = 6, 2
COLUMNS = ("case", "seeds", "truths", "recognition_rate", "ap50", "ap", "precision", "recall")
# -----------------------------------------------------------------------------------------------


class SystemsStudy(Study):
    """How thoroughly is measured, and what."""

    cases: list[str] | None = None
    """Titles of the trainings to do, as in TRAININGS. None: all."""


@takes(SystemsStudy)
def main(settings: SystemsStudy) -> int:
    """Measure; write table and figure."""
    from studies import results

    quick, cases = settings.quick, settings.cases
    if unknown := set(cases or ()) - set(TRAININGS):
        raise InputError(
            f"--cases: there is no training {', '.join(sorted(unknown))}; choose among: "
            f"{'; '.join(TRAININGS)}."
        )
    wanted = cases or [t for t in TRAININGS if not (quick and t in FULL_ONLY)]
    trainings = [t for t in TRAININGS if t in wanted]
    seeds = QUICK_SEEDS if quick else SEEDS
    found = run_study("systems", settings, trainings, seeds, _settings, measure)
    by_case: dict[str, list] = {}
    for result in found.record["results"]:
        for case, numbers in result.items():
            by_case.setdefault(case, []).append(numbers)
    rows = [{"case": case, **results.average(numbers)} for case, numbers in by_case.items()]
    results.write_table(found.stem, rows, COLUMNS, found.record)
    keys = {"recognition_rate": "recognition rate", "ap50": "mAP at IoU 0.5"}
    results.save(results.bars(rows, "case", keys, limit=1), found.stem)
    return 0


def _settings(title: str, seed: int, quick: bool) -> dict:
    from studies.networks import class_names, recipe

    system, unstable = TRAININGS[title]
    names = class_names([system])
    several = len(names) > 1
    training = {
        "system": system, "size": CROPS[several], "count": 1, "seed": seed,
        "unstable_tip": unstable,
    }  # fmt: skip
    test = {"system": system, "size": TEST_SIZE, "seed": TEST_SEED}
    test["count"] = QUICK_COUNT if quick else TEST_COUNT
    tests = {} if unstable else {title: test}
    if title in UNSTABLE:
        tests[UNSTABLE[title]] = {**test, "unstable_tip": True}
    steps = QUICK_STEPS if quick else STEPS
    return {
        "study": "systems", "recipe": recipe(), "classes": names, "training": training,
        "steps": steps[several], "seed": seed, "tests": tests,
    }  # fmt: skip


def measure(settings: dict, folder: Path) -> dict:
    """Train the network of a point and evaluate it on its test images: case -> numbers."""
    from studies import networks

    with networks.trained(settings, folder) as detector:
        return {
            case: networks.measured(detector, networks.draw(test))
            for case, test in settings["tests"].items()
        }


if __name__ == "__main__":
    command_line.run(main)
