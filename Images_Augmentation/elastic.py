"""Elastic distortion: one displacement field moves the pixels and, as far as it can, the outlines.

The image is distorted as imgaug's ElasticTransformation does it (nearest pixel, black outside):
each pixel of the copy takes its value from a place displaced by white noise in -1..1, smoothed by a
Gaussian of `sigma` and multiplied by `alpha` pixels. imgaug leaves points where they are at a small
sigma, and is slow on them otherwise; that left masks behind their pixels in 2022.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

ALPHA = (0.5, 3.5)  # pixels
SIGMA = 0.25  # pixels
# Side of the window in pixels in which the field is averaged to move a point. At the paper's sigma
# neighbouring pixels are shuffled independently, and an outline goes where the pixels around it go
# on average, not where a single one goes.
WINDOW = 5


@dataclass
class Field:
    """A displacement field.

    Attributes:
        dx, dy: (H, W) float32 pixels; pixel (r, c) of the copy shows the source at
            (c + dx[r, c], r + dy[r, c]).
    """

    dx: np.ndarray
    dy: np.ndarray

    def move_image(self, image: np.ndarray) -> np.ndarray:
        """Return the distorted image, same shape and type."""
        height, width = self.dx.shape
        columns = np.arange(width, dtype=np.float32)
        rows = np.arange(height, dtype=np.float32)[:, None]
        return cv2.remap(
            image,
            columns + self.dx,
            rows + self.dy,
            cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(0, 0, 0),
        )

    def move_points(self, points: np.ndarray) -> np.ndarray:
        """Return the (n, 2) x, y points moved along with the pixels around them.

        The field says where a pixel comes from, so that a point goes the opposite way. Points stay
        inside the image.
        """
        height, width = self.dx.shape
        half = WINDOW // 2
        columns = np.clip(np.floor(points[:, 0]).astype(int), 0, width - 1)
        rows = np.clip(np.floor(points[:, 1]).astype(int), 0, height - 1)
        steps = np.arange(-half, half + 1)
        # (n, WINDOW, 1) and (n, 1, WINDOW): each point's neighbourhood, cut at the border.
        near_rows = np.clip(rows[:, None] + steps, 0, height - 1)[:, :, None]
        near_columns = np.clip(columns[:, None] + steps, 0, width - 1)[:, None, :]
        shift = np.stack(
            [field[near_rows, near_columns].mean(axis=(1, 2)) for field in (self.dx, self.dy)],
            axis=1,
        )
        # A point that the user set outside of the image keeps its distance from it.
        low, high = np.minimum(points, 0), np.maximum(points, (width, height))
        return np.clip(points - shift, low, high)


def random_field(
    rng: np.random.Generator, height: int, width: int, alpha: float, sigma: float = SIGMA
) -> Field:
    """Return a field of white noise smoothed by `sigma` pixels and multiplied by `alpha` pixels."""
    noise = rng.random((2, height, width), dtype=np.float32)
    noise *= 2
    noise -= 1
    for plane in noise:
        if sigma > 0:
            cv2.GaussianBlur(plane, (0, 0), sigma, dst=plane, borderType=cv2.BORDER_REFLECT_101)
    noise *= np.float32(alpha)
    return Field(noise[0], noise[1])
