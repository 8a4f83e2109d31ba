"""Drawing recognised molecules into an image: tint, outline and label in the colour of the class.

Everything is drawn into the small surroundings of each molecule, so that an image of 16384 x 16384
needs no second copy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from spm.io.class_colours import class_colours
from spm.structures.molecule import Molecule, typical_size

TINT = 0.38  # share of the class colour inside a molecule, 0..1
LINE_WIDTH = 0.035  # outline, in typical molecule diameters
TEXT_HEIGHT = 0.13  # label, in typical molecule diameters
TEXT_LIMITS = (8, 40)  # pixels
SMALL = 700  # an image with no side above this is drawn at twice its size (pixels)

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_HEIGHT = 22  # pixels of a capital at scale 1
_SHIFT = 4  # OpenCV draws at 1/16 pixel


def draw_molecules(
    image: np.ndarray,
    molecules: Sequence[Molecule],
    class_names: Sequence[str],
    zoom: int | None = None,
    in_place: bool = False,
) -> np.ndarray:
    """Draws outlines, tints and class names over an image.

    A label of an uncertain molecule ends with "?", of an unfamiliar one with "!". A class whose
    name OpenCV's font does not have (other than Latin letters) is labelled with its number, "#2".

    Args:
        image: (H, W, 3) uint8 RGB.
        molecules: in the image's coordinates.
        class_names: all classes; the order gives the colours.
        zoom: enlargement, a whole number. Defaults to 2 for small images, 1 for others.
        in_place: draw into `image` itself where it is not enlarged and can be written to; saves a
            copy.

    Returns:
        (H * zoom, W * zoom, 3) uint8 RGB.
    """
    if zoom is None:
        zoom = 2 if max(image.shape[:2]) <= SMALL else 1
    if zoom > 1:
        canvas = cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
    else:
        # What Pillow has read (grey images, JPEG) cannot be written to.
        canvas = image if in_place and image.flags.writeable else image.copy()
    size = typical_size(molecules) * zoom
    colours = dict(zip(class_names, class_colours(len(class_names)), strict=True))
    width = max(1, round(LINE_WIDTH * size))
    shapes = [_Shape(canvas, molecule, zoom) for molecule in molecules]
    for shape in shapes:
        _fill(canvas, shape, colours[shape.molecule.class_name])
    for shape in shapes:
        _outline(canvas, shape, colours[shape.molecule.class_name], width)
    for shape in shapes:
        if not shape.visible:
            continue  # nothing of it is on the image
        text = _label(shape.molecule, class_names)
        _text(canvas, text, np.array(shape.molecule.centroid) * zoom, TEXT_HEIGHT * size)
    return canvas


class _Shape:
    """A molecule, its borders in pixels of the canvas, and where they lie.

    Attributes:
        borders: (n, 2) x, y each.
        box: (x1, y1, x2, y2) of them, whole pixels.
        visible: whether a border's box is on the canvas, in part at least.
    """

    def __init__(self, canvas: np.ndarray, molecule: Molecule, zoom: int):
        self.molecule = molecule
        borders = molecule.borders
        self.borders = borders if zoom == 1 else [border * zoom for border in borders]
        self.box = _box(self.borders)
        boxes = [self.box] if len(self.borders) == 1 else [_box([b]) for b in self.borders]
        self.visible = any(_surroundings(canvas, box, 0)[1].size for box in boxes)


def _label(molecule: Molecule, class_names: Sequence[str]) -> str:
    name = molecule.class_name
    if not (name.isascii() and name.isprintable()):
        name = f"#{list(class_names).index(name) + 1}"
    return name + ("?" if molecule.uncertain else "") + ("!" if molecule.unfamiliar else "")


def _fill(canvas, shape, colour) -> None:
    corner, part = _surroundings(canvas, shape.box, 2)
    if part.size:
        # Several at once: what lies within two of them is a hole.
        fixed = [_fixed(border, corner) for border in shape.borders]
        _blend(part, TINT, lambda over: cv2.fillPoly(over, fixed, colour, cv2.LINE_AA, _SHIFT))


def _outline(canvas, shape, colour, width) -> None:
    """Draws lines over dark, wider and weaker ones: seen on bright and on dark ground."""
    corner, part = _surroundings(canvas, shape.box, width + 3)
    if not part.size:
        return
    fixed = [_fixed(border, corner) for border in shape.borders]
    dark = tuple(v // 5 for v in colour)
    how = cv2.LINE_AA, _SHIFT
    _blend(part, 0.55, lambda over: cv2.polylines(over, fixed, True, dark, width + 2, *how))
    cv2.polylines(part, fixed, True, colour, width, *how)


def _text(canvas, text, centre, height) -> None:
    """Writes white text with a dark rim, centred at (x, y)."""
    low, high = TEXT_LIMITS
    scale = min(max(height, low), high) / _FONT_HEIGHT
    thickness = max(1, round(1.7 * scale))
    (width, above), _ = cv2.getTextSize(text, _FONT, scale, thickness)
    # Kept inside the image, where it is large enough.
    limits = canvas.shape[1] - (width + 2), canvas.shape[0] - 2
    wanted = round(centre[0] - width / 2), round(centre[1] + above / 2)
    x, y = (max(min(at, limits[k]), (2, above + 2)[k]) for k, at in enumerate(wanted))
    corner, part = _surroundings(canvas, (x, y - above, x + width, y), 4 + 2 * thickness)
    if not part.size:
        return
    place = x - corner[0], y - corner[1]
    how = place, _FONT, scale
    _blend(
        part, 0.75, lambda over: cv2.putText(over, text, *how, (0,) * 3, thickness + 2, cv2.LINE_AA)
    )
    cv2.putText(part, text, *how, (255,) * 3, thickness, cv2.LINE_AA)


def _box(borders) -> tuple[int, int, int, int]:
    points = borders[0] if len(borders) == 1 else np.concatenate(borders)
    (x1, y1), (x2, y2) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return math.floor(x1), math.floor(y1), math.ceil(x2), math.ceil(y2)


def _surroundings(canvas, box, margin) -> tuple[tuple[int, int], np.ndarray]:
    """Returns the corner (x, y) and the view of the canvas around a box (x1, y1, x2, y2)."""
    (x1, x2), (y1, y2) = (
        (min(max(box[axis] - margin, 0), end), min(max(box[axis + 2] + margin, 0), end))
        for axis, end in enumerate(canvas.shape[1::-1])
    )
    return (x1, y1), canvas[y1:y2, x1:x2]


def _fixed(points, corner) -> np.ndarray:
    """Returns OpenCV's fixed-point pixel-centre coordinates of continuous ones."""
    return np.rint((points - corner - 0.5) * 2**_SHIFT).astype(np.int32)


def _blend(part, strength, draw) -> None:
    """Mixes what `draw` draws over a copy of `part` (h, w, 3) into it, in place."""
    over = part.copy()
    draw(over)
    part[:] = cv2.addWeighted(over, strength, part, 1 - strength, 0)
