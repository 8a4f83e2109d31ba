"""What a reader says of a file reaches the user as one line that names the file."""

from __future__ import annotations

import contextlib
import logging
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

# Loggers of the packages that read files here.
_LOGGERS = ("igor2", "tifffile", "h5py")


def tell(path: Path, text: str) -> None:
    """Print one line about a file to stderr."""
    words = " ".join(str(text).split())
    words = words if len(words) <= 240 else f"{words[:240]}..."
    print(f"{path.name}: {words}", file=sys.stderr)


class _Collect(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@contextlib.contextmanager
def one_line_notices(path: Path) -> Iterator[None]:
    """Collect warnings and log messages of the readers and tell each kind once.

    Nothing is told when reading fails: the error says more.
    """
    handler = _Collect()
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(logger.propagate, logger.level) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warnings.simplefilter("ignore", ResourceWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        for logger, (propagate, level) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.propagate, logger.level = propagate, level
    texts = [str(warning.message) for warning in caught] + handler.texts
    for text in dict.fromkeys(" ".join(t.replace(str(path), path.name).split()) for t in texts):
        tell(path, f"the reader warns: {text}")
