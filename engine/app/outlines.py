"""Outlines between the page and the annotation: what the page is sent, and what it sends back.

The page knows a molecule by an id, its class, the borders of its parts and of their holes. All else
that a file says of a molecule stays in the file: it is found again by the id, which the file keeps
under a key of its own (labelme keeps keys that it does not know).
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.app.answers import Refused, field_of
from spm.geometry.polygons import signed_area
from spm.geometry.rings import by_part, mask_rings, oriented, unbridged
from spm.structures.annotation import CLASS_NAMES, Annotation
from spm.structures.classes import Classes
from spm.structures.label_text import clean_label
from spm.structures.labelme_file import clean_text
from spm.structures.shape import MOST_POINTS, Shape, outline

ID = "outline_id"  # key of a shape
DIGITS = 3  # of what is sent, behind the point: of pixels
SAME = 0.002  # pixels by which what comes back may differ from what was sent
FARTHEST = 1e6  # pixels from the image's corner, beyond which nothing is taken
MOST_SHAPES = 20_000  # of an image
LONGEST = 200  # characters of a class name
MARK = 3.0  # pixels from a point to the sides of the square that shows it
MOST_MARKS = 100  # points of a line that are shown
CORNERS = np.array([(-1.0, -1), (1, -1), (1, 1), (-1, 1)])
NUMBERS = ("score", "likeness", "second_score")
FLAGS = ("unfamiliar", "uncertain", "edge")
PARTIAL = "partial"


@dataclass
class Sent:
    """A molecule as the page sends it.

    Attributes:
        id: that of the file, or "" for a new one.
        class_name: its class.
        parts, holes: (n, 2) float64 x, y each.
    """

    id: str
    class_name: str
    parts: list[np.ndarray]
    holes: list[np.ndarray]


# --- what the page is sent ----------------------------------------------------------------------


def shown_shapes(annotation: Annotation) -> list[dict[str, Any]]:
    """Return the molecules of a classified annotation as the page knows them. Points and lines,
    which stand in the way of a training, are small squares that can be seen and deleted."""
    found = []
    for shape, name in zip(annotation.shapes, ids(annotation.shapes), strict=True):
        borders = _visible(shape)
        if borders is not None:
            found.append(_shown(shape, name, annotation.classes.find(shape.label), *borders))
    return found


def _shown(
    shape: Shape, name: str, class_name: str | None, parts: list[np.ndarray],
    holes: list[np.ndarray],
) -> dict[str, Any]:  # fmt: skip
    single = len(parts) == 1 and not holes and shape.shape_type == "polygon"
    return {
        "id": name,
        "class_name": class_name or shape.label,
        "parts": [_rounded(points) for points in parts],
        "holes": [_rounded(points) for points in holes],
        "editable": single and _borders(shape) is not None,
        "flat": _borders(shape) is None,
        **{key: str(shape.extra.get(key) or "") or None for key in ("second_class", "alike")},
        **{key: _number(shape.extra.get(key)) for key in NUMBERS},
        **{flag: bool(shape.flags.get(flag)) for flag in FLAGS},
    }


def ids(shapes: Sequence[Shape]) -> list[str]:
    """Return an id for each molecule of a file: the one that it has there, or else one made of its
    place in the file; no two the same."""
    stored = [shape.extra.get(ID) for shape in shapes]
    first = {one: k for k, one in reversed(list(enumerate(stored))) if isinstance(one, str) and one}
    taken, found = set(first), []
    for k, (shape, one) in enumerate(zip(shapes, stored, strict=True)):
        if not isinstance(one, str) or first.get(one) != k:
            one = f"n{shape.number}"
            while one in taken:
                one += "+"
            taken.add(one)
        found.append(one)
    return found


def _borders(shape: Shape) -> tuple[list[np.ndarray], list[np.ndarray]] | None:
    """Return the outer borders and the holes of a molecule; None for what encloses no area."""
    parts: list[np.ndarray] = []
    holes: list[np.ndarray] = []
    try:
        for part in shape.all_parts:
            rings = _rings(part)
            # A part's own border encloses its holes; a mask in pieces has several.
            outer = np.sign(max(map(signed_area, rings), key=abs))
            parts += [ring for ring in rings if signed_area(ring) * outer >= 0]
            holes += [ring for ring in rings if signed_area(ring) * outer < 0]
    except (ValueError, IndexError):
        return None
    return (parts, holes) if all(len(ring) >= 3 for ring in parts) else None


def _visible(shape: Shape) -> tuple[list[np.ndarray], list[np.ndarray]] | None:
    """Return the borders of a molecule; of what encloses no area a square around each point, and
    None where even these are no places."""
    borders = _borders(shape)
    if borders is not None:
        return borders
    points = np.concatenate([part.points.reshape(-1, 2) for part in shape.all_parts])
    if not 0 < len(points) <= MOST_MARKS or not (np.abs(points) < FARTHEST - MARK).all():
        return None
    return [point + MARK * CORNERS for point in points], []


def _rings(part: Shape) -> list[np.ndarray]:
    if part.shape_type == "mask" and part.mask is not None:
        corner = np.floor(part.points.min(axis=0))
        return [ring + corner for ring in mask_rings(part.mask)]
    return unbridged(outline(part))


def _rounded(points: np.ndarray) -> list[list[float]]:
    return np.round(points, DIGITS).tolist()


def _number(value: Any) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else None


# --- what it sends back -------------------------------------------------------------------------


def sent_shapes(items: Any) -> list[Sent]:
    """Return the molecules that the page sent.

    Raises:
        Refused: when one of them is none: a name that is empty, points that are no numbers.
    """
    if not isinstance(items, list) or len(items) > MOST_SHAPES:
        raise Refused(f"The request must have a list of at most {MOST_SHAPES} 'shapes'.", 400)
    return [_sent(item, f"Outline {k}") for k, item in enumerate(items, start=1)]


def _sent(item: Any, where: str) -> Sent:
    if not isinstance(item, dict):
        raise Refused(f"{where} is no object.", 400)
    name = class_name_of(field_of(item, "class_name", str), where)
    parts = rings_of(field_of(item, "parts", list), where)
    holes = rings_of(field_of(item, "holes", list, []), where)
    if not parts:
        raise Refused(f"{where} has no part; draw it, or leave it out.", 422)
    return Sent(str(item.get("id") or ""), name, parts, holes)


def class_name_of(text: str, where: str) -> str:
    """Return a class name as it is written into a file.

    Raises:
        Refused: when it is empty, too long, or not to be printed.
    """
    name = clean_label(clean_text(text))
    if not name or len(name) > LONGEST or not name.isprintable():
        raise Refused(f"{where} needs the name of its class, of 1 to {LONGEST} characters.", 422)
    return name


def rings_of(rings: list[Any], where: str) -> list[np.ndarray]:
    """Return borders (n, 2) float64 as the page sends them.

    Raises:
        Refused: when one is not at least three pairs of finite numbers.
    """
    found = []
    for ring in rings:
        try:
            points = np.array(ring, np.float64)
        except (ValueError, TypeError, OverflowError):
            points = np.zeros(0)
        proper = points.ndim == 2 and points.shape[1] == 2 and 3 <= len(points) <= MOST_POINTS
        # Neither NaN nor infinity is below.
        if not proper or not (np.abs(points) < FARTHEST).all():
            raise Refused(
                f"{where} must have 3 to {MOST_POINTS} points, each a pair of numbers.", 422
            )
        found.append(points)
    return found


def merged(annotation: Annotation, sent: Sequence[Sent], flags: dict[str, bool]) -> Annotation:
    """Return an annotation with the page's outlines, and with all that the page does not know.

    A molecule whose borders and class came back as they were sent stays as it is. What was not
    sent, since it has no place, stays too.

    Args:
        annotation: of the file, classified.
        sent: what the page has now; a molecule that is not among them was deleted.
        flags: of the whole image, as far as the page knows them.
    """
    known = dict(zip(ids(annotation.shapes), annotation.shapes, strict=True))
    names = list(dict.fromkeys(one.class_name for one in sent))
    shapes, used = [], set()
    for one in sent:
        before = known.get(one.id) if one.id not in used else None
        name = one.id if before is not None else secrets.token_hex(6)
        used.add(name)
        shapes.append(_with_id(_merged(before, one, Classes.of(names), annotation.classes), name))
    shapes += [shape for shape in annotation.shapes if _visible(shape) is None]
    extra = annotation.extra | {CLASS_NAMES: _stated(annotation, names)}
    changed = replace(annotation, shapes=_apart(shapes), extra=extra)
    return _with_flags(changed, flags)


def _merged(before: Shape | None, one: Sent, sent: Classes, classes: Classes) -> Shape:
    """Return a molecule as it is now: its class and its borders are the page's."""
    if before is None:
        return _drawn(Shape(one.class_name, one.parts[0]), one)
    kept = one.class_name in (sent.find(before.label), classes.find(before.label))
    label = before.label if kept else one.class_name
    renamed = replace(
        before, label=label, parts=tuple(replace(part, label=label) for part in before.parts)
    )
    return renamed if _same_borders(before, one) else _drawn(renamed, one)


