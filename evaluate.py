"""Measures how well molecules are recognised: predictions against images labelled by hand.

    python evaluate.py --truth my_test_images --weights logs/.../mask_rcnn_stm_0040.h5
    python evaluate.py --truth my_test_images --predicted img_cache

Writes tables (CSV, JSON) and figures (PNG, SVG) to OUT and prints the main numbers. Label images
that the network was not trained on: figures of training images flatter.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from spm.run import command_line
from spm.run.setting_kinds import Positive, Range, Share, Whole
from spm.run.settings import Settings, old_names, takes


# --- settings: change the values, the text below each says what it is ---------------------------
class Evaluation(Settings):
    """What is compared with what, and what counts as found."""

    truth: Path | None = None
    """Folder of labelled images: NAME.png (or another image) with labelme's NAME.json; must be
    given."""
    weights: Path | None = None
    """Trained weights (.h5) with which to predict them; this or predicted must be given."""
    predicted: Path | None = None
    """Folder that holds their predictions, NAME_predicted.json."""
    out: Path = Path("img_cache/evaluation")
    """Where tables and figures go."""
    classes: list[str] = []
    """Class names. Without any they come from the weights, or are guessed from the labels. Weights
    of the 2022 scripts or of matterport's code do not say theirs: give all, in the order of
    training."""
    protocol: Literal["coco", "paper"] = "coco"
    """How the area under a precision-recall curve is taken: coco (101 points) or paper (exact)."""
    iou: Annotated[float, Range(0, 1, above=True)] = 0.5
    """Overlap (IoU) from which a molecule counts as found, for precision, recall, F1, recognition
    rate and the confusion matrix; 0.3 to 0.9 makes sense."""
    score_threshold: Share | None = None
    """Predictions whose `objectness` is below this, 0 to 1, are left out of the same numbers; AP
    and AR use all. None takes what a user would see: the weights' own threshold, or all that is in
    the prediction files."""
    lowest_score: Share = 0.05
    """With weights: the network reports molecules from this score on, 0 to 1. Low, or AP misses
    the tail."""
    tile_scale: Positive | None = None
    """With weights: network pixels per image pixel, above 0. None takes the weights' own."""
    match_colours: bool = True
    """With weights: draw images of another colour map than the annotated ones, or inverted, in
    theirs before the network sees them. Off: it sees them as they are."""
    ignore_flags: list[str] = ["edge", "ignore"]
    """Truths with one of these labelme flags count neither as found nor as missed."""
    ignore_unlisted: bool = False
    """Ignore labels of classes that are not evaluated, instead of calling them an error."""
    figures: bool = True
    """Draw figures."""
    drawn: Whole = 20
    """How many images are drawn with right, wrong and missed molecules."""

    def problems(self) -> Iterator[str]:
        """Yield what is missing, or given twice."""
        from engine.checkpoints import no_weights_file

        if self.truth is None:
            yield "which images? Give the folder of labelled ones with --truth FOLDER."
        elif (self.weights is None) == (self.predicted is None):
            yield (
                "give either --weights FILE to predict the images or --predicted FOLDER with "
                "finished predictions, and not both."
            )
        elif self.weights is not None and (missing := no_weights_file(self.weights)):
            yield missing


# ------------------------------------------------------------------------------------------------


@takes(Evaluation)
def main(settings: Evaluation) -> dict:
    """Evaluate predictions of labelled images.

    Returns:
        The dict of `spm.evaluation.metrics.report`, also written to `metrics.json` in `out`.

    Raises:
        InputError: if the files or settings do not fit.
    """
    from engine.evaluate import evaluate

    return evaluate(settings)


# Names of before this file was only settings.
__getattr__ = old_names(Evaluation)


if __name__ == "__main__":
    command_line.run(main)
