"""Whether the annotated images show molecules of one size and look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from spm.geometry.polygons import diameter
from spm.run.manifest import digest
from spm.structures.annotation import Annotation
from spm.structures.instance_masks import shape_masks

FACTOR = 1.4  # between an image's molecules and the others' of the same class
COLOURED = 8.0  # mean difference of the colour channels, above which an image is coloured
CONTRAST = 10.0  # grey levels between molecules and the rest that are a contrast


@dataclass(frozen=True)
class Look:
    """What an annotated image looks like.

    Attributes:
        name: of the annotation file.
        sizes: class name -> median diameter of its molecules in pixels.
        coloured: not grey.
        contrast: grey levels by which the molecules are brighter than the rest of the image, in the
            median; negative when they are darker.
        pixels: hash of the image.
    """

    name: str
    sizes: dict[str, float]
    coloured: bool
    contrast: float
    pixels: str


def seen(annotation: Annotation, picture: np.ndarray) -> Look:
    """Return the look of an image.

    Args:
        annotation: with the class of each molecule.
        picture: (H, W, 3) uint8 RGB.
    """
    masks = shape_masks(annotation)
    by_class: dict[str, list[int]] = {}
    inside = np.zeros(picture.shape[:2], bool)
    for mask, shape in zip(masks, annotation.shapes, strict=True):
        by_class.setdefault(annotation.class_of(shape), []).append(mask.area)
        inside[mask.place] |= mask.pixels
    sizes = {name: float(diameter(np.median(areas))) for name, areas in by_class.items()}
    spread = picture.max(axis=2).astype(np.int16) - picture.min(axis=2)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    contrast = 0.0
    if inside.any() and not inside.all():
        contrast = float(np.median(grey[inside])) - float(np.median(grey[~inside]))
    pixels = digest(list(picture.shape), np.ascontiguousarray(picture).tobytes())
    return Look(annotation.path.name, sizes, bool(spread.mean() > COLOURED), contrast, pixels)


def alike(looks: Sequence[Look]) -> list[str]:
    """Return a sentence for each set of annotations whose images have the same pixels."""
    groups: dict[str, list[str]] = {}
    for look in looks:
        groups.setdefault(look.pixels, []).append(look.name)
    return [
        f"{_some(names)}: if their outlines differ, each teaches as background what it lacks"
        for names in groups.values()
        if len(names) > 1
    ]


def unlike(looks: Sequence[Look]) -> list[str]:
    """Return a sentence for each way in which some images are unlike the others."""
    return [*_sizes(looks), *_colours(looks), *_contrasts(looks)]


def _sizes(looks: Sequence[Look]) -> list[str]:
    found = []
    for name in dict.fromkeys(name for look in looks for name in look.sizes):
        sizes = {look.name: look.sizes[name] for look in looks if look.sizes.get(name, 0) > 0}
        if not sizes:
            continue
        (small, low), (large, high) = (
            choose(sizes.items(), key=lambda item: item[1]) for choose in (min, max)
        )
        if high > FACTOR * low:
            found.append(
                f"{name}: {low:.0f} pixels in {small}, {high:.0f} in {large} (median diameter); "
                "one network has one scale, so resize the pictures to one scale first"
            )
    return found


def _colours(looks: Sequence[Look]) -> list[str]:
    grey = [look.name for look in looks if not look.coloured]
    coloured = [look.name for look in looks if look.coloured]
    if not (grey and coloured):
        return []
    return [
        f"coloured: {_some(coloured)}; grey: {_some(grey)}; convert them with one colour map, that "
        "of the pictures to recognise"
    ]


def _contrasts(looks: Sequence[Look]) -> list[str]:
    bright = [look.name for look in looks if look.contrast > CONTRAST]
    dark = [look.name for look in looks if look.contrast < -CONTRAST]
    if not (bright and dark):
        return []
    return [
        f"molecules are brighter than the rest in {_some(bright)} and darker in {_some(dark)}; is "
        "one of them inverted?"
    ]


def _some(names: Sequence[str], shown: int = 3) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return f"{', '.join(names[:shown])}{more}"
