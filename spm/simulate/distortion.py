"""Drift and creep: the same map for pixels and for outlines.

The tip scans row after row, so the drift shifts each row by what has accumulated since the start:
an image point (x, y) shows the surface at (x + dx(y) + c(x), y + dy(y)).  dx, dy hold the thermal
drift (linear in time) and the creep of the slow axis (dying away after the start), c the creep of
the fast axis after each turn.  All are monotonic, so the inverse is two one-dimensional
interpolations, exact to a thousandth of a pixel.
"""

from __future__ import annotations

import cv2
import numpy as np

from spm.errors import InputError


class Distortion:
    """Map between surface coordinates and image coordinates, both (x, y) pixels.

    Args:
        shape: (height, width) of the image.
        drift: (x, y) shift of the surface over the whole scan, as a share of the image height.
        creep: (x, y) amplitude of the creep, as a share of the image's side.
        reach: how far beyond the image the map must hold, pixels.
        upwards: the lowest row is scanned first.
        elapsed: scans between the middle of this one and the moment when image and surface lie on
            one another.

    Raises:
        InputError: the map would not be monotonic.
    """

    def __init__(
        self, shape, drift=(0.0, 0.0), creep=(0.0, 0.0), reach=200, *, upwards=False, elapsed=0.0
    ):
        height, width = shape
        self._y = np.linspace(-reach, height + reach, height + 2 * reach + 1)
        self._x = np.linspace(-reach, width + reach, width + 2 * reach + 1)
        way = -1 if upwards else 1
        time = elapsed + way * (self._y - height / 2) / height
        since = height - self._y if upwards else self._y
        start = way * np.exp(-np.clip(since, 0, None) / (0.12 * height))
        turn = np.exp(-np.clip(self._x, 0, None) / (0.15 * width))
        self._dx = drift[0] * height * time
        self._source_y = self._y + drift[1] * height * time + creep[1] * height * start
        self._source_x = self._x + creep[0] * width * turn
        if np.any(np.diff(self._source_y) <= 0) or np.any(np.diff(self._source_x) <= 0):
            raise InputError(
                f"such drift and creep fold the image over; use less. Received: {drift}, {creep}."
            )

    def to_surface(self, points: np.ndarray) -> np.ndarray:
        """Return the surface points (n, 2) that the image points (n, 2) show."""
        x, y = np.asarray(points, float).T
        return np.stack(
            [
                np.interp(x, self._x, self._source_x) + np.interp(y, self._y, self._dx),
                np.interp(y, self._y, self._source_y),
            ],
            axis=1,
        )

    def to_image(self, points: np.ndarray) -> np.ndarray:
        """Return where the surface points (n, 2) appear in the image."""
        x, y = np.asarray(points, float).T
        row = np.interp(y, self._source_y, self._y)
        shifted = x - np.interp(row, self._y, self._dx)
        return np.stack([np.interp(shifted, self._source_x, self._x), row], axis=1)

    def apply(self, surface: np.ndarray, shape: tuple[int, int], margin: int, pad: int):
        """Sample a surface image where each pixel of the scan looks.

        Args:
            surface: (height + 2 margin, width + 2 margin) float32; the surface's (0, 0) is the
                corner of its pixel (margin, margin).
            pad: rim round the image that the result keeps, pixels.

        Returns:
            (height + 2 pad, width + 2 pad) float32.
        """
        height, width = shape
        centres_y = np.arange(-pad, height + pad) + 0.5
        centres_x = np.arange(-pad, width + pad) + 0.5
        rows = np.interp(centres_y, self._y, self._source_y) - 0.5 + margin
        shift = np.interp(centres_y, self._y, self._dx)
        cols = np.interp(centres_x, self._x, self._source_x) - 0.5 + margin
        map_x = (cols[None, :] + shift[:, None]).astype(np.float32)
        map_y = np.repeat(rows.astype(np.float32)[:, None], centres_x.size, axis=1)
        return cv2.remap(
            surface,
            map_x,
            map_y,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=0.0,
        )
