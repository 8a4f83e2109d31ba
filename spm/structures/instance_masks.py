"""Instance masks and label pictures of annotated pictures; see `polygons` for the coordinates."""

from __future__ import annotations

import numpy as np

from spm.geometry.polygons import mask_outline, polygon_mask, polygon_patch, polygon_patches
from spm.structures.annotation import Annotation
from spm.structures.shape import Shape, outline

__all__ = [
    "draw_labels",
    "instance_masks",
    "label_picture",
    "mask_outline",
    "polygon_mask",
    "polygon_patch",
    "shape_mask",
    "shape_patches",
]


def shape_mask(shape: Shape, height: int, width: int) -> np.ndarray:
    """Return the (height, width) bool mask of a polygon, rectangle, circle or mask shape."""
    if shape.shape_type != "mask":
        return polygon_mask(outline(shape), height, width)
    full = np.zeros((height, width), bool)
    left, top = np.floor(shape.points.min(axis=0)).astype(int)
    inside = shape.mask[max(0, -top) : height - top, max(0, -left) : width - left]
    top, left = max(0, top), max(0, left)
    rows, columns = inside.shape
    full[top : top + rows, left : left + columns] = inside
    return full


def shape_patches(annotation: Annotation) -> list[tuple[np.ndarray, int, int]]:
    """Return each shape's mask inside its bounding box: (h, w) bool, top row, left column."""
    height, width = annotation.height, annotation.width
    polygons = [s.points[:0] if s.shape_type == "mask" else outline(s) for s in annotation.shapes]
    patches = polygon_patches(polygons, height, width)
    for k, shape in enumerate(annotation.shapes):
        if shape.shape_type == "mask":
            patches[k] = shape_mask(shape, height, width), 0, 0
    return patches


def instance_masks(annotation: Annotation) -> np.ndarray:
    """Return the masks of all shapes of an annotation in their order.

    Returns:
        (H, W, N) uint8 of 0 and 1, N may be 0. The memory order is Fortran's, so that one
        instance is one contiguous plane (this is how `dataset_folder.save_masks` stores it).
    """
    planes = np.zeros((len(annotation.shapes), annotation.width, annotation.height), np.uint8)
    masks = planes.transpose(2, 1, 0)
    for k, (patch, top, left) in enumerate(shape_patches(annotation)):
        rows, columns = patch.shape
        masks[top : top + rows, left : left + columns, k] = patch
    return masks


def draw_labels(annotation: Annotation) -> np.ndarray:
    """Return what `label_picture(instance_masks(annotation))` gives, without the masks' memory."""
    size, count = (annotation.height, annotation.width), len(annotation.shapes)
    labels = np.zeros(size, np.uint8 if count < 256 else np.uint16)
    for k, (patch, top, left) in enumerate(shape_patches(annotation)):
        rows, columns = patch.shape
        labels[top : top + rows, left : left + columns][patch] = k + 1
    return labels


def label_picture(masks: np.ndarray) -> np.ndarray:
    """Return one picture of all instances: value k + 1 where instance k is, 0 for background.

    Where instances overlap the later one wins, as in the labelme tools.

    Args:
        masks: (H, W, N).

    Returns:
        (H, W) uint8, or uint16 for more than 255 instances.
    """
    height, width, count = masks.shape
    labels = np.zeros((height, width), np.uint8 if count < 256 else np.uint16)
    for k in range(count):
        labels[masks[:, :, k] > 0] = k + 1
    return labels
