"""index.html: all images of a folder on one page, with links to their reports."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from spm.io.class_colours import class_colours
from spm.measure.handedness import Excess
from spm.pooled.pool import Pool, corrected_count, images_text, mean_areas, spread
from spm.pooled.results import ImageResult
from spm.report.page import page_style
from spm.report.tables import (
    Markup,
    definitions,
    figure_section,
    hint,
    interval_text,
    number_text,
    section,
    table,
    value_text,
    versions,
)
from spm.run.files import write_text
from spm.run.language import PAGE_LANGUAGE, current_language, phrase, phrase_or_name

_STYLE = """
.thumb { display: block; width: 112px; height: 84px; object-fit: cover; border-radius: 6px; }
.note { color: #7a4b00; background: #fff6e5; border: 1px solid #f0d9a8; border-radius: 8px; }
p.note { padding: 8px 12px; margin: 10px 0 0; }
.files a { margin-right: 18px; }
a { color: var(--accent); }
.dot { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 7px; }
.dot { border: 1px solid #0006; }
"""


def write_index(path: Path, pool: Pool, figures: Mapping[str, bytes], files: list[str]) -> None:
    """Write the page, atomically.

    Args:
        path: index.html in the folder of the results.
        pool: all images.
        figures: caption -> PNG file.
        files: names of the tables beside the page.
    """
    total = sum(pool.counts(name) for name in pool.class_names)
    images = images_text(len(pool.results))
    subtitle = phrase("{count} molecules in {images}", count=total, images=images)
    title = escape(phrase("All images"))
    links = "".join(f'<a href="{_url(name)}">{escape(name)}</a>' for name in files)
    notes = "".join(
        f'<p class="note">{escape(phrase("{remark}.", remark=note))}</p>' for note in pool.notes
    )
    sections = [
        section(phrase("Classes"), _classes(pool)),
        section(phrase("Handedness"), handed) if (handed := _handedness(pool)) else "",
        figure_section(figures, phrase("Figures")),
        section(phrase("Images"), _images(pool), "long"),
        section(phrase("How this was made"), _made(pool)),
    ]
    write_text(
        path,
        f'<!DOCTYPE html><html lang="{PAGE_LANGUAGE[current_language()]}">'
        '<head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "img-src * data:; style-src 'unsafe-inline'\">"
        f"<title>{title}</title><style>{page_style()}{_STYLE}</style></head><body><main>"
        f"<header><h1>{title}</h1><p>{escape(subtitle)}</p>"
        f'<p class="files">{links}</p>{notes}</header>{"".join(sections)}</main></body></html>\n',
        durable=False,
    )


def _classes(pool: Pool) -> str:
    unit, found = pool.unit, pool.intervals()
    header = [phrase("class"), phrase("molecules"), phrase("without a flag")]
    header += [*map(phrase_or_name, pool.flags), phrase("share (%)")]
    header += [phrase("density (1/{unit}²)", unit=unit), phrase("area ({unit}²)", unit=unit)]
    header += [phrase("estimated molecules")] if pool.recognition else []
    rows = []
    for k, name in enumerate(pool.class_names):
        row: list[Any] = [_class_cell(pool, k)]
        row += [pool.counts(name, which) for which in ("count", "unflagged", *pool.flags)]
        if found:
            row += [interval_text(found.shares[k], 100), interval_text(found.densities[k])]
            mean, sd = spread(mean_areas(pool, name))
            row += ["–" if math.isnan(mean) else number_text(mean)
                    + ("" if math.isnan(sd) else f" ± {number_text(sd, 2)}")]  # fmt: skip
            row += [interval_text(corrected_count(pool, name, found))] * bool(pool.recognition)
        rows.append(row + ["–"] * (len(header) - len(row)))
    return table(header, rows) + hint(*_explained(pool, found))


def _explained(pool: Pool, found: Any) -> list[str]:
    if found and found.resampled:
        how = phrase(
            "In brackets: 95 % confidence intervals, from how the images differ (bootstrap over "
            "images)."
        )
    else:
        how = phrase(
            "In brackets: 95 % confidence intervals, from counting alone, as if molecules lay at "
            "random; five images or more show how much images differ."
        )
    words = [
        how,
        phrase(
            "Density counts molecules at the border by their visible part. Areas: mean of the "
            "images ± standard deviation over the images, of molecules without a flag."
        ),
    ]
    if pool.recognition:
        words += [
            phrase(
                "Densities and shares are corrected by precision / recall as evaluated, whose "
                "chance is in the intervals; the counts are as reported."
            )
        ]
    return words


def _class_cell(pool: Pool, index: int) -> Markup:
    colour = "rgb({},{},{})".format(*class_colours(index + 1)[index])
    dot = f'<span class="dot" style="background:{colour}"></span>'
    return Markup(f"{dot}{escape(pool.class_names[index])}")


def _handedness(pool: Pool) -> str:
    rows = []
    if pool.mirror_classes:
        first, second = pool.mirror_classes
        pair = phrase("{first} against {second}", first=first, second=second)
        rows.append([pair, *_excess_cells(pool.excess())])
    if domains := pool.domain_excess():
        pair = phrase("molecules in domains of hand A against hand B")
        rows.append([pair, *_excess_cells(domains)])
    if not rows:
        return ""
    note = phrase(
        "Excess: (first − second) / both, with its 95 % interval. Domains of hand B are mirror "
        "images of those of hand A, by lattice and orientation; hand A is that of the largest "
        "domain. By image: all_images.csv; by domain: all_domains.csv."
    )
    header = ["", phrase("first"), phrase("second"), phrase("enantiomeric excess")]
    return table([*header, phrase("ratio")], rows) + hint(note)


def _excess_cells(found: Excess) -> list[Any]:
    return [found.first, found.second, interval_text(found.excess), interval_text(found.ratio)]


def _images(pool: Pool) -> str:
    header = [phrase("image"), "", *pool.conditions.columns, *pool.class_names]
    header += [*map(phrase_or_name, pool.flags), phrase("domains"), "a", "b"]
    header += [phrase("angle (°)"), phrase("unit")]
    return table(header, [_image_row(pool, result) for result in pool.results])


def _image_row(pool: Pool, result: ImageResult) -> list[Any]:
    name = result.name
    report, drawing = f"{_url(name)}_report.html", f"{_url(name)}_predicted.png"
    target = report if result.summary.get("settings") or result.domains else drawing
    image = f'<a href="{target}"><img class="thumb" loading="lazy" alt="" src="{drawing}"></a>'
    row: list[Any] = [Markup(f'<a href="{target}">{escape(name)}</a>'), Markup(image)]
    row += pool.conditions.of(name)
    row += [result.count(n) for n in pool.class_names]
    row += [sum(result.count(n, flag) for n in pool.class_names) for flag in pool.flags]
    row.append(len(result.domains))
    if not result.domains:
        return [*row, "–", "–", "–", result.unit]
    lattice = [result.domains[0][key]["value"] for key in ("a", "b", "angle")]
    return [*row, *(number_text(v) for v in lattice), result.unit]


def _made(pool: Pool) -> str:
    used: dict[str, set[str]] = {}
    for result in pool.results:
        for key, value in result.settings.items():
            used.setdefault(key, set()).add(value_text(value))
    return definitions(
        {k: ", ".join(sorted(values)[:4]) for k, values in used.items()} | versions()
    )


def _url(name: str) -> str:
    return quote(name.encode("utf-8", "surrogateescape"))
