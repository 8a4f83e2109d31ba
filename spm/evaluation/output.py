"""What an evaluation leaves: tables, figures, and the main numbers as text."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path

from spm.errors import InputError
from spm.evaluation.curves import AR_THRESHOLDS
from spm.evaluation.metrics import ALL, KINDS, Comparison
from spm.run import files
from spm.run.words import counted
from spm.structures.annotation import Annotation

HEADINGS = {
    "truths": "truths",
    "ap50": "AP@.5",
    "ap": "AP@[.5:.95]",
    "ar": "AR",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "recognition_rate": "recognised",
    "false_positive_rate": "false rate",
    "mean_iou": "mean IoU",
}


def write_tables(out: Path, numbers: dict, comparisons: dict[str, Comparison]) -> None:
    """Writes metrics.json, metrics.csv, and the points of each figure as CSV.

    Args:
        out: folder.
        numbers: dict of `spm.evaluation.metrics.report`.
        comparisons: dict of kind -> Comparison.
    """
    files.write_json(out / "metrics.json", files.without_nan(numbers))
    names = [*numbers["class_names"], ALL]
    keys = list(numbers["mask"]["per_class"][ALL])
    rows = [
        [kind, name, *(_cell(numbers[kind]["per_class"][name][key]) for key in keys)]
        for kind in comparisons
        for name in names
    ]
    files.write_csv(out / "metrics.csv", ["kind", "class", *keys], rows)
    for kind, comparison in comparisons.items():
        files.write_csv(
            out / f"confusion_{kind}.csv",
            ["true \\ predicted", *numbers["class_names"], "missed"],
            [
                [name, *row]
                for name, row in zip(
                    [*numbers["class_names"], "false"], numbers[kind]["confusion"], strict=True
                )
            ],
        )
        files.write_csv(
            out / f"precision_recall_{kind}.csv",
            ["class", "score", "recall", "precision", "interpolated"],
            _curve_rows(comparison, names, numbers["iou"]),
        )
        recalls = [comparison.recalls(name, AR_THRESHOLDS) for name in names]
        files.write_csv(
            out / f"recall_iou_{kind}.csv",
            ["iou", *names],
            [
                [f"{iou:.2f}", *(_cell(r[k]) for r in recalls)]
                for k, iou in enumerate(AR_THRESHOLDS)
            ],
        )


def _curve_rows(comparison: Comparison, names: list[str], iou: float) -> Iterator[tuple]:
    for name in names:
        curve = comparison.curve(name, iou)
        for point in zip(curve.scores, curve.recall, curve.precision, curve.envelope, strict=True):
            yield name, *map(_cell, point)


def write_figures(out: Path, numbers: dict, comparisons: dict[str, Comparison]) -> None:
    """Writes precision-recall, recall-IoU and confusion figures of each kind, PNG and SVG.

    The arguments are those of `write_tables`.
    """
    from spm.evaluation import figures

    names = numbers["class_names"]
    # With a single class the curve of all would be the same again.
    shown = names if len(names) == 1 else [*names, ALL]
    for kind, comparison in comparisons.items():
        per_class = numbers[kind]["per_class"]
        figures.save(
            figures.precision_recall_figure(
                {name: comparison.curve(name, numbers["iou"]) for name in shown},
                {name: per_class[name]["ap_at_iou"] for name in shown},
                numbers["iou"],
            ),
            out / f"precision_recall_{kind}",
        )
        figures.save(
            figures.recall_iou_figure(
                AR_THRESHOLDS,
                {name: comparison.recalls(name, AR_THRESHOLDS) for name in shown},
                {name: per_class[name]["ar_area"] for name in shown},
            ),
            out / f"recall_iou_{kind}",
        )
        figures.save(
            figures.confusion_figure(numbers[kind]["confusion"], names), out / f"confusion_{kind}"
        )


def draw_images(
    out: Path, annotations: list[Annotation], comparison: Comparison, numbers: dict
) -> None:
    """Writes the first images with right, wrong, missed and false molecules, PNG and SVG.

    Args:
        out: folder; the figures go to its subfolder `images`.
        annotations: truths of the images to draw.
        comparison: the masks' Comparison, whose first images these are.
        numbers: dict of `spm.evaluation.metrics.report`.
    """
    from spm.evaluation import figures

    folder = files.make_folder(out / "images")
    files.remove_leftovers(folder)
    outcomes = comparison.outcomes(numbers["iou"], numbers["score_threshold"])
    for annotation, outcome in zip(annotations, outcomes, strict=False):
        try:
            image = annotation.read_image()
        except InputError as error:
            print(f"note: not drawn: {error}", file=sys.stderr)
            continue
        name = annotation.path.stem
        figures.save(figures.judged_figure(image, outcome, name), folder / name)


def table(numbers: dict) -> str:
    """Returns the main numbers as lines of text.

    Args:
        numbers: dict of `spm.evaluation.metrics.report`.
    """
    lines = [
        f"{counted(numbers['images'], 'image')}, protocol {numbers['protocol']}, "
        f"IoU {numbers['iou']:g}, score from {numbers['score_threshold']:g}"
    ]
    names = [*numbers["class_names"], ALL]
    width = max(len(name) for name in names) + 1
    for kind in KINDS:
        lines += ["", f"{kind:{width}}" + "".join(f"{h:>12}" for h in HEADINGS.values())]
        for name in names:
            row = numbers[kind]["per_class"][name]
            lines.append(f"{name:{width}}" + "".join(f"{_short(row[k]):>12}" for k in HEADINGS))
    return "\n".join(lines)


def _short(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    return "-" if math.isnan(value) else f"{value:.3f}"


def _cell(value: float) -> float | str:
    """A number for a CSV file; nothing where there is none."""
    if isinstance(value, int):
        return value
    return "" if math.isnan(value) else round(float(value), 6)
