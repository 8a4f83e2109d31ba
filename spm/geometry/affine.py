"""Affine maps of images: one matrix moves the pixels and the points.

A map is a (2, 3) float64 matrix A that takes a point (x, y) of the source to
A[:, :2] @ (x, y) + A[:, 2] in the copy, in labelme's continuous coordinates (a pixel's centre is
half a pixel right of and below its corner).
"""

from __future__ import annotations

import cv2
import numpy as np


def apply_to_points(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the (n, 2) float64 x, y points moved by a (2, 3) map."""
    return np.asarray(points, np.float64).reshape(-1, 2) @ matrix[:, :2].T + matrix[:, 2]


def compose(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return the (2, 3) map that does `first`, then `second`."""
    linear = second[:, :2] @ first[:, :2]
    shift = second[:, :2] @ first[:, 2] + second[:, 2]
    return np.column_stack([linear, shift])


def rotation(angle: float, height: int, width: int) -> tuple[np.ndarray, int, int]:
    """Return the rotation about the image's centre onto a canvas that holds all of it.

    Args:
        angle: degrees, counter-clockwise as seen on the screen.
        height, width: of the image.

    Returns:
        (2, 3) map, and height and width of the canvas.
    """
    cos, sin = _exact(np.cos(np.radians(angle))), _exact(np.sin(np.radians(angle)))
    linear = np.array([[cos, sin], [-sin, cos]])  # y points down
    size = np.abs(linear) @ (width, height)
    new_width, new_height = (int(n) for n in np.ceil(size - 1e-6))
    centre, new_centre = np.array([width, height]) / 2, np.array([new_width, new_height]) / 2
    return np.column_stack([linear, new_centre - linear @ centre]), new_height, new_width


def flip(kind: str, height: int, width: int) -> np.ndarray:
    """Return the (2, 3) map of a flip: "lr" swaps left and right, "tb" top and bottom."""
    if kind == "lr":
        return np.array([[-1.0, 0, width], [0, 1, 0]])
    if kind == "tb":
        return np.array([[1.0, 0, 0], [0, -1, height]])
    raise ValueError(f'A flip is "lr" or "tb". Received: {kind!r}.')


def shrink(ratio: float, height: int, width: int) -> np.ndarray:
    """Return the (2, 3) map that shrinks an image about its centre, on a canvas of its own size.

    It is the paper's padding: the image set on a black canvas of side / ratio, resized back.
    """
    centre = np.array([width, height]) / 2
    return np.column_stack([np.eye(2) * ratio, centre * (1 - ratio)])


def warp(image: np.ndarray, matrix: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the image moved by a map onto a black canvas of height x width.

    Turns by multiples of 90 degrees and flips copy the pixels exactly; all else is interpolated
    with cubic polynomials, after a low-pass filter when the map shrinks (else fine detail would
    alias).

    Args:
        image: (H, W) or (H, W, 3) uint8 or float32.
    """
    exact = _exact_warp(image, matrix, height, width)
    if exact is not None:
        return exact
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    if scale < 0.99:
        # A pixel of the copy covers 1/scale pixels; its own width is already in the source's.
        sigma = 0.5 * np.sqrt(1 / scale**2 - 1)
        image = cv2.GaussianBlur(image, (0, 0), sigma)
    # OpenCV's integer coordinates are pixel centres, half a pixel off ours.
    half = np.array([0.5, 0.5])
    shift = matrix[:, :2] @ half + matrix[:, 2] - half
    centred = np.column_stack([matrix[:, :2], shift])
    return cv2.warpAffine(image, centred, (width, height), flags=cv2.INTER_CUBIC)


def _exact(value: float) -> float:
    """Return 0, 1 or -1 where a cosine differs from it by rounding only."""
    nearest = round(value)
    return float(nearest) if abs(value - nearest) < 1e-12 else float(value)


def _exact_warp(
    image: np.ndarray, matrix: np.ndarray, height: int, width: int
) -> np.ndarray | None:
    """Return the copy for quarter turns and flips that fill the canvas, None for other maps."""
    linear = matrix[:, :2]
    if not np.array_equal(np.abs(linear), np.eye(2)) and not np.array_equal(
        np.abs(linear), np.eye(2)[::-1]
    ):
        return None
    if linear[0, 0] == 0:
        image = image.swapaxes(0, 1)
        linear = linear[:, ::-1]
    if image.shape[:2] != (height, width):
        return None
    flips_x, flips_y = linear[0, 0] < 0, linear[1, 1] < 0
    if not np.allclose(matrix[:, 2], (width * flips_x, height * flips_y)):
        return None
    if flips_x:
        image = image[:, ::-1]
    if flips_y:
        image = image[::-1]
    return np.ascontiguousarray(image)