def _drawn(shape: Shape, one: Sent) -> Shape:
    """Return a molecule of new borders: a polygon for each part, with bridges to its holes."""
    borders = [oriented(part) for part in one.parts]
    polygons = by_part([*borders, *(oriented(hole)[::-1] for hole in one.holes)])
    polygons.sort(key=lambda points: -abs(signed_area(points)))
    drawn = [
        replace(shape, points=points, shape_type="polygon", mask=None, parts=())
        for points in polygons
    ]
    return replace(drawn[0], parts=tuple(drawn[1:]))


def _same_borders(shape: Shape, one: Sent) -> bool:
    parts, holes = _visible(shape) or ([], [])
    pairs = ((parts, one.parts), (holes, one.holes))
    return all(
        len(ours) == len(theirs) and all(map(_same_ring, ours, theirs)) for ours, theirs in pairs
    )


def _same_ring(ours: np.ndarray, theirs: np.ndarray) -> bool:
    return ours.shape == theirs.shape and bool(np.abs(ours - theirs).max() <= SAME)


def _with_id(shape: Shape, name: str) -> Shape:
    return replace(shape, extra=shape.extra | {ID: name})


def _stated(annotation: Annotation, names: Iterable[str]) -> list[str]:
    """Return the classes that the file states: without them C60 would be number 60 of a class C."""
    return list(dict.fromkeys([*annotation.class_names, *names]))


