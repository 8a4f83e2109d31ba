"""Borders of masks along their pixels' edges, and several borders as one polygon."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spm.geometry.affine import apply_to_points
from spm.geometry.cropped_mask import CroppedMask
from spm.geometry.polygon_filling import polygon_mask
from spm.geometry.polygons import polygon_area, signed_area
from spm.geometry.rings import bridged, by_part, mask_rings, unbridged

MASKS = hnp.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)))


def test_one_pixel_a_ring_and_two_pixels_that_touch_at_a_corner():
    (square,) = mask_rings(np.ones((1, 1)))
    assert sorted(map(tuple, square)) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    ring = np.ones((5, 5), bool)
    ring[1:4, 1:4] = False
    assert sorted(signed_area(points) for points in mask_rings(ring)) == [-9, 25]
    assert [signed_area(points) for points in mask_rings(np.eye(2))] == [1, 1]
    assert mask_rings(np.zeros((3, 3))) == []


@given(MASKS)
def test_any_mask_comes_back_from_its_region_pixel_by_pixel(mask):
    rings = mask_rings(mask)
    assert sum(signed_area(points) for points in rings) == mask.sum()
    region = bridged(rings)
    assert (polygon_mask(region, *mask.shape) == mask).all()
    assert polygon_area(region) == mask.sum()


@given(MASKS, st.floats(0, 360), st.floats(0.4, 3))
def test_a_bridge_stays_a_bridge_when_the_points_move(mask, angle, zoom):
    """The moved region has the moved area, and no pixel far from all moved borders is wrong."""
    turn = np.deg2rad(angle)
    matrix = np.array([[np.cos(turn), -np.sin(turn), 30], [np.sin(turn), np.cos(turn), 30]]) * [
        [zoom, zoom, 1],
        [zoom, zoom, 1],
    ]
    region = apply_to_points(matrix, bridged(mask_rings(mask)))
    assert np.isclose(polygon_area(region), mask.sum() * zoom**2)
    pieces = [apply_to_points(matrix, points) for points in mask_rings(mask)]
    expected = np.zeros((90, 90), bool)
    for points in pieces:
        expected ^= polygon_mask(points, 90, 90)
    assert (polygon_mask(region, 90, 90) == expected).all()


@given(MASKS, MASKS, st.integers(-9, 9), st.integers(-9, 9))
def test_union(first, second, top, left):
    one, two = CroppedMask(first, 10, 10), CroppedMask.of_mask(second, 10 + top, 10 + left)
    both = one.union(two).full(40, 40)
    assert (both == one.full(40, 40) | two.full(40, 40)).all()


def test_bridges_are_taken_out_again():
    mask = np.ones((12, 20), bool)
    mask[2:5, 2:6], mask[6:10, 8:14], mask[2:4, 15:18] = False, False, False
    outer, *holes = mask_rings(mask)
    found = unbridged(bridged([outer, *holes]))
    assert np.array_equal(found[0], outer)
    assert sorted(map(signed_area, found)) == sorted(map(signed_area, [outer, *holes]))
    assert [len(ring) for ring in unbridged(outer)] == [4]
    spike = np.array([(0.0, 0), (9, 0), (9, 9), (20, 20), (9, 9), (0, 9)])
    assert np.array_equal(unbridged(spike)[0], spike), "a slip of the hand is no bridge"


@given(MASKS)
def test_the_borders_of_any_part_cover_what_it_covers(mask):
    for polygon in by_part(mask_rings(mask)):
        rings = unbridged(polygon)
        assert sum(map(signed_area, rings)) == signed_area(polygon)
        filled = np.zeros(mask.shape, bool)
        for ring in rings:
            filled ^= polygon_mask(ring, *mask.shape)
        assert np.array_equal(filled, polygon_mask(polygon, *mask.shape))
