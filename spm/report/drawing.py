"""Drawing recognised molecules into an image: tint, outline and label in the colour of the class.

Everything is drawn into the small surroundings of each molecule, so that an image of 16384 x 16384
needs no second copy.
"""

from __future__ import annotations

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
    for molecule in molecules:
        _fill(canvas, [b * zoom for b in molecule.borders], colours[molecule.class_name])
    for molecule in molecules:
        for border in molecule.borders:
            _outline(canvas, border * zoom, colours[molecule.class_name], width)
    for molecule in molecules:
        text = _label(molecule, class_names)
        if _surroundings(canvas, molecule.outline * zoom, 0)[1].size == 0:
            continue  # nothing of it is on the image
        _text(canvas, text, np.array(molecule.centroid) * zoom, TEXT_HEIGHT * size)
    return canvas


def _label(molecule: Molecule, class_names: Sequence[str]) -> str:
    name = molecule.class_name
    if not (name.isascii() and name.isprintable()):
        name = f"#{list(class_names).index(name) + 1}"
    return name + ("?" if molecule.uncertain else "") + ("!" if molecule.unfamiliar else "")


def _fill(canvas, borders, colour) -> None:
    corner, part = _surroundings(canvas, np.concatenate(borders), 2)
    if part.size:
        cover = np.zeros(part.shape[:2], np.uint8)
        # Several at once: what lies within two of them is a hole.
        cv2.fillPoly(cover, [_fixed(b, corner) for b in borders], 255, cv2.LINE_AA, _SHIFT)
        _blend(part, cover, colour, TINT)


def _outline(canvas, points, colour, width) -> None:
    """Draws a line over a dark, wider and weaker one: seen on bright and on dark ground."""
    corner, part = _surroundings(canvas, points, width + 3)
    if not part.size:
        return
    fixed = _fixed(points, corner)
    cover = np.zeros(part.shape[:2], np.uint8)
    cv2.polylines(cover, [fixed], True, 255, width + 2, cv2.LINE_AA, _SHIFT)
    _blend(part, cover, tuple(v // 5 for v in colour), 0.55)
    cv2.polylines(part, [fixed], True, colour, width, cv2.LINE_AA, _SHIFT)


def _text(canvas, text, centre, height) -> None:
    """Writes white text with a dark rim, centred at (x, y)."""
    low, high = TEXT_LIMITS
    scale = float(np.clip(height, low, high)) / _FONT_HEIGHT
    thickness = max(1, round(1.7 * scale))
    (width, above), _ = cv2.getTextSize(text, _FONT, scale, thickness)
    # Kept inside the image, where it is large enough.
    limits = np.array(canvas.shape[1::-1]) - (width + 2, 2)
    start = np.round(centre + (-width / 2, above / 2)).astype(int)
    start = np.maximum(np.minimum(start, limits), (2, above + 2))
    box = np.array([start - (0, above), start + (width, 0)], np.float64)
    corner, part = _surroundings(canvas, box, 4 + 2 * thickness)
    if not part.size:
        return
    place = tuple(int(v) for v in start - corner)
    cover = np.zeros(part.shape[:2], np.uint8)
    cv2.putText(cover, text, place, _FONT, scale, 255, thickness + 2, cv2.LINE_AA)
    _blend(part, cover, (0, 0, 0), 0.75)
    cv2.putText(part, text, place, _FONT, scale, (255,) * 3, thickness, cv2.LINE_AA)


def _surroundings(canvas, points, margin) -> tuple[np.ndarray, np.ndarray]:
    """Returns the corner (x, y) and the view of the canvas around some points."""
    limits = np.array(canvas.shape[1::-1])
    low = np.clip(np.floor(points.min(axis=0)).astype(int) - margin, 0, limits)
    high = np.clip(np.ceil(points.max(axis=0)).astype(int) + margin, low, limits)
    return low, canvas[low[1] : high[1], low[0] : high[0]]


def _fixed(points, corner) -> np.ndarray:
    """Returns OpenCV's fixed-point pixel-centre coordinates of continuous ones."""
    return np.round((points - corner - 0.5) * 2**_SHIFT).astype(np.int32)


def _blend(part, cover, colour, strength) -> None:
    """Mixes a colour into `part` (h, w, 3) in place, by `cover` (h, w) uint8 and a strength."""
    share = cover[..., None].astype(np.float32) * (strength / 255)
    part[:] = np.round(part + share * (np.array(colour, np.float32) - part)).astype(np.uint8)
