"""Processes that make batches, for a device that is faster than the threads of one process.

Python runs one thread at a time; a graphics card asks for more batches than that gives. Nothing
here needs keras: a worker is ready in a second or two and takes some 100 MB.
"""

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.reduction import ForkingPickler

_maker = None  # in a worker: what makes its batches


def start(maker, count):
    """Start `count` workers that know a `BatchMaker`; `make` is what to submit to them.

    Raises:
        TypeError, AttributeError, pickle.PicklingError: the dataset or its augmentation cannot be
            sent to another process.
    """
    ForkingPickler.dumps(maker)  # said here, where it is not a matter of a started process
    context = multiprocessing.get_context("spawn")  # a fork of a process with a card can hang
    return ProcessPoolExecutor(count, context, _prepare, (maker,))


def make(number):
    """Batch `number`, in a worker."""
    return _maker.batch(number)


def _prepare(maker):
    global _maker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    _maker = maker
    _take_one_core()


def _leave_with_parent():
    """End this process when its parent was killed, which tells nobody."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _take_one_core():
    import cv2
    from threadpoolctl import threadpool_limits

    cv2.setNumThreads(1)
    threadpool_limits(1)
