"""Where a figure goes: onto the screen, or into a file where there is no screen."""

import os
import sys
from pathlib import Path

# Names of matplotlib backends that only write files.
_FILE_BACKENDS = {"agg", "cairo", "pdf", "pgf", "ps", "svg", "template"}


def has_display():
    """Tell whether a figure can be shown: in a window, or in a notebook."""
    import matplotlib

    backend = matplotlib.get_backend(auto_select=False)
    if backend:
        return backend.lower() not in _FILE_BACKENDS
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def new_figure(figsize, save_path=None):
    """Make a figure that `finish` can hand on; pyplot is touched only where it will be shown.

    Args:
        figsize: (width, height) in inches.
        save_path: as for `finish`.

    Returns:
        a matplotlib Figure.
    """
    if save_path is None and has_display():
        from matplotlib import pyplot

        return pyplot.figure(figsize=figsize)
    from matplotlib.figure import Figure

    return Figure(figsize=figsize)


def finish(figure, save_path=None):
    """Show a figure of `new_figure`, or write it into a file.

    Args:
        figure: the figure; None where the caller drew into somebody else's axes: nothing is done.
        save_path: file to write. Without one the figure is shown, and where there is no display
            it is written to the current folder as mrcnn_figure_001.png, _002, and so on.

    Returns:
        Path of the file that was written, or None.
    """
    if figure is None:
        return None
    if save_path is None and has_display():
        from matplotlib import pyplot

        pyplot.show()
        pyplot.close(figure)
        return None
    path = _free_path() if save_path is None else Path(save_path)
    figure.savefig(path, bbox_inches="tight")
    if save_path is None:
        print(f"Figure written to {path}")
    return path


def _free_path():
    """Reserve the next free name in the current folder."""
    number = 1
    while True:
        path = Path(f"mrcnn_figure_{number:03}.png")
        try:
            path.touch(exist_ok=False)  # in one step, so that two programs never share a name
            return path
        except FileExistsError:
            number += 1
