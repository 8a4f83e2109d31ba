"""One outlined molecule: its outline as a polygon, and what can be wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spm.geometry.cropped_mask import CroppedMask, mask_outline
from spm.geometry.polygons import crosses_itself, polygon_area

AREA_TYPES = ("polygon", "rectangle", "circle", "mask")
CIRCLE_POINTS = 64
# Points may leave the picture by this part of its longer side (a hand slips); beyond it the outline
# belongs to another picture.
MARGIN = 0.02
MOST_POINTS = 10_000  # of one outline; more is no molecule, and takes minutes to check


@dataclass
class Shape:
    """One outlined molecule.

    Attributes:
        label: class and serial number, `003a12`.
        points: (n, 2) float64 x, y. Rectangle: two opposite corners; circle: centre and a point on
            it; mask: top-left and bottom-right pixel, both inside.
        mask: (h, w) bool of a `mask` shape, its top-left pixel at points[0]; else None.
        flags: name -> bool (labelme refuses anything else here).
        extra: the JSON keys that labelme does not know, for example `score`.
    """

    label: str
    points: np.ndarray
    shape_type: str = "polygon"
    group_id: int | None = None
    flags: dict[str, bool] = field(default_factory=dict)
    description: str = ""
    mask: np.ndarray | None = None
    extra: dict[str, Any] = field(default_factory=dict)


def outline(shape: Shape) -> np.ndarray:
    """Return the (n, 2) float64 x, y polygon around a shape of any area type.

    A circle becomes 64 points of the same area; of a mask the largest part's outer border.

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


def check_shape(shape: Shape, height: int, width: int) -> list[str]:
    """Return what is wrong with a shape in a picture of height x width pixels.

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
        problems.append("covers no pixel of the picture; draw it larger or delete it")
    return problems


def check_form(shape: Shape, height: int, width: int, margin: float) -> str:
    """Return what makes a shape unusable for drawing and moving, or an empty text.

    Args:
        margin: pixels by which it may reach out of the picture of height x width.
    """
    if not shape.label:
        return "has an empty label; write its class and a number"
    if problem := _wrong_form(shape):
        return problem
    points = outline(shape)
    outside = np.maximum(points - (width, height), -points).max()
    if outside > margin:
        return f"reaches {outside:.6g} pixels out of the picture; move or delete it"
    return ""


def _wrong_form(shape: Shape) -> str:
    """Return what is wrong with the type and number of points, or an empty text."""
    count = len(shape.points)
    if shape.shape_type not in AREA_TYPES:
        return f"is a {shape.shape_type}, which encloses no area; draw a polygon"
    if not np.isfinite(shape.points).all():
        return "has a point that is NaN or infinite; draw it again"
    if shape.shape_type == "polygon" and count < 3:
        return f"has {count} point(s); a polygon needs at least 3"
    if count > MOST_POINTS:
        return f"has {count} points, more than {MOST_POINTS}; draw it with fewer"
    if shape.shape_type != "polygon" and count < 2:
        return f"has {count} point(s); a {shape.shape_type} needs 2"
    if shape.shape_type == "mask" and (shape.mask is None or not shape.mask.any()):
        return "has an empty mask; draw it again or delete it"
    return ""
