"""How figures look: small type, fonts for any class name, files that are the same each time."""

from __future__ import annotations

import contextlib
import functools
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import font_manager, rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from spm.run.files import atomic_path
from spm.run.language import current_language, written_in

# Those of Okabe and Ito (2008), which people with any colour vision tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
PNG_LEVEL = 1  # a third of the time of matplotlib's 6, files a quarter larger
MUTED = "#b8bcc4"
INK = "#22262e"
# For `figure_style`: open axes in muted lines, as measurements are drawn.
OPEN_AXES = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555b66",
    "axes.labelcolor": "#333842",
    "xtick.color": "#555b66",
    "ytick.color": "#555b66",
    "legend.fontsize": 8,
}
# Fonts with Chinese letters on Windows, macOS and Linux, for class names and titles.
_CJK_FONTS = (
    "Microsoft YaHei",
    "SimHei",
    "DengXian",
    "SimSun",
    "PingFang SC",
    "Hiragino Sans GB",
    "Heiti SC",
    "Arial Unicode MS",
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
)
NO_FONT = (
    "no font with Chinese letters was found; the words in figures are English. Install one, such "
    "as Noto Sans CJK SC (on Debian and Ubuntu: sudo apt install fonts-noto-cjk)."
)


@contextmanager
def figure_style(more: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Draw and save in small type; matplotlib's global settings are as before afterwards.

    Letters come from a font that has Chinese ones where such a font is installed; where none is,
    their boxes are drawn without a warning each, and the program's own words are English.

    Args:
        more: further settings of matplotlib's, rcParam -> value.
    """
    fonts = chinese_fonts()
    language = current_language()
    if language != "en" and not fonts:
        look_for_new_fonts()
        fonts = chinese_fonts()
        if not fonts:
            language = "en"
            tell_once(NO_FONT)
    look = {
        "font.family": ["DejaVu Sans", *fonts],
        "font.size": 8,
        "legend.fontsize": 7,
        "legend.frameon": False,
        # A `$` in a class name is a `$`, not the start of a formula.
        "text.parse_math": False,
        # The names inside an SVG are drawn by chance otherwise.
        "svg.hashsalt": "spm",
    }
    with (
        rc_context({**look, **(more or {})}),
        warnings.catch_warnings(),
        written_in(language),
    ):
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        yield


def chinese_fonts() -> list[str]:
    """Return the fonts with Chinese letters that matplotlib knows."""
    installed = set(font_manager.get_font_names())
    return [name for name in _CJK_FONTS if name in installed]


@functools.cache
def look_for_new_fonts() -> None:
    """Add the system's fonts that matplotlib does not know: it keeps the list that it once made."""
    known = {Path(font.fname) for font in font_manager.fontManager.ttflist}
    for path in font_manager.findSystemFonts():
        if Path(path) not in known:
            with contextlib.suppress(Exception):  # a damaged one costs no figure
                font_manager.fontManager.addfont(path)


@functools.cache
def tell_once(sentence: str) -> None:
    """Print a note, but not a second time."""
    print(f"note: {sentence}", file=sys.stderr, flush=True)


def new_figure(width: float, height: float, dpi: float | None = None) -> Figure:
    """Return an empty figure of this size in inches; draw within `figure_style`."""
    figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write a figure in the format of the path's suffix, at its own dots per inch, atomically."""
    path = Path(path)
    if path.suffix == ".png":
        with figure_style():
            pixels = figure_pixels(figure)
        return save_pixels(path, pixels, figure.get_dpi())
    with figure_style(), atomic_path(path) as temporary:
        # Without a date the same numbers give the same file.
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(temporary, dpi=figure.get_dpi(), metadata=metadata)
    return path


def figure_pixels(figure: Figure) -> np.ndarray:
    """Return a figure of `new_figure` as (H, W, 3) uint8 RGB. matplotlib's `savefig` draws every
    figure twice, the first time for its layout alone."""
    figure.canvas.draw()
    return np.ascontiguousarray(np.asarray(figure.canvas.buffer_rgba())[..., :3])


def save_pixels(path: str | Path, pixels: np.ndarray, dpi: float) -> Path:
    """Write a drawn figure (H, W, 3) uint8 RGB as PNG that says how large it is, atomically."""
    path = Path(path)
    with atomic_path(path) as temporary:
        image = Image.fromarray(pixels)
        image.save(temporary, format="PNG", dpi=(dpi, dpi), compress_level=PNG_LEVEL)
    return path


def short(name: str) -> str:
    """Return a class name that leaves room for the figure."""
    return name if len(name) <= 14 else f"{name[:13]}…"
