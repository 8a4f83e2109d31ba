"""Instance masks and label images of annotated images."""

from __future__ import annotations

import numpy as np

from spm.geometry.cropped_mask import CroppedMask
from spm.structures.annotation import Annotation
from spm.structures.shape import Shape, outline


def shape_mask(shape: Shape, height: int, width: int) -> CroppedMask:
    """Return the mask of a molecule in an image of height x width.

    A `mask` shape gives its own pixels, with its holes and pieces, others their filled outline; of
    several parts the mask is what they cover together.
    """
    mask = _mask_of_one(shape, height, width)
    for part in shape.parts:
        mask = mask.union(_mask_of_one(part, height, width))
    return mask


def _mask_of_one(shape: Shape, height: int, width: int) -> CroppedMask:
    if shape.shape_type != "mask":
        return CroppedMask.of_polygon(outline(shape), height, width)
    left, top = np.floor(shape.points.min(axis=0)).astype(int)
    return CroppedMask(shape.mask, int(top), int(left)).clipped(height, width)


def shape_masks(annotation: Annotation) -> list[CroppedMask]:
    """Return the masks of all molecules of an annotation in their order."""
    height, width = annotation.height, annotation.width
    alone = [shape.shape_type != "mask" and not shape.parts for shape in annotation.shapes]
    pairs = list(zip(annotation.shapes, alone, strict=True))
    masks = CroppedMask.of_polygons(
        [outline(s) if one else s.points[:0] for s, one in pairs], height, width
    )
    for k, (shape, one) in enumerate(pairs):
        if not one:
            masks[k] = shape_mask(shape, height, width)
    return masks


def instance_masks(annotation: Annotation) -> np.ndarray:
    """Return the masks of all shapes of an annotation as one array.

    Returns:
        (H, W, N) uint8 of 0 and 1, N may be 0. The memory order is Fortran's, so that one
        instance is one contiguous plane (this is how `spm.dataset.index` stores it).
    """
    planes = np.zeros((len(annotation.shapes), annotation.width, annotation.height), np.uint8)
    masks = planes.transpose(2, 1, 0)
    for k, mask in enumerate(shape_masks(annotation)):
        masks[(*mask.place, k)] = mask.pixels
    return masks


def label_image(annotation: Annotation) -> np.ndarray:
    """Return one image of all instances: value k + 1 where instance k is, 0 for background.

    Where instances overlap the later one wins, as in the labelme tools.

    Returns:
        (H, W) uint8, or uint16 for more than 255 instances.
    """
    size, count = (annotation.height, annotation.width), len(annotation.shapes)
    labels = np.zeros(size, np.uint8 if count < 256 else np.uint16)
    for k, mask in enumerate(shape_masks(annotation), start=1):
        labels[mask.place][mask.pixels] = k
    return labels
