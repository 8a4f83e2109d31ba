"""Numbers of a training recipe that follow from the outlines, not from a constant."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spm.dataset.annotated_images import Source
from spm.geometry.polygons import polygon_area


def box_sides(sources: Sequence[Source], limit: int = 40) -> np.ndarray:
    """Sides sqrt(height x width) of the outlines' boxes in image pixels, any order.

    Args:
        limit: images looked at, evenly spread over the list.
    """
    step = max(len(sources) // limit, 1)
    sides = []
    for source in sources[::step]:
        for points in source.read_outlines():
            if polygon_area(points) > 0:
                sides.append(np.sqrt(np.prod(np.ptp(points, axis=0))))
    return np.array(sides)


def anchor_scales(sides: np.ndarray, scale: float, levels: int, finest_stride: int) -> tuple:
    """Anchor sides in network pixels, one for each pyramid level, each twice the one before.

    The first is the typical side of the smallest kind of molecule (the 10th percentile), so that
    every molecule up to 2^levels times as large has an anchor within a factor of sqrt(2).

    Args:
        sides: of the outlines' boxes, in image pixels.
        scale: network pixels per image pixel.
        finest_stride: network pixels per cell of the finest level; an anchor is at least twice
            that, or its cells would be too coarse to place it.
    """
    low, middle = np.percentile(sides, [10, 50]) * scale
    # Molecules of one size: their own side. Of several: the small ones' side.
    first = middle if low > middle / np.sqrt(2) else low
    first = max(float(first), 2.0 * finest_stride)
    return tuple(round(first * 2**k, 1) for k in range(levels))


def network_scale(diameter: float, wanted: float) -> float:
    """Network pixels per image pixel that make the median molecule `wanted` network pixels wide.

    Args:
        diameter: median diameter of the outlined molecules in image pixels.
    """
    return float(wanted / diameter)
