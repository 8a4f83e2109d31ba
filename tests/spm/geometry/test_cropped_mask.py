"""Borders of masks for drawing, beside the exact ones."""

import numpy as np

from spm.geometry.cropped_mask import CroppedMask
from spm.geometry.polygons import signed_area

Y, X = np.mgrid[:60, :80]


def disc(x, y, radius):
    return np.hypot(X - x, Y - y) < radius


def test_drawn_borders_run_through_the_outermost_pixels():
    large, small = disc(25, 30, 20), disc(65, 20, 9)
    borders = CroppedMask.of_mask(small | large, 7, 5).drawn_borders()
    assert len(borders) == 2
    for border, part in zip(borders, (large, small), strict=True):
        columns, rows = (border - (5.5, 7.5)).astype(int).T
        inner = part[1:-1, 1:-1] & part[:-2, 1:-1] & part[2:, 1:-1] & part[1:-1, :-2]
        rim = part & ~np.pad(inner & part[1:-1, 2:], 1)
        assert rim[rows, columns].all()
        lost = part.sum() - signed_area(border)
        assert 0 < lost < rim.sum(), "half a pixel all around"


def test_drawn_borders_of_a_pixel_and_of_nothing():
    pixels = np.zeros((60, 80), bool)
    assert CroppedMask.of_mask(pixels).drawn_borders() == []
    pixels[4, 9] = True
    (border,) = CroppedMask.of_mask(pixels).drawn_borders()
    np.testing.assert_array_equal(border, [[9.5, 4.5]])
