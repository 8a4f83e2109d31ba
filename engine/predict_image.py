"""One image in, all of its files out: tiles, table, outlines, report, drawing."""

from __future__ import annotations

import contextlib
import errno
import functools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.detector import load_detector
from engine.likeness import compare_with_outlined
from engine.trained_colours import Drawn, in_trained_colours, inverted_after_all
from spm.checks.kept_corrections import keep_correction
from spm.checks.predictions import mark_prediction
from spm.errors import InputError
from spm.inference.detector import Detector
from spm.inference.predict import Settings, find_molecules, image_grid
from spm.inference.tiles import Tile
from spm.instruments.heights import Opened
from spm.instruments.inputs import open_image
from spm.io.images import write_image
from spm.report.drawing import draw_molecules
from spm.report.labelme_image import image_for_labelme
from spm.report.remarks import colours_matched, remark
from spm.report.result_files import check_name, link, remove_tiles, tile_name
from spm.run.files import file_lock, make_folder
from spm.run.language import current_language, phrase, written_in
from spm.run.progress import progress
from spm.run.provenance import describe_run
from spm.run.side_process import SideProcess
from spm.structures.annotation import write_annotation
from spm.structures.molecule import Molecule, molecules_to_annotation, write_table

SHOW_PROGRESS_FROM = 8  # tiles
MOST_COPIED = 64_000_000  # bytes of an image of which a copy is drawn into, while figures are drawn


@dataclass
class Plan:
    """How a run predicts: all that a worker needs beside the image.

    Attributes:
        settings: how the network is asked.
        out_dir: folder of the results.
        tile_images: whether to write the tiles.
        report: whether to write statistics and the report.
        nm_per_pixel: size of a pixel; None takes the file's.
        run: what the reports say of the run.
        weights, batch_size, class_names: see `load_detector`.
        count_unfamiliar: whether statistics count what looks like no outlined molecule.
        match_colours: whether images of other colours are drawn in those of the training first.
        language: of figures, report and remarks.
        load: `load_detector`.
        side: draws the figures, while the rest is written here; None draws one after the other.
    """

    settings: Settings
    out_dir: Path
    tile_images: bool = True
    report: bool = False
    nm_per_pixel: float | None = None
    run: dict = field(default_factory=describe_run)
    weights: Path | None = None
    batch_size: int | None = None
    class_names: list[str] | None = None
    count_unfamiliar: bool = False
    match_colours: bool = True
    language: str = "en"
    load: Callable[..., Detector] = field(default_factory=lambda: load_detector)
    side: SideProcess | None = None

    def detector(self) -> Detector:
        """Builds the network."""
        return self.load(self.weights, self.batch_size, self.settings, self.class_names)

    def predict(self, path: Path, name: str, detector: Detector) -> str:
        """Predicts one image and returns its summary."""
        return self.look(path, name, detector)()

    def look(self, path: Path, name: str, detector: Detector) -> Callable[[], str]:
        """Finds the molecules of one image and returns what writes its results, to be called
        while the network looks at the next one, and returns its summary."""
        check_name(path, name)
        start = time.perf_counter()
        with _told(path):
            opened = open_image(path, self.nm_per_pixel)
            found = _find(path, name, opened, detector, self)

        def write() -> str:
            with _told(path), written_in(self.language):
                summary = _write_results(path, name, opened, found, detector, self)
            return _said(summary, start)

        return write


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Says which image cannot be read, or not have its results written."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise  # the other images would fail too
        what = error.strerror or error
        raise InputError(
            f"{path}: its results cannot be written or it cannot be read ({what}, "
            f"{error.filename}); check the file and the folder."
        ) from error


def predict_file(
    path: Path,
    name: str,
    out_dir: Path,
    detector: Detector,
    settings: Settings,
    opened: Opened | None = None,
    **how: Any,
) -> list[Molecule]:
    """Predicts one image file, writes its results and prints its summary.

    Args:
        path: the image.
        name: what the results are called, see `spm.report.result_files.output_names`.
        out_dir: folder of the results.
        detector: see `load_detector`.
        settings: see `spm.inference.predict.Settings`.
        opened: what the file holds; it is opened when this is None.
        how: `tile_images`, `report` and others of `Plan`.

    Returns:
        The molecules.

    Raises:
        InputError: when the image cannot be read.
    """
    plan = Plan(settings, Path(out_dir), **how)
    molecules, summary = predict_image(path, name, opened or open_image(path), detector, plan)
    print(summary)
    return molecules


