"""Figures of all images together; a point is an image."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.axes import Axes

from spm.io.class_colours import class_colours, figure_colour, line_style, marker
from spm.io.figure_sheet import drawn_panels, sheet_of
from spm.io.figure_style import INK, short
from spm.measure.uncertainty import Interval, mean_interval
from spm.pooled.pool import Pool
from spm.run.language import phrase

DPI = 200
SIZE = (4.8, 3.4)  # inches of one figure
MOST_CATEGORIES = 12  # different texts of a user's column that are drawn
MOST_COLUMNS = 4  # user's columns that are drawn
BINS = 30
LEAST_SHOWN = 3  # images whose mean's interval is drawn; that of two spans the figure

Panel = Callable[[Axes, Pool], None]


def figures(pool: Pool) -> dict[str, np.ndarray]:
    """Return one figure for each question that the images can answer, by caption: (H, W, 3) uint8
    RGB under its title, with `DPI` dots per inch."""
    return drawn_panels(_panels, pool, SIZE, DPI)


def sheet(drawn: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return what `figures` drew on one sheet of two columns, (H, W, 3) uint8 RGB."""
    return sheet_of(drawn, SIZE, DPI)


def _panels(pool: Pool) -> dict[str, Panel]:
    panels: dict[str, Panel] = {}
    if not pool.comparable or not any(pool.counts(name) for name in pool.class_names):
        return panels
    panels[phrase("Density by class")] = _densities
    if len(pool.class_names) > 1:
        panels[phrase("Share by class")] = _shares
    panels[phrase("Areas over images")] = _areas
    if sum(bool(r.domains) for r in pool.comparable) > 1:
        panels[phrase("Lattice of the largest domain")] = _lattices
    if pool.mirror_classes:
        panels[phrase("Enantiomeric excess")] = _excess
    for column in pool.conditions.columns[:MOST_COLUMNS]:
        names = [r.name for r in pool.comparable]
        numbers = pool.conditions.numbers(column, names)
        if numbers is not None and np.isfinite(numbers).sum() > 1:
            title = phrase("Density against {column}", column=column)
            panels[title] = _against_number(column, np.array(numbers))
        elif numbers is None:
            index = pool.conditions.columns.index(column)
            texts = [pool.conditions.of(name)[index] for name in names]
            if 1 < len(set(texts) - {""}) <= MOST_CATEGORIES:
                title = phrase("Density by {column}", column=column)
                panels[title] = _against_text(column, texts)
    return panels


def _looks(pool: Pool) -> list[dict]:
    """Return colour, marker and line style of each class."""
    return [
        {"color": figure_colour(colour), "marker": marker(k), "ls": line_style(k)}
        for k, colour in enumerate(class_colours(len(pool.class_names)))
    ]


def _strip(axes: Axes, place: float, values: np.ndarray, look: dict, interval: Interval) -> None:
    """Draw a point for each image, and beside them mean, spread (thin) and interval (thick)."""
    values = values[np.isfinite(values)]
    if not len(values):
        return
    spread = (np.arange(len(values)) * 0.618034 % 1 - 0.5) * 0.36  # even, without chance
    size = 4 if len(values) < 100 else 2.5
    alpha = 0.7 if len(values) < 100 else 0.3
    axes.plot(place + spread, values, look["marker"], ms=size, color=look["color"], alpha=alpha,
              mec="none", zorder=2)  # fmt: skip
    beside = place + 0.3
    if len(values) > 1:
        axes.errorbar(beside, values.mean(), values.std(ddof=1), color=INK, lw=1, capsize=3)
    if np.isfinite(interval.low) and len(values) >= LEAST_SHOWN:
        axes.plot([beside] * 2, [interval.low, interval.high], color=INK, lw=3.5, alpha=0.55,
                  solid_capstyle="butt")  # fmt: skip
    axes.plot(beside, interval.value, "o", ms=4, color="white", mec=INK, zorder=4)


