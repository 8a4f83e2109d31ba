"""Measures how well molecules are recognised: predictions against pictures labelled by hand.

    python evaluate.py --truth my_test_pictures --weights logs/.../mask_rcnn_stm_0040.h5
    python evaluate.py --truth my_test_pictures --predicted img_cache

Writes tables (CSV, JSON) and figures (PNG, SVG) to OUT and prints the main numbers. Label pictures
that the network was not trained on: figures of training pictures flatter.
"""

import math
import sys
from pathlib import Path

from spm.errors import InputError
from spm.evaluation.curves import AR_THRESHOLDS, PROTOCOLS
from spm.evaluation.metrics import ALL, KINDS, Comparison, report
from spm.evaluation.reading import (
    check_labels,
    find_predictions,
    find_truths,
    read_all,
    read_pictures,
)
from spm.io.images import write_picture
from spm.run import command_line, files

# Folder of labelled pictures: NAME.png (or another picture) with labelme's NAME.json.
TRUTH = None
# Trained weights (.h5) with which to predict them, or
WEIGHTS = None
# the folder that holds their predictions, NAME_predicted.json.
PREDICTED = None
# Where tables and figures go.
OUT = Path("img_cache/evaluation")
# Class names. Without any they come from the weights, or are guessed from the labels. Weights of
# the 2022 scripts or of matterport's code do not say theirs: give all, in the order of training.
CLASSES = []
# How the area under a precision-recall curve is taken: coco (101 points) or paper (exact).
PROTOCOL = "coco"
# Overlap (IoU) from which a molecule counts as found, for precision, recall, F1, recognition
# rate and the confusion matrix; 0.3 to 0.9 makes sense.
IOU = 0.5
# Predictions below this score are left out of the same numbers; AP and AR use all. 0 to 1; None
# takes what a user would see: the weights' own threshold, or all that is in the prediction files.
SCORE_THRESHOLD = None
# With WEIGHTS: the network reports molecules from this score on. Low, or AP misses the tail.
LOWEST_SCORE = 0.05
# With WEIGHTS: network pixels per picture pixel; see TILE_SCALE in predict_big_pic.py.
TILE_SCALE = None
# Truths with one of these labelme flags count neither as found nor as missed.
IGNORE_FLAGS = ["edge", "ignore"]
# Whether to ignore labels of classes that are not evaluated, instead of calling them an error.
IGNORE_UNLISTED = False
# Whether to draw figures, and how many pictures with right, wrong and missed molecules.
FIGURES = True
DRAWN = 20

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


def main(
    *,
    truth: Path | None = TRUTH,
    weights: Path | None = WEIGHTS,
    predicted: Path | None = PREDICTED,
    out: Path = OUT,
    classes: list[str] = CLASSES,
    protocol: str = PROTOCOL,
    iou: float = IOU,
    score_threshold: float | None = SCORE_THRESHOLD,
    lowest_score: float = LOWEST_SCORE,
    tile_scale: float | None = TILE_SCALE,
    ignore_flags: list[str] = IGNORE_FLAGS,
    ignore_unlisted: bool = IGNORE_UNLISTED,
    figures: bool = FIGURES,
    drawn: int = DRAWN,
):
    """Evaluates predictions of labelled pictures.

    Args:
        truth: folder of pictures with labelme truth
        weights: weights file (.h5) with which to predict them
        predicted: folder of finished predictions (NAME_predicted.json), instead of weights
        out: folder for tables and figures
        classes: class names; by default those of the weights, or guessed from the labels
        protocol: area under the precision-recall curve: coco (101 points) or paper (exact)
        iou: overlap from which a molecule counts as found, 0 to 1
        score_threshold: predictions below it are left out of precision, recall, F1, 0 to 1;
            by default the weights' own threshold, or none for finished predictions
        lowest_score: with weights: score from which the network reports molecules, 0 to 1
        tile_scale: with weights: network pixels per picture pixel; by default the weights' own
        ignore_flags: truths with one of these labelme flags are ignored
        ignore_unlisted: ignore labels of other classes instead of refusing them
        figures: draw figures
        drawn: number of pictures drawn with right, wrong and missed molecules

    Returns:
        The dict of `spm.evaluation.metrics.report`, also written to `metrics.json` in `out`.

    Raises:
        InputError: if the files or settings do not fit.
    """
    _check(truth, weights, predicted, protocol, iou, score_threshold, lowest_score)
    truths = read_all(find_truths(truth))
    out = files.make_folder(out)
    with files.folder_lock(out):
        if weights is not None:
            own_classes, own_threshold, unnamed = _read_weights(weights, classes)
            classes = own_classes if unnamed or not classes else classes
            if not ignore_unlisted:
                check_labels(truths, classes)  # before minutes are spent on predicting
            score_threshold = own_threshold if score_threshold is None else score_threshold
            predicted = files.make_folder(out / "predicted")
            _predict(
                truths, Path(weights), predicted, lowest_score, tile_scale,
                own_classes if unnamed else None,
            )  # fmt: skip
        score_threshold = score_threshold or 0.0
        paths = find_predictions(truths, predicted)
        pictures = read_pictures(truths, paths, classes, ignore_flags, ignore_unlisted)
        for notice in pictures.notices:
            print(f"note: {notice}", file=sys.stderr)
        comparisons = {
            kind: Comparison(pictures.truths, pictures.predictions, kind, pictures.class_names)
            for kind in KINDS
        }
        numbers = report(comparisons, iou, score_threshold, protocol)
        write_tables(out, numbers, comparisons)
        if figures:
            write_figures(out, numbers, comparisons)
            draw_pictures(out, pictures.annotations[: max(drawn, 0)], comparisons["mask"], numbers)
    print(table(numbers))
    print(f"tables and figures: {out}")
    return numbers


