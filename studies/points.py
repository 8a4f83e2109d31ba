"""The points of a study: measured once, kept in a file each, and not measured again.

A point is a training and its evaluation. Everything its result depends on stands in its settings,
seed included; the file of a finished point holds them together with the result and is written in
one step. So a study can be killed at any time: the next run measures what is missing, and a
training that was under way goes on from its last epoch.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spm.run import files
from spm.run.manifest import digest
from spm.run.provenance import describe_run, plain
from spm.run.settings import Settings

# Part of every point's name. Raise it when a change of the code changes the results.
VERSION = 1
RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True)
class Point:
    """What is to be measured.

    Attributes:
        name: a few words for the progress bar.
        settings: everything that the result depends on; anything JSON can hold.
    """

    name: str
    settings: dict[str, Any]


class Study(Settings):
    """How thoroughly is measured."""

    quick: bool = False
    """One seed and short trainings: minutes on two cores."""
    out: Path = RESULTS
    """Folder for the results."""


@dataclass(frozen=True)
class Measured:
    """All results of a study.

    Attributes:
        by_title: title of a training -> the result of each seed.
        stem: path of the study's table and figure, without suffix.
        record: what the table's JSON says besides the rows.
    """

    by_title: dict[str, list[dict[str, Any]]]
    stem: Path
    record: dict[str, Any]


Measure = Callable[[dict[str, Any], Path], dict[str, Any]]


def run_study(
    name: str,
    study: Study,
    titles: Sequence[str],
    seeds: Sequence[int],
    settings_of: Callable,
    measure: Measure,
) -> Measured:
    """Measure each training with each seed.

    Args:
        name: of the study.
        study: how thoroughly.
        titles, seeds: of the trainings.
        settings_of: function of title, seed and `quick` that returns a point's settings.
        measure: see `run_points`.
    """  # fmt: skip
    points = [
        Point(f"{title}, seed {seed}", settings_of(title, seed, study.quick))
        for title in titles
        for seed in seeds
    ]
    found = run_points(points, measure, study.out / name, name)
    by_title = {
        title: found[k * len(seeds) : (k + 1) * len(seeds)] for k, title in enumerate(titles)
    }
    record = {"quick": study.quick, "points": [p.settings for p in points], "results": found}
    return Measured(by_title, study.out / (f"{name}_quick" if study.quick else name), record)


class Store:
    """The finished points in a folder, one JSON file each."""

    def __init__(self, folder: Path):
        self.folder = files.make_folder(folder)

    def path(self, settings: dict[str, Any]) -> Path:
        """Return the file of the point with these settings."""
        return self.folder / f"{digest(VERSION, plain(settings))}.json"

    def work_folder(self, settings: dict[str, Any]) -> Path:
        """Return the folder in which a point's training lives until the point is finished."""
        return self.path(settings).with_suffix("")

    def read(self, settings: dict[str, Any]) -> dict[str, Any] | None:
        """Return a point's result, None when it is not finished or its file is damaged."""
        try:
            record = json.loads(self.path(settings).read_text(encoding="utf-8"))
            return record["result"] if record["settings"] == plain(settings) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, settings: dict[str, Any], result: dict[str, Any], seconds: float) -> None:
        """Keep a point's result and what made it; then its working folder is deleted."""
        record = {
            "settings": plain(settings),
            "result": files.without_nan(plain(result)),
            "seconds": round(seconds, 1),
            **describe_run(),
        }
        files.write_json(self.path(settings), record)
        self.clean(settings)

    def clean(self, settings: dict[str, Any]) -> None:
        """Delete the working folder of a finished point, if a kill left it there."""
        folder = self.work_folder(settings)
        if folder.is_dir():
            shutil.rmtree(folder)


def run_points(
    points: Sequence[Point],
    measure: Measure,
    folder: Path,
    title: str,
) -> list[dict[str, Any]]:
    """Return the result of each point, measuring those that are not in the folder yet.

    Args:
        points: with distinct settings.
        measure: takes a point's settings and a working folder that outlives a kill; returns a
            dict that JSON can hold. What it prints goes to `log.txt` in that folder, the last
            line of it to the progress bar.
        folder: of the finished points.
        title: shown before the bar.

    Raises:
        InputError: when another run works in the folder, or a point cannot be measured.
    """
    from tqdm import tqdm

    results = []
    with files.folder_lock(folder):
        store = Store(folder)
        missing = sum(store.read(point.settings) is None for point in points)
        print(f"{title}: {len(points)} points, {missing} to be measured", flush=True)
        with tqdm(total=len(points), desc=title, unit="point", disable=None) as bar:
            for number, point in enumerate(points, 1):
                results.append(_result(store, point, measure, bar))
                bar.update()
                if bar.disable:
                    print(f"  {number} of {len(points)}: {point.name}", flush=True)
    return results


def _result(store: Store, point: Point, measure: Callable, bar) -> dict[str, Any]:
    known = store.read(point.settings)
    if known is not None:
        store.clean(point.settings)
        return known
    bar.set_postfix_str(point.name)
    folder = files.make_folder(store.work_folder(point.settings))
    start = time.perf_counter()
    with (folder / "log.txt").open("a", encoding="utf-8", errors="replace") as log:
        try:
            with redirect_stdout(_Log(log, lambda text: bar.set_postfix_str(text))):
                result = measure(point.settings, folder)
        except BaseException:
            print(f"{point.name}: not finished; see {log.name}", file=sys.stderr)
            raise
    store.write(point.settings, result, time.perf_counter() - start)
    return store.read(point.settings)


class _Log(io.TextIOBase):
    """Takes what is printed: to a file, and each line to `show`."""

    def __init__(self, file, show: Callable[[str], None]):
        self._file, self._show = file, show

    def write(self, text: str) -> int:
        """Write and show; lines that say nothing are not shown."""
        self._file.write(text)
        self._file.flush()
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if lines:
            self._show(lines[-1][:60])
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""
