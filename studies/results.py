"""Tables and figures of a study, from the results of its points."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from spm.evaluation.figures import COLUMN, DPI, STYLES, THIN, save
from spm.io.figure_style import COLOURS, figure_style, new_figure
from spm.run import files

MARKERS = "osD^vP*"


def average(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the mean of each number over the seeds, and `NAME_low` and `NAME_high`.

    Args:
        results: of one setting with several seeds, equal keys. What is no number is left out, and
            a number that does not exist (None) too.
    """
    row: dict[str, Any] = {"seeds": len(results)}
    for key, first in results[0].items():
        values = [r[key] for r in results if r[key] is not None]
        if isinstance(first, dict | list | str) or not values:
            continue
        mean = round(float(np.mean(values)), 5)
        whole = isinstance(first, int) and mean.is_integer()
        row[key] = int(mean) if whole else mean
        row[f"{key}_low"], row[f"{key}_high"] = min(values), max(values)
    return row


def write_table(
    stem: Path, rows: Sequence[dict[str, Any]], columns: Sequence[str], record: dict[str, Any]
) -> None:
    """Write `stem`.csv, `stem`.json, and print the columns.

    Args:
        rows: a dict each; keys that a row lacks stay empty.
        columns: what is printed; the CSV has all keys.
        record: what the JSON says besides the rows: settings, command.
    """
    keys = list(dict.fromkeys(key for row in rows for key in row))
    files.make_folder(stem.parent)
    files.write_csv(
        stem.with_name(stem.name + ".csv"), keys, [[row.get(k, "") for k in keys] for row in rows]
    )
    files.write_json(
        stem.with_name(stem.name + ".json"), files.without_nan({**record, "rows": list(rows)})
    )
    cells = [list(columns), *([_text(row.get(k, "")) for k in columns] for row in rows)]
    widths = [max(len(line[k]) for line in cells) for k in range(len(columns))]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)))
    print(f"table and figure: {stem}.csv, .json, .png, .svg")


def _text(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def bars(
    rows: Sequence[dict[str, Any]], name: str, keys: dict[str, str], x_label: str = "", limit=None
) -> Figure:
    """Draw horizontal bars: a group for each row, a bar for each key, seeds' range as a line.

    Args:
        rows: of `average`, with a name each.
        name: key of the rows' names.
        keys: key of a number -> its words in the legend.
        limit: end of the axis.
    """
    with figure_style(THIN):
        figure = new_figure(1.6 * COLUMN, 0.5 + len(rows) * (0.16 * len(keys) + 0.12) + 0.5, DPI)
        axes = figure.add_subplot()
        height = 0.8 / len(keys)
        places = np.arange(len(rows))
        for k, (key, words) in enumerate(keys.items()):
            values, low, high = (
                np.array([_number(row, key + end) for row in rows]) for end in ("", "_low", "_high")
            )
            y = places + (k - (len(keys) - 1) / 2) * height
            axes.barh(y, values, 0.9 * height, color=COLOURS[k], label=words)
            axes.hlines(y, low, high, color="black", lw=0.8)
            for place, value in zip(y, values, strict=True):
                # Inside its bar, at the base, where the seeds' range does not cross it.
                inside = value > 0.12 * (limit or np.nanmax(values))
                axes.annotate(
                    "does not exist" if np.isnan(value) else f"{value:.3g}",
                    (0 if inside or np.isnan(value) else value, place), (3, 0),
                    textcoords="offset points", va="center", fontsize=6,
                    color="white" if inside else "black",
                )  # fmt: skip
        axes.set_yticks(places, [row[name] for row in rows])
        axes.invert_yaxis()
        axes.set(xlabel=x_label, xlim=(0, limit))
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color="0.9", lw=0.4)
        axes.set_axisbelow(True)
        figure.legend(loc="outside lower center", ncols=len(keys))
    return figure


def _number(row: dict[str, Any], key: str) -> float:
    value = row.get(key)
    return np.nan if value is None else float(value)


def curves(
    panels: dict[str, dict[str, tuple[Sequence[float], Sequence[float]]]],
    x_label: str,
    y_label: str,
    *,
    limit: float | None = None,
    falling: bool = False,
) -> Figure:
    """Draw panels side by side: in each a line for each name -> (x, y).

    Args:
        panels: title -> lines; the same name has the same line in all.
        limit: end of the vertical axis.
        falling: the horizontal axis runs from large to small, logarithmically, through marked
            points.
    """
    names = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    with figure_style(THIN):
        figure = new_figure(2 * COLUMN, 0.95 * COLUMN + 0.1 * len(names), DPI)
        every = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, (title, lines) in zip(every, panels.items(), strict=True):
            for name, (x, y) in lines.items():
                axes.plot(x, y, **_line(names.index(name), marked=falling))
            axes.set_title(title, fontsize=8)
            axes.set(xlabel=x_label)
            if falling:
                _falling(axes, {value for x, _ in lines.values() for value in x})
            axes.grid(color="0.9", lw=0.4)
            axes.set_axisbelow(True)
        every[0].set(ylabel=y_label, ylim=(0, limit))  # of all panels, now that all is drawn
        handles = [every[0].plot([], [], **_line(k, falling))[0] for k in range(len(names))]
        figure.legend(
            handles, names, loc="outside lower center", ncols=min(len(names), 3), handlelength=4
        )
    return figure


def _line(number: int, marked: bool) -> dict[str, Any]:
    look = {"color": COLOURS[number % len(COLOURS)], "ls": STYLES[number % len(STYLES)]}
    return {**look, "marker": MARKERS[number % len(MARKERS)], "ms": 3.5} if marked else look


def _falling(axes, ticks: set[float]) -> None:
    axes.set_xscale("log")
    axes.set_xticks(sorted(ticks), [f"{tick:g}" for tick in sorted(ticks)])
    axes.set_xticks([], minor=True)
    axes.invert_xaxis()


__all__ = ["average", "bars", "curves", "save", "write_table"]
