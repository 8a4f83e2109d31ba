"""Where a figure goes: into pyplot's state, as matterport's functions leave it, or into a file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(figsize: tuple[float, float], save_path: str | Path | None = None) -> Figure:
    """Make the figure to draw into.

    Without `save_path` it is pyplot's current figure from now on, so that `pyplot.savefig`, `gca`
    and a notebook find it; nothing closes it. With one it is a figure that pyplot knows nothing of.

    Args:
        figsize: (width, height) in inches.
        save_path: as for `finish`.
    """
    if save_path is None:
        from matplotlib import pyplot

        return pyplot.figure(figsize=figsize)
    from matplotlib.figure import Figure

    return Figure(figsize=figsize)


def finish(figure: Figure, save_path: str | Path | None = None, show: bool = False) -> Path | None:
    """Write a figure into a file if a path is given, else show it if asked to.

    Args:
        figure: the figure.
        save_path: file to write, or None.
        show: whether to call `pyplot.show`, which opens a window, prints the figure in a notebook,
            and does nothing where there is no display.

    Returns:
        Path of the file that was written, or None.
    """
    if save_path is not None:
        path = Path(save_path)
        figure.savefig(path, bbox_inches="tight")
        return path
    if show:
        from matplotlib import pyplot

        with warnings.catch_warnings():
            # What a backend without a display says; the figure stays open to be saved.
            warnings.filterwarnings("ignore", ".*non-interactive, and thus cannot be shown")
            pyplot.show()
    return None