def predict_image(
    path: Path, name: str, opened: Opened, detector: Detector, plan: Plan
) -> tuple[list[Molecule], str]:
    """Predicts an opened image and writes its results.

    Args:
        path: the image's file.
        name: what the results are called, see `spm.report.result_files.output_names`.
        opened: what the file holds.
        detector: see `load_detector`.
        plan: how to predict, and where the results go.

    Returns:
        The molecules, and the line to print.
    """
    start = time.perf_counter()
    found = _find(path, name, opened, detector, plan)
    with written_in(plan.language):
        summary = _write_results(path, name, opened, found, detector, plan)
    return found.molecules, _said(summary, start)


@dataclass(frozen=True)
class _Found:
    """What was found in an image.

    Attributes:
        molecules: from top to bottom.
        mean_colour: (3,) of what the network was shown.
        drawn: how that was drawn, without its pixels.
    """

    molecules: list[Molecule]
    mean_colour: np.ndarray
    drawn: Drawn


def _find(path: Path, name: str, opened: Opened, detector: Detector, plan: Plan) -> _Found:
    """Finds the molecules of an image, and writes its tiles."""
    drawn = Drawn(opened.image)
    detector.prepare(image_grid(detector, *opened.image.shape[:2], plan.settings).size)
    if plan.match_colours:
        drawn = in_trained_colours(opened.image, detector, plan.settings)
    molecules = _recognise(path, name, drawn.image, detector, plan)
    if plan.match_colours and not drawn.changed:
        drawn = inverted_after_all(opened.image, molecules, detector, plan.settings)
        if drawn.changed:
            molecules = _recognise(path, name, drawn.image, detector, plan)
    mean_colour = drawn.image.reshape(-1, 3).mean(axis=0)
    return _Found(molecules, mean_colour, replace(drawn, image=np.zeros((0, 0, 3), np.uint8)))


def _recognise(
    path: Path, name: str, image: np.ndarray, detector: Detector, plan: Plan
) -> list[Molecule]:
    """Finds the molecules of an image as it is, and writes its tiles."""
    remove_tiles(plan.out_dir, name)
    on_tile = _tile_writer(plan.out_dir, name, detector) if plan.tile_images else None
    with _Progress(path.name) as progress:
        found = find_molecules(detector, image, plan.settings, on_tile, progress)
    return compare_with_outlined(found, image, detector, plan.settings)


def _write_results(
    path: Path, name: str, opened: Opened, found: _Found, detector: Detector, plan: Plan
) -> tuple[str, list[str]]:
    """Writes everything but the tiles; returns the summary up to the time that it took, and
    notes."""
    molecules = found.molecules
    out_dir, image, nm_per_pixel = plan.out_dir, opened.image, opened.nm_per_pixel
    height, width = image.shape[:2]
    result = out_dir / f"{name}_predicted.json"
    # First what a second process draws, the longest.
    report = _begin_report(name, opened, found, detector, plan) if plan.report else None
    with file_lock(result):  # nobody saves a correction between the look for one and the new file
        kept = keep_correction(result)
        annotation = molecules_to_annotation(
            molecules, height, width, image_for_labelme(image, result), nm_per_pixel,
            detector.class_names,
        )  # fmt: skip
        mark_prediction(annotation, image, link(path, out_dir))
        write_table(out_dir / f"{name}_molecules.csv", molecules, nm_per_pixel)
        write_annotation(result, annotation)
    write_page = _statistics(out_dir / name, image, report) if report else None
    drawn = None
    if report and image.nbytes <= MOST_COPIED:
        drawn = _draw_into(image.copy(), molecules, detector)
    notes = report.notes if report else []
    if write_page:
        write_page(out_dir / f"{name}_report.html", report.drawings())
    if drawn is None:  # nobody needs the image any more
        drawn = _draw_into(image, molecules, detector)
    # The last of all: `engine.watch` takes an image that has it for done.
    write_image(out_dir / f"{name}_predicted.png", drawn, durable=True)
    counts = _summary(molecules, detector)
    doubt = remark(
        molecules, detector.molecule_size, plan.settings.tile_scale is not None,
        None if found.drawn.changed else detector.appearance.get("mean_colour"), found.mean_colour,
    )  # fmt: skip
    told = colours_matched(found.drawn.colours, found.drawn.inverted)
    notes += [phrase("{remark}.", remark=sentence) for sentence in (told, doubt) if sentence]
    if kept:
        notes.append(f"your corrections of its earlier prediction are kept: {kept}")
    return f"{path.name}: {counts} ({width} x {height}", notes


def _draw_into(image: np.ndarray, molecules: list[Molecule], detector: Detector) -> np.ndarray:
    return draw_molecules(image, molecules, detector.class_names, in_place=True)


