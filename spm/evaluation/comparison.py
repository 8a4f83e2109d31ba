"""Two predictions of the same images, compared in numbers: before and after a correction.

Each molecule of the first prediction is matched with at most one of the second (mask IoU, by
falling score). Where an image's corrected annotation is at hand, both are measured against it; at
an overlap of 0.5 only: most of its outlines are those of the first prediction, which fits them
perfectly, so that stricter overlaps would always favour the first.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spm.errors import InputError
from spm.evaluation.confusion import FALSE, RIGHT, WRONG_CLASS
from spm.evaluation.instances import Instance, from_annotation, from_molecules, from_prediction
from spm.evaluation.metrics import ALL, Comparison
from spm.inference.detector import Detector
from spm.inference.predict import Settings, find_molecules
from spm.run.files import write_csv
from spm.run.words import counted
from spm.structures.annotation import Annotation, read_annotation
from spm.structures.classes import Classes

TABLE = "corrections.csv"
LOWEST = 0.05  # score down to which answers count for the average precision
IOU = 0.5  # overlap from which two outlines are of one molecule
# Corrected outlines with one of these labelme flags count neither as found nor as missed.
IGNORE_FLAGS = ("edge", "ignore")

COUNTS = ("molecules_before", "molecules_after", "same_class", "other_class", "new", "gone")
QUALITIES = ("precision", "recall", "ap50")
HEADER = (
    "image",
    *COUNTS,
    "corrected",
    *(f"{quality}_{when}" for quality in QUALITIES for when in ("before", "after")),
)


@dataclass
class Answers:
    """What a network says of one image.

    Attributes:
        molecules: from the score LOWEST on where it is known, else what was reported.
        threshold: score from which they are reported.
    """

    molecules: list[Instance]
    threshold: float = 0.0

    @property
    def reported(self) -> list[Instance]:
        """The molecules that a user sees."""
        return [m for m in self.molecules if m.objectness >= self.threshold]


def ask(detector: Detector, annotation: Annotation) -> Answers:
    """Predict the image of an annotation, down to the score LOWEST."""
    image = annotation.read_image()
    molecules = find_molecules(detector, image, Settings(score_threshold=LOWEST))
    return Answers(from_molecules(molecules, *image.shape[:2]), detector.score_threshold)


def read_results(names: Sequence[str], folder: Path, classes: Classes) -> dict[str, Answers]:
    """Return what the results NAME_predicted.json in a folder say, of those that can be read."""
    found = {}
    for name in names:
        try:
            annotation = read_annotation(folder / f"{name}_predicted.json")
            found[name] = Answers(from_prediction(annotation.classified(classes)))
        except (InputError, ValueError):
            continue  # not predicted yet, or of other classes: nothing to compare with
    return found


def compare_results(first: dict[str, Answers], folder: Path, classes: Classes) -> list[dict]:
    """Lines of the table for results that were read before and are read again now."""
    second = read_results(list(first), folder, classes)
    return [row(name, first[name], second[name]) for name in second]


def count_changes(before: Answers, after: Answers) -> dict[str, int]:
    """How many molecules stayed, changed their class, are new or gone; the keys are COUNTS."""
    first, second = before.reported, after.reported
    (outcomes,) = Comparison([first], [second]).outcomes(IOU, 0.0)
    kinds = Counter(kind for _, kind in outcomes.predictions)
    return dict(
        zip(
            COUNTS,
            (len(first), len(second), kinds[RIGHT], kinds[WRONG_CLASS], kinds[FALSE],
             len(outcomes.missed)),
            strict=True,
        )
    )  # fmt: skip


def measure(annotations: Sequence[Annotation], answers: Sequence[Answers]) -> dict[str, float]:
    """Precision and recall of what is reported, average precision of all answers, at IoU 0.5.

    Args:
        annotations: the corrected ones, with classes.
        answers: of the same images, in the same order, of one network.

    Returns:
        The numbers under QUALITIES; NaN for those that do not exist. In images of which only a
        part is outlined (`partial`) nobody knows which answers are false: then only the recall
        does.
    """
    truths = [from_annotation(a, IGNORE_FLAGS) for a in annotations]
    # Classes are those that occur: the old network may have known others.
    reported = Comparison(truths, [a.reported for a in answers])
    _, right, counted, _ = reported.matches(IOU)
    found, wanted = int((right & counted).sum()), reported.truth_count()
    numbers = dict.fromkeys(QUALITIES, math.nan)
    numbers["recall"] = found / wanted if wanted else math.nan
    if not any(annotation.partial for annotation in annotations):
        numbers["precision"] = found / counted.sum() if counted.any() else math.nan
        every = Comparison(truths, [a.molecules for a in answers])
        numbers["ap50"] = every.average_precision(ALL, IOU)
    return numbers


def row(
    name: str,
    before: Answers,
    after: Answers,
    corrected: Annotation | None = None,
) -> dict:
    """One image's line of the table, under the keys of HEADER.

    Args:
        corrected: the image's corrected annotation, if it was added.
    """
    line = {"image": name, **count_changes(before, after), "corrected": ""}
    if corrected is None:
        return line
    line["corrected"] = len(corrected.shapes)
    for when, answers in (("before", before), ("after", after)):
        numbers = measure([corrected], [answers])
        line |= {f"{key}_{when}": value for key, value in numbers.items()}
    return line


def write_table(path: str | os.PathLike, rows: Sequence[dict]) -> None:
    """Write the lines as CSV under HEADER; what does not exist stays empty."""
    write_csv(path, HEADER, ([_cell(line.get(key, "")) for key in HEADER] for line in rows))


def sentences(rows: Sequence[dict]) -> list[str]:
    """The lines as text for the terminal."""
    said = []
    for line in rows:
        said.append(
            f"{line['image']}: {counted(line['molecules_before'], 'molecule')} before, "
            f"{line['molecules_after']} after; {line['same_class']} the same, "
            f"{line['other_class']} with another class, {line['new']} new, {line['gone']} gone"
        )
        if line["corrected"] != "":
            said.append(
                f"  against your {counted(line['corrected'], 'outline')}: {_qualities(line)}"
            )
    return said


def _qualities(line: dict) -> str:
    names = ("precision", "recall", "AP@0.5")
    pairs = [
        (name, line[f"{key}_before"], line[f"{key}_after"])
        for name, key in zip(names, QUALITIES, strict=True)
    ]
    return ", ".join(
        f"{name} {_short(before)} -> {_short(after)}"
        for name, before, after in pairs
        if not (math.isnan(before) and math.isnan(after))
    )


def _short(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _cell(value):
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4f}"
    return value
