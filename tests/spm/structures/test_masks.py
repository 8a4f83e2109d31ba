"""Polygons to masks and back, against masks worked out by hand."""

import numpy as np
import pytest
from annotated import SQUARE, TRIANGLE
from hypothesis import given, settings
from hypothesis import strategies as st

from spm.dataset.index import full_rectangle
from spm.geometry.mask_outline import mask_outline
from spm.geometry.polygon_filling import polygon_mask
from spm.geometry.polygons import crosses_itself, polygon_area, signed_area
from spm.structures.annotation import Annotation
from spm.structures.instance_masks import (
    instance_masks,
    label_image,
)
from spm.structures.shape import Shape


def iou(a, b):
    a, b = a > 0, b > 0
    return (a & b).sum() / max(1, (a | b).sum())


@pytest.mark.parametrize(("height", "width"), [(5, 7), (1, 1), (20, 3)])
def test_pitfall_9_last_row_and_column_are_drawn(height, width):
    """Pitfall 9: the whole image's polygon fills every pixel, square or not."""
    assert polygon_mask(full_rectangle(height, width), height, width).all()


def test_a_pixel_belongs_to_the_polygon_around_its_centre():
    points = np.array([(0.6, 0.0), (2.4, 0.0), (2.4, 1.0), (0.6, 1.0)])
    assert polygon_mask(points, 1, 4).tolist() == [[False, True, False, False]]
    diagonal = np.array([(0.0, 0), (4, 0), (0, 4)])
    expected = [[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert polygon_mask(diagonal, 4, 4).astype(int).tolist() == expected


def test_polygons_with_a_common_side_share_no_pixel_and_leave_no_gap():
    middle = np.array([(0.0, 0), (3.7, 0), (5.2, 9), (0, 9)])
    rest = np.array([(3.7, 0), (11.0, 0), (11.0, 9), (5.2, 9)])
    both = polygon_mask(middle, 9, 11).astype(int) + polygon_mask(rest, 9, 11)
    assert (both == 1).all()


def test_polygons_outside_or_degenerate_are_empty():
    assert not polygon_mask(TRIANGLE + 500, 40, 64).any()
    assert not polygon_mask(TRIANGLE - 500, 40, 64).any()
    assert not polygon_mask(TRIANGLE[:2], 40, 64).any()
    assert not polygon_mask(np.zeros((0, 2)), 40, 64).any()


def test_polygon_that_leaves_the_image_is_cut():
    big = np.array([(-10.0, -10), (30, -10), (30, 3), (-10, 3)])
    mask = polygon_mask(big, 6, 8)
    assert mask[:3].all() and not mask[3:].any()


@settings(max_examples=60)
@given(st.lists(st.tuples(st.floats(-5, 25), st.floats(-5, 25)), min_size=3, max_size=8))
def test_same_as_testing_each_pixel_centre(points):
    """The scan-line fill against the even-odd rule, pixel by pixel."""
    points = np.array(points)
    mask = polygon_mask(points, 15, 20)
    for row in range(15):
        for column in range(20):
            inside = False
            x, y = column + 0.5, row + 0.5
            for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
                if (y0 <= y) != (y1 <= y):
                    crossing = x0 + (y - y0) * (x1 - x0) / (y1 - y0)
                    if abs(crossing - x) < 1e-9:
                        return  # on the border: either is right
                    inside ^= crossing < x
            assert mask[row, column] == inside


def test_instance_masks_and_label_image():
    shapes = [Shape("A1", TRIANGLE), Shape("B1", SQUARE), Shape("B2", SQUARE + 8)]
    annotation = Annotation(shapes, 40, 64, "a.png")
    masks = instance_masks(annotation)
    assert masks.shape == (40, 64, 3) and masks.dtype == np.uint8 and masks.max() == 1
    assert masks[:, :, 1].sum() == 16 * 16
    labels = label_image(annotation)
    assert labels[20, 50] == 3 and labels[15, 45] == 2 and labels[0, 0] == 0  # later wins
    assert np.bincount(labels.ravel())[2] == 16 * 16 - (masks[:, :, 1] & masks[:, :, 2]).sum()


def test_mask_shape_keeps_its_place_and_is_cut_at_the_border():
    blob = np.array([[1, 0, 1], [1, 1, 1]], bool)
    shapes = [
        Shape("A1", np.array([(2.0, 1.0), (4.0, 2.0)]), "mask", mask=blob),
        Shape("A2", np.array([(-1.0, 4.0), (1.0, 5.0)]), "mask", mask=blob),
    ]
    annotation = Annotation(shapes, 5, 6, "a.png")
    masks = instance_masks(annotation)
    assert np.array_equal(masks[1:3, 2:5, 0], blob) and masks[:, :, 0].sum() == 5
    assert masks[4, :2, 1].tolist() == [0, 1] and masks[:, :, 1].sum() == 1
    assert np.array_equal(label_image(annotation), masks[:, :, 0] | 2 * masks[:, :, 1])


def test_no_shape_and_very_many():
    empty = Annotation([], 4, 5, "a.png")
    assert instance_masks(empty).shape == (4, 5, 0)
    assert label_image(empty).shape == (4, 5) and label_image(empty).max() == 0
    cells = [
        Shape(f"A{i}", np.array([(i % 20, i // 20), (i % 20 + 1, i // 20 + 1)], float), "rectangle")
        for i in range(300)
    ]
    labels = label_image(Annotation(cells, 15, 20, "a.png"))
    assert labels.dtype == np.uint16 and np.array_equal(labels.ravel(), np.arange(1, 301))


def test_outline_of_a_square_and_of_one_pixel():
    mask = np.zeros((12, 12), bool)
    mask[3:9, 4:10] = True
    points = mask_outline(mask)
    assert np.array_equal(polygon_mask(points, 12, 12), mask)
    assert points.min(axis=0).tolist() == [4, 3] and points.max(axis=0).tolist() == [10, 9]
    single = np.zeros((3, 3), bool)
    single[1, 2] = True
    assert np.array_equal(polygon_mask(mask_outline(single), 3, 3), single)
    assert mask_outline(np.zeros((3, 3))).shape == (0, 2)
    assert polygon_mask(mask_outline(np.ones((4, 6))), 4, 6).all()


@pytest.mark.parametrize("scale", [0.25, 0.5, 1, 4])
def test_outline_gives_the_mask_back(scale):
    star = TRIANGLE * scale
    spike = np.array([(2.0, 2), (30, 4), (20, 12), (40, 30), (18, 24), (6, 36)]) * scale
    for points in (star, spike, SQUARE * scale):
        mask = polygon_mask(points, 200, 260)
        if mask.sum() >= 20:
            assert iou(polygon_mask(mask_outline(mask), 200, 260), mask) > 0.95


def test_outline_takes_the_largest_part():
    mask = np.zeros((20, 30), bool)
    mask[2:4, 2:4] = True
    mask[8:18, 10:25] = True
    again = polygon_mask(mask_outline(mask), 20, 30)
    assert not again[:5].any() and again[8:18, 10:25].mean() > 0.95


def test_area_and_crossing():
    assert polygon_area(SQUARE) == 256
    assert signed_area(SQUARE[::-1]) == -256 and polygon_area(SQUARE[::-1]) == 256
    assert polygon_area(SQUARE + 1e7) == 256
    assert crosses_itself(SQUARE[[0, 2, 1, 3]]) and not crosses_itself(SQUARE)
    pentagram = np.array([(np.cos(a), np.sin(a)) for a in np.arange(5) * 4 * np.pi / 5])
    assert crosses_itself(pentagram) and not crosses_itself(TRIANGLE)
