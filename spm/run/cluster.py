"""Jobs on the workers of a dask cluster (https://distributed.dask.org), an optional requirement.

The cluster is the user's: a scheduler and any number of workers, started in the project's folder
on a disk that all machines see under the same path. There every worker reads and writes the same
files as a run on one machine does; what comes back is small. A worker that dies costs the time of
its job, which goes to another one.

dask's own client is used, not joblib's backend for it: that waits forever for a job whose worker
cannot import this code, or that killed its worker several times (joblib 1.6).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spm.errors import InputError

CONNECT_SECONDS = 10
# Where `run_jobs` sends its jobs; None is this machine.
_client = None


@contextmanager
def on_cluster(scheduler: str | None) -> Iterator[None]:
    """Send the jobs of every `run_jobs` in the block to a cluster.

    Args:
        scheduler: address such as `tcp://10.0.0.1:8786`; None leaves them on this machine.

    Raises:
        InputError: when dask is not installed or there is no scheduler.
    """
    global _client
    if scheduler is None:
        yield
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError(
            f"--scheduler {scheduler}: dask is not installed; run "
            "pip install -r requirements-cluster.txt."
        ) from error
    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"--scheduler {scheduler}: no dask scheduler answers there; start one in the "
            "program's folder (python -m dask scheduler) and take the address that it prints."
        ) from error
    before, _client = _client, client
    try:
        with client:
            yield
    finally:
        _client = before


def in_use() -> bool:
    """Return whether jobs go to a cluster."""
    return _client is not None


def results(
    function: Callable[[Any], Any], jobs: Sequence[Any]
) -> Iterator[tuple[int, Any, Exception | None]]:
    """Yield (job number, result, exception) of each job as they are ready.

    Raises:
        InputError: when the workers cannot do such jobs at all.
    """
    from distributed import KilledWorker, as_completed

    if not _client.scheduler_info(n_workers=-1)["workers"]:
        print("Waiting for workers (python -m dask worker ADDRESS) ...", flush=True)
    numbers = {}
    for number, job in enumerate(jobs):
        future = _client.submit(_work, str(Path.cwd()), function, job, pure=False)
        numbers[future] = number
    try:
        for future in as_completed(list(numbers), loop=_client.loop):
            error = future.exception()
            if isinstance(error, KilledWorker):
                raise InputError(
                    f"job {numbers[future] + 1} ended its worker several times, most likely for "
                    "lack of memory; start workers with more memory."
                ) from error
            if isinstance(error, ImportError) or "deserialization" in str(error):
                raise InputError(
                    "the scheduler or a worker cannot import this program; start both in the "
                    "program's folder: python -m dask scheduler, python -m dask worker ADDRESS."
                ) from error
            yield numbers[future], None if error else future.result(), error
            future.release()
    finally:
        _client.cancel(list(numbers), force=True)


def _work(folder: str, function: Callable[[Any], Any], job: Any) -> Any:
    """Do a job in the folder that the program was started in, so that its paths hold."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise InputError(
            f"{folder}: the worker on {socket.gethostname()} does not see this folder; put the "
            "program and its data on a disk that all machines have under the same path."
        ) from error
    return function(job)
