"""NAME_report.html: one self-contained page with the image, its molecules and the statistics.

The page needs no network, no other file and no server. Outlines are SVG over the embedded image;
without scripts (a mail preview) and on paper everything but the switches is there.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from spm.measure.statistics import Statistics
from spm.report import tables
from spm.report.svg_image import class_colour_texts, image_svg
from spm.report.tables import number_text
from spm.run.files import write_text
from spm.run.language import PAGE_LANGUAGE, counted_phrase, current_language, phrase
from spm.structures.molecule import Molecule, labels_of

TEMPLATE = Path(__file__).with_name("report_page.html")
PLACES = re.compile(r'\{\{(?:(\w+)|"([^"]+)")\}\}')  # {{field}} and {{"words of the page"}}


@dataclass(frozen=True)
class Drawings:
    """What a report shows.

    Attributes:
        figures: caption -> PNG file.
        averages: PNG file of the mean cells and molecules, None where nothing repeats.
    """

    figures: dict[str, bytes] = field(default_factory=dict)
    averages: Path | None = None


def write_report(
    path: Path,
    image: np.ndarray,
    found: Statistics,
    *,
    title: str,
    settings: Mapping[str, Any] | None = None,
    drawings: Drawings | None = None,
) -> None:
    """Write the report of one image, atomically.

    Args:
        path: of the HTML file.
        image, found, title, settings: see `begin_report`.
        drawings: its figures. Defaults to none.
    """
    begin_report(image, found, title=title, settings=settings)(path, drawings or Drawings())


def begin_report(
    image: np.ndarray,
    found: Statistics,
    *,
    title: str,
    settings: Mapping[str, Any] | None = None,
) -> Callable[[Path, Drawings], None]:
    """Make all of a report but the figures, which another process may still draw.

    Args:
        image: (H, W, 3) uint8 RGB, without drawings; not needed any more afterwards.
        found: of `spm.measure.statistics.measure`; it carries the molecules.
        title: heading, such as the image's file name.
        settings: what made the result, name -> value, shown as it is; nested mappings get a
            heading each. Defaults to none.

    Returns:
        What writes the report, given its path and its figures.
    """
    sections = [
        tables.class_section(found),
        tables.lattice_section(found),
        tables.neighbour_section(found),
    ]
    made_with = tables.settings_section(settings or {})
    fields = {
        "language": PAGE_LANGUAGE[current_language()],
        "title": escape(title),
        "subtitle": escape(_subtitle(found)),
        "svg": image_svg(image, found),
        "toggles": _toggles(found),
        "lowest": f"{_lowest_score(found):.2f}",
        "layers": _layers(found),
        "data": _data(found),
    }

    def write(path: Path, drawings: Drawings) -> None:
        mean = drawings.averages
        means = {phrase("Mean unit cells and molecules"): mean} if mean else {}
        drawn = tables.figure_section(drawings.figures, phrase("Figures"))
        parts = [*sections, drawn, tables.figure_section(means, phrase("Averages")), made_with]
        text = "\n".join(part for part in parts if part)
        write_text(path, _filled(fields | {"sections": text}))

    return write


def _filled(fields: Mapping[str, str]) -> str:
    """Return the page with its places filled in, in one pass, so that braces in a class name or a
    setting are never filled in."""

    def filling(match: re.Match[str]) -> str:
        return fields[match[1]] if match[1] else escape(phrase(match[2]))

    return PLACES.sub(filling, TEMPLATE.read_text(encoding="utf-8"))


def page_style() -> str:
    """Return the CSS of the report, for pages that look like it."""
    return re.search(r"<style>(.*?)</style>", TEMPLATE.read_text(encoding="utf-8"), re.S)[1]


def _subtitle(found: Statistics) -> str:
    total = len(found.molecules)
    parts = [
        counted_phrase(total, "{count} molecule", "{count} molecules"),
        phrase("{width} × {height} pixels", width=found.width, height=found.height),
    ]
    if found.nm_per_pixel:
        width, height = found.width * found.factor, found.height * found.factor
        parts.append(f"{number_text(width)} × {number_text(height)} nm")
        parts.append(phrase("{size} nm a pixel", size=number_text(found.nm_per_pixel)))
    else:
        parts.append(phrase("scale not known: all lengths in pixels"))
    return " · ".join(parts)


def _lowest_score(found: Statistics) -> float:
    scores = [m.score for m in found.shown]
    return math.floor(min(scores) * 100) / 100 if scores else 0.0


def _toggles(found: Statistics) -> str:
    rows = [
        f'<label class="row"><input type="checkbox" checked data-class="{k}">'
        f'<span class="swatch" style="background:{colour}"></span>'
        f'<span class="name">{escape(name)}</span>'
        f'<span class="n" data-count="{k}">'
        f"{sum(m.class_name == name for m in found.shown)}</span></label>"
        for k, (name, colour) in enumerate(class_colour_texts(found))
    ]
    return "".join(rows) or tables.hint(phrase("no classes"))


def _layers(found: Statistics) -> str:
    layers = [
        ("cells", phrase("Unit cells"), len(found.order.domains)),
        ("holes", phrase("Vacancies (cross) and strangers (ring)"), len(found.order.vacancies)),
        ("names", phrase("Class names"), len(found.class_names)),
    ]
    return "".join(
        f'<label class="row"><input type="checkbox" checked data-layer="{key}">'
        f'<span class="name">{escape(text)}</span><span class="n">{count}</span></label>'
        for key, text, count in layers
    )


def _data(found: Statistics) -> str:
    """Return what the page's script needs, as JSON that may stand inside a script element."""
    order = {name: k for k, name in enumerate(found.class_names)}
    labels = labels_of(found.shown)
    measured = {id(m): i for i, m in enumerate(found.molecules)}
    rows: list[dict[str, Any]] = [{} for _ in found.shown]
    for i, (m, label) in enumerate(zip(found.shown, labels, strict=True)):
        area = f"{number_text(m.area * found.factor**2)} {found.unit}²"
        rows[i] = {
            "l": label,
            "c": order[m.class_name],
            "s": round(float(m.score), 4),
            "a": area,
            "x": _extra_lines(found, measured.get(id(m)), m),
        }
    # The page lists shapes class by class; the script takes them in the order of the document.
    rows = [row for k in range(len(order)) for row in rows if row["c"] == k]
    data = {"classes": found.class_names, "molecules": rows, "words": _script_words()}
    text = json.dumps(data, ensure_ascii=False)
    return text.replace("<", "\\u003c")


