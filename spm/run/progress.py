"""Progress of long steps on any terminal: a bar where there is room, else a count; and lines where
there is no terminal."""

from __future__ import annotations

import os
import sys
import time
from typing import Any, TextIO

NARROW = 50  # columns below which a count is shown instead of a bar
SECONDS = 30  # between two lines where there is no terminal


def terminal_width(stream: TextIO | None) -> int | None:
    """Return the columns of a stream's terminal; None for a file or a pipe, and for a terminal that
    does not tell (0 columns: some consoles, serial lines, Emacs)."""
    try:
        if stream is None or not stream.isatty():
            return None
        columns = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError, AttributeError):
        columns = 0
    told = os.environ.get("COLUMNS", "")
    return columns or (int(told) if told.isdecimal() and int(told) > 0 else None)


def progress(total: int, title: str, unit: str, leave: bool = True) -> Any:
    """Return a bar with `update(n)` and `close()`, to be used in a `with` too.

    Args:
        total: how many there are.
        title: shown before it; cut where the terminal is narrow.
        unit: what is counted, in the singular.
        leave: whether it stays when it is done.
    """
    width = terminal_width(sys.stderr)
    if width is None:
        return Lines(total, title, unit)
    from tqdm import tqdm

    room = width - 1  # a line that fills the last column wraps on some terminals
    count = f" {total}/{total}"
    if width < NARROW:
        title, form = title[: max(room - len(count), 0)], "{desc}{n_fmt}/{total_fmt}"
    else:
        title, form = title[: room - 40], None
    return tqdm(
        total=total, desc=title, unit=unit, leave=leave, file=sys.stderr, ncols=room,
        bar_format=form,
    )  # fmt: skip


class Lines:
    """Tells the progress in lines, one in SECONDS at most; a short step says nothing."""

    def __init__(self, total: int, title: str, unit: str):
        self.total, self.title, self.unit, self.n = total, title, unit, 0
        self._said = time.monotonic()

    def update(self, count: int = 1) -> None:
        """Count some more."""
        self.n += count
        if time.monotonic() - self._said >= SECONDS and self.n < self.total:
            self._said = time.monotonic()
            print(f"{self.title}: {self.n} of {self.total} {self.unit}s", file=sys.stderr)

    def set_postfix_str(self, text: str, refresh: bool = True) -> None:
        """Take what a bar shows behind it; lines do without."""

    def close(self) -> None:
        """End."""

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
