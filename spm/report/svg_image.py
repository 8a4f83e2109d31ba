"""The image of a report: inline SVG with outlines, cells, vacancies and scale bar."""

from __future__ import annotations

import math
from html import escape

import cv2
import numpy as np

from spm.io.class_colours import class_colours
from spm.io.images import encode_png
from spm.measure.statistics import Statistics
from spm.report.tables import data_uri, number_text
from spm.run.language import counted_phrase
from spm.structures.molecule import Molecule

# A larger image is embedded as JPEG, and one with a longer side is made smaller: a page of more
# than some ten megabytes is slow to open and to mail.
MOST_PNG_BYTES = 4_000_000
LONGEST_SIDE = 4096
LONGEST_WORD = 12  # letters of a class name on a molecule


def image_svg(image: np.ndarray, found: Statistics) -> str:
    """Return the image with outlines, cells, vacancies and scale bar as inline SVG."""
    height, width = image.shape[:2]
    groups = []
    for k, (name, colour) in enumerate(class_colour_texts(found)):
        paths = [
            f'<path class="m{_doubts(m)}" d="{"".join(map(_path, m.borders))}"/>'
            for m in found.shown
            if m.class_name == name
        ]
        groups.append(f'<g data-group="{k}" style="--c:{colour}">{"".join(paths)}</g>')
    label = counted_phrase(
        len(found.shown),
        "image with {count} outlined molecule",
        "image with {count} outlined molecules",
    )
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}" '
        'xmlns="http://www.w3.org/2000/svg">'
        f'<image width="{width}" height="{height}" preserveAspectRatio="none" '
        f'href="{_image_uri(image)}"/>'
        f"{''.join(groups)}{_cells(found)}{_holes(found)}{_names(found)}{_scale_bar(found)}</svg>"
    )


def _doubts(molecule: Molecule) -> str:
    return " f" * molecule.unfamiliar + " u" * (molecule.uncertain and not molecule.unfamiliar)


def _path(points: np.ndarray, closed: bool = True) -> str:
    places = (f"{x:.1f} {y:.1f}" for x, y in points.tolist())
    return "M" + "L".join(places) + ("Z" if closed else "")


def _image_uri(image: np.ndarray) -> str:
    """Return the image as a data URI: PNG, or JPEG where that would be too large."""
    if max(image.shape[:2]) <= LONGEST_SIDE:
        data = encode_png(image)
        if len(data) <= MOST_PNG_BYTES:
            return data_uri("image/png", data)
    shrink = min(1.0, LONGEST_SIDE / max(image.shape[:2]))
    if shrink < 1:
        image = cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 90])
    return data_uri("image/jpeg", data.tobytes())


def _cells(found: Statistics) -> str:
    """Return one unit cell for each domain, near the domain's middle."""
    paths = []
    for domain in found.order.domains:
        points = np.array([found.molecules[i].centroid for i in domain.members])
        start = points[np.hypot(*(points - points.mean(axis=0)).T).argmin()]
        a, b = domain.lattice.vectors
        outline = _path(np.array([start, start + a, start + a + b, start + b]))
        paths.append(f'<path class="under" d="{outline}"/><path d="{outline}"/>')
    return f'<g class="cells" pointer-events="none">{"".join(paths)}</g>'


def _holes(found: Statistics) -> str:
    """Return a cross at each vacancy and a ring at each molecule of the wrong class."""
    size = 0.2 * np.sqrt(np.median([m.area for m in found.molecules])) if found.molecules else 0
    marks = []
    for v in found.order.vacancies:
        if v.taken_by:
            mark = f"M{v.x - size:.1f} {v.y:.1f}a{size:.1f} {size:.1f} 0 1 0 {2 * size:.1f} 0"
            mark += f"a{size:.1f} {size:.1f} 0 1 0 {-2 * size:.1f} 0"
        else:
            mark = f"M{v.x - size:.1f} {v.y - size:.1f}l{2 * size:.1f} {2 * size:.1f}"
            mark += f"m0 {-2 * size:.1f}l{-2 * size:.1f} {2 * size:.1f}"
        marks.append(f'<path d="{mark}"/>')
    return f'<g class="holes" pointer-events="none">{"".join(marks)}</g>'


def _names(found: Statistics) -> str:
    """Return each molecule's class as a word on it, in the order of the outlines."""
    texts = []
    for name in found.class_names:
        word = escape(name if len(name) <= LONGEST_WORD else f"{name[: LONGEST_WORD - 1]}…")
        for m in found.molecules:
            if m.class_name == name:
                size = min(0.3, 1.1 / max(1, len(word))) * np.sqrt(m.area)
                x, y = m.centroid
                texts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:.1f}">{word}</text>')
    return f'<g class="names" pointer-events="none">{"".join(texts)}</g>'


def _scale_bar(found: Statistics) -> str:
    """Return a bar of 1, 2 or 5 times a power of ten nanometres; nothing without a scale."""
    if not found.nm_per_pixel:
        return ""
    width, height = found.width, found.height
    most = 0.25 * width * found.nm_per_pixel
    power = 10.0 ** math.floor(math.log10(most))
    length = max(step * power for step in (1, 2, 5) if step * power <= most)
    pixels, margin, thick = length / found.nm_per_pixel, 0.025 * width, 0.008 * width
    x, y = margin, height - margin - thick
    text = f"{number_text(length)} nm"
    style = 'fill="#fff" stroke="#000" stroke-opacity=".6" paint-order="stroke"'
    return (
        f'<g pointer-events="none" {style} stroke-width="{thick / 2:.2f}">'
        f'<rect x="{x:.2f}" y="{y:.2f}" width="{pixels:.2f}" height="{thick:.2f}"/>'
        f'<text x="{x:.2f}" y="{y - thick:.2f}" font-size="{0.032 * width:.2f}" '
        f'font-family="sans-serif">{text}</text></g>'
    )


def class_colour_texts(found: Statistics) -> list[tuple[str, str]]:
    """Return (class name, CSS colour) of each class."""
    colours = class_colours(len(found.class_names))
    return [
        (name, "rgb({},{},{})".format(*colour))
        for name, colour in zip(found.class_names, colours, strict=True)
    ]