def _script_words() -> dict[str, str]:
    """Return what the page's script says; it fills the braces in."""
    return {
        "some": phrase("{seen} of {total}"),
        "class": phrase("class {name}"),
        "score": phrase("score {value}"),
        "area": phrase("area {value}"),
    }


def _extra_lines(found: Statistics, index: int | None, m: Molecule) -> list[str]:
    """What the page says of a molecule; `index` is its place among the measured ones."""
    lines = []
    if math.isfinite(m.orientation):
        turn, period = f"{m.orientation:.0f}", f"{360 / max(1, m.symmetry):g}"
        lines.append(phrase("orientation {turn}° (modulo {period}°)", turn=turn, period=period))
    if index is not None and found.heights_nm is not None and np.isfinite(found.heights_nm[index]):
        lines.append(phrase("height {value} nm", value=number_text(found.heights_nm[index])))
    if index is not None and found.order.domain_of[index] >= 0 and len(found.order.domains) > 1:
        lines.append(phrase("domain {number}", number=found.order.domain_of[index] + 1))
    if m.uncertain:
        name = m.doubtful_name
        score = f"{m.second_score:.2f}" if name == m.second_class else phrase("by its look")
        lines.append(phrase("perhaps {name} ({score})", name=name, score=score))
    if m.unfamiliar:
        likeness = f"{m.likeness:.2f}"
        lines.append(phrase("unlike any outlined molecule (likeness {value})", value=likeness))
    if m.edge:
        lines.append(phrase("cut by the image's border"))
    return lines
