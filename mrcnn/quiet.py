"""Keeps TensorFlow's log lines from the user: a dozen about the processor and missing CUDA.

A user's own TF_CPP_MIN_LOG_LEVEL (0 shows everything) wins. Errors and warnings that are not known
to be harmless are shown (`log_filter.NOISE`).
"""

from __future__ import annotations

import importlib.abc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
QUIET = "3"  # what TensorFlow itself says while it runs: nothing that does not end it
FILTER = Path(__file__).with_name("log_filter.py")


def keep_quiet() -> None:
    """Set what TensorFlow reads of its environment, and filter what it says while it is imported,
    which no setting of it silences."""
    os.environ.setdefault(LEVEL, QUIET)
    loaded = "tensorflow" in sys.modules or any(isinstance(x, _Finder) for x in sys.meta_path)
    if os.environ[LEVEL] == QUIET and not loaded:
        sys.meta_path.insert(0, _Finder())


class _Finder(importlib.abc.MetaPathFinder):
    """Finds `tensorflow` as the others do, and filters standard error while it is loaded."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of `tensorflow`; None for all other modules."""
        if name != "tensorflow":
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        found = (finder.find_spec(name, path, target) for finder in others)
        spec = next((one for one in found if one is not None), None)
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def load_quietly(module: ModuleType) -> None:
            with filtered_stderr():
                load(module)

        spec.loader.exec_module = load_quietly  # of this one loader, made for this one spec
        return spec


@contextmanager
def filtered_stderr() -> Iterator[None]:
    """Send the process's standard error, that of C++ libraries too, through `log_filter`.

    Without a standard error, or where no process can be started, nothing is filtered.
    """
    import subprocess  # a --help and a data step do without

    try:
        sys.stderr.flush()
        real = os.dup(2)
    except (AttributeError, OSError, ValueError):  # pythonw has none
        yield
        return
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(FILTER)],
            stdin=subprocess.PIPE,
            stderr=real,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except (OSError, ValueError):
        os.close(real)
        yield
        return
    try:
        os.dup2(process.stdin.fileno(), 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(real, 2)
        os.close(real)
        process.stdin.close()
        process.wait()
