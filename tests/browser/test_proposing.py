"""One click proposes an outline, and one example of each class finds all others."""

from __future__ import annotations

import numpy as np
import pytest
from app_page import Page, new_project
from checkout import ROOT
from selenium.webdriver.common.keys import Keys

from spm.evaluation.instances import from_annotation
from spm.evaluation.matching import find_overlaps
from spm.io.images import write_image
from spm.structures.annotation import read_annotation

PIECE = ROOT / "aug_test_in/00-cut.png"
CLASSES = ["003a", "020a"]


@pytest.fixture
def truth():
    return read_annotation(PIECE.with_suffix(".json")).classified(CLASSES)


def first_of(truth, name):
    """The most central molecule of a class: surely a whole one."""
    found = [shape for shape in truth.shapes if truth.classes.find(shape.label) == name]
    return min(found, key=lambda shape: np.abs(np.mean(shape.points, axis=0) - 160).max())


def best_overlaps(truth, project):
    found = read_annotation(project / "aug_test_in/00-cut.json").classified(CLASSES)
    overlaps = find_overlaps(from_annotation(truth), from_annotation(found))
    best = np.zeros(len(truth.shapes))
    np.maximum.at(best, overlaps.truth, overlaps.overlap)
    return best


def test_a_click_outlines_a_molecule_and_an_example_of_each_finds_the_others(
    window, tmp_path, truth
):
    project = new_project(tmp_path / "project", PIECE)
    page: Page = window(project)
    page.step("outline")
    for k, name in enumerate(CLASSES, start=1):
        page.name_class(name)
        page.type("c")
        page.click_at(np.mean(first_of(truth, name).points, axis=0))
        page.until("return page.desk.outlines.shapes.length === arguments[0]", k)
    page.with_key(Keys.CONTROL, "z")
    page.until("return page.desk.outlines.shapes.length === 1")
    page.with_key(Keys.CONTROL, "y")
    page.saved()
    assert [shape["class_name"] for shape in page.shapes()] == CLASSES
    assert np.sort(best_overlaps(truth, project))[-2] > 0.7

    page.type("f")
    proposed = page.until("return page.desk.tools.alike.proposals.length")
    assert "proposed" in page.run("return document.getElementById('panel').innerText")
    assert len(page.shapes()) == 2  # nothing is taken by itself
    first, second = page.run(
        "return page.desk.tools.alike.proposals.slice(0, 2).map("
        "({ parts }) => parts[0].reduce(([x, y], [a, b]) => [x + a / parts[0].length,"
        " y + b / parts[0].length], [0, 0]))"
    )
    page.click_at(first)
    page.click_at(second, key=Keys.ALT)
    page.until("return page.desk.tools.alike.proposals.length === arguments[0]", proposed - 2)
    assert len(page.shapes()) == 3
    page.type(Keys.ENTER)
    page.until("return page.desk.outlines.shapes.length === arguments[0]", proposed + 1)
    page.saved()
    found = best_overlaps(truth, project) > 0.5
    assert found.mean() > 0.7  # one was refused, and what the border cuts is not proposed
    assert page.errors() == []


def test_where_nothing_is_the_page_says_so(window, tmp_path):
    project = new_project(tmp_path / "project")
    write_image(project / "aug_test_in/bare.png", np.full((200, 200, 3), 90, np.uint8))
    page: Page = window(project)
    page.step("outline")
    page.name_class("003a")
    page.type("c")
    page.click_at((100, 100))
    page.until("return document.getElementById('notices').innerText.includes('nothing stands out')")
    assert page.shapes() == []
