"""The tables and figures of a report, as HTML sections."""

from __future__ import annotations

import base64
import io
import math
import platform
from collections.abc import Mapping
from html import escape
from importlib import metadata
from typing import Any

import numpy as np

from spm.measure.statistics import Statistics
from spm.measure.uncertainty import Interval

PACKAGES = (
    "openvino", "tensorflow", "torch", "jax", "keras", "numpy", "scipy", "opencv-python",
    "opencv-python-headless", "scikit-image", "matplotlib",
)  # fmt: skip


def class_section(found: Statistics) -> str:
    unit, summary = found.unit, found.summary
    header = ["class", "molecules", "cut by border", "uncertain", "share (%)"]
    header += [f"density ({_per(unit)})", "coverage", f"area ({unit}²)", "symmetry", "alignment"]
    heights = found.heights_nm is not None
    header += ["height (nm)"] if heights else []
    corrected = bool(found.recognition)
    header += ["estimated molecules"] if corrected else []
    rows = []
    for name, c in summary["classes"].items():
        turn = c["orientation"]
        chance = c["confidence"]
        row = [name, c["count"], c["cut_by_border"], c["uncertain"]]
        row += [interval_text(_interval(chance["share"]), 100)]
        row += [interval_text(_interval(chance["density"]))]
        row += [f"{100 * c['coverage']:.1f} %", _mean(c["area"])]
        row += [f"{turn['symmetry']}-fold" if turn["symmetry"] else "–"]
        row += [f"{turn['alignment']:.2f}" if turn["n"] else "–"]
        row += [_mean(c["height"])] if heights else []
        rows.append(row + ([interval_text(_interval(chance["molecules"]))] if corrected else []))
    total = summary["total"]
    last = ["all", total["count"]]
    last += [
        sum(c[key] for c in summary["classes"].values()) for key in ("cut_by_border", "uncertain")
    ]
    density = sum(c["confidence"]["density"]["value"] for c in summary["classes"].values())
    last += ["", number_text(density), f"{100 * total['coverage']:.1f} %"]
    last += [""] * (len(header) - len(last))
    doubt = (
        f"<p>{total['unfamiliar']} more look{'s' * (total['unfamiliar'] == 1)} like no outlined "
        "molecule (dotted) and are left out of all numbers.</p>"
    )
    return section(
        "Molecules",
        table(header, [*rows, last])
        + (doubt if total["unfamiliar"] else "")
        + '<p class="hint">Mean ± standard deviation of whole molecules. Density counts molecules '
        "cut by the border by their visible part. In brackets: 95 % confidence intervals from "
        "counting alone, as if molecules lay at random"
        + (", corrected by precision / recall as evaluated." if corrected else ".")
        + " Alignment is 1 when all molecules are parallel, up to their symmetry.</p>",
    )


def _interval(entry: Mapping[str, Any]) -> Interval:
    return Interval(entry["value"], entry["low"], entry["high"])


def lattice_section(found: Statistics) -> str:
    summary = found.summary
    if not summary["domains"]:
        return section("Lattice", f"<p>{escape(summary['no_lattice'].capitalize())}.</p>")
    unit = found.unit
    header = [
        "domain",
        "molecules",
        f"a ({unit})",
        f"b ({unit})",
        "angle (°)",
        "direction of a (°)",
    ]
    header += [f"cell area ({unit}²)", "molecules a cell", "vacancies and strangers"]
    handed = any(d["hand"] for d in summary["domains"])
    header += ["hand"] if handed else []
    rows = []
    for d in summary["domains"]:
        cell = ", ".join(
            f"{name}: {with_error(v['value'], v['error'])}"
            for name in found.class_names
            if (v := d["molecules_per_cell"].get(name))
        )
        values = [
            with_error(d[key]["value"], d[key]["error"])
            for key in ("a", "b", "angle", "direction_of_a", "cell_area")
        ]
        row = [d["domain"], d["molecules"], *values, cell, d["vacancies"]]
        rows.append(row + ([d["hand"] or "–"] if handed else []))
    note = (
        "Errors are standard errors of the fit; they do not contain the scanner's calibration, "
        "drift or creep. Angles are anticlockwise from the right."
    )
    if handed:
        note += " Domains of hand B are mirror images of those of hand A."
    return section("Lattice", table(header, rows) + f'<p class="hint">{note}</p>')


