"""The files by which a job and any server know of one another, all in the folder of the runs."""

from __future__ import annotations

import threading
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
# Whoever looks whether a job lives holds the lock himself for a moment: nobody is taken for a job
# who lets it go as fast, and no job gives up for him.
LOOK_SECONDS, LOCK_SECONDS = 0.05, 5.0

_looking = threading.Lock()  # of this server one at a time


class Busy(Exception):
    """Another job is running."""


@contextmanager
def locked(log_dir: Path, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the job's lock: the system's own kind, which is let go when a process dies.

    Args:
        log_dir: folder of the runs.
        seconds: how long to wait for it.

    Raises:
        Busy: when another job holds it.
    """
    lock = FileLock(log_dir / LOCK, timeout=seconds)
    try:
        lock.acquire(poll_interval=0.01)
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
        with _looking, locked(log_dir, LOOK_SECONDS):
            return False
    except Busy:
        return True