def _class_strips(axes: Axes, pool: Pool, values: np.ndarray, intervals: list[Interval]) -> None:
    for k, look in enumerate(_looks(pool)):
        _strip(axes, k, values[:, k], look, intervals[k])
    axes.set_xticks(range(len(pool.class_names)), [short(name) for name in pool.class_names])
    axes.set_xlim(-0.5, len(pool.class_names) - 0.5 + 0.15)


def _densities(axes: Axes, pool: Pool) -> None:
    found = pool.intervals()
    _class_strips(axes, pool, pool.densities(), found.densities)
    axes.set_ylim(bottom=0)
    axes.set_ylabel(phrase("molecules per {unit}²", unit=pool.unit))
    if pool.recognition:
        words = phrase("point: an image; bars: sd, and 95 % interval of the whole, corrected")
    else:
        words = phrase("point: an image; bars: sd, and 95 % interval of the whole")
    axes.set_xlabel(words)


def _shares(axes: Axes, pool: Pool) -> None:
    densities = pool.densities()
    total = densities.sum(axis=1, keepdims=True)
    shares = 100 * np.divide(densities, total, out=np.full_like(densities, np.nan), where=total > 0)
    found = [i.through(lambda v: 100 * v) for i in pool.intervals().shares]
    _class_strips(axes, pool, shares, found)
    axes.set_ylabel(phrase("share of the molecules (%)"))
    axes.set_ylim(0, max(axes.get_ylim()[1], 1e-9))
    axes.set_xlabel(phrase("point: an image; bars: sd, and 95 % interval of the whole"))


def _areas(axes: Axes, pool: Pool) -> None:
    """Draw each class's mean histogram of the images, and the spread of these as a band."""
    every = [v for r in pool.comparable for v in r.areas.values() if len(v)]
    if not every:
        axes.set_xlabel(phrase("no whole, certain molecule"))
        return
    low, high = np.percentile(np.concatenate(every), [0.1, 99.9])
    reach = max(0.08 * (high - low), 0.01 * high, 1e-12)
    edges = np.linspace(low - reach, high + reach, BINS + 1)
    for name, look in zip(pool.class_names, _looks(pool), strict=True):
        mine = [v for r in pool.comparable if len(v := r.areas.get(name, ()))]
        if not mine:
            continue
        shares = np.array([np.histogram(v, edges)[0] / len(v) for v in mine]) * 100
        mean = shares.mean(axis=0)
        if len(mine) > 1:
            spread = shares.std(axis=0, ddof=1)
            axes.stairs(mean + spread, edges, baseline=np.maximum(mean - spread, 0), fill=True,
                        color=look["color"], alpha=0.25)  # fmt: skip
        total = sum(len(v) for v in mine)
        counts = {"name": short(name), "count": total}
        if len(mine) == 1:
            label = phrase("{name} (n = {count})", **counts)
        else:
            label = phrase("{name} ({count} in {images} images)", **counts, images=len(mine))
        axes.stairs(mean, edges, color=look["color"], ls=look["ls"], lw=1.5, label=label)
    axes.set_ylim(0, axes.get_ylim()[1] * 1.22)
    axes.legend(loc="upper center", ncols=2, fontsize=7)
    axes.set_xlabel(
        phrase("area of whole, certain molecules ({unit}²); band: sd over images", unit=pool.unit)
    )
    axes.set_ylabel(phrase("molecules of an image (%)"))


def _lattices(axes: Axes, pool: Pool) -> None:
    images = [r for r in pool.comparable if r.domains]
    looks = ({"color": "#0072B2", "marker": "o"}, {"color": "#D55E00", "marker": "s"},
             {"color": "#009E73", "marker": "^"})  # fmt: skip
    right = axes.twinx()
    right.spines["right"].set_visible(True)
    for k, key in enumerate(("a", "b", "angle")):
        values = np.array([r.domains[0][key]["value"] for r in images])
        _strip(right if key == "angle" else axes, k, values, looks[k], mean_interval(values))
    axes.set_xticks(range(3), ["a", "b", phrase("angle →")])
    axes.set_xlim(-0.5, 2.65)
    axes.set_ylabel(f"a, b ({pool.unit})")
    right.set_ylabel(phrase("angle (degrees)"))
    axes.set_xlabel(phrase("point: an image; bars: sd, and 95 % interval of the mean"))


