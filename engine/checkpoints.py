"""The weights files of runs: the newest, the finished ones, those of a run that was cut off, and
those that nobody needs any more."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from mrcnn.run_folders import STATE_SUFFIX, checkpoints
from spm.errors import InputError
from spm.run.files import natural_key
from spm.run.provenance import plain, read_settings

RUN_NAME = re.compile(r".*?(\d{8}T\d{4})")


def runs(log_dir: Path) -> list[Path]:
    """Returns the run folders, the newest first, by the time in their names."""
    found = [path for path in log_dir.glob("*") if path.is_dir() and RUN_NAME.fullmatch(path.name)]
    return sorted(
        found, key=lambda path: (RUN_NAME.fullmatch(path.name)[1], natural_key(path)), reverse=True
    )


def weights_to_continue(log_dir: Path) -> Path:
    """Returns the weights that `init_with = "last"` goes on with.

    Raises:
        InputError: when there are none.
    """
    return newest_weights(log_dir, "start from something else than 'last' (--init-with)")


def no_weights_file(path: Path) -> str:
    """Returns a sentence when there is no file to load weights from; empty when there is one."""
    path = Path(path)
    if path.is_file():
        return ""
    if not path.is_dir():
        return f"{path}: there is no such weights file; check the name."
    inside = checkpoints(path) or [w for run in runs(path) for w in checkpoints(run)[:1]]
    inside = inside or sorted(path.glob("*.h5"), key=natural_key)
    if not inside:
        return f"{path}: is a folder without weights; name a weights file (.h5)."
    return f"{path}: is a folder; name one of the weights files in it, such as {inside[0]}."


def newest_weights(log_dir: Path, otherwise: str = "name a file with --weights") -> Path:
    """Returns the last epoch's weights of the last run that has some.

    Args:
        log_dir: folder of the runs.
        otherwise: what else to do when there are none, for the sentence.

    Raises:
        InputError: when there are none.
    """
    for run in runs(log_dir):
        if found := checkpoints(run):
            return found[0]
    raise InputError(
        f"{log_dir}: there are no trained weights; run train_test.py first, or {otherwise}."
    )


def finished_weights(log_dir: Path) -> Path | None:
    """Returns the newest weights of a training that ended, if there are any. A damaged file is
    passed over."""
    for run in runs(log_dir):
        for path in checkpoints(run):
            if is_finished(path):
                return path
    return None


def is_finished(path: Path) -> bool | None:
    """Says whether weights are the last of their training: these have a score threshold. None for
    a damaged file (a loss of power on a disk that did not keep its word)."""
    from mrcnn.weights import WeightsError, read_metadata

    try:
        return read_metadata(path)["score_threshold"] is not None
    except WeightsError as error:
        print(f"  {error} It is passed over.")
        return None


def made_by_us(path: Path) -> dict | None:
    """What a weights file of train_test's says of itself; None for one of another origin.

    Raises:
        InputError: when the file is broken.
    """
    from mrcnn.weights import WeightsError, read_metadata

    try:
        metadata = read_metadata(path)
    except WeightsError as error:
        raise InputError(str(error)) from error
    return metadata if metadata["class_names"] and metadata["scale"] else None


def last_finished(log_dir: Path) -> Path:
    """The last weights; where they belong to a retraining that was cut off, what it began with.

    Raises:
        InputError: when there are none.
    """
    path = newest_weights(log_dir)
    if (made_by_us(path) or {"score_threshold": None})["score_threshold"] is None:
        settings = read_settings(path.parent / "settings.json") or {}
        begun = Path(str(settings.get("starts_from")))
        if begun.suffix == ".h5" and begun.is_file():
            return begun
    return path


def find_interrupted(log_dir: Path, record: dict, name: str) -> Path | None:
    """Returns the last whole weights of the newest run, when that run was asked for the same and
    not finished.

    Args:
        log_dir: folder of the runs.
        record: what is asked for now, as in a run's settings.json.
        name: NAME of the config, with which run folders begin.
    """
    own = [run for run in runs(log_dir)
           if run.name.startswith(name.lower()) and (run / "settings.json").exists()]  # fmt: skip
    if not own:
        return None
    found = checkpoints(own[0])
    stored, wanted = read_settings(own[0] / "settings.json"), plain(record)
    if not found or stored != wanted:
        if found and stored and stored | {"data": None} == wanted | {"data": None}:
            print(f"  {own[0]}: began with other images, outlines or labels; a new run begins.")
        return None
    for path in found:
        if (finished := is_finished(path)) is not None:
            return None if finished else path
    return None


def best_epoch(run: Path) -> int | None:
    """Returns the epoch with the lowest loss on validation images, or, without any, on the training
    images; None without a table of losses."""
    try:
        with (run / "losses.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        losses = {int(row["epoch"]): float(row.get("val_loss") or row["loss"]) for row in rows}
    except (OSError, ValueError, KeyError):
        return None
    return min(losses, key=losses.get) if losses else None


def superseded(run: Path, finished: bool) -> list[Path]:
    """Returns the files of a run that nothing needs: weights that are neither the last epoch's nor
    the best one's, exported networks that belong to none of the others, and the optimiser's state
    of a training that has ended.

    A training that goes on keeps the last two epochs: should a loss of power damage one, the other
    is taken.
    """
    found, best = checkpoints(run), best_epoch(run)
    kept = found[: 1 if finished else 2]
    kept += [path for path in found if int(path.stem.rsplit("_", 1)[1]) == best]
    states = list(run.glob(f"mask_rcnn_*{STATE_SUFFIX}")) if finished else []
    exported = [path for path in run.glob("mask_rcnn_*.openvino")
                if path.with_suffix(".h5") not in kept]  # fmt: skip
    return [path for path in found if path not in kept] + exported + states
