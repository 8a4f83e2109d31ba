"""What the extra, class-agnostic NMS is good for: false positives with and without it (Fig. S7e).

    python studies/nms_filter.py --quick

Mask R-CNN alone leaves one answer per place and class, so that a molecule that the network doubts
about can be reported twice, under two names. The extra NMS leaves one answer per place. A network
is trained on one simulated crop of each system and recognises images like it and images of
other appearance (tip, noise, drift, contrast), once with and once without the extra NMS; tiles are
merged both times. Writes nms_filter.csv, .json, .png and .svg (nms_filter_quick.*) to
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
SYSTEMS = ("A+B", "A+B+dichlorobiphenyl")
SEEDS, QUICK_SEEDS = (0, 1, 2, 3, 4), (0,)
STEPS, QUICK_STEPS = 800, 300
CROP = 420  # side of the outlined crop, pixels: some twenty molecules
# Images to be recognised: title -> keywords of spm.simulate.simulate.
TESTS = {
    "like the crop": {},
    "other appearance": {"random_appearance": True, "colour_map": "hot"},
}
TEST_SIZE, TEST_COUNT, TEST_SEED = 800, 4, 5000
# Score thresholds of the figure.
THRESHOLDS = [round(0.05 * k, 2) for k in range(1, 20)]
FILTERS = {"without": False, "with": True}
COLUMNS = (
    "system", "images", "extra_nms", "seeds", "truths", "false_positives", "precision",
    "recognition_rate", "ap50",
)  # fmt: skip
# -----------------------------------------------------------------------------------------------


@takes(Study)
def main(settings: Study) -> int:
    """Measure; write table and figure."""
    from studies import results

    seeds = QUICK_SEEDS if settings.quick else SEEDS
    found = run_study("nms_filter", settings, SYSTEMS, seeds, _settings, measure)
    rows = [
        {
            "system": system, "images": test, "extra_nms": words,
            **results.average([result[test][words] for result in mine]),
        }
        for system, mine in found.by_title.items()
        for test in TESTS
        for words in FILTERS
    ]  # fmt: skip
    results.write_table(found.stem, rows, COLUMNS, found.record)
    figure = results.curves(
        _panels(found.record["results"]),
        "score threshold",
        "false positives per 100 true molecules",
    )
    results.save(figure, found.stem)
    return 0


def _panels(found: list[dict]) -> dict:
    """False positives per 100 molecules along the threshold, all points together."""
    panels: dict = {test: {} for test in TESTS}
    for test, lines in panels.items():
        for words in FILTERS:
            measured = [result[test][words] for result in found]
            truths = sum(numbers["truths"] for numbers in measured)
            counts = [sum(n["false_at"][k] for n in measured) for k in range(len(THRESHOLDS))]
            lines[f"{words} the extra NMS"] = (THRESHOLDS, [100 * n / truths for n in counts])
    return panels


def _settings(system: str, seed: int, quick: bool) -> dict:
    from studies.networks import class_names, recipe

    test = {"system": system, "size": TEST_SIZE, "count": TEST_COUNT, "seed": TEST_SEED}
    return {
        "study": "nms_filter", "recipe": recipe(), "classes": class_names([system]),
        "training": {"system": system, "size": CROP, "count": 1, "seed": seed},
        "steps": QUICK_STEPS if quick else STEPS, "seed": seed, "thresholds": THRESHOLDS,
        "tests": {title: {**test, **changes} for title, changes in TESTS.items()},
    }  # fmt: skip


def measure(settings: dict, folder: Path) -> dict:
    """Train a point's network; return test -> "with" or "without" -> numbers.

    The numbers are those of `networks.numbers` and `false_at`: false positives at each threshold.
    """
    from studies import networks

    result: dict = {}
    with networks.trained(settings, folder) as detector:
        for title, test in settings["tests"].items():
            scenes = networks.draw(test)
            once = networks.remembering(detector)
            result[title] = {}
            for words, extra in FILTERS.items():
                pair = networks.answers(once, scenes, nms_across_classes=extra)
                numbers = networks.numbers(*pair, detector.class_names, detector.score_threshold)
                numbers["false_at"] = networks.false_positives(
                    *pair, detector.class_names, settings["thresholds"]
                )
                result[title][words] = numbers
    return result


if __name__ == "__main__":
    command_line.run(main)
