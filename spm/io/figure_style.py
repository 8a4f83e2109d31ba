"""How figures of measurements look: type, lines, fonts with Chinese letters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from matplotlib import font_manager, rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

MUTED = "#b8bcc4"
INK = "#22262e"
# Fonts with Chinese letters on Windows, macOS and Linux, for class names and titles.
CJK_FONTS = (
    "Microsoft YaHei",
    "SimHei",
    "PingFang SC",
    "Hiragino Sans GB",
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
)


@contextmanager
def figure_style() -> Iterator[None]:
    """Set small type, open axes and muted lines; matplotlib's settings are as before afterwards."""
    installed = set(font_manager.get_font_names())
    settings = {
        "font.size": 9,
        "font.family": ["DejaVu Sans", *(name for name in CJK_FONTS if name in installed)],
        "text.parse_math": False,  # a `$` in a class name is a `$`
        "axes.titlesize": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": "#555b66",
        "axes.labelcolor": "#333842",
        "xtick.color": "#555b66",
        "ytick.color": "#555b66",
        "legend.frameon": False,
        "legend.fontsize": 8,
        "svg.hashsalt": "spm",
    }
    with rc_context(settings):
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of this size in inches, laid out by itself; draw in `figure_style`."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def short(name: str) -> str:
    """Return a class name that leaves room for the figure."""
    return name if len(name) <= 14 else f"{name[:13]}…"
