"""Panels, each drawn once, and the sheet that they make together.

A report shows the panels one by one and the sheet shows them all: with matplotlib's own subfigures
each would be laid out and drawn for both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from spm.io.figure_style import MUTED, OPEN_AXES, figure_pixels, figure_style, new_figure
from spm.io.images import encode_png
from spm.run.language import phrase

PNG_LEVEL = 3  # of panels: at 1 they take 31 % more bytes
TITLE = 0.22  # inches above a panel
PAD = 0.06  # inches around axes with their words
MOST_WORDS = 0.8  # of the room, that words take; what is beyond is cut off
EXPECTED = (0.13, 0.14, 0.84, 0.74)  # of the figure, near to what they become: same ticks


def drawn_panels(
    panels: Callable[[Any], Mapping[str, Callable[[Axes, Any], None]]],
    about: Any,
    size: tuple[float, float],
    dpi: int,
) -> dict[str, np.ndarray]:
    """Return the panels about something, by caption.

    Args:
        panels: of what they are about: title -> draws it into the axes.
        about: what they are about.
        size, dpi: see `drawn_panel`.

    Returns:
        caption -> (H, W, 3) uint8 RGB, as of `drawn_panel`. In figures the words are English where
        no font has Chinese letters, in captions not.
    """
    captions = list(panels(about))
    with figure_style(OPEN_AXES):
        drawn = [
            drawn_panel(title, lambda axes, draw=draw: draw(axes, about), size, dpi)
            for title, draw in panels(about).items()
        ]
    return dict(zip(captions, drawn, strict=True))


def drawn_panel(
    title: str, draw: Callable[[Axes], None], size: tuple[float, float], dpi: int
) -> np.ndarray:
    """Return one panel under its title; call within `figure_style`.

    Args:
        title: stands in a strip of `TITLE` inches above.
        draw: draws into the axes.
        size: (width, height) in inches, without the title.
        dpi: dots per inch.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    width, height = size[0], size[1] + TITLE
    figure = new_figure(width, height, dpi)
    figure.set_layout_engine("none")
    axes = figure.add_axes(EXPECTED)
    draw(axes)
    _lay_out(axes, (width, size[1]))
    figure.text(PAD / width, 1 - 0.08 / height, title, fontweight="bold", va="top")
    return figure_pixels(figure)


def _lay_out(axes: Axes, room: tuple[float, float]) -> None:
    """Make axes with their words as large as the room (width, height), in inches from the figure's
    lower left corner.

    The words are measured once: matplotlib's "constrained" layout does it twice, and a legend
    beside a map that keeps its shape is cut off by it.
    """
    figure = axes.figure
    outer = axes.get_tightbbox(figure.canvas.get_renderer()).get_points() / figure.dpi
    inner = axes.bbox.get_points() / figure.dpi  # in its own shape since it was measured
    before, after = inner[0] - outer[0] + PAD, outer[1] - inner[1] + PAD
    less = np.minimum(1, MOST_WORDS * np.array(room) / (before + after))
    before, after = before * less, after * less
    free = room - before - after
    size = free
    if axes.get_aspect() != "auto":
        shape = inner[1] - inner[0]
        size = shape * (free / shape).min()
    corner = before + (free - size) / 2
    axes.set_position(np.concatenate([corner, size]) / np.tile(figure.get_size_inches(), 2))


def without_titles(panels: Mapping[str, np.ndarray], dpi: int) -> dict[str, np.ndarray]:
    """Return what is below the titles of panels, by the same captions."""
    return {caption: panel[round(TITLE * dpi) :] for caption, panel in panels.items()}


def png_panels(panels: Mapping[str, np.ndarray], dpi: int) -> dict[str, bytes]:
    """Return what is below the titles of panels as PNG files, by the same captions."""
    below = without_titles(panels, dpi)
    return {caption: encode_png(panel, PNG_LEVEL) for caption, panel in below.items()}


def sheet_of(drawn: Mapping[str, np.ndarray], size: tuple[float, float], dpi: int) -> np.ndarray:
    """Return panels on one sheet of two columns, (H, W, 3) uint8 RGB.

    Args:
        drawn: caption -> panel of `drawn_panel`; without any the sheet says "no molecules".
        size, dpi: as there.
    """
    panels = list(drawn.values())
    if not panels:
        with figure_style(OPEN_AXES):
            figure = new_figure(size[0], size[1] + TITLE, dpi)
            figure.text(0.5, 0.5, phrase("no molecules"), ha="center", color=MUTED)
            return figure_pixels(figure)
    empty = np.full_like(panels[0], 255)
    pairs = [[*panels[k : k + 2], empty][:2] for k in range(0, len(panels), 2)]
    return np.vstack([np.hstack(pair) for pair in pairs])
