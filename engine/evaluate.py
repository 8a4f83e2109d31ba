"""An evaluation run: the images are predicted, if need be, and compared with what people drew."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from engine.detector import describe_weights
from engine.predict import predict_images
from engine.predict_image import Plan
from spm.errors import InputError
from spm.evaluation.metrics import KINDS, Comparison, report
from spm.evaluation.output import draw_images, table, write_figures, write_tables
from spm.evaluation.reading import (
    check_labels,
    find_predictions,
    read_images,
    read_truths,
)
from spm.inference.predict import Settings
from spm.io.images import write_image
from spm.run import files
from spm.structures.annotation import Annotation
from spm.structures.classes import ClassChoice


def evaluate(settings: Any) -> dict:
    """Evaluates predictions of labelled images.

    Args:
        settings: `evaluate.Evaluation`; this module knows no script.

    Returns:
        The dict of `spm.evaluation.metrics.report`, also written to `metrics.json`.

    Raises:
        InputError: if the files do not fit.
    """
    truths = read_truths(settings.truth)
    given, score_threshold = settings.classes, settings.score_threshold
    predicted, out = settings.predicted, files.make_folder(settings.out)
    with files.folder_lock(out):
        if settings.weights is not None:
            own_classes, own_threshold, unnamed = _read_weights(settings.weights, given)
            given = own_classes if unnamed or not given else given
            if not settings.ignore_unlisted:  # before minutes are spent on predicting
                classes = ClassChoice(given).of(x for one in truths for x in one.labels)
                check_labels([truth.classified(classes) for truth in truths])
            score_threshold = own_threshold if score_threshold is None else score_threshold
            predicted = files.make_folder(out / "predicted")
            asked = Settings(score_threshold=settings.lowest_score, tile_scale=settings.tile_scale)
            plan = Plan(
                asked, predicted, tile_images=False, report=True, weights=settings.weights,
                class_names=own_classes if unnamed else None,
                match_colours=settings.match_colours,
            )  # fmt: skip
            _predict(truths, plan)
        paths = find_predictions(truths, predicted)
        images = read_images(truths, paths, given, settings.ignore_flags, settings.ignore_unlisted)
        for notice in images.notices:
            print(f"note: {notice}", file=sys.stderr)
        comparisons = {
            kind: Comparison(images.truths, images.predictions, kind, images.class_names)
            for kind in KINDS
        }
        numbers = report(comparisons, settings.iou, score_threshold or 0.0, settings.protocol)
        write_tables(out, numbers, comparisons)
        if settings.figures:
            write_figures(out, numbers, comparisons)
            draw_images(out, images.annotations[: settings.drawn], comparisons["mask"], numbers)
    print(table(numbers))
    print(f"tables and figures: {out}")
    return numbers


def _read_weights(weights: Path, classes: list[str]) -> tuple[list[str], float, bool]:
    """Returns (class names, score threshold, whether the file leaves the names open)."""
    from mrcnn.weights import WeightsError, read_metadata

    try:
        unnamed = not read_metadata(weights)["class_names"]
    except WeightsError as error:
        raise InputError(str(error)) from error
    metadata = describe_weights(weights, classes if unnamed else None)
    return metadata["class_names"], metadata["score_threshold"], unnamed


def _predict(truths: list[Annotation], plan: Plan) -> None:
    """Predicts the truths' images; NAME_predicted.json of each lands in the plan's folder."""
    sources = files.make_folder(plan.out_dir / "images")
    files.remove_leftovers(sources)
    images = []
    for truth in truths:
        # A copy under the annotation's own name: the image may be embedded in it, or two
        # annotations may share one image.
        images.append(sources / f"{truth.path.stem}.png")
        write_image(images[-1], truth.read_image())
    if predict_images(plan, images):
        raise InputError(f"{plan.weights}: not all images could be predicted; see the lines above.")
