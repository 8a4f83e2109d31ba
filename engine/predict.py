"""A prediction run: all images of a folder, here or on a cluster."""

from __future__ import annotations

import functools
import importlib
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.checkpoints import newest_weights, no_weights_file
from engine.detector import load_detector
from engine.predict_image import Plan
from mrcnn.memory import return_freed_memory, returning_environment
from spm.errors import InputError
from spm.inference.detector import Detector
from spm.inference.predict import Settings
from spm.report.result_files import find_images, output_names, unread
from spm.run.cluster import on_cluster
from spm.run.files import folder_lock, remove_leftovers
from spm.run.garbage import collect_rarely
from spm.run.language import chosen_language
from spm.run.parallel import run_jobs
from spm.run.side_process import SideProcess
from spm.run.words import counted


def predict(settings: Any) -> int:
    """Predicts images and writes the results.

    Args:
        settings: `predict_big_pic.PredictionRun`; this module knows no script.

    Returns:
        0, or 1 if an image could not be predicted or a file of the folder be read; the others are
        done all the same.

    Raises:
        InputError: when nothing can be predicted at all (no image, no weights).
    """
    how = settings.prediction
    asked = Settings(
        score_threshold=how.score_threshold, nms_iou=how.nms_iou, tile_scale=how.tile_scale,
        views=how.views, uncertain_ratio=how.uncertain_ratio,
    )  # fmt: skip
    paths = [] if settings.watch else find_images(settings.files or None, settings.in_dir)
    plan = Plan(
        asked, settings.out_dir, how.tile_images, how.report, how.nm_per_pixel,
        weights=settings.weights or newest_weights(settings.log_dir),
        batch_size=how.batch_size, class_names=settings.class_names, load=load_detector,
        count_unfamiliar=how.count_unfamiliar, match_colours=how.match_colours,
        language=chosen_language(how.language),
    )  # fmt: skip
    if settings.watch is not None:
        from engine.watch import watch_folder

        return watch_folder(plan, settings.watch)
    unknown = unread(settings.files or None, settings.in_dir)
    return predict_images(plan, paths, unknown, settings.scheduler)


def predict_images(
    plan: Plan, paths: list[Path], unknown: list[str] | None = None, scheduler: str | None = None
) -> int:
    """Predicts image files and writes the results.

    Args:
        plan: how to predict, and where the results go.
        paths: the files.
        unknown: what is wrong with files that are no images, to be told.
        scheduler: address of a dask cluster; None works here.

    Returns:
        0, or 1 if an image could not be predicted or there was an unknown file.

    Raises:
        InputError: when the weights cannot be used.
    """
    start = time.perf_counter()
    if scheduler and (missing := no_weights_file(plan.weights)):
        raise InputError(missing)
    return_freed_memory()
    collect_rarely()
    todo = list(zip(paths, output_names(paths), strict=True))
    with _drawing_beside(plan) if scheduler is None else nullcontext(plan) as plan:
        return _predict_all(plan, todo, unknown, scheduler, start)


@contextmanager
def _drawing_beside(plan: Plan) -> Iterator[Plan]:
    """Gives a plan whose figures are drawn in a second process: matplotlib and what it draws stay
    out of this one. It is imported there while the network is loaded."""
    if not plan.report:
        yield plan
        return
    modules = "spm.report.drawings", "tifffile", "spm.pooled.figures"
    with SideProcess(*modules, environment=returning_environment()) as side:
        yield replace(plan, side=side)


def _import_measuring() -> None:
    """Import what the first image's results need, while the network looks at it."""
    for module in ("scipy.spatial", "spm.report.page"):
        importlib.import_module(module)