def _check(truth, weights, predicted, protocol, iou, score_threshold, lowest_score):
    if truth is None:
        raise InputError("which pictures? Give the folder of labelled ones with --truth FOLDER.")
    if (weights is None) == (predicted is None):
        raise InputError(
            "give either --weights FILE to predict the pictures or --predicted FOLDER with "
            "finished predictions, and not both."
        )
    if weights is not None and not Path(weights).is_file():
        raise InputError(f"{weights}: there is no such weights file; check the name.")
    if protocol not in PROTOCOLS:
        raise InputError(f"the protocol is {' or '.join(PROTOCOLS)}. Received: {protocol!r}.")
    if not 0 < iou <= 1:
        raise InputError(f"the IoU must be above 0 and at most 1. Received: {iou}.")
    for name, value in (("score threshold", score_threshold), ("lowest score", lowest_score)):
        if value is not None and not 0 <= value <= 1:
            raise InputError(f"the {name} must be from 0 to 1. Received: {value}.")


def _read_weights(weights, classes):
    """(class names, score threshold, whether the file does not say the names) of a weights file."""
    from engine.detector import describe_weights
    from mrcnn.weights import WeightsError, read_metadata

    try:
        unnamed = not read_metadata(weights)["class_names"]
    except WeightsError as error:
        raise InputError(str(error)) from error
    metadata = describe_weights(weights, classes if unnamed else None)
    return metadata["class_names"], metadata["score_threshold"], unnamed


def _predict(truths, weights, folder, lowest_score, tile_scale, class_names):
    """Predicts the truths' pictures; NAME_predicted.json of each lands in `folder`."""
    # Starts the network's libraries, which takes seconds: only when it is needed.
    import predict_big_pic

    sources = files.make_folder(folder / "pictures")
    pictures = []
    for truth in truths:
        # A copy under the annotation's own name: the picture may be embedded in it, or two
        # annotations may share one picture.
        pictures.append(sources / f"{truth.path.stem}.png")
        write_picture(pictures[-1], truth.read_picture())
    status = predict_big_pic.main(
        files=pictures,
        weights=weights,
        out_dir=folder,
        score_threshold=lowest_score,
        tile_scale=tile_scale,
        class_names=class_names,
        tile_pictures=False,
    )
    if status:
        raise InputError(f"{weights}: not all pictures could be predicted; see the lines above.")


def write_tables(out, numbers, comparisons):
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


def _curve_rows(comparison, names, iou):
    for name in names:
        curve = comparison.curve(name, iou)
        for point in zip(curve.scores, curve.recall, curve.precision, curve.envelope, strict=True):
            yield name, *map(_cell, point)


def write_figures(out, numbers, comparisons):
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


def draw_pictures(out, annotations, comparison, numbers):
    """Writes the first pictures with right, wrong, missed and false molecules, PNG and SVG.

    Args:
        out: folder; the figures go to its subfolder `pictures`.
        annotations: truths of the pictures to draw.
        comparison: the masks' Comparison, whose first pictures these are.
        numbers: dict of `spm.evaluation.metrics.report`.
    """
    from spm.evaluation import figures

    folder = files.make_folder(out / "pictures")
    verdicts = comparison.verdicts(numbers["iou"], numbers["score_threshold"])
    for annotation, verdict in zip(annotations, verdicts, strict=False):
        try:
            picture = annotation.read_picture()
        except InputError as error:
            print(f"note: not drawn: {error}", file=sys.stderr)
            continue
        name = annotation.path.stem
        figures.save(figures.judged_figure(picture, verdict, name), folder / name)


def table(numbers):
    """Returns the main numbers as lines of text.

    Args:
        numbers: dict of `spm.evaluation.metrics.report`.
    """
    lines = [
        f"{numbers['pictures']} pictures, protocol {numbers['protocol']}, "
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


def _short(value):
    if isinstance(value, int):
        return str(value)
    return "-" if math.isnan(value) else f"{value:.3f}"


def _cell(value):
    """A number for a CSV file; nothing where there is none."""
    if isinstance(value, int):
        return value
    return "" if math.isnan(value) else round(float(value), 6)


if __name__ == "__main__":
    command_line.run(main)
