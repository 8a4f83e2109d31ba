"""What a step has finished: so that a second run skips it and a killed run goes on.

A manifest is a file `.manifest_STEP.jsonl` in the step's output folder. A line is added when an
item's files are written: the item's name, a digest of everything it was made from, and each file's
size and time. A kill can at worst lose the last line; then that item is made again. An item counts
as done only while its files are there as they were left.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path, PureWindowsPath
from typing import Any

from spm.run.files import write_text


def digest(*parts: Any) -> str:
    """Return a short hash of bytes and of anything that JSON can hold."""
    total = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else json.dumps(part, sort_keys=True).encode()
        total.update(f"{len(data)}:".encode())
        total.update(data)
    return total.hexdigest()[:24]


def digest_of_file(path: str | os.PathLike) -> str | None:
    """Return a short hash of a file's bytes, None when it cannot be read."""
    try:
        return digest(Path(path).read_bytes())
    except OSError:
        return None


def stamp(path: str | os.PathLike) -> list[int] | None:
    """Return [size, time in ns] of a file, None when it is not there."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _inside(file: str) -> bool:
    """Return whether a file's name cannot lead out of the folder that it is relative to."""
    try:
        if b"\0" in os.fsencode(file):
            return False
    except UnicodeEncodeError:  # half a surrogate pair: no file can have such a name
        return False
    parts = file.replace("\\", "/").split("/")
    return not PureWindowsPath(file).drive and not {"", ".", ".."} & set(parts)


class Manifest:
    """The finished items of one step in one folder.

    Args:
        folder: the output folder; file names in the manifest are relative to it.
        step: a short name, part of the file's name.
    """

    def __init__(self, folder: str | os.PathLike, step: str):
        self.folder = Path(folder)
        self.path = self.folder / f".manifest_{step}.jsonl"
        self.planned: set[str] = set()
        self.items: dict[str, dict[str, Any]] = {}
        with contextlib.suppress(OSError):  # of a version that called it a ledger
            if not self.path.exists():
                self.path.with_name(f".ledger_{step}.jsonl").rename(self.path)
        self._read()

    def _read(self) -> None:
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return  # no manifest, or not ours: everything is made again
        for line in lines:
            try:
                record = json.loads(line)
                named = record.get("planned") or [record["name"], *record["files"]]
                if not all(_inside(file) for file in named):
                    continue  # a manifest from elsewhere may not have our files deleted
                if "planned" in record:
                    self.planned |= set(record["planned"])
                else:
                    self.items[str(record["name"])] = {
                        "digest": str(record["digest"]),
                        "files": dict(record["files"]),
                        "note": record.get("note"),
                    }
            except (ValueError, KeyError, TypeError, AttributeError):
                continue  # a line that a kill cut off

    def done(self, name: str, item_digest: str) -> bool:
        """Return whether the item was made from the same inputs and its files are untouched."""
        item = self.items.get(name)
        return item is not None and item["digest"] == item_digest and self.untouched(name)

    def untouched(self, name: str) -> bool:
        """Return whether all files of a finished item are there just as they were written."""
        files = self.items.get(name, {}).get("files", {})
        return bool(files) and all(stamp(self.folder / f) == s for f, s in files.items())

    def owned_files(self) -> set[str]:
        """Return the names of files that this step wrote or was about to write."""
        written = {file for item in self.items.values() for file in item["files"]}
        return written | self.planned

    def plan(self, files: Iterable[str]) -> None:
        """Note the files that are about to be written: a killed run's leftovers are known by it."""
        self.planned |= set(files)
        self._append({"planned": sorted(self.planned)})

    def add(
        self, name: str, item_digest: str, files: Iterable[str | os.PathLike], note: Any = None
    ) -> None:
        """Note that an item is finished.

        Args:
            files: what was written, relative to the folder.
            note: anything that JSON can hold and a later run wants to know about the item.
        """
        stamps = {Path(file).as_posix(): stamp(self.folder / file) for file in files}
        self.items[name] = {"digest": item_digest, "files": stamps, "note": note}
        self._append({"name": name, **self.items[name]})

    def forget(self, name: str) -> None:
        """Delete an item's files and drop the item."""
        for file in self.items.pop(name, {"files": {}})["files"]:
            (self.folder / file).unlink(missing_ok=True)

    def compact(self) -> None:
        """Write the manifest anew with one line for each item, at the end of a whole run."""
        self.planned = set()
        lines = [json.dumps({"name": name, **item}) for name, item in sorted(self.items.items())]
        write_text(self.path, "".join(f"{line}\n" for line in lines))

    def _append(self, record: dict[str, Any]) -> None:
        try:
            with self.path.open("a", encoding="utf-8") as file:
                # A line of its own, even when a kill left half a line before it. In ASCII: names
                # that are not UTF-8 cannot be written otherwise.
                file.write(f"\n{json.dumps(record)}\n")
        except OSError as error:
            error.filename = str(self.path)  # a full disk's error names no file
            raise
