"""Cutting the outlined molecules out of annotated images, as crops for the t-SNE screening."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from spm.errors import raise_problems
from spm.geometry.polygons import polygon_centroid
from spm.similarity.crops import PATCH, VIEW, Crop
from spm.structures import annotation as ann
from spm.structures import instance_masks
from spm.structures.classes import LABELS_DECIDE, ClassChoice
from spm.structures.same_image import annotated_twice, tell_of_embedded
from spm.structures.shape import region, titles

MARGIN = 1.15  # side of a crop over the diameter of the class with the largest molecules


def cut_crops(
    paths: list[Path],
    choice: ClassChoice = LABELS_DECIDE,
    margin: float = MARGIN,
    mask: bool = False,
) -> list[Crop]:
    """Cut every outlined molecule out of annotated images, all with the same side length.

    Args:
        paths: labelme annotations.
        choice: of the classes; by default they are what the labels suggest.
        margin: side of the crop over the molecules' diameter; the class with the largest
            molecules decides, so that sizes stay comparable between classes.
        mask: show (and map) the masked molecule; scores use it always, for the neighbours are
            no fault of a molecule.

    Raises:
        InputError: for unreadable annotations, wrong outlines, unknown labels (all named at once).
    """
    cuts = []
    read, problems = ann.read_annotations(paths)
    classes = ann.classes_of(read, choice)
    read = [annotation.classified(classes) for annotation in read]
    problems += [problem for annotation in read for problem in ann.check_with_image(annotation)]
    problems += [sentence for _, sentence in annotated_twice(read)]
    for annotation in () if problems else read:
        for index, shape in enumerate(annotation.shapes):
            name = annotation.class_of(shape)
            cuts.append((annotation, index, name, *_centre_diameter(region(shape))))
    raise_problems(problems)
    tell_of_embedded(read)
    if not cuts:
        return []
    by_class: dict[str, list[float]] = {}
    for *_, name, _, diameter in cuts:
        by_class.setdefault(name, []).append(diameter)
    side = margin * max(float(np.median(sizes)) for sizes in by_class.values())
    return _cut_all(cuts, side, mask)


def _centre_diameter(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the area's centroid (x, y) and twice the distance of its farthest corner, pixels."""
    centre = np.array(polygon_centroid(points))
    return centre, 2 * float(np.hypot(*(points - centre).T).max())


def _cut_all(cuts: list[tuple], side: float, mask: bool) -> list[Crop]:
    crops, current, grey, names = [], None, None, []
    for annotation, index, name, centre, _ in cuts:
        if annotation is not current:
            current, names = annotation, titles(annotation.shapes)
            grey = cv2.cvtColor(annotation.read_image(), cv2.COLOR_RGB2GRAY).astype(np.float32)
            if side > VIEW:  # against moire when the crop is shrunk
                smooth = cv2.GaussianBlur(grey, (0, 0), 0.4 * side / VIEW)
            else:
                smooth = grey
        shape = annotation.shapes[index]
        inside = instance_masks.shape_mask(shape, *grey.shape).full(*grey.shape)
        patch, masked, weight = cut_patch(smooth, centre, side, inside)
        shown = masked if mask else patch
        path = Path(annotation.path)
        crops.append(Crop(names[index], name, path, index, shown, masked, weight))
    return crops


def cut_patch(
    grey: np.ndarray, centre: np.ndarray, side: float, inside: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sample a patch whose inner VIEW x VIEW pixels span `side` pixels around `centre`.

    Args:
        grey: (H, W) float32.
        centre: (x, y), pixels, the image's corner being (0, 0).
        side: side of the crop, pixels.
        inside: (H, W) bool, the molecule.

    Returns:
        patch, the same with everything but the molecule at the level just outside of it, and
        weight, which is 0 beyond the image's border; all (PATCH, PATCH) float32.
    """
    scale = side / VIEW
    # Pixel centres: patch pixel p lies at centre + (p + 0.5 - PATCH/2) * scale, minus the half
    # pixel by which OpenCV's coordinates differ from the outline's.
    offset = np.asarray(centre, float) + (0.5 - PATCH / 2) * scale - 0.5
    matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP

    def sample(array: np.ndarray, border: int) -> np.ndarray:
        return cv2.warpAffine(array, matrix, (PATCH, PATCH), flags=flags, borderMode=border)

    patch = sample(grey, cv2.BORDER_REPLICATE)
    weight = (sample(np.ones_like(grey), cv2.BORDER_CONSTANT) > 0.5).astype(np.float32)
    molecule = sample(inside.astype(np.float32), cv2.BORDER_CONSTANT) > 0.5
    ring = cv2.dilate(molecule.astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool)
    ring &= ~molecule & (weight > 0)
    masked = patch.copy()
    if ring.any():
        masked[~molecule] = np.median(patch[ring])
    return patch, masked, weight
