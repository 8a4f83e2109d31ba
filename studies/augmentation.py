"""What the L2/L3 techniques are good for, on top of L1 (the paper's Table S3).

    python studies/augmentation.py --quick

A network is trained on the L1 copies of one simulated crop alone, on L2 copies by one technique, or
on L3 copies by several, and recognises images of other appearance (tip, noise, drift, contrast).
The changes of colour that training otherwise makes in every step are switched off, or they would
do the techniques' work. Writes augmentation.csv, .json, .png and .svg (augmentation_quick.*) to
studies/results/; what is measured is not measured again.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":  # the folder above holds the packages
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from spm.run import command_line
from spm.run.settings import takes
from studies.points import Study, run_study

# --- settings ----------------------------------------------------------------------------------
SYSTEM = "A+B"
# Title -> techniques (see Images_Augmentation/techniques.py); each copy gets one to all of them.
ROWS = {
    "L1 alone": [],
    "dropout": ["dropout"],
    "noise": ["gaussian_noise"],
    "emboss": ["emboss"],
    "elastic": ["elastic"],
    "blur": ["blur"],
    "contrast": ["contrast"],
    "dropout + elastic": ["dropout", "elastic"],
    "noise + emboss": ["gaussian_noise", "emboss"],
    "dropout + noise + emboss": ["dropout", "gaussian_noise", "emboss"],
}
QUICK_ROWS = ("L1 alone", "dropout", "noise", "emboss", "dropout + noise + emboss")
SEEDS, QUICK_SEEDS = (0, 1, 2, 3, 4), (0,)
STEPS, QUICK_STEPS = 800, 250
COPIES, QUICK_COPIES = 28, 4  # of each of the 72 L1 images
CROP = 420  # side of the outlined crop, pixels: some twenty molecules
# Images to be recognised: each has an appearance of its own.
TEST = {"random_appearance": True, "colour_map": "hot"}
TEST_SIZE, TEST_SEED = 640, 5000
TEST_COUNT, QUICK_COUNT = 16, 5
COLUMNS = ("techniques", "seeds", "truths", "recognition_rate", "ap50", "precision", "recall")
# -----------------------------------------------------------------------------------------------


@takes(Study)
def main(settings: Study) -> int:
    """Measure; write table and figure."""
    from studies import results

    titles, seeds = (QUICK_ROWS, QUICK_SEEDS) if settings.quick else (tuple(ROWS), SEEDS)
    found = run_study("augmentation", settings, titles, seeds, _settings, measure)
    rows = [
        {"techniques": title, **results.average(mine)} for title, mine in found.by_title.items()
    ]
    results.write_table(found.stem, rows, COLUMNS, found.record)
    keys = {"recognition_rate": "recognition rate", "ap50": "mAP at IoU 0.5"}
    results.save(results.bars(rows, "techniques", keys, limit=1), found.stem)
    return 0


def _settings(title: str, seed: int, quick: bool) -> dict:
    from studies.networks import class_names, recipe

    return {
        "study": "augmentation", "recipe": recipe(), "classes": class_names([SYSTEM]),
        "training": {"system": SYSTEM, "size": CROP, "count": 1, "seed": seed},
        "techniques": ROWS[title], "copies": QUICK_COPIES if quick else COPIES,
        "view_colours": False,
        "steps": QUICK_STEPS if quick else STEPS, "seed": seed,
        "test": {
            "system": SYSTEM, "size": TEST_SIZE, "count": QUICK_COUNT if quick else TEST_COUNT,
            "seed": TEST_SEED, **TEST,
        },
    }  # fmt: skip


def measure(settings: dict, folder: Path) -> dict:
    """Train the network of a point and return its `networks.numbers`."""
    from studies import networks

    augmentation = networks.Augmentation(
        settings["techniques"], copies=settings["copies"], view_colours=settings["view_colours"]
    )
    with networks.trained(settings, folder, augmentation=augmentation) as detector:
        return networks.measured(detector, networks.draw(settings["test"]))


if __name__ == "__main__":
    command_line.run(main)
