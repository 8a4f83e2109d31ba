"""Figures of an image's statistics: sizes, orientations, neighbours, lattice."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from spm.io.class_colours import class_colours, figure_colour, line_style, marker
from spm.io.figure_sheet import drawn_panels, sheet_of
from spm.io.figure_style import INK, MUTED, save_pixels, short
from spm.measure.statistics import ANGLE_BINS, Pair, Statistics
from spm.run.language import phrase

DPI = 200
MOST_ABOVE = 4  # entries of a legend that stands above the bars
MOST_ROWS = 20  # words beside an axis
MOST_BESIDE = 17  # of one beside them: as many as are high
SIZE = (4.6, 3.2)  # inches of one figure
DOMAIN_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#5B3A29")


def figures(found: Statistics) -> dict[str, np.ndarray]:
    """Return one figure for each question that the image can answer, by caption: (H, W, 3) uint8
    RGB under its title, with `DPI` dots per inch."""
    return drawn_panels(_panels, found, SIZE, DPI)


def sheet(drawn: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return what `figures` drew on one sheet of two columns, (H, W, 3) uint8 RGB."""
    return sheet_of(drawn, SIZE, DPI)


def save_sheet(stem_path: Path, pixels: np.ndarray) -> None:
    """Write what `sheet` returned as NAME_statistics.png, `stem_path` being the folder and NAME."""
    stem_path = Path(stem_path)
    save_pixels(stem_path.with_name(f"{stem_path.name}_statistics.png"), pixels, DPI)


def _panels(found: Statistics) -> dict[str, Callable[[Axes, Statistics], None]]:
    panels: dict[str, Callable[[Axes, Statistics], None]] = {}
    if any(not m.edge for m in found.molecules):
        panels[phrase("Areas")] = _areas
    if found.heights_nm is not None and np.isfinite(found.heights_nm).any():
        panels[phrase("Heights")] = _heights
    if any(c["orientation"]["n"] for c in found.summary["classes"].values()):
        panels[phrase("Orientations")] = _orientations
    if any(len(pair.distances) for pair in found.pairs):
        panels[phrase("Distances to the nearest neighbour")] = _distances
        panels[phrase("Directions to the nearest neighbour")] = _directions
    if found.molecules:
        panels[phrase("Lattice and domains")] = _order
    return panels


def _arrow(pair: Pair) -> str:
    return f"{short(pair.first)} → {short(pair.second)}"


def _colours(found: Statistics) -> dict[str, tuple[float, float, float]]:
    colours = class_colours(len(found.class_names))
    return {n: figure_colour(c) for n, c in zip(found.class_names, colours, strict=True)}


def _styles(found: Statistics) -> dict[str, str | tuple]:
    """Return a line style for each class, so that none is known by its colour alone."""
    return {name: line_style(k) for k, name in enumerate(found.class_names)}


def _histograms(axes: Axes, found: Statistics, values: dict[str, np.ndarray], label: str) -> None:
    """Draw one histogram a class on common bins."""
    values = {name: v[np.isfinite(v)] for name, v in values.items()}
    values = {name: v for name, v in values.items() if len(v)}
    together = np.concatenate(list(values.values()))
    low, high = float(together.min()), float(together.max())
    if high - low < 1e-9 * max(1.0, abs(high)):
        low, high = low - 0.5, high + 0.5
    bins = np.linspace(low, high, int(np.clip(np.sqrt(len(together)) * 2, 8, 40)) + 1)
    colours, styles = _colours(found), _styles(found)
    for name, numbers in values.items():
        colour, line = colours[name], styles[name]
        text = phrase("{name} (n = {count})", name=short(name), count=len(numbers))
        counts, _ = np.histogram(numbers, bins)
        axes.stairs(counts, bins, fill=True, color=colour, alpha=0.25)
        axes.stairs(counts, bins, color=colour, ls=line, lw=1.3, label=text)
        axes.axvline(np.median(numbers), color=colour, lw=1.0, ls=line)
    axes.set_xlabel(label)
    _count_axis(axes)


def _count_axis(axes: Axes) -> None:
    """Label the axis of counts; put the legend into a strip above the tallest bar, or beside."""
    axes.set_ylabel(phrase("molecules"))
    handles, labels = axes.get_legend_handles_labels()
    if len(handles) > MOST_ABOVE:
        if len(handles) > MOST_BESIDE:
            handles, labels = handles[: MOST_BESIDE + 1], [*labels[:MOST_BESIDE], "…"]
        axes.legend(
            handles, labels, loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0, fontsize=7
        )
        return
    axes.set_ylim(0, axes.get_ylim()[1] * 1.25)
    # On white: lines over the whole height (medians) would run through its words.
    axes.legend(loc="upper center", ncols=2, frameon=True, framealpha=0.85, edgecolor="none")