def neighbour_section(found: Statistics) -> str:
    rows = [
        [f"{n['from']} → {n['to']}", n["distance"]["n"], _mean(n["distance"])]
        + [number_text(n["distance"]["median"])]
        for n in found.summary["neighbours"]
        if n["distance"]["n"]
    ]
    if not rows:
        return ""
    header = ["from → to", "molecules", f"distance ({found.unit})", "median"]
    return section("Nearest neighbours", table(header, rows))


def figure_section(figures: Mapping[str, Any], title: str = "Figures") -> str:
    """Return a section of figures, title -> matplotlib figure; nothing without any."""
    if not figures:
        return ""
    from spm.io.figure_style import figure_style

    parts = []
    for name, figure in figures.items():
        buffer = io.BytesIO()
        # No date: the same result gives the same page.
        with figure_style():
            figure.savefig(buffer, format="svg", metadata={"Date": None})
        uri = data_uri("image/svg+xml", buffer.getvalue())
        caption = escape(name)
        parts.append(
            f'<figure><figcaption>{caption}</figcaption><img alt="{caption}" src="{uri}"></figure>'
        )
    return section(title, f'<div class="figures">{"".join(parts)}</div>', "long")


def settings_section(settings: Mapping[str, Any]) -> str:
    groups: dict[str, Mapping[str, Any]] = {}
    plain = {k: v for k, v in settings.items() if not isinstance(v, Mapping)}
    if plain:
        groups["Settings"] = plain
    groups |= {str(k): v for k, v in settings.items() if isinstance(v, Mapping) and v}
    groups["Versions"] = versions()
    parts = [
        f"<div><h3>{escape(name)}</h3><dl>"
        + "".join(f"<dt>{escape(str(k))}</dt><dd>{escape(_text(v))}</dd>" for k, v in group.items())
        + "</dl></div>"
        for name, group in groups.items()
    ]
    return section("How this was made", f'<div class="two">{"".join(parts)}</div>')


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that take part, without importing them."""
    found = {"Python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def section(title: str, content: str, kind: str = "") -> str:
    """Return a part of a page under its title; `content` is HTML."""
    attribute = f' class="{kind}"' if kind else ""
    return f"<section{attribute}><h2>{escape(title)}</h2>{content}</section>"


def table(header: list[str], rows: list[list[Any]]) -> str:
    """Return a table of texts, which are escaped; what is `Markup` already is HTML."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{_escaped(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    whole = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="scroll">{whole}</div>'


class Markup(str):
    """A text that is HTML already."""


def _escaped(cell: Any) -> str:
    return cell if isinstance(cell, Markup) else escape(str(cell))


def _per(unit: str) -> str:
    return f"1/{unit}²"


def _mean(entry: Mapping[str, Any]) -> str:
    if not entry["n"]:
        return "–"
    if not entry["sd"] or entry["sd"] < 1e-9 * abs(entry["mean"]):
        return number_text(entry["mean"])
    return f"{number_text(entry['mean'])} ± {number_text(entry['sd'], 2)}"


def with_error(value: float, error: float) -> str:
    """Return value ± error with the error to two digits and the value to the same place."""
    if not error > 0:
        return number_text(value)
    places = int(np.clip(1 - math.floor(math.log10(error)), 0, 6))
    return f"{value:.{places}f} ± {error:.{places}f}"


def interval_text(interval: Interval, factor: float = 1.0, unit: str = "") -> str:
    """Return "0.52 (0.48 to 0.57)"."""
    if not math.isfinite(interval.value):
        return "–"
    value, low, high = (v * factor for v in (interval.value, interval.low, interval.high))
    if not (math.isfinite(low) and math.isfinite(high)) or low == high:
        return f"{number_text(value)}{unit}"
    return f"{number_text(value)}{unit} ({number_text(low, 3)} to {number_text(high, 3)})"


def number_text(value: float, digits: int = 4) -> str:
    """Return a number to some significant digits, with powers of ten only where they help."""
    text = f"{value:.{digits}g}"
    return f"{value:.0f}" if "e+" in text and abs(value) < 1e7 else text


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return ", ".join(_text(v) for v in value)
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_text(v)}" for name, v in value.items())
    if value is None:
        return "not known"
    return str(value)


def data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
