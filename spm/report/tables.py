"""The tables and figures of a report, as HTML sections."""

from __future__ import annotations

import base64
import functools
import math
import platform
from collections.abc import Mapping
from html import escape
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from spm.measure.statistics import Statistics
from spm.measure.uncertainty import Interval
from spm.run.language import counted_phrase, joined, phrase, phrase_or_name

PACKAGES = (
    "openvino", "tensorflow", "tensorflow-cpu", "torch", "jax", "keras", "numpy", "scipy",
    "opencv-python", "opencv-python-headless", "scikit-image", "matplotlib",
)  # fmt: skip
NOT_KNOWN = "not known"


def class_section(found: Statistics) -> str:
    unit, summary = found.unit, found.summary
    header = [phrase("class"), phrase("molecules"), phrase("cut by border"), phrase("uncertain")]
    header += [phrase("share (%)"), phrase("density (1/{unit}²)", unit=unit), phrase("coverage")]
    header += [phrase("area ({unit}²)", unit=unit), phrase("symmetry"), phrase("alignment")]
    heights = found.heights_nm is not None
    header += [phrase("height (nm)")] if heights else []
    corrected = bool(found.recognition)
    header += [phrase("estimated molecules")] if corrected else []
    rows = []
    for name, c in summary["classes"].items():
        turn = c["orientation"]
        chance = c["confidence"]
        row = [name, c["count"], c["cut_by_border"], c["uncertain"]]
        row += [interval_text(_interval(chance["share"]), 100)]
        row += [interval_text(_interval(chance["density"]))]
        row += [f"{100 * c['coverage']:.1f} %", _mean(c["area"])]
        row += [phrase("{order}-fold", order=turn["symmetry"]) if turn["symmetry"] else "–"]
        row += [f"{turn['alignment']:.2f}" if turn["n"] else "–"]
        row += [_mean(c["height"])] if heights else []
        rows.append(row + ([interval_text(_interval(chance["molecules"]))] if corrected else []))
    total = summary["total"]
    last = [phrase("all"), total["count"]]
    last += [
        sum(c[key] for c in summary["classes"].values()) for key in ("cut_by_border", "uncertain")
    ]
    density = sum(c["confidence"]["density"]["value"] for c in summary["classes"].values())
    last += ["", number_text(density), f"{100 * total['coverage']:.1f} %"]
    last += [""] * (len(header) - len(last))
    doubt = counted_phrase(
        total["unfamiliar"],
        "{count} more looks like no outlined molecule (dotted) and is left out of all numbers.",
        "{count} more look like no outlined molecule (dotted) and are left out of all numbers.",
    )
    return section(
        phrase("Molecules"),
        table(header, [*rows, last])
        + (f"<p>{escape(doubt)}</p>" if total["unfamiliar"] else "")
        + hint(*_explained(corrected)),
    )


def _explained(corrected: bool) -> list[str]:
    """Return what the numbers of the classes mean."""
    if corrected:
        chance = phrase(
            "In brackets: 95 % confidence intervals from counting alone, as if molecules lay at "
            "random, corrected by precision / recall as evaluated."
        )
    else:
        chance = phrase(
            "In brackets: 95 % confidence intervals from counting alone, as if molecules lay at "
            "random."
        )
    return [
        phrase(
            "Mean ± standard deviation of whole molecules. Density counts molecules cut by the "
            "border by their visible part."
        ),
        chance,
        phrase("Alignment is 1 when all molecules are parallel, up to their symmetry."),
    ]


def _interval(entry: Mapping[str, Any]) -> Interval:
    return Interval(entry["value"], entry["low"], entry["high"])


