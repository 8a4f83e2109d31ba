"""Recognise the molecules in images: images/ -> img_cache/.

    python predict_big_pic.py                      all images in images/
    python predict_big_pic.py "scan 7.png" b.tif   only these
    python predict_big_pic.py --watch images       each as soon as the microscope has written it

Class names, scale, network and score threshold come from the weights file; the last trained one is
taken unless --weights names another. For each image NAME there are then, in img_cache/:

    NAME_predicted.png    the image with outlines, tints and class names
    NAME_molecules.csv    a line for each molecule (columns: spm.structures.molecule.TABLE_HEADER)
    NAME_predicted.json   the outlines for labelme: correct them and use them for training
    NAME_summary.json, NAME_statistics.png    counts, sizes, orientations, neighbours, lattice
    NAME_averages.png, .npz, NAME_cell_1.tif, NAME_mean_CLASS.tif    mean unit cells and molecules
    NAME_report.html      all of it to look at in a browser, in one file
    pre_predict/, post_predict/    the tiles as the network saw them, and with what it found

and of all images together index.html, all_molecules.csv, all_images.csv and others (spm.pool).

Other programs can call `engine.detector.load_detector` and `spm.inference.predict.find_molecules`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from pathlib import Path
from typing import Literal

from spm.errors import InputError
from spm.run import command_line
from spm.run.language import Language, chosen_language
from spm.run.setting_kinds import Count, Positional, Positive, Share
from spm.run.settings import Settings, old_names, takes


# --- settings: change the values, the text below each says what it is ---------------------------
class Prediction(Settings):
    """How the network is asked, and what is written of its answers."""

    score_threshold: Share | None = None
    """Score from which a molecule is reported, 0 to 1; 0 reports all. What counts is the sum of its
    classes' scores (`objectness`): one whose name is in doubt is reported as uncertain. None takes
    the threshold that training chose on its validation images."""
    nms_iou: Share = 0.3
    """Of two answers whose masks overlap by more than this (IoU, 0 to 1) the better one stays."""
    tile_scale: Positive | None = None
    """Network pixels per image pixel, above 0. None takes the training's. An image of twice the
    resolution needs half of it. For weights that do not say it (see class_names) each image
    is cut as the 2022 scripts did: into four tiles of 3/5 of its side, enlarged to 1024 pixels."""
    views: Literal[1, 2, 4, 8] = 1
    """Flipped and turned copies of each tile that vote on each molecule. More take so many times as
    long."""
    uncertain_ratio: Share = 0.5
    """A molecule is marked uncertain when its second class has at least this share of the first's
    score, 0 to 1; and, whatever this is, when it looks more like the outlined ones of another
    class."""
    match_colours: bool = True
    """Draw an image that is grey, of another colour map or inverted in the colours of the annotated
    images before the network sees it, and say so. Off: the network sees each image as it is."""
    count_unfamiliar: bool = False
    """Let statistics count what looks like none of the outlined molecules (an adsorbate, a smeared
    blob). It is drawn and listed in any case, and marked."""
    batch_size: Count | None = None
    """Tiles that the network works on at once, 1 or more, where Keras runs it (OpenVINO takes one).
    None takes the training's images a step. Lower it when the memory is full."""
    tile_images: bool = True
    """Write the tiles into pre_predict/ and post_predict/."""
    report: bool = True
    """Write statistics and the report."""
    nm_per_pixel: Positive | None = None
    """Size of a pixel in nanometres. None takes the one that the file stores, if any."""
    language: Language | None = None
    """Language of figures, report and remarks: en or zh (Chinese). None takes that of the
    environment variable SPM_LANGUAGE, else English."""

    renamed = {"tile_pictures": "tile_images"}

    def problems(self) -> Iterator[str]:
        """Yield a language of the environment that there is none of."""
        try:
            chosen_language(self.language)
        except InputError as error:
            yield str(error)


class PredictionRun(Settings):
    """What is predicted, with which weights, and where the results go."""

    files: Positional[list[Path]] = []
    """Images, instrument files or folders; all of in_dir if none is named."""
    in_dir: Path = Path("images")
    """Folder of the images."""
    out_dir: Path = Path("img_cache")
    """Folder of the results."""
    watch: Path | None = None
    """A folder into which a microscope writes: each image is recognised when it is complete, until
    Ctrl-C. None: what is there now is recognised."""
    weights: Path | None = None
    """A weights file (.h5). None takes the last epoch of the last run in log_dir."""
    log_dir: Path = Path("logs")
    """Folder of the training runs."""
    class_names: list[str] | None = None
    """Names of the classes in the order of training, for weights of the 2022 scripts or of
    matterport's code, whose files do not say them: ["003a", "020a"]. None takes the file's."""
    scheduler: str | None = None
    """Address of a dask cluster that works on the images, such as tcp://10.0.0.1:8786
    (docs/scaling.md). None: this machine."""
    prediction: Prediction = field(default_factory=Prediction)

    def problems(self) -> Iterator[str]:
        """Yield folders that would be recognised again with their own results in them, and what
        does not go with watching."""
        if self.watch is not None and (self.files or self.scheduler):
            yield "watch: goes without files and without scheduler; name the folder alone."
        for folder in [self.watch] if self.watch else self.files or [self.in_dir]:
            if folder.is_dir() and folder.resolve() == self.out_dir.resolve():
                yield (
                    f"{folder}: out_dir is the folder of the images; the next run would recognise "
                    "this one's results. Choose another with --out-dir."
                )


# ------------------------------------------------------------------------------------------------


@takes(PredictionRun)
def main(settings: PredictionRun) -> int:
    """Predict images and write the results.

    Returns:
        0, or 1 if an image could not be predicted or a file of the folder be read; the others are
        done all the same.

    Raises:
        InputError: when nothing can be predicted at all (no image, no weights, a bad setting).
    """
    from engine.predict import predict

    return predict(settings)


# Names of before this file was only settings.
__getattr__ = old_names(
    PredictionRun,
    load_detector="engine.detector",
    newest_weights="engine.checkpoints",
    predict_file="engine.predict_image",
    open_image="spm.instruments.inputs",
    find_images="spm.report.result_files",
    output_names="spm.report.result_files",
    unread="spm.report.result_files",
    find_molecules="spm.inference.predict",
)


if __name__ == "__main__":
    command_line.run(main)
