"""Drawing: right places, right colours, nothing outside the molecules' surroundings."""

import numpy as np
import pytest

from spm.geometry.polygons import polygon_area, polygon_centroid
from spm.io.class_colours import COLOURS, class_colours
from spm.report.drawing import draw_molecules
from spm.structures.molecule import Molecule


def molecule(points, class_name="A", **fields):
    points = np.asarray(points, float)
    (x1, y1), (x2, y2) = points.min(axis=0), points.max(axis=0)
    return Molecule(
        class_name,
        0.9,
        np.array([y1, x1, y2, x2]),
        points,
        polygon_area(points),
        polygon_centroid(points),
        **fields,
    )


SQUARE = [(20, 30), (80, 30), (80, 90), (20, 90)]


def test_tint_and_outline_are_where_the_molecule_is():
    image = np.full((128, 128, 3), 60, np.uint8)
    drawn = draw_molecules(image, [molecule(SQUARE)], ["A"], zoom=1)
    assert drawn.shape == image.shape and (image == 60).all(), "the input stays as it was"
    inside = drawn[40, 40].astype(int)
    assert inside == pytest.approx(0.62 * 60 + 0.38 * np.array(COLOURS[0]), abs=1.5)
    # The line of 2 pixels lies on both sides of the edge at x = 20.
    assert np.abs(drawn[50, 19:21].astype(int) - COLOURS[0]).max() < 60
    changed = (drawn != 60).any(axis=2)
    assert not changed[:26].any() and not changed[:, :16].any()
    assert not changed[95:].any() and not changed[:, 85:].any()


def test_small_images_are_enlarged_and_large_ones_drawn_in_place():
    small = np.zeros((50, 40, 3), np.uint8)
    assert draw_molecules(small, [], []).shape == (100, 80, 3)
    large = np.zeros((40, 800, 3), np.uint8)
    drawn = draw_molecules(large, [molecule(SQUARE)], ["A"], in_place=True)
    assert drawn is large and large.any()


def test_any_number_of_classes_gets_distinct_colours():
    """Guards pitfall 17: drawing knew two classes only."""
    colours = np.array(class_colours(30))
    distance = np.abs(colours[:, None] - colours[None]).sum(axis=2) + 999 * np.eye(30)
    assert distance.min() > 30
    assert class_colours(2) == list(COLOURS[:2]) == class_colours(9)[:2]
    assert class_colours(0) == []
    assert COLOURS[0][1] == max(COLOURS[0]) and COLOURS[1][2] == max(COLOURS[1])


def test_each_class_is_drawn_in_its_colour():
    image = np.full((120, 900, 3), 60, np.uint8)
    names = [f"class {k}" for k in range(9)]
    molecules = [molecule(np.array(SQUARE) + (100 * k, 0), name) for k, name in enumerate(names)]
    drawn = draw_molecules(image, molecules, names)
    for k, colour in enumerate(class_colours(9)):
        got = drawn[38, 100 * k + 38].astype(int)
        assert got == pytest.approx(0.62 * 60 + 0.38 * np.array(colour), abs=1.5)


@pytest.mark.parametrize("corner", [(-30, -30), (70, 60), (-500, 20), (20, 500)])
def test_molecules_at_and_beyond_the_border(corner):
    image = np.zeros((100, 100, 3), np.uint8)
    shape = np.array([(0, 0), (60, 0), (60, 60)]) + corner
    drawn = draw_molecules(image, [molecule(shape)], ["A"], zoom=1)
    assert drawn.shape == image.shape
    assert drawn.any() == (max(map(abs, corner)) < 100)


def test_tiny_image_and_names_that_the_font_does_not_have():
    tiny = np.zeros((3, 4, 3), np.uint8)
    one = molecule([(0, 0), (4, 0), (4, 3)], "分子", uncertain=True)
    assert draw_molecules(tiny, [one], ["A", "分子"]).shape == (6, 8, 3)


def test_an_uncertain_molecule_looks_different():
    image = np.zeros((128, 128, 3), np.uint8)
    sure, unsure = (
        draw_molecules(image, [molecule(SQUARE, uncertain=flag)], ["A"]) for flag in (0, 1)
    )
    assert (sure != unsure).any()


def test_parts_on_both_sides_of_the_image_get_no_label():
    image = np.zeros((200, 300, 3), np.uint8)
    left = np.array([(-80, 30), (-40, 30), (-40, 70), (-80, 70)], float)
    above = np.array([(40, -90), (80, -90), (80, -50), (40, -50)], float)
    assert not draw_molecules(image, [molecule(left, further=(above,))], ["A"], zoom=1).any()
    below = above + (0, 120)
    assert draw_molecules(image, [molecule(left, further=(below,))], ["A"], zoom=1).any()
