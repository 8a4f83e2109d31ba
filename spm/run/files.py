"""Writing files so that a reader never meets half of one, and locking a folder for one run."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spm.errors import InputError

LOCK_NAME = ".lock"
LOCK_SECONDS = 20.0  # that a writer waits for another one of the same file
# Temporary files start with a dot, so that no step takes a dead run's leftover for an image.
TEMPORARY = re.compile(r"^\.~[0-9a-f]{8}~")


def is_file(path: Path) -> bool:
    """Return whether a file is there; False for a name that the system cannot have."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, or with a null character
        return False


def missing_folder(folder: Path) -> InputError:
    """Return the error for a folder that is not there: one without a full path is looked for where
    the program was started."""
    if folder.is_absolute():
        return InputError(f"{folder}: there is no such folder; check the name.")
    return InputError(
        f"{folder}: there is no such folder in {Path.cwd()}; change into the folder that holds it, "
        "or make it and put your images there."
    )


@contextmanager
def atomic_path(path: str | os.PathLike, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path that becomes `path` when the block ends without an exception.

    The temporary file lies in the same folder (a rename across disks is not atomic) and has the
    same suffix (many writers choose the format by it). On any exception it is removed and `path`
    stays as it was.

    Args:
        path: the file to write.
        durable: wait until the disk has the content before the file gets its name, so that a loss
            of power leaves no empty file under it. Costs milliseconds; False is for copies by the
            thousand, which the next run makes anew.
    """
    path = Path(path)
    temporary = temporary_path(path)
    try:
        yield temporary
        if durable:
            _flush(temporary)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        # A full disk's error names no file, others name the temporary one: the user knows neither.
        if error.errno is not None and error.filename in (None, str(temporary)):
            error.filename, error.filename2 = str(path), None
        raise
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def temporary_path(path: Path) -> Path:
    """Return a name for a file that is being written, in the same folder and with the same suffix;
    `remove_leftovers` knows it again."""
    # A fixed-length prefix and no part of the name keeps long names within the system's limit.
    return path.with_name(f".~{secrets.token_hex(4)}~{path.suffix}")


def _flush(path: Path) -> None:
    """Wait until the disk has all of a file."""
    with path.open("r+b") as file:  # Windows flushes only what is open for writing
        os.fsync(file.fileno())


def write_bytes(path: str | os.PathLike, data: bytes, durable: bool = True) -> None:
    """Write `data` to `path` atomically; `durable` as in `atomic_path`."""
    with atomic_path(path, durable) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | os.PathLike, text: str, durable: bool = True) -> None:
    """Write `text` in UTF-8 with Unix line ends to `path` atomically."""
    # Lone surrogates (a file name that is not UTF-8) must not stop the run.
    write_bytes(path, text.encode("utf-8", errors="replace"), durable)


def write_json(
    path: str | os.PathLike, obj: Any, indent: int | None = 2, durable: bool = True
) -> None:
    """Write `obj` as JSON to `path` atomically. NaN and infinity are refused (ValueError)."""
    text = json.dumps(obj, indent=indent, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n", durable)


def without_nan(value: Any) -> Any:
    """Return a copy of nested dicts and lists with None in place of NaN, which JSON lacks."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def write_csv(path: str | os.PathLike, header: Sequence[str], rows: Iterable[Sequence]) -> None:
    """Write a table with one header line to `path` atomically (UTF-8, comma, Unix line ends)."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, buffer.getvalue())


def link_or_copy(source: str | os.PathLike, target: str | os.PathLike) -> None:
    """Make `target` the same file as `source` without new disk space, else a copy; atomically.

    Nobody writes into a finished file (all writers replace it), so that sharing is safe.
    """
    source, target = Path(source), Path(target)
    if target.exists() and source.exists() and target.samefile(source):
        return  # replacing a file by its own link leaves the temporary name behind
    with atomic_path(target, durable=False) as temporary:
        try:
            temporary.hardlink_to(source)
        except OSError:  # another disk, or a file system without links
            shutil.copyfile(source, temporary)


def natural_key(path: str | os.PathLike) -> list:
    """Return a sort key of a path by which `a2` comes before `a10`."""
    parts = re.split(r"(\d+)", Path(path).name.casefold())
    # The folder and the exact name settle ties, so that the order never depends on the listing.
    numbers = [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]
    return [numbers, str(path)]


def natural_sorted(paths: Iterable[str | os.PathLike]) -> list:
    """Return the paths sorted by name, numbers in names by value."""
    return sorted(paths, key=natural_key)


def visible_files(folder: str | os.PathLike) -> list[Path]:
    """Return the files in a folder that are not hidden, naturally sorted.

    Raises:
        InputError: when there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise missing_folder(folder)
    return natural_sorted(
        path for path in folder.iterdir() if not path.name.startswith(".") and path.is_file()
    )


def safe_name(text: str) -> str:
    """Return a text as part of a file name: no separators, no control or reserved characters."""
    return re.sub(r'[\x00-\x1f/\\:*?"<>|]', "_", text).strip(" .") or "_"


def make_folder(folder: str | os.PathLike) -> Path:
    """Create a folder with its parents if need be and return it.

    Raises:
        InputError: when a file is in the way or the folder cannot be made.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise InputError(
            f"{folder}: this is a file where a folder is needed; move it away."
        ) from None
    except OSError as error:
        raise InputError(
            f"{folder}: the folder cannot be made ({error.strerror}); choose another place."
        ) from error
    return folder


def remove_leftovers(folder: str | os.PathLike) -> int:
    """Delete the temporary files that killed runs left in `folder`; return how many."""
    count = 0
    for path in Path(folder).iterdir():
        if TEMPORARY.match(path.name):
            path.unlink(missing_ok=True)
            count += 1
    return count


@contextmanager
def folder_lock(folder: str | os.PathLike) -> Iterator[Path]:
    """Hold the folder for this process, so that two runs do not write over one another.

    The lock is a file `.lock` in the folder with the owner's process and machine. A lock whose
    owner is dead is taken over; one of another machine (a shared disk) cannot be checked and is
    respected. Temporary files in the folder are then those of killed runs, and are deleted.

    Raises:
        InputError: when another live process holds the folder, or it cannot be written to.
    """
    from filelock import SoftFileLock, Timeout

    folder = make_folder(folder)
    # A file that is there or not works on every disk; the system's own locks do not on some
    # network disks, and leave their file behind.
    lock = SoftFileLock(folder / LOCK_NAME, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(
            f"{folder}: another run is working in this folder; wait until it ends "
            f"(or delete {LOCK_NAME} there if no other run exists)."
        ) from None
    except OSError as error:
        raise InputError(
            f"{folder}: nothing can be written there ({error.strerror}); "
            "change the folder's permissions or choose another one."
        ) from error
    try:
        remove_leftovers(folder)
        yield folder
    finally:
        lock.release()


@contextmanager
def file_lock(path: str | os.PathLike, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold one file for this thread while it is read, changed and written again.

    The lock is a hidden file beside it, there for as long as it is held; that of a process that is
    dead is taken over.

    Args:
        path: the file; need not exist, and its folder is made.
        seconds: how long to wait for another writer.

    Raises:
        InputError: when another writer holds it for longer.
    """
    from filelock import SoftFileLock, Timeout

    path = Path(path)
    name = hashlib.sha256(path.name.casefold().encode("utf-8", "surrogatepass")).hexdigest()[:16]
    lock = SoftFileLock(make_folder(path.parent) / f".{name}.lock", timeout=seconds)
    try:
        lock.acquire(poll_interval=0.01)
    except Timeout:
        raise InputError(f"{path}: another program is writing it; try again later.") from None
    try:
        yield
    finally:
        lock.release()
