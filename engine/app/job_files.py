"""The files by which a job and any server know of one another, all in the folder of the runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

RECORD = "app_job.json"  # what was started, and when
LOG = "app_job.log"  # all that it has printed
STATUS = "app_job_status.json"  # how it ended
STOP = "app_job.stop"  # is made to stop it
LOCK = ".app_job.lock"  # held by the job for as long as it lives
STARTING = ".app_job_starting.lock"  # held while one is started
START_SECONDS = 15.0  # that a job may take until it holds its lock


class Busy(Exception):
    """Another job is running."""


@contextmanager
def locked(log_dir: Path) -> Iterator[None]:
    """Hold the job's lock: the system's own kind, which is let go when a process dies.

    Raises:
        Busy: when another job holds it.
    """
    lock = FileLock(log_dir / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise Busy from None
    try:
        yield
    finally:
        lock.release()


def is_running(log_dir: Path) -> bool:
    """Return whether a job lives."""
    if not (log_dir / LOCK).exists():
        return False
    try:
        with locked(log_dir):
            return False
    except Busy:
        return True
