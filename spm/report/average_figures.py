"""The figure of the averages: mean unit cells and mean molecules with scale bars."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps, patheffects
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spm.io.figure_style import INK, OPEN_AXES, figure_style, new_figure, short
from spm.measure.averages import Mean, MeanCell, MeanMolecule
from spm.run.language import phrase, phrase_or_name

DPI = 200
# All in inches. The panels are laid out here: matplotlib's layout would take longer than drawing.
PANEL = (3.2, 3.1)  # with title and colour bar
IMAGE = (2.3, 2.6)  # room for an image
LEFT, BOTTOM = 0.1, 0.18  # of an image in its panel
CURVE = (0.62, 0.62, 2.3, 2.16)  # left, bottom, width and height of the noise curve
BAR = (0.08, 0.09, 0.8)  # gap, width, and height in those of the image
FINEST_STEP = 0.5  # side of a pixel of a cell's layer, image pixels
COLOUR_MAP = "afmhot"
REPEATS = 1.7  # height and width of a layer, in those of its cell

Corner = tuple[float, float]  # left and bottom of a panel, inches


def average_figure(
    cells: Sequence[MeanCell], molecules: Sequence[MeanMolecule], nm_per_pixel: float | None,
    value_unit: str,
) -> Figure:  # fmt: skip
    """Return a row of panels for each mean cell and each mean molecule.

    A cell's row: the layer that it makes, the standard deviation of the single cells, the error of
    the mean against the number of cells. A molecule's row: its mean, the mean over its symmetry's
    rotations, its standard deviation.

    Args:
        cells, molecules: at least one of them.
        nm_per_pixel: of the image; None leaves the bar in pixels.
        value_unit: of heights, "nm"; or of brightness.
    """
    rows = len(cells) + len(molecules)
    with figure_style(OPEN_AXES):
        figure = new_figure(3 * PANEL[0], rows * PANEL[1], dpi=DPI)
        figure.set_layout_engine("none")
        corners = [
            [(column * PANEL[0], (rows - row - 1) * PANEL[1]) for column in range(3)]
            for row in range(rows)
        ]
        for row, cell in zip(corners, cells, strict=False):
            _cell_row(figure, row, cell, nm_per_pixel, value_unit)
        for row, molecule in zip(corners[len(cells) :], molecules, strict=True):
            _molecule_row(figure, row, molecule, nm_per_pixel, value_unit)
    return figure


def _cell_row(
    figure: Figure, row: Sequence[Corner], cell: MeanCell, scale: float | None, unit: str
) -> None:
    # No finer than what is drawn.
    reach = np.abs(cell.places.vectors).sum(axis=0).max() * REPEATS
    step = max(FINEST_STEP, reach / (IMAGE[0] * DPI))
    values, corner = cell.tiled(step, REPEATS)
    deviation, _ = cell.spread().tiled(step, REPEATS)
    a, b = cell.places.vectors / step
    outline = np.array([corner, corner + a, corner + a + b, corner + b, corner])
    numbers = {"domain": cell.domain, "count": cell.average.count}
    if cell.places.followed:
        title = phrase("domain {domain}: mean of {count} cells, followed locally", **numbers)
    else:
        title = phrase("domain {domain}: mean of {count} cells", **numbers)
    titles = (title, phrase("sd of the cells"))
    for corner_of, image, title in zip(row[:2], (values, deviation), titles, strict=True):
        axes = _show(figure, corner_of, image, unit)
        axes.plot(*(outline - 0.5).T, color="white", lw=1.3, path_effects=_rim(2.6))
        _scale_bar(axes, image.shape, step, scale)
        _title(axes, title)
    left, bottom, *size = CURVE
    _noise_curve(_axes(figure, row[2][0] + left, row[2][1] + bottom, *size), cell.average, unit)


def _molecule_row(
    figure: Figure, row: Sequence[Corner], molecule: MeanMolecule, scale: float | None, unit: str
) -> None:
    average = molecule.average
    order = molecule.symmetry
    titles = (
        phrase(
            "{name}: mean of {count} molecules",
            name=short(molecule.class_name),
            count=average.count,
        ),
        _symmetry_words(order, molecule.likeness.get(str(order))),
        phrase("sd of the molecules"),
    )
    images = (average.mean, molecule.symmetrised, average.sd)
    for corner, image, title in zip(row, images, titles, strict=True):
        axes = _show(figure, corner, image, unit)
        _scale_bar(axes, image.shape, 1.0, scale)
        _title(axes, title)


def _symmetry_words(order: int, likeness: float | None) -> str:
    if order <= 1:
        return phrase("no rotational symmetry")
    if likeness is None:
        return phrase("over its symmetry ({order}-fold)", order=order)
    return phrase(
        "over its symmetry ({order}-fold, correlation {value})",
        order=order,
        value=f"{likeness:.3f}",
    )


def _show(figure: Figure, corner: Corner, image: np.ndarray, unit: str) -> Axes:
    """Draw an image with its colour bar into a panel, and return the axes of the image."""
    size = np.array(image.shape[::-1]) * min(np.array(IMAGE) / image.shape[::-1])
    left, bottom = corner[0] + LEFT, corner[1] + BOTTOM + IMAGE[1] - size[1]
    axes = _axes(figure, left, bottom, *size)
    axes.set_axis_off()
    axes.set_xlim(-0.5, image.shape[1] - 0.5)
    axes.set_ylim(image.shape[0] - 0.5, -0.5)
    low, high = np.percentile(image, [0.5, 99.5])
    columns, rows = np.maximum(np.round(size * DPI), 1).astype(int)
    fine = _spline(len(image), rows) @ image @ _spline(image.shape[1], columns).T
    _paste(figure, left, bottom, (fine - low) / max(high - low, 1e-12))
    gap, width, share = BAR
    height = share * size[1]
    place = left + size[0] + gap, bottom + (size[1] - height) / 2, width, height
    _colour_bar(figure, place, float(low), float(high), unit)
    return axes


def _colour_bar(
    figure: Figure, place: tuple[float, float, float, float], low: float, high: float, unit: str
) -> None:
    """Draw a bar (left, bottom, width, height in inches) with its ends and unit beside it;
    matplotlib's is an image's axes more, which take longer than the image."""
    left, bottom, width, height = place
    rows, columns = round(height * DPI), round(width * DPI)
    _paste(figure, left, bottom, np.repeat(np.linspace(1, 0, rows)[:, None], columns, axis=1))
    whole, beside = figure.get_size_inches(), left + width + 0.04
    look = {"fontsize": 7, "color": OPEN_AXES["xtick.color"]}
    for value, y, side in ((low, bottom, "bottom"), (high, bottom + height, "top")):
        figure.text(beside / whole[0], y / whole[1], f"{value:.3g}", va=side, **look)
    middle = (bottom + height / 2) / whole[1]
    figure.text(
        beside / whole[0], middle, phrase_or_name(unit), va="center", rotation="vertical", **look
    )


def _spline(length: int, count: int) -> np.ndarray:
    """Return the weights (count, length) of a row of pixels in one of another number, by cubic
    B-splines: smooth when there are more, and means over the pixels when there are fewer."""
    width = max(1.0, length / count)
    places = (np.arange(count) + 0.5) * length / count - 0.5
    apart = np.abs(places[:, None] - np.arange(length)) / width
    near = (4 - 6 * apart**2 + 3 * apart**3) / 6
    weights = np.where(apart < 1, near, np.clip(2 - apart, 0, None) ** 3 / 6)
    return weights / weights.sum(axis=1, keepdims=True)


class _Pixels(Artist):
    """Pixels (H, W, 4) uint8 as they are, from a place in pixels of the figure: matplotlib's own
    images are resampled for each drawing, even to their own size."""

    def __init__(self, pixels: np.ndarray, left: int, bottom: int):
        super().__init__()
        self.set_zorder(-1)
        self._pixels, self._left, self._bottom = pixels[::-1], left, bottom

    def draw(self, renderer) -> None:
        renderer.draw_image(renderer.new_gc(), self._left, self._bottom, self._pixels)


def _paste(figure: Figure, left: float, bottom: float, values: np.ndarray) -> None:
    """Draw values (H, W) of 0 to 1 in colours, a pixel each, left and bottom in inches; below all
    axes."""
    pixels = colormaps[COLOUR_MAP](np.clip(values, 0, 1), bytes=True)
    figure.add_artist(_Pixels(pixels, round(left * DPI), round(bottom * DPI)))


def _title(axes: Axes, words: str) -> None:
    # At a given height: else all words of the axes are measured to find one above them.
    axes.set_title(words, loc="left", fontsize=8, y=1.0)


def _axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Return new axes; all in inches from the figure's lower left corner."""
    whole = figure.get_size_inches()
    place = np.array([[left, bottom], [width, height]]) / whole
    return figure.add_axes((*place[0], *place[1]))


