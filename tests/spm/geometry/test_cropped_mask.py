"""Borders of masks for drawing, beside the exact ones."""

import cv2
import numpy as np

from spm.geometry import cropped_mask
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


def test_the_centroid_is_the_mean_of_the_pixels_centres():
    part = disc(25, 30, 20) | disc(65, 20, 9)
    rows, columns = np.nonzero(part)
    found = CroppedMask.of_mask(part, 7, 5).centroid
    np.testing.assert_allclose(found, (columns.mean() + 5.5, rows.mean() + 7.5))
    assert np.isnan(CroppedMask.of_mask(part & ~part).centroid).all()


def test_slanting_borders_are_drawn_without_staircases():
    slanting = np.abs(X - 2 * Y + 20) < 30
    (border,) = CroppedMask.of_mask(slanting).drawn_borders()
    assert len(border) < 12


def test_many_polygons_are_filled_as_one_is(monkeypatch):
    monkeypatch.setattr(cropped_mask, "FILLED_AT_ONCE", 800)  # two of them
    corners = np.array([(1.2, 2.0), (20.5, 3.3), (11.0, 17.8)])
    polygons = [corners + (k * 9.3, k * 4.1) for k in range(5)]
    for one, points in zip(CroppedMask.of_polygons(polygons, 60, 80), polygons, strict=True):
        alone = CroppedMask.of_polygon(points, 60, 80)
        assert one.box == alone.box and (one.pixels == alone.pixels).all()


def test_large_polygons_are_filled_in_little_memory(monkeypatch):
    sizes = []
    real = cropped_mask.fill_polygons

    def watched(polygons, *size):
        filled = real(polygons, *size)
        sizes.append(sum(pixels.size for pixels, _, _ in filled))
        return filled

    monkeypatch.setattr(cropped_mask, "fill_polygons", watched)
    square = np.array([(0, 0), (700, 0), (700, 700), (0, 700)], float)
    areas = [mask.area for mask in CroppedMask.each_of_polygons([square] * 5, 900, 900)]
    assert areas == [700 * 700] * 5
    assert max(sizes) <= cropped_mask.FILLED_AT_ONCE and len(sizes) == 3


def test_the_largest_part_is_drawn_first_however_small():
    rng = np.random.default_rng(0)
    for _ in range(300):
        mask = CroppedMask.of_mask(rng.random((8, 8)) < 0.45)
        first = mask.drawn_borders()[0]
        exact, _ = cv2.findContours(
            mask.pixels.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        largest = max(map(cv2.contourArea, exact))
        assert signed_area(first) > 0 or largest == 0
        corners = set(map(tuple, (first - 0.5 - (mask.left, mask.top)).astype(int).tolist()))
        assert any(
            corners <= set(map(tuple, border[:, 0].tolist()))
            for border in exact
            if cv2.contourArea(border) == largest
        )