def _excess(axes: Axes, pool: Pool) -> None:
    found = [(r, e.excess) for r in pool.results if (e := pool.excess([r])).first + e.second]
    step = max(1, len(found) // 60)  # more whiskers could not be told apart
    for k, (_, interval) in enumerate(found):
        if k % step == 0:
            axes.plot([k, k], [interval.low, interval.high], color="#8a93a3", lw=1)
        axes.plot(k, interval.value, "o", ms=3.5, color=INK)
    whole = pool.excess().excess
    axes.axhspan(whole.low, whole.high, color="#0072B2", alpha=0.25, lw=0)
    axes.axhline(
        whole.value,
        color="#0072B2",
        lw=1.2,
        label=phrase("all images: {value}", value=f"{whole.value:.3f}"),
    )
    axes.axhline(0, color="#8a93a3", lw=0.8, ls=":")
    axes.set_ylim(-1.05, 1.3)
    axes.set_yticks([-1, -0.5, 0, 0.5, 1])
    first, second = (short(name) for name in pool.mirror_classes)
    axes.set_ylabel(phrase("({first} − {second}) / both", first=first, second=second))
    axes.set_xlabel(phrase("image; whisker and band: 95 % interval"))
    axes.legend(loc="upper right")
    axes.set_xticks([])


def _against_number(column: str, numbers: np.ndarray) -> Panel:
    def draw(axes: Axes, pool: Pool) -> None:
        densities = pool.densities()
        steps = np.unique(numbers[np.isfinite(numbers)])
        several = len(steps) < np.isfinite(numbers).sum()
        for k, (name, look) in enumerate(zip(pool.class_names, _looks(pool), strict=True)):
            groups = [densities[numbers == step, k] for step in steps]
            means = [g.mean() for g in groups]
            axes.plot(numbers, densities[:, k], look["marker"], ms=3.5 if several else 5,
                      color=look["color"], alpha=0.35 if several else 0.9, mec="none")  # fmt: skip
            if several:
                sds = [g.std(ddof=1) if len(g) > 1 else 0 for g in groups]
                axes.errorbar(steps, means, sds, **look, lw=1.4, ms=5, capsize=3, label=short(name))
            else:
                axes.plot([], [], look["marker"], color=look["color"], label=short(name))
        axes.set_ylim(0, axes.get_ylim()[1] * 1.15)
        if several:
            words = phrase("{column}; bars: sd of the images", column=column)
        else:
            words = phrase("{column}; an image each", column=column)
        axes.set_xlabel(words)
        axes.set_ylabel(phrase("molecules per {unit}²", unit=pool.unit))
        axes.legend(loc="upper center", ncols=3)

    return draw


def _against_text(column: str, texts: list[str]) -> Panel:
    def draw(axes: Axes, pool: Pool) -> None:
        densities, kinds = pool.densities(), sorted(set(texts) - {""})
        count = len(pool.class_names)
        for k, (name, look) in enumerate(zip(pool.class_names, _looks(pool), strict=True)):
            for i, kind in enumerate(kinds):
                values = densities[[text == kind for text in texts], k]
                place = i * (count + 0.6) + k
                _strip(axes, place, values, look, mean_interval(values))
            axes.plot([], [], look["marker"], color=look["color"], label=short(name))
        middles = [i * (count + 0.6) + (count - 1) / 2 for i in range(len(kinds))]
        axes.set_xticks(middles, [short(kind) for kind in kinds])
        axes.set_ylim(0, axes.get_ylim()[1] * 1.15)
        axes.set_xlabel(phrase("{column}; bars: sd, and 95 % interval of the mean", column=column))
        axes.set_ylabel(phrase("molecules per {unit}²", unit=pool.unit))
        axes.legend(loc="upper center", ncols=3)

    return draw