def _scale_bar(axes: Axes, shape: tuple[int, ...], step: float, scale: float | None) -> None:
    """Draw a bar of 1, 2 or 5 times a power of ten; `step` image pixels a pixel."""
    height, width = shape[:2]
    unit_length = step * (scale or 1.0)
    most = 0.4 * width * unit_length
    power = 10.0 ** math.floor(math.log10(most))
    length = max(k * power for k in (1, 2, 5) if k * power <= most)
    start, y = 0.05 * width, 0.93 * height
    end = start + length / unit_length
    axes.plot([start, end], [y, y], color="white", lw=3, solid_capstyle="butt",
              path_effects=_rim(4.6))  # fmt: skip
    axes.text((start + end) / 2, y - 0.03 * height, f"{length:g} {'nm' if scale else 'px'}",
              color="white", ha="center", va="bottom", fontsize=8,
              path_effects=_rim(2))  # fmt: skip


def _rim(width: float) -> list:
    return [patheffects.Stroke(linewidth=width, foreground="black"), patheffects.Normal()]


def _noise_curve(axes: Axes, average: Mean, unit: str) -> None:
    """Draw the error of a mean cell against the number of cells."""
    _title(axes, phrase("error of the mean"))
    axes.set_xlabel(phrase("cells in the mean"))
    axes.set_ylabel(phrase("root mean square ({unit})", unit=phrase_or_name(unit)))
    count, noise = average.noise.T
    if len(noise) < 2 or not (noise > 0).all():
        return
    level = np.exp(np.mean(np.log(noise * np.sqrt(count))))
    axes.loglog(count, level / np.sqrt(count), color="#8a93a3", lw=1, ls="--",
                label=phrase("1 / √cells"))  # fmt: skip
    axes.loglog(count, noise, "o-", color=INK, ms=4, lw=1.3, label=phrase("measured"))
    axes.set_xticks(count, [f"{c:g}" for c in count])
    axes.minorticks_off()
    places = _ticks(noise.min(), noise.max())
    axes.set_yticks(places, [f"{p:g}" for p in places])
    axes.legend(loc="lower left")


def _ticks(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    steps = [k * 10.0**p for p in powers for k in (1, 2, 5)]
    return [s for s in steps if 0.7 * low <= s <= 1.3 * high] or [low, high]
