"""Whether the annotated images show molecules of one size and appearance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from spm.geometry.polygons import median_diameter
from spm.run.manifest import digest
from spm.structures.annotation import Annotation
from spm.structures.instance_masks import shape_masks

FACTOR = 1.4  # between an image's molecules and the others' of the same class
COLOURED = 8.0  # mean difference of the colour channels, above which an image is coloured
CONTRAST = 10.0  # grey levels between molecules and the rest that are a contrast


@dataclass(frozen=True)
class Appearance:
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


def seen(annotation: Annotation, image: np.ndarray) -> Appearance:
    """Return the look of an image.

    Args:
        annotation: with the class of each molecule.
        image: (H, W, 3) uint8 RGB.
    """
    masks = shape_masks(annotation)
    by_class: dict[str, list[int]] = {}
    inside = np.zeros(image.shape[:2], bool)
    for mask, shape in zip(masks, annotation.shapes, strict=True):
        by_class.setdefault(annotation.class_of(shape), []).append(mask.area)
        inside[mask.place] |= mask.pixels
    sizes = {name: median_diameter(areas) for name, areas in by_class.items()}
    spread = image.max(axis=2).astype(np.int16) - image.min(axis=2)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    contrast = 0.0
    if inside.any() and not inside.all():
        contrast = float(np.median(grey[inside])) - float(np.median(grey[~inside]))
    pixels = digest(list(image.shape), np.ascontiguousarray(image).tobytes())
    return Appearance(annotation.path.name, sizes, bool(spread.mean() > COLOURED), contrast, pixels)


def alike(appearances: Sequence[Appearance]) -> list[str]:
    """Return a sentence for each set of annotations whose images have the same pixels."""
    groups: dict[str, list[str]] = {}
    for appearance in appearances:
        groups.setdefault(appearance.pixels, []).append(appearance.name)
    return [
        f"{_some(names)}: if their outlines differ, each teaches as background what it lacks"
        for names in groups.values()
        if len(names) > 1
    ]


def unlike(appearances: Sequence[Appearance]) -> list[str]:
    """Return a sentence for each way in which some images are unlike the others."""
    return [*_sizes(appearances), *_colours(appearances), *_contrasts(appearances)]


def _sizes(appearances: Sequence[Appearance]) -> list[str]:
    found = []
    for name in dict.fromkeys(name for appearance in appearances for name in appearance.sizes):
        sizes = {
            appearance.name: appearance.sizes[name]
            for appearance in appearances
            if appearance.sizes.get(name, 0) > 0
        }
        if not sizes:
            continue
        (small, low), (large, high) = (
            choose(sizes.items(), key=lambda item: item[1]) for choose in (min, max)
        )
        if high > FACTOR * low:
            found.append(
                f"{name}: {low:.0f} pixels in {small}, {high:.0f} in {large} (median diameter); "
                "one network has one scale, so resize the images to one scale first"
            )
    return found


def _colours(appearances: Sequence[Appearance]) -> list[str]:
    grey = [appearance.name for appearance in appearances if not appearance.coloured]
    coloured = [appearance.name for appearance in appearances if appearance.coloured]
    if not (grey and coloured):
        return []
    return [
        f"coloured: {_some(coloured)}; grey: {_some(grey)}; convert them with one colour map, that "
        "of the images to recognise"
    ]


def _contrasts(appearances: Sequence[Appearance]) -> list[str]:
    bright = [appearance.name for appearance in appearances if appearance.contrast > CONTRAST]
    dark = [appearance.name for appearance in appearances if appearance.contrast < -CONTRAST]
    if not (bright and dark):
        return []
    return [
        f"molecules are brighter than the rest in {_some(bright)} and darker in {_some(dark)}; is "
        "one of them inverted?"
    ]


def _some(names: Sequence[str], shown: int = 3) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return f"{', '.join(names[:shown])}{more}"
