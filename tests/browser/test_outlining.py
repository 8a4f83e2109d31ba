"""Outlines drawn with the mouse and with the keyboard alone, saved as labelme files."""

from __future__ import annotations

import numpy as np
import pytest
from app_page import Page, new_project
from checkout import ROOT
from selenium.webdriver.common.keys import Keys

from spm.io.images import write_image
from spm.structures.annotation import Annotation, read_annotation, write_annotation
from spm.structures.shape import Shape

PIECE = ROOT / "aug_test_in/00-cut.png"
SQUARE = [(60, 60), (120, 60), (120, 120), (60, 120)]
TRIANGLE = [(180, 200), (240, 200), (210, 260)]
PIXEL = 1.0  # a press of the mouse hits a pixel of the screen, smaller than one of the image


@pytest.fixture
def piece(tmp_path):
    """A project with a training piece that nobody has outlined."""
    return new_project(tmp_path / "项目 one", PIECE)


def saved(project):
    return read_annotation(project / "aug_test_in/00-cut.json")


def test_outlines_drawn_with_clicks_are_saved_as_labelme_does(window, piece):
    page: Page = window(piece)
    page.step("outline")
    page.type("d")
    page.click_at((30, 30))  # there is no class yet: nothing is drawn, and the name is asked for
    page.type("003a", Keys.ENTER)
    page.click_at(*SQUARE, SQUARE[0])
    page.until("return page.desk.outlines.shapes.length === 1")
    page.name_class("020a")
    page.click_at(*TRIANGLE)
    page.type(Keys.ENTER)
    page.until("return page.desk.outlines.shapes.length === 2")
    page.click("#partial")
    page.saved()
    file = saved(piece)
    assert [shape.label for shape in file.shapes] == ["003a", "020a"]
    assert file.partial
    assert file.image_name == "00-cut.png"
    for shape, drawn in zip(file.shapes, (SQUARE, TRIANGLE), strict=True):
        assert shape.shape_type == "polygon"
        np.testing.assert_allclose(shape.points, drawn, atol=PIXEL)
    page.until("return document.querySelector('.item[aria-selected=true]').innerText.includes('2')")
    assert page.errors() == []


def test_points_are_dragged_inserted_and_taken_out_and_all_is_undone(window, piece):
    write_annotation(
        piece / "aug_test_in/00-cut.json",
        Annotation(
            [Shape("003a1", np.array(SQUARE, float), description="kept")], 320, 320, "00-cut.png"
        ),
    )
    page: Page = window(piece)
    page.step("outline")
    page.click_at((90, 90))
    page.drag(SQUARE[2], (135, 140))
    page.drag((90, 60), (90, 50))  # the middle of the upper side
    page.drag((100, 100), (110, 95))  # all of it
    page.saved()
    (shape,) = saved(piece).shapes
    moved = np.array([(60, 60), (90, 50), (120, 60), (135, 140), (60, 120)]) + (10, -5)
    np.testing.assert_allclose(shape.points, moved, atol=2 * PIXEL)
    assert (shape.label, shape.description) == ("003a1", "kept")
    page.click_at((100, 45), key=Keys.ALT)  # the inserted point
    page.until("return page.desk.outlines.shapes[0].parts[0].length === 4")
    page.type(Keys.DELETE)
    page.until("return page.desk.outlines.shapes.length === 0")
    page.saved()
    assert saved(piece).shapes == []
    for _ in range(5):
        page.with_key(Keys.CONTROL, "z")
    page.with_key(Keys.CONTROL, "y")
    page.saved()
    np.testing.assert_allclose(
        saved(piece).shapes[0].points, [*SQUARE[:2], (135, 140), SQUARE[3]], atol=PIXEL
    )


def test_the_keyboard_alone_is_enough(window, piece):
    page: Page = window(piece)
    page.with_key(Keys.ALT, "2")  # the step
    page.until("return document.getElementById('newClass')")
    for _ in range(60):
        page.type(Keys.TAB)
        if page.run("return document.activeElement.id") == "newClass":
            break
    page.type("003a", Keys.ENTER)  # and the focus is on the image
    page.type("d")
    for way, steps in ((Keys.ARROW_LEFT, 1), (Keys.ARROW_UP, 6), (Keys.ARROW_RIGHT, 7)):
        page.type(*[way] * steps)
        page.type(" ")
    page.type(Keys.ENTER)
    page.until("return page.desk.outlines.shapes.length === 1")
    page.type("v", "n", ".", Keys.ARROW_DOWN)  # its first point, one pixel down
    page.saved()
    drawn = page.shapes()[0]["parts"][0]
    (shape,) = saved(piece).shapes
    assert shape.label == "003a"
    np.testing.assert_allclose(shape.points, drawn, atol=1e-3)
    scale = page.run("return page.desk.viewer.scale")
    sides = np.diff(np.vstack([drawn, drawn[:1]]), axis=0) * scale
    np.testing.assert_allclose(sides[1], [7 * 8, 0], atol=0.1 * scale)
    np.testing.assert_allclose(sides[0], [0, -6 * 8 - scale], atol=0.1 * scale)
    page.type("?")
    page.until("return document.getElementById('keys').open")
    page.type(Keys.ESCAPE)
    page.type(Keys.DELETE)
    page.saved()
    assert saved(piece).shapes == []


def test_a_piece_is_cut_by_dragging(window, tmp_path):
    project = new_project(tmp_path / "project")
    image = np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)
    write_image(project / "images/scan.png", image)
    page: Page = window(project)
    page.click("#cutPiece")
    page.until("return page.desk.tools.crop.rectangle")
    page.drag((5, 5), (64, 85))
    found = page.run("return page.desk.tools.crop.rectangle")
    page.type(Keys.ENTER)
    page.until("return page.state.step === 'outline' && page.state.info?.width !== 300")
    assert page.run("return page.state.file.name") == "scan-cut.png"
    from spm.io.images import read_image

    piece = read_image(project / "aug_test_in/scan-cut.png")
    left, top = found["left"], found["top"]
    whole = image[top : top + found["height"], left : left + found["width"]]
    np.testing.assert_array_equal(piece, whole)
    np.testing.assert_allclose([left, top], [5, 5], atol=PIXEL)
    np.testing.assert_allclose(piece.shape[:2], [80, 59], atol=2 * PIXEL)
