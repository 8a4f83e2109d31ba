"""Molecules as small drawings: a height drawing and the outline a person would click.

A drawing is measured in drawing pixels: one of them is one image pixel when a system is
simulated at ``pixels_per_molecule=60`` (`STANDARD_SIZE`), the width of the filled triangle.  The
centre of a molecule is (0, 0), x runs to the right and y down, and a positive angle turns clockwise
on the screen.  Heights are relative: 1.0 is the top of an ordinary molecule above the bare surface.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np

from spm.errors import InputError

STANDARD_SIZE = 60.0  # drawing pixels across molecule A; the size that image scales refer to
OVERSAMPLING = 2  # grid points per image pixel in a rendered drawing


@dataclass(frozen=True)
class Lobe:
    """A rounded ridge from (x1, y1) to (x2, y2) of half width `radius`; a dome when both ends meet.

    The profile across is exp(-(distance / radius)^4): a flat top with a soft flank.
    """

    x1: float
    y1: float
    x2: float
    y2: float
    radius: float
    height: float = 1.0


@dataclass(frozen=True)
class Plate:
    """A filled polygon of constant height; `points` is a tuple of (x, y)."""

    points: tuple[tuple[float, float], ...]
    height: float = 1.0


@dataclass(frozen=True, eq=False)
class Drawing:
    """How one kind of molecule looks under an ideally sharp tip, and its outline.

    Attributes:
        class_name: name that labels start with.
        outline: (n, 2) float64, drawing pixels, around the visible blob as a person outlines it.
        parts: lobes and plates; the highest one wins where they overlap.
        relief: (h, w) float32 height image centred on the molecule, one grid point per drawing
            pixel; used instead of `parts` for a user's own molecule.
        symmetry: order of the rotational symmetry (3 for the triangle).
    """

    class_name: str
    outline: np.ndarray
    parts: tuple[Lobe | Plate, ...] = ()
    relief: np.ndarray | None = None
    symmetry: int = 1
    _grids: dict = field(default_factory=dict, repr=False)

    @property
    def radius(self) -> float:
        """Distance of the farthest outline point from the centre, drawing pixels."""
        return float(np.hypot(*self.outline.T).max())

    def grid(self, scale: float) -> np.ndarray:
        """Height drawing at `scale` image pixels per drawing pixel.

        Returns:
            (k, k) float32 with odd k and the molecule's centre in the middle grid point;
            `OVERSAMPLING` grid points per image pixel.
        """
        key = round(scale, 6)
        if key not in self._grids:
            self._grids[key] = _render(self, scale * OVERSAMPLING)
        return self._grids[key]


def _render(drawing: Drawing, density: float) -> np.ndarray:
    """Draw all parts on a grid of `density` points per drawing pixel."""
    half = int(np.ceil((drawing.radius + 12.0) * density))
    axis = np.arange(-half, half + 1, dtype=np.float32) / density
    if drawing.relief is not None:
        return _relief_grid(drawing.relief, axis)
    height = np.zeros((axis.size, axis.size), np.float32)
    for part in drawing.parts:
        drawn = _plate(part, half, density) if isinstance(part, Plate) else _lobe(part, axis)
        np.maximum(height, drawn, out=height)
    return height


def _lobe(lobe: Lobe, axis: np.ndarray) -> np.ndarray:
    x, y = np.meshgrid(axis, axis)
    dx, dy = lobe.x2 - lobe.x1, lobe.y2 - lobe.y1
    length2 = max(dx * dx + dy * dy, 1e-9)
    along = np.clip(((x - lobe.x1) * dx + (y - lobe.y1) * dy) / length2, 0.0, 1.0)
    distance2 = (x - lobe.x1 - along * dx) ** 2 + (y - lobe.y1 - along * dy) ** 2
    return (lobe.height * np.exp(-((distance2 / lobe.radius**2) ** 2))).astype(np.float32)


def _plate(plate: Plate, half: int, density: float) -> np.ndarray:
    fixed = 16  # fillPoly takes fixed-point corners: 4 fractional bits
    corners = np.round((np.array(plate.points) * density + half) * fixed).astype(np.int32)
    filled = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    cv2.fillPoly(filled, [corners], plate.height, lineType=cv2.LINE_8, shift=4)
    return cv2.GaussianBlur(filled, (0, 0), 1.2 * density)


def _relief_grid(relief: np.ndarray, axis: np.ndarray) -> np.ndarray:
    x, y = np.meshgrid(axis, axis)
    rows, cols = relief.shape
    return cv2.remap(
        relief.astype(np.float32),
        (x + (cols - 1) / 2).astype(np.float32),
        (y + (rows - 1) / 2).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=0.0,
    )


def polar(radius: float, degrees: float) -> tuple[float, float]:
    """Return the point (x, y) `radius` from the centre, `degrees` clockwise from the x axis."""
    return (
        float(radius * np.cos(np.radians(degrees))),
        float(radius * np.sin(np.radians(degrees))),
    )


def _mirrored(quarter: list[tuple[float, float]]) -> np.ndarray:
    """Close an outline from its points with x >= 0 and y >= 0, given from the x axis upwards."""
    q = np.array(quarter, float)
    flip = q[::-1]
    return np.concatenate([q, flip * (-1, 1), q * (-1, -1), flip * (1, -1)])


def _triangle() -> Drawing:
    """Molecule A: a filled triangle; a person clicks two points at each blunt corner."""
    arms = (0, 120, 240)
    outline = [polar(34.0, a + side * 12.5) for a in arms for side in (-1, 1)]
    body = tuple(polar(33.5, a + side * 12) for a in arms for side in (-1, 1))
    ridges = tuple(Lobe(0, 0, *polar(17.0, a), 11.0, 1.0) for a in arms)
    return Drawing("003a", np.array(outline), (Plate(body, 0.66), *ridges), symmetry=3)


def _three_lobed() -> Drawing:
    """Molecule B: three arms; a person clicks three points round each arm and one in each notch."""
    outline = []
    for arm in (0, 120, 240):
        outline += [polar(26.5, arm - 27), polar(30.5, arm), polar(26.5, arm + 27)]
        outline.append(polar(13.5, arm + 60))
    arms = tuple(Lobe(0, 0, *polar(20.5, a), 11.5, 1.0) for a in (0, 120, 240))
    return Drawing("020a", np.array(outline), arms, symmetry=3)


def _rod() -> Drawing:
    """Molecule C: a straight rod with rounded ends."""
    outline = _mirrored([(35.0, 5.0), (30.0, 11.5)])
    return Drawing("rod", outline, (Lobe(-25, 0, 25, 0, 10.0),), symmetry=2)


def _biphenyl() -> Drawing:
    """Two phenyl rings side by side, with a shallow waist."""
    outline = _mirrored([(26.0, 5.0), (20.0, 12.0), (8.0, 12.0), (0.0, 8.5)])
    rings = (Lobe(-12, 0, -12, 0, 12.5), Lobe(12, 0, 12, 0, 12.5), Lobe(-10, 0, 10, 0, 6.0, 0.85))
    return Drawing("biphenyl", _without_repeats(outline), rings, symmetry=2)


def _dichlorobiphenyl() -> Drawing:
    """Biphenyl with a bright chlorine atom at either end (4,4'-dichlorobiphenyl)."""
    outline = _mirrored([(38.0, 4.5), (33.0, 9.0), (20.0, 12.0), (8.0, 12.0), (0.0, 8.5)])
    rings = (Lobe(-12, 0, -12, 0, 12.5, 0.8), Lobe(12, 0, 12, 0, 12.5, 0.8))
    bridge = (Lobe(-26, 0, 26, 0, 5.5, 0.7),)
    chlorine = (Lobe(-30, 0, -30, 0, 8.0, 1.25), Lobe(30, 0, 30, 0, 8.0, 1.25))
    return Drawing(
        "dichlorobiphenyl", _without_repeats(outline), rings + bridge + chlorine, symmetry=2
    )


def _without_repeats(points: np.ndarray) -> np.ndarray:
    """Drop points that equal their predecessor (mirroring doubles those on an axis)."""
    return points[np.any(points != np.roll(points, 1, axis=0), axis=1)]


@lru_cache(maxsize=1)
def builtin_drawings() -> dict[str, Drawing]:
    """Return the drawings that come with the simulator, by class name."""
    made = (_triangle(), _three_lobed(), _rod(), _biphenyl(), _dichlorobiphenyl())
    return {drawing.class_name: drawing for drawing in made}


def drawing_from_outline(class_name: str, points: np.ndarray, symmetry: int = 1) -> Drawing:
    """Make a flat molecule of the user's own from its outline alone.

    Args:
        points: (n, 2) float xy, pixels of the user's image.  Simulated at
            `pixels_per_molecule=60` the molecule comes out in that size.
    """
    points, _ = _centred(class_name, points)
    # The tip widens what it scans, and a person outlines the widened blob: shrink the body by it.
    size = np.hypot(*points.T).mean()
    body = points * max(0.5, 1.0 - 4.0 / size)
    plate = Plate(tuple(map(tuple, body.tolist())))
    return Drawing(class_name, points, (plate,), symmetry=symmetry)


def drawing_from_mask(class_name: str, mask: np.ndarray, symmetry: int = 1) -> Drawing:
    """Make a flat molecule of the user's own from a mask (h, w) bool."""
    from spm.geometry.mask_outline import mask_outline

    return drawing_from_outline(class_name, mask_outline(mask), symmetry)


def drawing_from_crop(
    class_name: str, image: np.ndarray, points: np.ndarray, symmetry: int = 1
) -> Drawing:
    """Make a molecule of the user's own with the relief it has in an image.

    Args:
        image: (H, W, 3) uint8 RGB whose brightness grows with the height (sum of the channels).
        points: (n, 2) float xy outline in that image, pixels.
    """
    points, centre = _centred(class_name, points)
    half = int(np.ceil(np.hypot(*points.T).max())) + 4
    grid = np.arange(-half, half + 1, dtype=np.float32)
    x, y = np.meshgrid(grid + centre[0] - 0.5, grid + centre[1] - 0.5)
    brightness = image.astype(np.float32).sum(axis=2)
    relief = cv2.remap(
        brightness,
        x.astype(np.float32),
        y.astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    inside = np.zeros(relief.shape, np.uint8)
    cv2.fillPoly(inside, [np.round((points + half) * 16).astype(np.int32)], 1, shift=4)
    low, high = np.percentile(brightness, 2), np.percentile(relief[inside > 0], 95)
    if high <= low:
        raise InputError(
            f"{class_name}: the outline encloses nothing brighter than the image's background; "
            "outline a molecule that stands out."
        )
    soft = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 1.5)
    return Drawing(
        class_name,
        points,
        relief=np.clip((relief - low) / (high - low), 0.0, 1.3) * soft,
        symmetry=symmetry,
    )


def drawings_from_annotation(annotation, classes=None, image=None) -> dict[str, Drawing]:
    """Make one drawing per class from the first outline of each class in an annotation.

    Args:
        annotation: spm.structures.annotation.Annotation with at least one shape.
        classes: the known ones; by default those that the labels suggest.
        image: (H, W, 3) uint8 RGB for the relief; without it the molecules are flat.

    Raises:
        InputError: the annotation has no shape, or a label belongs to no class.
    """
    from spm.structures.shape import outline

    if not annotation.shapes:
        raise InputError(f"{annotation.image_name}: no outline to draw a molecule from.")
    annotation = annotation.classified(classes)
    drawings: dict[str, Drawing] = {}
    for shape in annotation.shapes:
        name = annotation.class_of(shape)
        if name in drawings:
            continue
        if image is None:
            drawings[name] = drawing_from_outline(name, outline(shape))
        else:
            drawings[name] = drawing_from_crop(name, image, outline(shape))
    return drawings


def _centred(class_name: str, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shift an outline so that its area centroid is the origin; return it and the centroid."""
    points = np.asarray(points, np.float64)
    x, y = points.T
    x1, y1 = np.roll(x, -1), np.roll(y, -1)
    cross = x * y1 - x1 * y
    if len(points) < 3 or abs(cross.sum()) < 1e-9:
        raise InputError(f"{class_name}: an outline needs at least three points around an area.")
    centre = np.array([((x + x1) * cross).sum(), ((y + y1) * cross).sum()]) / (3 * cross.sum())
    return points - centre, centre
