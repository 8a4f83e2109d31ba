"""Crops as numbers: turned views, distances between them, and how rough each one is."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from spm.similarity.crops import VIEW, Crop
from spm.similarity.rotation_match import Turn, disc, turned_view

SMOOTH = 1.0  # Gaussian blur in pixel space, crop pixels: noise must not drown the molecule


def make_views(
    patches: Sequence[np.ndarray], turns: Sequence[Turn], extra: np.ndarray | None = None
) -> np.ndarray:
    """Return turned patches, (N, VIEW, VIEW) float32; `extra` (N,) degrees more each."""
    extra = np.zeros(len(patches)) if extra is None else extra
    todo = zip(patches, turns, extra, strict=True)
    return np.array([turned_view(patch, turn, more) for patch, turn, more in todo])


def scored_views(
    crops: Sequence[Crop], turns: Sequence[Turn], extra: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return what the scores see of each crop, and its pixels' weights, (N, VIEW, VIEW) each."""
    views = make_views([crop.scored for crop in crops], turns, extra)
    return views, make_views([crop.weight for crop in crops], turns, extra)


def _standardised(views: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give each crop mean 0 and variance 1 inside the inscribed disc.

    The corners, which show the neighbour molecules, have weight 0.

    Returns:
        values and weights, (N, VIEW, VIEW) float64.
    """
    weight = (weight * disc(VIEW, VIEW / 2, 4.0)).astype(np.float64)
    total = np.maximum(weight.sum((1, 2), keepdims=True), 1e-9)
    values = views - (weight * views).sum((1, 2), keepdims=True) / total
    spread = np.sqrt((weight * values**2).sum((1, 2), keepdims=True) / total)
    # One grey level of contrast at least: an empty crop must not become amplified noise.
    return values / np.maximum(spread, 1.0), weight


def pixel_distances(views: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the (N, N) distances of crops whose brightness and contrast were made equal.

    Two crops are compared where both have weight. The distance is the root mean square
    difference over sqrt(2): 0 for equal crops, 1 for uncorrelated ones.
    """
    smooth = np.array([cv2.GaussianBlur(view, (0, 0), SMOOTH) for view in views])
    values, weight = (a.reshape(len(views), -1) for a in _standardised(smooth, weight))
    cross = (weight * values) @ (weight * values).T
    square = (weight * values**2) @ weight.T
    both = np.maximum(weight @ weight.T, 1e-9)
    return np.sqrt(np.maximum(square + square.T - 2 * cross, 0) / both / 2)


def roughness(views: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return each crop's fine structure over its contrast, (N,): the root mean square of what a
    Gaussian blur of one pixel takes away, in units of the crop's standard deviation."""
    values, weight = _standardised(views, weight)
    fine = np.array([value - cv2.GaussianBlur(value, (0, 0), 1.0) for value in values])
    total = np.maximum(weight.sum((1, 2)), 1e-9)
    return np.maximum(np.sqrt((weight * fine**2).sum((1, 2)) / total), 1e-3)
