"""Anchors in NumPy: the boxes from which the RPN's proposals start, in pixels.

The order is part of the numerical convention, because the network's outputs carry no other
address: levels from fine to coarse, rows, columns, then the shapes of a cell.
"""

from collections.abc import Sequence

import numpy as np

from .config import Config


def generate_anchors(
    scales: float | Sequence[float],
    ratios: Sequence[float],
    shape: Sequence[int],
    feature_stride: int,
    anchor_stride: int,
) -> np.ndarray:
    """Make the anchors of one feature map.

    Args:
        scales: side of the square anchor in pixels, a number or a list.
        ratios: width over height, a number or a list.
        shape: (rows, columns) of the feature map.
        feature_stride: pixels between neighbouring cells of the feature map.
        anchor_stride: 1 for anchors at every cell, 2 for every second one, and so on.

    Returns:
        (cells * ratios * scales, 4) float64 pixel boxes (y1, x1, y2, x2), which may reach beyond
        the image. Row by row; within a cell by ratio, within a ratio by scale. The centres
        are multiples of the stride, starting at (0, 0); an anchor of scale s and ratio r is
        s / sqrt(r) high and s * sqrt(r) wide.
    """
    root = np.sqrt(np.atleast_1d(ratios).astype(np.float64))[:, None]
    scales = np.atleast_1d(scales)
    half_size = 0.5 * np.stack([(scales / root).ravel(), (scales * root).ravel()], axis=1)

    ys = np.arange(0, shape[0], anchor_stride) * feature_stride
    xs = np.arange(0, shape[1], anchor_stride) * feature_stride
    centres = np.stack(np.meshgrid(ys, xs, indexing="ij"), axis=-1).reshape(-1, 1, 2)
    return np.concatenate([centres - half_size, centres + half_size], axis=2).reshape(-1, 4)


def generate_pyramid_anchors(
    scales: Sequence[float],
    ratios: Sequence[float],
    feature_shapes: np.ndarray,
    feature_strides: Sequence[int],
    anchor_stride: int,
) -> np.ndarray:
    """Make the anchors of all levels of a feature pyramid.

    Args:
        scales: one scale (or list of scales) for each level, in pixels.
        ratios: width over height, the same for all levels.
        feature_shapes: (rows, columns) for each level.
        feature_strides: pixels between cells, for each level.
        anchor_stride: as in `generate_anchors`.

    Returns:
        (anchors, 4) float64 pixel boxes, level after level.
    """
    levels = zip(scales, feature_shapes, feature_strides, strict=True)
    return np.concatenate(
        [
            generate_anchors(scale, ratios, shape, stride, anchor_stride)
            for scale, shape, stride in levels
        ]
    )


def compute_backbone_shapes(config: Config, image_shape: tuple[int, ...]) -> np.ndarray:
    """Compute the sizes of the feature maps for an image.

    Args:
        config: its BACKBONE_STRIDES count; where BACKBONE is a function and COMPUTE_BACKBONE_SHAPE
            one too, COMPUTE_BACKBONE_SHAPE(image_shape) answers instead.
        image_shape: (height, width, ...) in pixels.

    Returns:
        (levels, 2) int array of rows and columns.
    """
    if callable(config.BACKBONE) and config.COMPUTE_BACKBONE_SHAPE is not None:
        return config.COMPUTE_BACKBONE_SHAPE(image_shape)
    height, width = image_shape[:2]
    return np.array(
        [[-(-height // stride), -(-width // stride)] for stride in config.BACKBONE_STRIDES]
    )


def pixel_anchors(config: Config, image_shape: tuple[int, ...]) -> np.ndarray:
    """Make the anchors (A, 4) in pixels for a network image of `image_shape`."""
    return generate_pyramid_anchors(
        config.RPN_ANCHOR_SCALES,
        config.RPN_ANCHOR_RATIOS,
        compute_backbone_shapes(config, image_shape),
        config.BACKBONE_STRIDES,
        config.RPN_ANCHOR_STRIDE,
    )
