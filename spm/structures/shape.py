"""One outlined molecule: its outline as a polygon, its region, and what can be wrong with it.

A molecule may have several parts: outlines of one label with one group number, as labelme groups
them, or a mask in pieces. The *outline* is that of the largest part, for drawing; the *region* is
all of it, for everything that counts pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from spm.geometry.cropped_mask import CroppedMask
from spm.geometry.mask_outline import mask_outline
from spm.geometry.polygons import crosses_itself, polygon_area
from spm.geometry.rings import bridged, mask_rings, oriented
from spm.run.words import counted

AREA_TYPES = ("polygon", "rectangle", "circle", "mask")
CIRCLE_POINTS = 64
# Points may leave the image by this part of its longer side (a hand slips); beyond it the outline
# belongs to another image.
MARGIN = 0.02
MOST_POINTS = 10_000  # of one outline; more is no molecule, and takes minutes to check
MOST_PARTS = 8  # outlines of one group; more are no molecule but a program's habit
FINE = 4  # cells a pixel in which overlapping parts are joined
LARGE = 2000  # pixels, above which a cell is a pixel


@dataclass
class Shape:
    """One outlined molecule.

    Attributes:
        label: its class, with or without a serial number: `003a`, `003a12`.
        points: (n, 2) float64 x, y. Rectangle: two opposite corners; circle: centre and a point on
            it; mask: top-left and bottom-right pixel, both inside.
        mask: (h, w) bool of a `mask` shape, its top-left pixel at points[0]; else None.
        flags: name -> bool (labelme refuses anything else here).
        extra: the JSON keys that labelme does not know, for example `score`.
        parts: further outlines of the same molecule, smaller than this one.
        number: place in the file it was read from, counted from 1; 0 when it was not.
        class_name: what the label means, see `Annotation.classified`; None before, and for a label
            of no known class.
        serial: the serial number that the label says, None without one.
    """

    label: str
    points: np.ndarray
    shape_type: str = "polygon"
    group_id: int | None = None
    flags: dict[str, bool] = field(default_factory=dict)
    description: str = ""
    mask: np.ndarray | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    parts: tuple[Shape, ...] = ()
    number: int = 0
    class_name: str | None = None
    serial: int | None = None

    @property
    def all_parts(self) -> tuple[Shape, ...]:
        """This outline and the further ones of the same molecule."""
        return (self, *self.parts)


def grouped(shapes: Sequence[Shape]) -> list[Shape]:
    """Return molecules of the shapes of a file, each in the place of its first part.

    Shapes of one label and one group number are the parts of one molecule (labelme's issues 633 and
    714); the largest becomes the molecule, the others its `parts`.
    """
    molecules: dict[object, list[Shape]] = {}
    for k, shape in enumerate(shapes):
        key = k if shape.group_id is None else (shape.label, shape.group_id)
        molecules.setdefault(key, []).append(shape)
    return [_molecule(parts) for parts in molecules.values()]


def _molecule(parts: list[Shape]) -> Shape:
    if len(parts) == 1:
        return parts[0]
    largest = max(parts, key=lambda part: 0.0 if _wrong_form(part) else polygon_area(outline(part)))
    return replace(largest, parts=tuple(part for part in parts if part is not largest))


def titles(shapes: Sequence[Shape]) -> list[str]:
    """Return how messages name the shapes of an image: by their labels, and where several have the
    same one also by the middle (x, y), which labelme shows for the mouse ("003a at 120, 45")."""
    counts = Counter(shape.label for shape in shapes)
    return [x.label if counts[x.label] == 1 else f"{x.label} at {_middle(x)}" for x in shapes]


def _middle(shape: Shape) -> str:
    return ", ".join(f"{v:.0f}" for v in (shape.points.min(axis=0) + shape.points.max(axis=0)) / 2)


def outline(shape: Shape) -> np.ndarray:
    """Return the (n, 2) float64 x, y polygon around a shape of any area type, its parts left out.

    A circle becomes 64 points of the same area; of a mask the largest piece's outer border.

    Raises:
        ValueError: for points and lines, which enclose nothing.
    """
    points = shape.points
    if shape.shape_type == "polygon":
        return points
    if shape.shape_type == "rectangle":
        (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
        return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    if shape.shape_type == "circle":
        step = 2 * np.pi / CIRCLE_POINTS
        angle = np.arange(CIRCLE_POINTS) * step
        # A polygon inscribed in the circle would be smaller than it by 0.2 %.
        radius = np.linalg.norm(points[1] - points[0]) * np.sqrt(step / np.sin(step))
        return points[0] + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    if shape.shape_type == "mask" and shape.mask is not None:
        return mask_outline(shape.mask) + np.floor(points.min(axis=0))
    raise ValueError(f"A shape of type {shape.shape_type!r} encloses no area.")


def region(shape: Shape) -> np.ndarray:
    """Return one (n, 2) float64 x, y polygon of all that a molecule covers.

    Several parts and the holes of a mask are joined by bridges (`spm.geometry.rings`): filled by
    the even-odd rule it covers each of them, and its area is theirs together.

    Raises:
        ValueError: for points and lines, which enclose nothing.
    """
    polygons = [_region_of_one(part) for part in shape.all_parts]
    if len(polygons) == 1:
        return polygons[0]
    if _overlap(polygons):
        return _joined(polygons)
    return bridged([oriented(points) for points in polygons])


def region_area(shape: Shape) -> float:
    """Return the area in square pixels of all that a molecule covers."""
    return polygon_area(region(shape))


def _region_of_one(shape: Shape) -> np.ndarray:
    if shape.shape_type == "mask" and shape.mask is not None:
        return bridged(mask_rings(shape.mask)) + np.floor(shape.points.min(axis=0))
    return outline(shape)


def _overlap(polygons: list[np.ndarray]) -> bool:
    masks = _cells(polygons, 1)[0]
    return any(a.common_pixels(b) for k, a in enumerate(masks) for b in masks[:k])


def _joined(polygons: list[np.ndarray]) -> np.ndarray:
    """Return the region that overlapping polygons cover together, in steps of a fine cell."""
    span = np.ptp(np.concatenate(polygons), axis=0).max()
    fine = FINE if span < LARGE else 1
    masks, corner = _cells(polygons, fine)
    whole = masks[0]
    for mask in masks[1:]:
        whole = whole.union(mask)
    return (bridged(mask_rings(whole.pixels)) + (whole.left, whole.top)) / fine + corner


def _cells(polygons: list[np.ndarray], fine: int) -> tuple[list[CroppedMask], np.ndarray]:
    """Return the masks of polygons in cells of 1 / fine pixels, and the corner (x, y) they count
    from."""
    points = np.concatenate(polygons)
    corner = np.floor(points.min(axis=0))
    width, height = (np.ceil((points.max(axis=0) - corner) * fine) + 1).astype(int)
    return CroppedMask.of_polygons(
        [(p - corner) * fine for p in polygons], int(height), int(width)
    ), corner


def check_shape(shape: Shape, height: int, width: int) -> list[str]:
    """Return what is wrong with a shape in an image of height x width pixels, its parts left out.

    Each problem is a clause such as "has 2 points; a polygon needs 3". Empty list: nothing.
    """
    problem = check_form(shape, height, width, max(2.0, MARGIN * max(height, width)))
    if problem and not problem.startswith("reaches"):
        return [problem]
    problems = [problem] if problem else []
    points = outline(shape)
    if np.abs(points).max() > 1e6:  # no arithmetic with what could overflow
        return problems
    if shape.shape_type == "polygon" and crosses_itself(points):
        problems.append("crosses itself; draw its points in order around the molecule")
    elif polygon_area(points) < 1e-6:
        problems.append("encloses no area; draw it again or delete it")
    elif not problems and not CroppedMask.of_polygon(points, height, width).area:
        problems.append("covers no pixel of the image; draw it larger or delete it")
    return problems


def check_form(shape: Shape, height: int, width: int, margin: float) -> str:
    """Return what makes a shape unusable for drawing and moving, or an empty text.

    Args:
        margin: pixels by which it may reach out of the image of height x width.
    """
    if not shape.label:
        return "has an empty label; write its class and a number"
    if problem := _wrong_form(shape):
        return problem
    points = outline(shape)
    outside = np.maximum(points - (width, height), -points).max()
    if outside > margin:
        return f"reaches {outside:.6g} pixels out of the image; move or delete it"
    return ""


def _no_area(kind: str) -> str:
    if kind == "linestrip":
        return "is an open line, which encloses no area; draw a polygon, or end it where it begins"
    if kind in ("point", "points", "line"):
        kind = "set of points" if kind == "points" else kind
        return f"is a {kind}, which encloses no area; draw a polygon"
    return f"has the unknown type {kind!r}; draw a polygon"


def _wrong_form(shape: Shape) -> str:
    """Return what is wrong with the type and number of points, or an empty text."""
    count = len(shape.points)
    if shape.shape_type not in AREA_TYPES:
        return _no_area(shape.shape_type)
    if not np.isfinite(shape.points).all():
        return "has a point that is NaN or infinite; draw it again"
    if shape.shape_type == "polygon" and count < 3:
        return f"has {counted(count, 'point')}; a polygon needs at least 3"
    if count > MOST_POINTS:
        return f"has {count} points, more than {MOST_POINTS}; draw it with fewer"
    if shape.shape_type != "polygon" and count < 2:
        return f"has {counted(count, 'point')}; a {shape.shape_type} needs 2"
    if shape.shape_type == "mask" and (shape.mask is None or not shape.mask.any()):
        return "has an empty mask; draw it again or delete it"
    return ""
