"""Many independent jobs on processes, threads or a cluster, with a progress bar and all errors."""

from __future__ import annotations

import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from spm.errors import InputError
from spm.run import cluster
from spm.run.progress import progress

# A worker process that dies takes the whole pool along: so often are the jobs left started again.
RESTARTS = 2


def worker_count(workers: int | None) -> int:
    """Return how many workers to use: the number asked for, or one per usable processor core.

    Raises:
        InputError: for a number below 0. 0 and None mean "choose".
    """
    if workers is not None and workers < 0:
        raise InputError(f"workers must be 0 (choose) or more. Received: {workers}.")
    if workers:
        return workers
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # Windows, macOS
        return os.cpu_count() or 1


def run_jobs(
    function: Callable[[Any], Any],
    jobs: Sequence[Any],
    workers: int | None,
    title: str,
    sizes: Sequence[int] | None = None,
    threads: bool = False,
) -> Iterator[tuple[int, Any]]:
    """Call `function` on each job and yield (job number, result) as they are ready, in any order.

    An InputError is a result like any other (the exception object), so that one bad file does not
    stop the rest; all other exceptions end the run. The jobs of a worker that dies are done again.
    Inside `spm.run.cluster.on_cluster` all of this happens on a cluster, whatever `workers` says.

    Args:
        function: a module-level function; it and its jobs are sent to other processes.
        workers: see `worker_count`. One worker means this process.
        title: shown before the progress bar.
        sizes: how many images each job is, for the bar.
        threads: use threads, for short work inside OpenCV and NumPy that frees the interpreter.
    """
    sizes = sizes or [1] * len(jobs)
    count = min(worker_count(workers), max(1, len(jobs)))
    with progress(sum(sizes), title, "image") as bar:
        for number, result in _results(function, jobs, count, threads):
            bar.update(sizes[number])
            yield number, result


def _results(
    function: Callable[[Any], Any], jobs: Sequence[Any], count: int, threads: bool
) -> Iterable[tuple[int, Any]]:
    if cluster.in_use():
        yield from _cluster_results(function, jobs)
        return
    if count == 1:
        yield from (_call(function, number, job) for number, job in enumerate(jobs))
        return
    from concurrent.futures.process import BrokenProcessPool

    left = dict(enumerate(jobs))
    for attempt in range(RESTARTS + 1):
        try:
            for number, result in _pool_results(function, left, count, threads):
                del left[number]
                yield number, result
            return
        except BrokenProcessPool as error:
            if attempt == RESTARTS:
                raise InputError(
                    "a worker process was ended by the system, most likely for lack of memory; "
                    "start again with fewer (--workers 1): what is done is not done again."
                ) from error
        count = max(2, count // 2)  # mostly it is memory that was short


def _pool_results(
    function: Callable[[Any], Any], jobs: dict[int, Any], count: int, threads: bool
) -> Iterable[tuple[int, Any]]:
    from joblib import Parallel, delayed

    # Processes are started afresh (loky), never forked: forked ones can hang with TensorFlow or
    # OpenCV loaded. They outlive the step, and the next one finds them warm.
    pool = Parallel(
        n_jobs=count,
        return_as="generator_unordered",
        batch_size=1,
        prefer="threads" if threads else "processes",
    )
    with _deaf_to_interrupts():  # the processes are started here
        results = pool(delayed(_call)(function, number, job) for number, job in list(jobs.items()))
    try:
        # `yield from` would close them before the filter below is set.
        for result in results:  # noqa: UP028
            yield result
    except BaseException:  # Ctrl-C and a reader that stops too
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # joblib counts what was left undone
            results.close()
        _wait_for_feeders()
        raise


def _wait_for_feeders() -> None:
    """Wait for the threads that fed processes which have ended.

    They are daemons: should Python end first, the lock of their queue is left over, and loky warns
    of it after this script's last word.
    """
    for thread in threading.enumerate():
        if thread.name == "QueueFeederThread":
            thread.join(timeout=5)


def _cluster_results(
    function: Callable[[Any], Any], jobs: Sequence[Any]
) -> Iterable[tuple[int, Any]]:
    for number, result, error in cluster.results(function, jobs):
        if error is not None and not isinstance(error, InputError):
            raise error
        yield number, result if error is None else error


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Start processes that do not hear Ctrl-C.

    A terminal sends it to all processes at once. The workers would each print a traceback; this
    process ends them anyway. The ignored signal is inherited (not on Windows).
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler or signal.SIG_DFL)


def _call(function: Callable[[Any], Any], number: int, job: Any) -> tuple[int, Any]:
    try:
        return number, function(job)
    except InputError as error:
        return number, error
