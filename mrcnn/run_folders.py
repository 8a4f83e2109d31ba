"""Run folders and the weights in them: logs/shapes20260131T0930/mask_rcnn_shapes_0002.h5."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

STATE_SUFFIX = ".state.npz"  # of the file beside an epoch's weights, see training_state
_STAMP = re.compile(r"(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})")
_CHECKPOINT = re.compile(
    rf".*[/\\][^/\\]*?{_STAMP.pattern}[/\\]mask_rcnn_[^/\\]*?_(\d{{4}})\.h5", re.DOTALL
)


def run_of(path: str | Path) -> tuple[datetime.datetime, int] | None:
    """The minute in which the run of a weights file began, and the file's epoch; None for a file
    that does not lie in a run folder under its first name."""
    found = _CHECKPOINT.fullmatch(str(path))
    if not found:
        return None
    return datetime.datetime(*(int(found.group(k)) for k in range(1, 6))), int(found.group(6))


def checkpoints(run: str | Path, name: str | None = None) -> list[Path]:
    """The weights files of a run folder, the last epoch first; of a config of that name, or any."""
    files = re.compile(rf"mask_rcnn_{'.+' if name is None else re.escape(name)}_(\d{{4,}})\.h5")
    epochs = {p: int(m[1]) for p in Path(run).glob("*.h5") if (m := files.fullmatch(p.name))}
    return sorted(epochs, key=lambda path: epochs[path], reverse=True)


def last_weights(model_dir: str | Path, name: str) -> Path:
    """The last weights file of the newest run of a config's name.

    A run folder is one whose name begins with `name` and that holds `mask_rcnn_<name>_0001.h5` or
    the like; it may have been renamed (`shapes20260131T0930_good`, `shapes_best`). Its age is that
    in its name, or, without one there, that of its last weights file.

    Raises:
        FileNotFoundError: when there is none.
    """
    runs = []
    for folder in Path(model_dir).glob(f"{name}*"):
        if files := checkpoints(folder, name):
            runs.append((_began(folder, name, files[0]), files[0]))
    if not runs:
        raise FileNotFoundError(f"{model_dir}: no trained weights of {name!r} here; train first.")
    return max(runs)[1]


def _began(folder: Path, name: str, last: Path) -> datetime.datetime:
    stamp = _STAMP.match(folder.name, len(name))
    if stamp:
        return datetime.datetime(*(int(part) for part in stamp.groups()))
    return datetime.datetime.fromtimestamp(last.stat().st_mtime)
