"""Processes that make batches, for a device that is faster than the threads of one process.

Python runs one thread at a time; a graphics card asks for more batches than that gives. Nothing
here needs keras: a worker is ready in a second or two and takes some 100 MB.

Each worker has a pipe of its own. In the one pipe of a ProcessPoolExecutor a worker that the system
ends while it hands over a batch leaves half a message, and the reader waits for the rest for ever
(CPython 3.11: the parent holds the pipe's other end open); a pipe of one's own says that it ended.
"""

import ast
import multiprocessing
import os
import queue
import signal
import sys
import threading
import tokenize
from multiprocessing.reduction import ForkingPickler

_GOODBYE_SECONDS = 10  # for a worker that was told to end; then it is ended


class WorkerEnded(RuntimeError):
    """A worker ended before its time, most often by the system for lack of memory."""


class BatchWorkers:
    """Processes that know a `BatchMaker`; as many threads may ask for batches at once.

    Args:
        maker: `BatchMaker`.
        count: number of processes.

    Raises:
        TypeError, AttributeError, pickle.PicklingError: the dataset or its augmentation cannot be
            sent to another process.
    """

    def __init__(self, maker, count):
        ForkingPickler.dumps(maker)  # said here, where it is not a matter of a started process
        self.processes = []
        self._idle = queue.SimpleQueue()  # the pipes of workers that wait for a number
        context = multiprocessing.get_context("spawn")  # a fork of a process with a card can hang
        for _ in range(count):
            pipe, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(maker, theirs), daemon=True)
            process.start()
            theirs.close()  # held open here, it would hide the worker's end
            self.processes.append(process)
            self._idle.put(pipe)

    def make(self, number):
        """Batch `number`, and the images that its worker had to leave out so far: dict of image id
        -> a line about it. Waits for a worker that has nothing to do.

        Raises:
            WorkerEnded: the worker is not there any more.
            Exception: whatever making the batch raised in the worker.
        """
        pipe = self._idle.get()
        try:
            pipe.send(number)
            batch, unreadable, error = pipe.recv()
        except (EOFError, OSError) as gone:
            raise WorkerEnded("A process that makes batches ended.") from gone
        finally:
            self._idle.put(pipe)
        if error is not None:
            raise error
        return batch, unreadable

    def close(self):
        """End the workers, each after the batch that it is making."""
        for _ in self.processes:
            self._idle.get().close()
        for process in self.processes:
            process.join(_GOODBYE_SECONDS)
            process.kill()
            process.join()


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


def _serve(maker, pipe):
    """What a worker does: a batch for each number that comes, until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    _take_one_core()
    with pipe:
        while (number := _received(pipe)) is not None:
            try:
                answer = maker.batch(number), dict(maker.unreadable), None
            except Exception as error:
                answer = None, dict(maker.unreadable), _sendable(error)
            pipe.send(answer)


def _received(pipe):
    try:
        return pipe.recv()
    except (EOFError, OSError):  # the parent has closed it, or is gone
        return None


def _sendable(error):
    """The error, or one that tells the same where the error itself cannot be sent."""
    try:
        ForkingPickler.dumps(error)
        type(error)(*error.args)  # as it is made again at the other end
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _leave_with_parent():
    """End this process when its parent was killed, which tells nobody."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _take_one_core():
    import cv2
    from threadpoolctl import threadpool_limits

    cv2.setNumThreads(1)
    threadpool_limits(1)
