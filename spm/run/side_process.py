"""A second process for some of the work, such as drawing: Python runs one thread at a time.

It is started afresh, not forked, imports no script (whose main part need not be guarded), and ends
when this process does, however that ends: it then reads the end of its input.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from spm.run.garbage import leave_alone_what_lives
from spm.run.quiet_libraries import are_quiet, keep_libraries_quiet

ROOT = Path(__file__).resolve().parent.parent.parent
LOUD = "--loud"  # warnings of libraries are shown
PATIENCE = 10.0  # seconds that the process has to end by itself


class SideProcess:
    """Runs one function at a time in a process of its own, which starts at once.

    Use as a context, at whose end the process ends. Where it cannot be started, or dies (of lack of
    memory, say), functions run in this process instead, when their answer is asked for. For one
    thread at a time.

    Args:
        modules: imported there at the start, while nothing else is to be done.
        environment: variables that it gets where this process has none of the name.
    """

    def __init__(self, *modules: str, environment: Mapping[str, str] | None = None):
        # As this process sees them: the project may be on the path of this one alone.
        paths = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
        loud = [] if are_quiet() else [LOUD]
        command = [sys.executable, "-m", "spm.run.side_process", *loud, *modules]
        self._process: subprocess.Popen | None = None
        self._at_work = False
        with contextlib.suppress(OSError):
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                env={**(environment or {}), **os.environ, "PYTHONPATH": paths},
            )  # fmt: skip

    def __enter__(self) -> SideProcess:
        return self

    def __exit__(self, *_) -> None:
        self._end()

    def start(self, function: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
        """Start a function there.

        Args:
            function: of a module, not of a script; it and its arguments are pickled.

        Returns:
            What waits for the function's answer and returns it, or raises its exception.
        """
        if self._at_work:  # nobody asked for the last answer: it would be taken for this one's
            self._received()
        if self._process is not None:
            try:
                _send(self._process.stdin, (function, arguments))
                self._at_work = True
            except OSError:
                self._end()
        return functools.partial(self._answer, function, *arguments)

    def _answer(self, function: Callable[..., Any], *arguments: Any) -> Any:
        received = self._received() if self._at_work else None
        if received is None:
            return function(*arguments)
        succeeded, answer = received
        if not succeeded:
            raise answer
        return answer

    def _received(self) -> tuple[bool, Any] | None:
        """Wait for the answer; None when the process died, or what it sent cannot be read."""
        process = self._process
        try:
            received = pickle.load(process.stdout)  # of our own process
        except Exception:  # whatever an exception's own way of being read raises
            self._end()
            return None
        self._at_work = False
        return received

    def _end(self) -> None:
        process, self._process = self._process, None
        self._at_work = False
        if process is None:
            return
        # It ends by itself, with what it writes whole: there is nothing more to be read. An answer
        # that nobody waits for would keep it.
        with contextlib.suppress(OSError):
            process.stdin.close()
        drain = threading.Thread(target=_read_all, args=(process.stdout,), daemon=True)
        drain.start()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        drain.join()
        process.stdout.close()


def _read_all(stream) -> None:
    with contextlib.suppress(OSError, ValueError):
        while stream.read(1 << 16):
            pass


def _send(stream, message: Any) -> None:
    pickle.dump(message, stream, protocol=pickle.HIGHEST_PROTOCOL)
    stream.flush()


def serve(modules: list[str]) -> None:
    """Answer the calls that come through the standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the other process
    calls, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed goes to the user, not between the answers
    for module in modules:
        importlib.import_module(module)
    leave_alone_what_lives()
    while True:
        try:
            function, arguments = pickle.load(calls)  # of the process that started this one
        except (EOFError, pickle.UnpicklingError):  # it has ended, maybe amid a call
            return
        try:
            answer = True, function(*arguments)
        except Exception as error:
            answer = False, error
        try:
            answers.write(_pickled(answer))
            answers.flush()
        except OSError:  # nobody waits any more
            return
        del function, arguments, answer
        gc.collect()  # figures, with their pixels: they hold one another


def _pickled(answer: tuple[bool, Any]) -> bytes:
    try:
        return pickle.dumps(answer, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        instead = RuntimeError(f"{answer[1]!r} cannot be sent to another process ({error})")
        return pickle.dumps((False, instead))


if __name__ == "__main__":
    asked = sys.argv[1:]
    if LOUD in asked:
        asked.remove(LOUD)
    else:
        keep_libraries_quiet()
    serve(asked)
    leave_alone_what_lives()
