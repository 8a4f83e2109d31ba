"""A run of the workflow that was cut off: the same command goes on where it was.

While the workflow runs, a hidden folder lies among the runs with what the same command needs again:
which runs there were before, so that a training that has ended since is not done a second time (or
on top of itself), and with `--add` which corrections were taken, from which weights, and what the
results said before they were replaced. The end of the workflow deletes it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.checkpoints import checkpoints, is_finished, runs
from spm.checks.corrections import Correction
from spm.checks.predictions import is_prediction_of
from spm.run.files import link_or_copy, make_folder, write_json
from spm.run.manifest import digest_of_file
from spm.run.provenance import plain, read_settings
from spm.structures.annotation import read_annotation

FOLDER, RECORD = ".unfinished", "run.json"
# Settings that change nothing of the result.
HOW = frozenset({"check", "force", "workers", "scheduler"})


class Unfinished:
    """The record of a run of the workflow.

    Args:
        folder: where it lies.
        record: its content: what was asked for, the runs of before, and what `--add` took.
    """

    def __init__(self, folder: Path, record: dict[str, Any]):
        self.folder, self._record = folder, record

    @property
    def weights(self) -> Path | None:
        """With `--add`: the weights whose prediction was corrected."""
        return Path(self._record["weights"]) if self._record["weights"] else None

    def added(self, source_dir: Path) -> list[Correction]:
        """Return the corrections that were taken, as they lie among the training images.

        Raises:
            InputError: when one does not lie there any more.
        """
        found = []
        for one in self._record["added"]:
            annotation = read_annotation(source_dir / f"{Path(one['file']).stem}.json")
            if annotation.image_bytes is None:
                data = annotation.image_path().read_bytes()
                annotation = replace(annotation, image_bytes=data)
            # Its results are known by the name of the user's file.
            annotation = replace(annotation, path=Path(one["path"]))
            in_place = Path(one["path"]).resolve().parent == source_dir.resolve()
            found.append(Correction(annotation, one["file"], one["image"], True, in_place))
        return found

    def untouched(self) -> bool:
        """Return whether the user's files are as they were, or replaced by a new prediction."""
        images = {one["image"] for one in self._record["added"]}
        return all(
            digest_of_file(Path(path)) == known or is_prediction_of(Path(path), images)
            for path, known in self._record["files"].items()
        )

    def end(self) -> None:
        """Delete the record, unless another run has written its own."""
        if _read(self.folder) == self._record:
            (self.folder / RECORD).unlink()  # first: a half is not taken for a whole
            shutil.rmtree(self.folder, ignore_errors=True)


def find(settings: Any) -> Unfinished | None:
    """Return the record of the same command when that was cut off.

    Args:
        settings: `workflow.Workflow`, as the user gave it; this module knows no script.
    """
    folder = settings.training.log_dir / FOLDER
    record = _read(folder)
    if record is None or record.get("asked") != _asked(settings):
        return None
    found = Unfinished(folder, record)
    return found if found.untouched() else None


def begin(
    settings: Any,
    weights: Path | None = None,
    added: Sequence[Correction] = (),
    results: Sequence[str] = (),
) -> Unfinished:
    """Write the record of a run before its work begins.

    Args:
        settings: `workflow.Workflow`, as the user gave it.
        weights: whose prediction was corrected, with `--add`.
        added: the corrections.
        results: names of results in `out_dir` that are compared with the next ones: they are kept.
    """
    log_dir = settings.training.log_dir
    folder = log_dir / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    make_folder(folder)
    for name in (f"{name}_predicted.json" for name in results):
        if (settings.out_dir / name).is_file():
            link_or_copy(settings.out_dir / name, folder / name)
    # What labelme saved beside the image may have been taken instead of the file that was named.
    files = {Path(path) for path in settings.add or ()} | {one.annotation.path for one in added}
    record = {
        "asked": _asked(settings),
        "runs": sorted(run.name for run in runs(log_dir)),
        "weights": str(weights) if weights else None,
        "added": [
            {"path": str(one.annotation.path), "file": one.file, "image": one.image}
            for one in added
        ],
        "files": {str(path): digest_of_file(path) for path in sorted(files)},
    }
    write_json(folder / RECORD, record)
    return Unfinished(folder, record)


def trained_before(log_dir: Path, asked: dict) -> Path | None:
    """Return the weights of a training that ended within a run that was cut off later.

    Args:
        log_dir: folder of the runs.
        asked: what is to be trained, as in a run's settings.json.
    """
    record = _read(log_dir / FOLDER)
    if record is None:
        return None
    for run in runs(log_dir):
        if run.name in record["runs"] or read_settings(run / "settings.json") != plain(asked):
            continue
        if (found := checkpoints(run)) and is_finished(found[0]):
            return found[0]
    return None


def _asked(settings: Any) -> dict:
    return {key: value for key, value in plain(settings.values()).items() if key not in HOW}


def _read(folder: Path) -> dict[str, Any] | None:
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = (
        isinstance(record, dict) and {"asked", "runs", "weights", "added", "files"} <= record.keys()
    )
    return record if whole else None
