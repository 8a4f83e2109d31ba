"""How far a training is: read from what it writes for the user anyway."""

from __future__ import annotations

import csv
import math
import re
import time
from pathlib import Path
from typing import Any

from engine.app.project import Project
from engine.checkpoints import runs
from spm.run.files import LOCK_NAME
from spm.run.provenance import read_settings

# The lines of `engine.callbacks`.
TRAINING = re.compile(r"^Training \S+ on ", re.MULTILINE)
EPOCH = re.compile(r"^  epoch (\d+): loss ", re.MULTILINE)
FILES = (LOCK_NAME, "settings.json", "losses.csv")
NOTHING = {"epoch": None, "epochs": None, "minutes_left": None, "losses": []}


def progress(log_dir: Path, started: float, log: str, running: bool) -> dict[str, Any]:
    """Return epoch, epochs, minutes_left and losses of the last training of a job.

    Args:
        log_dir: folder of the runs.
        started: when the job was started, in seconds.
        log: what it has printed.
        running: whether it still runs.
    """
    run = _run_of(log_dir, started)
    if run is None:
        return dict(NOTHING)
    losses = _losses(run / "losses.csv")
    epoch, epochs = (losses[-1]["epoch"] if losses else 0), _epochs(run / "settings.json", losses)
    left = None
    if running and epochs is not None and epochs > epoch:
        left = _minutes_left(run, epochs - epoch, log)
    return {"epoch": epoch, "epochs": epochs, "minutes_left": left, "losses": losses}


def phase(project: Project, started: float, running: bool, said: bool) -> str:
    """Return what a job does: "starting", "preparing", "training", "finishing", "recognising" or
    "ended", by the locks of the folders in which it works.

    Args:
        project: the folders.
        started: when the job was started, in seconds.
        running: whether it still runs.
        said: whether it has printed anything.
    """
    if not running:
        return "ended"
    if _changed(project.out_dir / LOCK_NAME) >= started - 1:
        return "recognising"
    run = _run_of(project.log_dir, started)
    if run is not None:
        return "training" if (run / LOCK_NAME).exists() else "finishing"
    return "preparing" if said else "starting"


def _run_of(log_dir: Path, started: float) -> Path | None:
    """Return the run folder in which something was written last, if that was since the start."""
    times = {run: max(_changed(run / name) for name in FILES) for run in runs(log_dir)}
    newest = max(times, key=times.get, default=None)
    return newest if newest is not None and times[newest] >= started - 1 else None


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _losses(table: Path) -> list[dict[str, float | int | None]]:
    """Return epoch, loss and val_loss of each epoch; a table that is not there has none."""
    try:
        with table.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return [
            {"epoch": int(row["epoch"]), "loss": _number(row.get("loss")),
             "val_loss": _number(row.get("val_loss"))}
            for row in rows
        ]  # fmt: skip
    except (OSError, ValueError, KeyError):
        return []


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "nan")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _epochs(settings: Path, losses: list[dict[str, Any]]) -> int | None:
    """Return how many epochs the run will have had in all, those of before included."""
    try:
        stages = (read_settings(settings) or {})["stages"]
        return max(sum(int(count) for _, count, _ in stages), losses[-1]["epoch"] if losses else 0)
    except (ValueError, KeyError, TypeError):
        return None


def _minutes_left(run: Path, epochs: int, log: str) -> float | None:
    """Return the minutes of the epochs that are left, by those that this job has trained."""
    begun = [match.end() for match in TRAINING.finditer(log)]
    done = len(EPOCH.findall(log, begun[-1] if begun else 0))
    start, last = _changed(run / LOCK_NAME), _changed(run / "losses.csv")
    if not done or last <= start or not start:
        return None
    seconds = epochs * (last - start) / done - (time.time() - last)
    return round(max(seconds, 0.0) / 60, 2)