def _apart(shapes: Sequence[Shape]) -> list[Shape]:
    """Return the molecules with a group number of its own for each that has several parts, so that
    no two of a class become one."""
    taken = {part.group_id for shape in shapes for part in shape.all_parts}
    free = max((number for number in taken if number is not None), default=0) + 1
    seen: set[tuple[str, int | None]] = set()
    found = []
    for shape in shapes:
        number = shape.group_id
        if (shape.parts and number is None) or (
            number is not None and (shape.label, number) in seen
        ):
            number, free = free, free + 1
        seen.add((shape.label, number))
        parts = tuple(replace(part, group_id=number) for part in shape.parts)
        found.append(replace(shape, group_id=number, parts=parts))
    return found


def _with_flags(annotation: Annotation, flags: dict[str, bool]) -> Annotation:
    """Return the annotation with what the page says of the whole image."""
    if PARTIAL not in flags or flags[PARTIAL] == annotation.partial:
        return annotation
    told = {k: v for k, v in annotation.flags.items() if not _is_partial(k)}
    told[PARTIAL] = flags[PARTIAL]
    extra = {k: v for k, v in annotation.extra.items() if not _is_partial(k)}
    shapes = [
        replace(_unticked(shape), parts=tuple(map(_unticked, shape.parts)))
        for shape in annotation.shapes
    ]
    return replace(annotation, flags=told, extra=extra, shapes=shapes)


def _unticked(shape: Shape) -> Shape:
    return replace(shape, flags={k: v for k, v in shape.flags.items() if not _is_partial(k)})


def _is_partial(name: str) -> bool:
    return name.strip().casefold() == PARTIAL
