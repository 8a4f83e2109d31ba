"""Recognise the molecules in pictures: images/ -> img_cache/.

    python predict_big_pic.py                      all pictures in images/
    python predict_big_pic.py "scan 7.png" b.tif   only these

Class names, scale, network and score threshold come from the weights file; the last trained one is
taken unless --weights names another. For each picture NAME there are then, in img_cache/:

    NAME_predicted.png    the picture with outlines, tints and class names
    NAME_molecules.csv    a line for each molecule (columns: spm.structures.molecule.TABLE_HEADER)
    NAME_predicted.json   the outlines for labelme: correct them and use them for training
    NAME_summary.json, NAME_statistics.png    counts, sizes, orientations, neighbours, lattice
    NAME_report.html      all of it to look at in a browser, in one file
    pre_predict/, post_predict/    the tiles as the network saw them, and with what it found

Other programs can call `load_detector` and `spm.inference.predict.predict_picture`.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.detector import load_detector
from engine.initial_weights import newest_weights
from spm.checks.corrections import mark_prediction
from spm.errors import InputError
from spm.inference.detector import Detector
from spm.inference.predict import Settings, predict_picture
from spm.inference.tiles import Tile, view_count_ok
from spm.instruments.heights import Opened
from spm.instruments.inputs import open_picture
from spm.io.images import write_picture
from spm.report.drawing import draw_molecules
from spm.report.labelme_image import image_for_labelme
from spm.report.result_files import (
    find_pictures,
    output_names,
    remove_tiles,
    tile_name,
    unread,
)
from spm.run import command_line
from spm.run.cluster import on_cluster
from spm.run.files import folder_lock, make_folder, remove_leftovers
from spm.run.parallel import run_jobs
from spm.run.provenance import describe_run
from spm.structures.annotation import write_annotation
from spm.structures.molecule import Molecule, molecules_to_annotation, write_table

# --- settings ----------------------------------------------------------------------------------
IN_DIR = Path("images")  # what to predict
OUT_DIR = Path("img_cache")  # where the results go
LOG_DIR = Path("logs")  # where training puts its run folders
# A weights file (.h5); None takes the last epoch of the last run in LOG_DIR.
WEIGHTS = None
# Names of the classes in the order of training, for weights of the 2022 scripts or of matterport's
# code, whose files do not say them: ["003a", "020a"]. None takes the file's.
CLASS_NAMES = None
# Score from which a molecule is reported, 0..1; None takes the one that training found on its
# validation pictures.
SCORE_THRESHOLD = None
# Of two answers whose masks overlap by more than this (IoU, 0..1) the better one stays.
NMS_IOU = 0.3
# Network pixels per picture pixel; None takes the training's. A picture of twice the resolution
# needs half of it. For weights that do not say it (see CLASS_NAMES) None cuts each picture as the
# 2022 scripts did: into four tiles of 3/5 of its side, enlarged to 1024 pixels.
TILE_SCALE = None
# Flipped and turned copies of each tile that vote on each molecule: 1, 2, 4 or 8. More take so
# many times as long.
VIEWS = 1
# A molecule is marked uncertain when its second class has at least this share of the first's
# score, 0..1.
UNCERTAIN_RATIO = 0.5
# Tiles that the network works on at once; None takes the training's pictures a step.
BATCH_SIZE = None
# Write the tiles into pre_predict/ and post_predict/.
TILE_PICTURES = True
# Write statistics and the report.
REPORT = True
# Size of a pixel in nanometres; None takes the one that the file stores, if any.
NM_PER_PIXEL = None
# A dask cluster that works on the pictures, such as "tcp://10.0.0.1:8786" (docs/scaling.md).
SCHEDULER = None
# -----------------------------------------------------------------------------------------------

SHOW_PROGRESS_FROM = 8  # tiles


def main(
    *,
    files: list[Path] | None = None,
    in_dir: Path = IN_DIR,
    out_dir: Path = OUT_DIR,
    weights: Path | None = WEIGHTS,
    log_dir: Path = LOG_DIR,
    class_names: list[str] | None = CLASS_NAMES,
    score_threshold: float | None = SCORE_THRESHOLD,
    nms_iou: float = NMS_IOU,
    tile_scale: float | None = TILE_SCALE,
    views: int = VIEWS,
    uncertain_ratio: float = UNCERTAIN_RATIO,
    batch_size: int | None = BATCH_SIZE,
    tile_pictures: bool = TILE_PICTURES,
    report: bool = REPORT,
    nm_per_pixel: float | None = NM_PER_PIXEL,
    scheduler: str | None = SCHEDULER,
) -> int:
    """Predicts pictures and writes the results.

    Args:
        files: pictures, or folders of pictures; all of in_dir if none is named
        in_dir: folder of the pictures
        out_dir: folder for the results
        weights: weights file; the last trained one by default
        log_dir: folder of the training runs
        class_names: in the order of training, for weights that do not say them
        score_threshold: score from which a molecule is reported, 0 to 1
        nms_iou: overlap (IoU) above which the lower of two answers goes, 0 to 1
        tile_scale: network pixels per picture pixel
        views: flipped and turned copies that vote: 1, 2, 4 or 8
        uncertain_ratio: share of the first class's score from which a second one is a doubt
        batch_size: tiles that the network works on at once
        tile_pictures: write the tiles into pre_predict/ and post_predict/
        report: write statistics and the report
        nm_per_pixel: size of a pixel in nanometres, where the files do not say
        scheduler: address of a dask cluster that works on the pictures

    Returns:
        0, or 1 if a picture could not be predicted or a file of the folder be read; the others are
        done all the same.

    Raises:
        InputError: when nothing can be predicted at all (no picture, no weights, a bad setting).
    """
    start = time.perf_counter()
    settings = _settings(score_threshold, nms_iou, tile_scale, views, uncertain_ratio)
    paths = find_pictures(files, Path(in_dir))
    weights = Path(weights) if weights else newest_weights(Path(log_dir))
    if scheduler and not weights.is_file():
        raise InputError(f"{weights}: there is no such weights file; check the name.")
    plan = Plan(
        load_detector, weights, batch_size, settings, Path(out_dir), tile_pictures, report,
        nm_per_pixel, describe_run(), class_names,
    )  # fmt: skip
    todo = list(zip(paths, output_names(paths), strict=True))
    detector = plan.detector() if scheduler is None else None  # else the workers build it
    if detector:
        seconds = time.perf_counter() - start
        print(f"{weights.name}: {', '.join(detector.class_names)}; "
              f"{_scale_words(detector, settings)}; ready after {seconds:.1f} s")  # fmt: skip
    unknown = unread(files, Path(in_dir))
    for sentence in unknown:
        print(f"error: {sentence}", file=sys.stderr)
    problems = 0
    with on_cluster(scheduler), folder_lock(out_dir) as folder:
        for place in (folder, folder / "pre_predict", folder / "post_predict"):
            if place.is_dir():
                remove_leftovers(place)  # of a killed run
        for outcome in _outcomes(todo, plan, detector):
            if isinstance(outcome, InputError):
                problems += 1
                print(f"error: {outcome}", file=sys.stderr)
            else:
                print(outcome, flush=True)
    print(f"{len(todo) - problems} of {len(todo)} pictures predicted into {out_dir} "
          f"in {time.perf_counter() - start:.1f} s")  # fmt: skip
    return 1 if problems or unknown else 0


@dataclass
class Plan:
    """How a run predicts: all that a worker needs beside the picture.

    Attributes:
        load: `load_detector`.
        weights, batch_size, settings: its arguments.
        out_dir, tile_pictures, report, nm_per_pixel: see `main`.
        run: what the reports say of the run, see `describe_run`.
        class_names: see `load_detector`.
    """

    load: Callable[..., Detector]
    weights: Path
    batch_size: int | None
    settings: Settings
    out_dir: Path
    tile_pictures: bool
    report: bool
    nm_per_pixel: float | None
    run: dict
    class_names: list[str] | None = None

    def detector(self) -> Detector:
        return self.load(self.weights, self.batch_size, self.settings, self.class_names)

    def predict(self, path: Path, name: str, detector: Detector) -> str:
        """Predicts one picture and returns its summary."""
        opened = open_picture(path, self.nm_per_pixel)
        return _predict(
            path, name, self.out_dir, detector, self.settings, self.tile_pictures, opened,
            self.report, self.run,
        )[1]  # fmt: skip


def _outcomes(
    todo: list[tuple[Path, str]], plan: Plan, detector: Detector | None
) -> Iterator[str | InputError]:
    """Yields the summary of each picture, or what is wrong with it; without a detector the workers
    of a cluster find out."""
    if detector:
        for path, name in todo:
            try:
                yield plan.predict(path, name, detector)
            except InputError as error:
                yield error
        return
    jobs = [(plan, path, name) for path, name in todo]
    for _, outcome in run_jobs(predict_on_worker, jobs, None, "pictures"):
        yield outcome


# The detector of a worker process, with what it was built for; one picture at a time uses it.
_worker_detector: dict[str, Detector] = {}
_worker_lock = threading.Lock()


def predict_on_worker(job: tuple[Plan, Path, str]) -> str:
    """Predicts one picture in a worker process, which builds the network for the first one only."""
    plan, path, name = job
    with _worker_lock:
        stat = plan.weights.stat() if plan.weights.exists() else None
        made_of = plan.weights, plan.batch_size, plan.settings, plan.class_names
        key = repr((*made_of, stat and stat.st_mtime_ns))
        if key not in _worker_detector:
            _worker_detector.clear()
            _worker_detector[key] = plan.detector()
        return plan.predict(path, name, _worker_detector[key])


def predict_file(
    path: Path,
    name: str,
    out_dir: Path,
    detector: Detector,
    settings: Settings,
    tile_pictures: bool = True,
    opened: Opened | None = None,
    report: bool = False,
) -> list[Molecule]:
    """Predicts one picture file, writes its results and prints its summary.

    Args:
        path: the picture.
        name: what the results are called, see `output_names`.
        out_dir: folder of the results.
        detector: see `load_detector`.
        settings: see `spm.inference.predict.Settings`.
        tile_pictures: whether to write the tiles.
        opened: what the file holds; it is opened when this is None.
        report: whether to write statistics and the report.

    Returns:
        The molecules.

    Raises:
        InputError: when the picture cannot be read.
    """
    opened = opened or open_picture(path)
    molecules, summary = _predict(
        path, name, out_dir, detector, settings, tile_pictures, opened, report, describe_run()
    )
    print(summary)
    return molecules


def _predict(
    path, name, out_dir, detector, settings, tile_pictures, opened, report, run
) -> tuple[list[Molecule], str]:
    """`predict_file` of an opened picture; returns its summary instead of printing it."""
    start = time.perf_counter()
    picture, nm_per_pixel = opened.picture, opened.nm_per_pixel
    height, width = picture.shape[:2]
    remove_tiles(out_dir, name)
    on_tile = _tile_writer(out_dir, name, detector.class_names) if tile_pictures else None
    with _Progress(path.name) as progress:
        molecules = predict_picture(detector, picture, settings, on_tile, progress)
    shown = image_for_labelme(path, picture, nm_per_pixel, out_dir, name)
    annotation = molecules_to_annotation(molecules, height, width, shown, nm_per_pixel)
    mark_prediction(annotation, picture)
    write_table(out_dir / f"{name}_molecules.csv", molecules, nm_per_pixel)
    write_annotation(out_dir / f"{name}_predicted.json", annotation)
    if report:
        _write_report(out_dir, name, opened, molecules, detector, settings, run)
    # The picture is not needed any more: drawing into it saves a copy of a large one.
    drawn = draw_molecules(picture, molecules, detector.class_names, in_place=True)
    write_picture(out_dir / f"{name}_predicted.png", drawn, durable=True)
    seconds = time.perf_counter() - start
    counts = _summary(molecules, detector.class_names)
    return molecules, f"{path.name}: {counts} ({width} x {height}, {seconds:.1f} s)"


def _write_report(out_dir, name, opened, molecules, detector, settings, run) -> None:
    from spm.measure.statistics import write_statistics
    from spm.report.page import write_report

    height, width = opened.picture.shape[:2]
    found = write_statistics(
        out_dir / name, molecules, height, width, opened.nm_per_pixel,
        heights_nm=opened.heights_nm, class_names=detector.class_names,
    )  # fmt: skip
    # The report adds the versions itself.
    run = {k: v for k, v in run.items() if k not in ("python", "packages")}
    made_with = {
        "prediction": {
            "weights": detector.name or "not known",
            "score threshold": settings.score_threshold or detector.score_threshold,
            "network pixels per picture pixel": round(
                settings.tile_scale or detector.scale_for(height, width), 4
            ),
            "views": settings.views,
            "NMS IoU": settings.nms_iou,
        },
        "picture": opened.settings,
        "run": run,
    }
    write_report(
        out_dir / f"{name}_report.html", opened.picture, found, title=name, settings=made_with
    )


def _tile_writer(out_dir: Path, name: str, class_names: list[str]):
    before, after = make_folder(out_dir / "pre_predict"), make_folder(out_dir / "post_predict")

    def write(tile: Tile, picture: np.ndarray, molecules: list[Molecule]) -> None:
        file = tile_name(name, tile)
        write_picture(before / file, picture)
        write_picture(after / file, draw_molecules(picture, molecules, class_names, zoom=1))

    return write


class _Progress:
    """A progress bar over tiles for pictures that have many of them."""

    def __init__(self, name: str):
        self._name, self._bar = name, None

    def __enter__(self) -> _Progress:
        return self

    def __call__(self, done: int, total: int) -> None:
        if self._bar is None and total >= SHOW_PROGRESS_FROM:
            from tqdm import tqdm

            # disable=None: no bar into a file or a pipe.
            self._bar = tqdm(total=total, desc=self._name, unit="tile", leave=False, disable=None)
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def __exit__(self, *_) -> None:
        if self._bar is not None:
            self._bar.close()


def _settings(score_threshold, nms_iou, tile_scale, views, uncertain_ratio) -> Settings:
    shares = {
        "score_threshold": score_threshold,
        "nms_iou": nms_iou,
        "uncertain_ratio": uncertain_ratio,
    }
    for name, value in shares.items():
        if value is not None and not 0 <= value <= 1:
            raise InputError(f"{name.upper()} must lie between 0 and 1. Received: {value}.")
    return Settings(
        score_threshold=score_threshold,
        nms_iou=nms_iou,
        tile_scale=tile_scale,
        views=view_count_ok(views),
        uncertain_ratio=uncertain_ratio,
    )


def _scale_words(detector: Detector, settings: Settings) -> str:
    scale = settings.tile_scale or detector.scale
    if scale:
        return f"{scale:.3g} network pixels per picture pixel"
    return (
        "the file says no scale, so each picture is cut as the 2022 scripts did, into four tiles "
        f"of 3/5 of its side, enlarged to {detector.input_size} pixels (--tile-scale sets another)"
    )


def _summary(molecules: list[Molecule], class_names: list[str]) -> str:
    counts = Counter(molecule.class_name for molecule in molecules)
    text = ", ".join(f"{counts[name]} {name}" for name in class_names)
    edge, uncertain = (sum(getattr(m, flag) for m in molecules) for flag in ("edge", "uncertain"))
    notes = [f"{n} {what}" for n, what in ((edge, "at the border"), (uncertain, "uncertain")) if n]
    return text + (f"; {', '.join(notes)}" if notes else "")


if __name__ == "__main__":
    import predict_big_pic  # by this name a cluster's workers know the functions of this file

    command_line.run(predict_big_pic.main)
