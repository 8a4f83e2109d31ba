"""How many pixels a molecule needs (the paper's Fig. S2 to S4).

    python studies/resolution.py --quick

Images recorded with 100 pixels per molecule are reduced, so that a molecule has 100 down to 8
pixels (the paper's study ends at 18). Networks are trained on crops of one resolution, on crops of
one resolution with padded, shrunken copies (`shrink_list` of L1), and on crops of mixed
resolutions. Each recognises the images of every resolution in two ways:

    as it is     at the scale of its training; the image's resolution is not known
    rescaled     told the resolution (`--tile-scale`): molecules are as large as the network
                 learned them, and only what the pixels still show can limit it

Writes resolution.csv, .json, .png and .svg (resolution_quick.*) to studies/results/; what is
measured is not measured again.
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
# Width of molecule A in the images to be recognised, pixels.
RESOLUTIONS = (100, 80, 60, 46, 36, 28, 22, 18, 14, 11, 8)
QUICK_RESOLUTIONS = (100, 60, 36, 24, 18, 12, 8)
# Title -> resolutions of the crops that are trained on, and ratios of the shrunken copies.
SHRINK_LIST = (0.6, 0.36)
TRAININGS = {
    "100": ([100], ()),
    "60": ([60], ()),
    "60, with shrunken copies": ([60], SHRINK_LIST),
    "36": ([36], ()),
    "18": ([18], ()),
    "100 to 22, mixed": ([100, 60, 36, 22], ()),
}
QUICK_TRAININGS = ("60", "60, with shrunken copies", "100 to 22, mixed")
SEEDS, QUICK_SEEDS = (0, 1, 2), (0,)
STEPS, QUICK_STEPS = 800, 300
# At 100 pixels per molecule: side of the outlined crops (some twenty molecules) and of the
# images to be recognised, pixels.
CROP = 700
TEST_SIZE, TEST_SEED = 1100, 5000
TEST_COUNT, QUICK_COUNT = 6, 2
WAYS = ("as it is", "rescaled")
COLUMNS = (
    "trained_on", "way", "pixels", "seeds", "truths", "recognition_rate", "ap50", "mean_iou",
)  # fmt: skip
# -----------------------------------------------------------------------------------------------


@takes(Study)
def main(settings: Study) -> int:
    """Measure; write table and figure."""
    from studies import results

    quick = settings.quick
    titles, seeds = (QUICK_TRAININGS, QUICK_SEEDS) if quick else (tuple(TRAININGS), SEEDS)
    found = run_study("resolution", settings, titles, seeds, _settings, measure)
    rows = [
        {
            "trained_on": title, "way": way, "pixels": pixels,
            **results.average([result[way][str(pixels)] for result in mine]),
        }
        for title, mine in found.by_title.items()
        for way in WAYS
        for pixels in (QUICK_RESOLUTIONS if quick else RESOLUTIONS)
    ]  # fmt: skip
    results.write_table(found.stem, rows, COLUMNS, found.record)
    results.save(figure(rows, titles), found.stem)
    return 0


def figure(rows: list[dict], titles):
    """Draw the recognition rate along the pixels per molecule, one line a network and way."""
    from studies import results

    panels: dict = {way: {} for way in WAYS}
    for way, lines in panels.items():
        for title in titles:
            mine = [r for r in rows if r["trained_on"] == title and r["way"] == way]
            lines[f"trained on {title}"] = (
                [r["pixels"] for r in mine],
                [r["recognition_rate"] for r in mine],
            )
    return results.curves(
        panels, "pixels per molecule", "recognition rate", limit=1.03, falling=True
    )


def _settings(title: str, seed: int, quick: bool) -> dict:
    from studies.networks import class_names, recipe

    trained_on, shrink_list = TRAININGS[title]
    scene = {"system": SYSTEM, "pixels_per_molecule": max(RESOLUTIONS)}
    count = QUICK_COUNT if quick else TEST_COUNT
    return {
        "study": "resolution", "recipe": recipe(), "classes": class_names([SYSTEM]),
        "training": {**scene, "size": CROP, "count": 1, "seed": seed},
        "rescaled_by": "molecules of the crop",
        "trained_on": trained_on, "shrink_list": shrink_list,
        "steps": QUICK_STEPS if quick else STEPS, "seed": seed,
        "test": {**scene, "size": TEST_SIZE, "count": count, "seed": TEST_SEED},
        "resolutions": QUICK_RESOLUTIONS if quick else RESOLUTIONS,
    }  # fmt: skip


def measure(settings: dict, folder: Path) -> dict:
    """Train a point's network; return way -> pixels per molecule -> numbers."""
    from studies import networks
    from train_test import LightConfig

    full = settings["training"]["pixels_per_molecule"]
    crops = networks.draw(settings["training"])
    # Of the crops, not of the images: a mixture of other shares has another median molecule, and
    # the network knows its molecules by their size too.
    diameter = networks.diameter(crops) / full
    scenes = [
        networks.resampled(c, pixels / full) for pixels in settings["trained_on"] for c in crops
    ]
    # Shrunken copies are the folder's; the others are drawn from the crops themselves.
    shrink_list = settings["shrink_list"]
    augmentation = networks.Augmentation([] if shrink_list else None, shrink_list)
    tests = networks.draw(settings["test"])
    result: dict = {way: {} for way in WAYS}
    with networks.trained(settings, folder, scenes, augmentation) as detector:
        for pixels in settings["resolutions"]:
            scenes = [networks.resampled(test, pixels / full) for test in tests]
            scale = LightConfig.MOLECULE_PIXELS / (diameter * pixels)
            for way, tile_scale in zip(WAYS, (None, scale), strict=True):
                numbers = networks.measured(detector, scenes, tile_scale=tile_scale)
                result[way][str(pixels)] = numbers
    return result


if __name__ == "__main__":
    command_line.run(main)