def lattice_section(found: Statistics) -> str:
    summary = found.summary
    if not summary["domains"]:
        why = phrase("No repeating cell was found: too few molecules of a class, or no order.")
        return section(phrase("Lattice"), f"<p>{escape(why)}</p>")
    unit = found.unit
    header = [phrase("domain"), phrase("molecules"), f"a ({unit})", f"b ({unit})"]
    header += [phrase("angle (°)"), phrase("direction of a (°)")]
    header += [phrase("cell area ({unit}²)", unit=unit), phrase("molecules a cell")]
    header += [phrase("vacancies and strangers")]
    handed = any(d["hand"] for d in summary["domains"])
    header += [phrase("hand")] if handed else []
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
    notes = [
        phrase(
            "Errors are standard errors of the fit; they do not contain the scanner's calibration, "
            "drift or creep. Angles are anticlockwise from the right."
        )
    ]
    if handed:
        notes += [phrase("Domains of hand B are mirror images of those of hand A.")]
    return section(phrase("Lattice"), table(header, rows) + hint(*notes))


def neighbour_section(found: Statistics) -> str:
    rows = [
        [f"{n['from']} → {n['to']}", n["distance"]["n"], _mean(n["distance"])]
        + [number_text(n["distance"]["median"])]
        for n in found.summary["neighbours"]
        if n["distance"]["n"]
    ]
    if not rows:
        return ""
    header = [phrase("from → to"), phrase("molecules")]
    header += [phrase("distance ({unit})", unit=found.unit), phrase("median")]
    return section(phrase("Nearest neighbours"), table(header, rows))


def figure_section(figures: Mapping[str, bytes | Path], title: str) -> str:
    """Return a section of figures, caption -> PNG file or its bytes; nothing without any."""
    parts = []
    for name, figure in figures.items():
        png = figure.read_bytes() if isinstance(figure, Path) else figure
        caption, uri = escape(name), data_uri("image/png", png)
        parts.append(
            f'<figure><figcaption>{caption}</figcaption><img alt="{caption}" src="{uri}"></figure>'
        )
    return section(title, f'<div class="figures">{"".join(parts)}</div>', "long") if parts else ""


def settings_section(settings: Mapping[str, Any]) -> str:
    groups: dict[str, Mapping[str, Any]] = {}
    plain = {k: v for k, v in settings.items() if not isinstance(v, Mapping)}
    if plain:
        groups[phrase("Settings")] = plain
    groups |= {
        phrase_or_name(str(k)): v for k, v in settings.items() if isinstance(v, Mapping) and v
    }
    groups[phrase("Versions")] = versions()
    parts = [
        f"<div><h3>{escape(name)}</h3>{definitions(group)}</div>" for name, group in groups.items()
    ]
    return section(phrase("How this was made"), f'<div class="two">{"".join(parts)}</div>')


def definitions(group: Mapping[str, Any]) -> str:
    """Return a list of names and values; names that are the program's are in the page's
    language."""
    pairs = ((phrase_or_name(str(name)), value_text(value)) for name, value in group.items())
    body = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in pairs)
    return f"<dl>{body}</dl>"


@functools.cache
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


def hint(*sentences: str) -> str:
    """Return sentences in small type."""
    return f'<p class="hint">{escape(joined(*sentences))}</p>'


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
    return phrase(
        "{value} ({low} to {high})",
        value=f"{number_text(value)}{unit}",
        low=number_text(low, 3),
        high=number_text(high, 3),
    )


def number_text(value: float, digits: int = 4) -> str:
    """Return a number to some significant digits, with powers of ten only where they help."""
    text = f"{value:.{digits}g}"
    return f"{value:.0f}" if "e+" in text and abs(value) < 1e7 else text


def value_text(value: Any) -> str:
    """Return a setting's value as the page says it."""
    if isinstance(value, bool):
        return phrase("yes") if value else phrase("no")
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return ", ".join(value_text(v) for v in value)
    if isinstance(value, Mapping):
        return "; ".join(f"{phrase_or_name(str(k))}: {value_text(v)}" for k, v in value.items())
    if value is None or value == NOT_KNOWN:
        return phrase(NOT_KNOWN)
    return str(value)


def data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