def _areas(axes: Axes, found: Statistics) -> None:
    values = {
        name: np.array(
            [m.area for m in found.molecules if m.class_name == name and not m.edge], np.float64
        )
        * found.factor**2
        for name in found.class_names
    }
    _histograms(axes, found, values, phrase("area ({unit}²)", unit=found.unit))


def _heights(axes: Axes, found: Statistics) -> None:
    values = {
        name: np.array(
            [
                h
                for m, h in zip(found.molecules, found.heights_nm, strict=True)
                if m.class_name == name and not m.edge
            ],
            np.float64,
        )
        for name in found.class_names
    }
    _histograms(axes, found, values, phrase("height above the surface (nm)"))


def _orientations(axes: Axes, found: Statistics) -> None:
    colours, styles = _colours(found), _styles(found)
    for name, values in found.summary["classes"].items():
        entry = values["orientation"]
        if not entry["n"]:
            continue
        width = entry["period_deg"] / ANGLE_BINS
        edges = np.arange(ANGLE_BINS + 1) * width
        text = phrase("{name}, {order}-fold", name=short(name), order=entry["symmetry"])
        look = {"color": colours[name], "ls": styles[name], "lw": 1.6}
        axes.stairs(entry["histogram"], edges, label=text, **look)
    axes.set_xlabel(phrase("orientation modulo symmetry (degrees)"))
    _count_axis(axes)


def _distances(axes: Axes, found: Statistics) -> None:
    pairs = [pair for pair in found.pairs if len(pair.distances)]
    colours = _colours(found)
    for k, pair in enumerate(pairs):
        values = pair.distances * found.factor
        spread = (np.arange(len(values)) * 0.618 % 1 - 0.5) * 0.5  # even, without chance
        colour = colours[pair.second]
        axes.plot(values, k + spread, ".", ms=3, color=colour, alpha=0.5, mec="none")
        axes.plot(np.median(values), k, "|", ms=22, mew=1.8, color=INK)
    some = range(0, len(pairs), math.ceil(len(pairs) / MOST_ROWS))
    axes.set_yticks(some, [_arrow(pairs[k]) for k in some])
    axes.set_ylim(len(pairs) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.set_xlabel(phrase("distance ({unit}); bar: median", unit=found.unit))


def _directions(axes: Axes, found: Statistics) -> None:
    colours, styles = _colours(found), _styles(found)
    edges = np.linspace(0, 360, ANGLE_BINS + 1)
    for pair in found.pairs:
        if not len(pair.directions):
            continue
        counts, _ = np.histogram(pair.directions, edges)
        # The colour says which class is looked for, the line style which one looks.
        look = {"color": colours[pair.second], "ls": styles[pair.first], "lw": 1.4}
        axes.stairs(counts, edges, label=_arrow(pair), **look)
    axes.set_xticks(range(0, 361, 90))
    axes.set_xlabel(phrase("direction (degrees, anticlockwise from the right)"))
    _count_axis(axes)


def _order(axes: Axes, found: Statistics) -> None:
    """Draw a map of the centroids coloured by domain, the cells, and the vacancies."""
    order, factor = found.order, found.factor
    points = np.array([m.centroid for m in found.molecules]) * factor
    free = order.domain_of < 0
    axes.plot(*points[free].T, ".", ms=2.5, color=MUTED, mec="none", label=phrase("in no domain"))
    for number, domain in enumerate(order.domains):
        colour = DOMAIN_COLOURS[number % len(DOMAIN_COLOURS)]
        text = phrase("domain {number}", number=number + 1) if number < 5 else None
        mine = points[domain.members]
        axes.plot(*mine.T, marker(number), ms=2.8, color=colour, mec="none", label=text)
        start = mine[np.hypot(*(mine - mine.mean(axis=0)).T).argmin()]
        a, b = domain.lattice.vectors * factor
        corners = np.array([start, start + a, start + a + b, start + b, start])
        axes.plot(*corners.T, color=INK, lw=1.2)
    holes = np.array([(v.x, v.y) for v in order.vacancies]).reshape(-1, 2) * factor
    if len(holes):
        label = phrase("vacancy or stranger")
        axes.plot(*holes.T, "x", ms=5, color="#c02020", label=label)
    axes.set_xlim(0, found.width * factor)
    axes.set_ylim(found.height * factor, 0)
    axes.set_aspect("equal")
    axes.set_xlabel(f"x ({found.unit})")
    axes.set_ylabel(f"y ({found.unit})")
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0)