def _predict_all(
    plan: Plan,
    todo: list[tuple[Path, str]],
    unknown: list[str] | None,
    scheduler: str | None,
    start: float,
) -> int:
    detector = plan.detector() if scheduler is None else None  # else the workers build it
    if detector:
        seconds = time.perf_counter() - start
        print(f"{plan.weights.name}: {', '.join(detector.class_names)}; "
              f"{_scale_words(detector, plan.settings)}; ready after {seconds:.1f} s")  # fmt: skip
        if plan.report:
            threading.Thread(target=_import_measuring, daemon=True).start()
    for sentence in unknown or ():
        print(f"error: {sentence}", file=sys.stderr)
    failed = problems = 0
    with on_cluster(scheduler), folder_lock(plan.out_dir) as folder:
        for place in (folder / "pre_predict", folder / "post_predict"):
            if place.is_dir():
                remove_leftovers(place)  # of a killed run
        for outcome in _outcomes(todo, plan, detector):
            if isinstance(outcome, InputError):
                failed += 1
                print(f"error: {outcome}", file=sys.stderr)
            else:
                print(outcome, flush=True)
        if plan.report:
            problems = pool_results(plan.out_dir, plan.language, plan.side)
    print(f"{len(todo) - failed} of {counted(len(todo), 'image')} predicted into {plan.out_dir} "
          f"in {time.perf_counter() - start:.1f} s")  # fmt: skip
    return 1 if failed or problems or unknown else 0


def pool_results(folder: Path, language: str = "en", side: SideProcess | None = None) -> int:
    """Takes all results of a folder together and tells it; returns how many files were wrong.

    Args:
        folder: of the results.
        language: of figures and page.
        side: where it is done; None does it here.
    """
    start = side.start if side else functools.partial
    sentence, problems = start(_refresh, folder, language)()
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if sentence:
        print(sentence)
    return len(problems)


def _refresh(folder: Path, language: str) -> tuple[str, list[InputError]]:
    from spm.pooled.folder import refresh

    return refresh(folder, language)


def _outcomes(
    todo: list[tuple[Path, str]], plan: Plan, detector: Detector | None
) -> Iterator[str | InputError]:
    """Yields the summary of each image, or what is wrong with it; without a detector the workers
    of a cluster find out."""
    if detector:
        yield from _written_meanwhile(todo, plan, detector)
        return
    jobs = [(plan, path, name) for path, name in todo]
    for _, outcome in run_jobs(predict_on_worker, jobs, None, "images"):
        yield outcome


def _written_meanwhile(
    todo: list[tuple[Path, str]], plan: Plan, detector: Detector
) -> Iterator[str | InputError]:
    """Yields the outcomes in order; the results of an image are written while the network looks
    at the next one, one image at a time: two are in memory."""
    with ThreadPoolExecutor(1, "results") as writer:
        before: Future[str] | None = None
        for path, name in todo:
            try:
                write = plan.look(path, name, detector)
            except InputError as error:
                write = functools.partial(_raise, error)
            if before:
                yield _outcome(before)
            before = writer.submit(write)
            del write  # and with it the image
        detector.release()
        if before:
            yield _outcome(before)


def _outcome(future: Future[str]) -> str | InputError:
    try:
        return future.result()
    except InputError as error:
        return error


def _raise(error: InputError) -> str:
    raise error


# The detector of a worker process, with what it was built for; one image at a time uses it.
_worker_detector: dict[str, Detector] = {}
_worker_lock = threading.Lock()


def predict_on_worker(job: tuple[Plan, Path, str]) -> str:
    """Predicts one image in a worker process, which builds the network for the first one only."""
    plan, path, name = job
    with _worker_lock:
        stat = plan.weights.stat() if plan.weights.exists() else None
        made_of = plan.weights, plan.batch_size, plan.settings, plan.class_names
        key = repr((*made_of, stat and stat.st_mtime_ns))
        if key not in _worker_detector:
            _worker_detector.clear()
            _worker_detector[key] = plan.detector()
        return plan.predict(path, name, _worker_detector[key])


def _scale_words(detector: Detector, settings: Settings) -> str:
    scale = settings.tile_scale or detector.scale
    if scale:
        return f"{scale:.3g} network pixels per image pixel"
    return (
        "the file says no scale, so each image is cut as the 2022 scripts did, into four tiles "
        f"of 3/5 of its side, enlarged to {detector.input_size} pixels (--tile-scale sets another)"
    )