def _said(summary: tuple[str, list[str]], start: float) -> str:
    said, notes = summary
    return "\n  note: ".join([f"{said}, {time.perf_counter() - start:.1f} s)", *notes])


@dataclass(frozen=True)
class _Report:
    """What a report says, its figures being drawn."""

    measured: Any
    made_with: dict[str, Any]
    drawings: Callable[[], Any]
    notes: list[str]


def _begin_report(
    name: str, opened: Opened, found: _Found, detector: Detector, plan: Plan
) -> _Report:
    """Measures, and starts to draw."""
    from spm.measure.recognition import recognition_of
    from spm.measure.statistics import measure
    from spm.report.tables import NOT_KNOWN

    out_dir, settings = plan.out_dir, plan.settings
    height, width = opened.image.shape[:2]
    molecules = found.molecules
    if plan.count_unfamiliar:
        molecules = [replace(molecule, unfamiliar=False) for molecule in molecules]
    recognition, notes = {}, []
    try:
        recognition = recognition_of(None, out_dir)
    except InputError as error:
        notes.append(f"counts are not corrected: {error}")
    measured = measure(
        molecules, height, width, opened.nm_per_pixel,
        heights_nm=opened.heights_nm, class_names=detector.class_names, recognition=recognition,
    )  # fmt: skip
    # The report adds the versions itself.
    run = {k: v for k, v in plan.run.items() if k not in ("python", "packages")}
    made_with = {
        "prediction": {
            "weights": detector.name or NOT_KNOWN,
            "network run by": detector.engine or NOT_KNOWN,
            "score threshold": _threshold(detector, settings),
            "network pixels per image pixel": round(
                settings.tile_scale or detector.scale_for(height, width), 4
            ),
            "views": settings.views,
            "NMS IoU": settings.nms_iou,
            "mirror": detector.mirror,
        },
        "image": opened.settings,
        "run": run,
    }
    if told := colours_matched(found.drawn.colours, found.drawn.inverted):
        made_with["prediction"]["colours"] = told
    start = plan.side.start if plan.side else functools.partial
    drawings = start(
        _draw, out_dir / name, measured, opened.image, opened.heights_nm, current_language()
    )
    return _Report(measured, made_with, drawings, notes)


def _statistics(stem: Path, image: np.ndarray, report: _Report) -> Callable[[Path, Any], None]:
    """Writes the summary; returns what writes the report, given its path and figures."""
    from spm.measure.statistics import save_summary
    from spm.report.page import begin_report

    save_summary(stem, report.measured, settings=report.made_with)
    return begin_report(image, report.measured, title=stem.name, settings=report.made_with)


def _draw(*arguments: Any) -> Any:
    # There, or here, where matplotlib is imported for nothing else.
    from spm.report.drawings import write_drawings

    return write_drawings(*arguments)


def _threshold(detector: Detector, settings: Settings) -> float:
    """Returns the score from which molecules are reported; 0 reports all."""
    chosen = settings.score_threshold
    return detector.score_threshold if chosen is None else chosen


def _tile_writer(out_dir: Path, name: str, detector: Detector):
    before, after = make_folder(out_dir / "pre_predict"), make_folder(out_dir / "post_predict")

    def write(tile: Tile, image: np.ndarray, molecules: list[Molecule]) -> None:
        file = tile_name(name, tile)
        write_image(before / file, image)
        write_image(after / file, draw_molecules(image, molecules, detector.class_names, zoom=1))

    return write


class _Progress:
    """A progress bar over tiles for images that have many of them."""

    def __init__(self, name: str):
        self._name, self._bar = name, None

    def __enter__(self) -> _Progress:
        return self

    def __call__(self, done: int, total: int) -> None:
        if self._bar is None and total >= SHOW_PROGRESS_FROM:
            self._bar = progress(total, self._name, "tile", leave=False)
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def __exit__(self, *_) -> None:
        if self._bar is not None:
            self._bar.close()


def _summary(molecules: list[Molecule], detector: Detector) -> str:
    counts = Counter(molecule.class_name for molecule in molecules)
    text = ", ".join(f"{counts[name]} {name}" for name in detector.class_names)
    flags = {"edge": "at the border", "uncertain": "uncertain", "unfamiliar": "unfamiliar"}
    marked = {words: sum(getattr(m, flag) for m in molecules) for flag, words in flags.items()}
    notes = [f"{count} {words}" for words, count in marked.items() if count]
    return text + (f"; {', '.join(notes)}" if notes else "")
