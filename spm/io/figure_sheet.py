"""Figures that are drawn already, on one sheet."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from spm.io.figure_style import MUTED, OPEN_AXES, figure_style, new_figure
from spm.run.language import phrase

TITLE = 0.22  # inches above a figure


def sheet_of(drawn: Mapping[str, Figure], size: tuple[float, float], dpi: int) -> Figure:
    """Return figures on one sheet of two columns, each under its title; to be saved with `dpi`.

    Args:
        drawn: title -> figure, laid out already; without any the sheet says "no molecules".
        size: (width, height) of each in inches.
        dpi: dots per inch.
    """
    rows = max(1, (len(drawn) + 1) // 2)
    columns, row = 2 if drawn else 1, size[1] + TITLE
    with figure_style(OPEN_AXES):
        page = new_figure(columns * size[0], rows * row, dpi=dpi)
        page.set_layout_engine("none")
        for i, (title, figure) in enumerate(drawn.items()):
            left, top = i % 2 * size[0], (rows - i // 2) * row
            page.figimage(_pixels(figure, size, dpi), round(left * dpi), round((top - row) * dpi))
            place = (left + 0.08) / (2 * size[0]), (top - 0.08) / (rows * row)
            page.text(*place, title, fontweight="bold", va="top")
        if not drawn:
            page.text(0.5, 0.5, phrase("no molecules"), ha="center", color=MUTED)
    return page


def _pixels(figure: Figure, size: tuple[float, float], dpi: int) -> np.ndarray:
    """Return a figure as (H, W, 4) uint8."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="rgba", dpi=dpi)
    return np.frombuffer(buffer.getvalue(), np.uint8).reshape(round(size[1] * dpi), -1, 4)
