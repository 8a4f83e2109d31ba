"""Say what may be deleted, and delete it when asked.

    python -m engine.clean                          look only
    python -m engine.clean --remove                 delete old weights and tiles
    python -m engine.clean --remove --what copies   delete what the data steps made

Only files that this project wrote and nobody changed since are named: your images, outlines,
results, the last and the best weights of each run, and weights that a training started from stay.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

if __name__ == "__main__" and not __package__:  # started by its file
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from engine.checkpoints import checkpoints, is_finished, runs, superseded
from spm.checks.time_memory_disk import size_text
from spm.run import command_line
from spm.run.files import folder_lock
from spm.run.manifest import Manifest, stamp
from spm.run.provenance import read_settings
from spm.run.settings import Settings, takes

TILE = re.compile(r"(.+)_r\d{2,}_c\d{2,}\.png")
MANIFEST = re.compile(r"\.(?:manifest|ledger)_(.+)\.jsonl")
WORDS = {
    "weights": "weights that are neither the last nor the best, and states of ended trainings",
    "tiles": "images of tiles (predict_big_pic.py writes them anew)",
    "copies": "copies, masks and dataset (workflow.py makes them anew; train_test.py needs them)",
}


class Cleaning(Settings):
    """What is looked at, and whether it is deleted."""

    what: list[Literal["weights", "tiles", "copies"]] = ["weights", "tiles"]
    """What goes: weights (neither the last nor the best of a run, and the optimiser's state of
    trainings that have ended), tiles (their images in pre_predict and post_predict), copies (L1
    and L2/L3 copies, masks and dataset)."""
    remove: bool = False
    """Delete; without this nothing is touched."""
    log_dir: Path = Path("logs")
    """Folder of the training runs."""
    out_dir: Path = Path("img_cache")
    """Folder of the results."""
    data_dirs: list[Path] = [
        Path("aug_test_in"), Path("before"), Path("re_mask_cache"), Path("train_dataset"),
    ]  # fmt: skip
    """Folders that the data steps write into."""


@dataclass
class Found:
    """Files of one folder that may go."""

    folder: Path
    files: list[Path]


@takes(Cleaning)
def main(settings: Cleaning) -> int:
    """List what may be deleted, and delete it with `remove`.

    Returns:
        0, or 1 when a file could not be deleted.

    Raises:
        InputError: when another run works in a folder.
    """
    left = 0
    for kind in ("weights", "tiles", "copies"):
        found = list(FINDERS[kind](settings))
        files = [path for one in found for path in one.files]
        print(f"{kind}: {len(files)} files, {_size(files)}: {WORDS[kind]}")
        for one in found:
            print(f"  {one.folder}: {len(one.files)} files, {_size(one.files)}")
        if settings.remove and kind in settings.what and files:
            left += sum(_delete(one) for one in found)
            print("  deleted")
    if not settings.remove:
        print("Nothing was deleted. --remove deletes it; --what weights tiles copies chooses.")
    if left:
        print(f"error: {left} files could not be deleted; close programs that use them.",
              file=sys.stderr)  # fmt: skip
    return 1 if left else 0


def old_weights(settings: Cleaning) -> Iterator[Found]:
    """Yield what each run does not need any more."""
    folders = runs(settings.log_dir) if settings.log_dir.is_dir() else []
    begun = {
        Path(str(start)).resolve()
        for run in folders
        if (start := (read_settings(run / "settings.json") or {}).get("starts_from"))
    }
    for number, run in enumerate(folders):
        newest = next(iter(checkpoints(run)), None)
        # Only the newest run is gone on with when it was cut off.
        ended = number > 0 or (newest is not None and bool(is_finished(newest)))
        files = [path for path in superseded(run, ended) if path.resolve() not in begun]
        if files:
            yield Found(run, files)


def old_tiles(settings: Cleaning) -> Iterator[Found]:
    """Yield the tile images of predictions that are there."""
    for folder in (settings.out_dir / "pre_predict", settings.out_dir / "post_predict"):
        if not folder.is_dir():
            continue
        files = [
            path
            for path in sorted(folder.iterdir())
            if (name := TILE.fullmatch(path.name))
            and (settings.out_dir / f"{name[1]}_predicted.json").is_file()
        ]
        if files:
            yield Found(folder, files)


def made_by_data_steps(settings: Cleaning) -> Iterator[Found]:
    """Yield the files in the steps' manifests that are as they were written."""
    for folder in settings.data_dirs:
        files = []
        for path in sorted(folder.glob(".*.jsonl")) if folder.is_dir() else []:
            if step := MANIFEST.fullmatch(path.name):
                items = Manifest(folder, step[1]).items.values()
                written = {name: made for item in items for name, made in item["files"].items()}
                files += [folder / n for n, made in written.items() if stamp(folder / n) == made]
        if files:
            yield Found(folder, sorted(set(files)))


FINDERS = {"weights": old_weights, "tiles": old_tiles, "copies": made_by_data_steps}


def _size(files: list[Path]) -> str:
    """Return what files take on the disk; one that has several names counts once."""
    stats = {(s.st_dev, s.st_ino): s.st_size for path in files for s in [path.stat()]}
    return size_text(sum(stats.values()) / 1e9)


def _delete(found: Found) -> int:
    """Delete the files of one folder while no other run works in it; return how many stayed."""
    with folder_lock(found.folder):
        for path in found.files:
            with suppress(OSError):
                path.unlink()
    return sum(path.exists() for path in found.files)


if __name__ == "__main__":
    command_line.run(main)
