"""Processes that make batches, for a device that is faster than the threads of one process.

Python runs one thread at a time; a graphics card asks for more batches than that gives. Nothing
here needs keras: a worker is ready in a second or two and takes some 100 MB.
"""

import ast
import multiprocessing
import os
import signal
import sys
import threading
import tokenize
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
    """Batch `number`, in a worker, and the images that it had to leave out so far."""
    return _maker.batch(number), dict(_maker.unreadable)


def script_without_guard():
    """Whether a process that is started runs what the user's script does once more.

    A new process imports the script under the name `__mp_main__`, for the classes defined there;
    without a test of `__name__` it then trains like the first. Notebooks and consoles have no
    script.
    """
    main = sys.modules["__main__"]
    name = getattr(getattr(main, "__spec__", None), "name", None) or ""
    path = getattr(main, "__file__", None)
    if path is None or name.split(".")[-1] == "__main__":
        return False
    try:
        with tokenize.open(path) as file:
            statements = ast.parse(file.read()).body
    except (OSError, SyntaxError, UnicodeDecodeError):  # a program in one file, such as pytest.exe
        return False
    return not any(
        isinstance(node, ast.Name) and node.id == "__name__"
        for statement in statements
        if isinstance(statement, ast.If)
        for node in ast.walk(statement.test)
    )


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
