"""Two pages at once, and a server that is killed: nothing that was drawn is lost in silence."""

from __future__ import annotations

import json
import socket

import numpy as np
import pytest
from app_page import Page, Server, new_project
from checkout import ROOT
from selenium.webdriver.common.keys import Keys

from spm.structures.annotation import Annotation, read_annotation, write_annotation
from spm.structures.shape import Shape

PIECE = ROOT / "aug_test_in/00-cut.png"
PLACES = [(60, 60), (160, 60), (260, 60)]
DRAWN = [(40, 200), (100, 200), (70, 250)]
OTHER = [(200, 200), (260, 200), (230, 250)]


def square(x, y, half=25.0):
    return np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half + (x, y)


@pytest.fixture
def outlined(tmp_path):
    """A project with three outlines of a class."""
    project = new_project(tmp_path / "project", PIECE)
    shapes = [Shape(f"003a{k}", square(*place)) for k, place in enumerate(PLACES, start=1)]
    write_annotation(
        project / "aug_test_in/00-cut.json", Annotation(shapes, 320, 320, "00-cut.png")
    )
    return project


def draw(page: Page, corners) -> None:
    page.type("d")
    page.click_at(*corners)
    page.type(Keys.ENTER, "v")


def centres(project):
    file = read_annotation(project / "aug_test_in/00-cut.json")
    return sorted(tuple(np.round(np.mean(s.points, axis=0)).astype(int)) for s in file.shapes)


def place_on_screen(page: Page) -> dict[str, float]:
    """Where the stage begins and where the image's corner is, in pixels from the page's top."""
    return page.run(
        "const {viewer} = page.desk, top = viewer.stage.getBoundingClientRect().top;"
        "return {stage: top, corner: top + viewer.toScreen([0, 0])[1]}"
    )


def two_pages(window, project) -> tuple[Page, Page]:
    first = window(project)
    first.step("outline")
    second = Page(first.driver, first.server.address)
    second.step("outline")
    return first, second


def test_what_two_pages_drew_is_both_kept(window, outlined):
    first, second = two_pages(window, outlined)
    first.front()
    draw(first, DRAWN)
    first.click_at(PLACES[0])
    first.type(Keys.DELETE)
    first.saved()
    second.front()
    before = place_on_screen(second)
    draw(second, OTHER)
    # A click in the very frame in which the banner comes would be of the frame before.
    second.until("return page.desk.saver.mark === 'conflict'")
    second.until("return page.desk.viewer.stageTop > arguments[0]", before["stage"])
    after = place_on_screen(second)
    assert after["stage"] > before["stage"] + 20
    assert after["corner"] == pytest.approx(before["corner"], abs=0.1)
    second.click_at(PLACES[2])
    second.type("r")  # draw it anew
    second.click_at(*square(270, 70))
    second.type(Keys.ENTER)
    assert "changed" in second.run("return document.getElementById('banner').innerText")
    assert len(second.shapes()) == 4
    second.click("#merge")
    second.saved()
    second.until("return page.desk.viewer.stageTop === arguments[0]", before["stage"])
    assert place_on_screen(second) == pytest.approx(before)
    expected = [(160, 60), (270, 70), (70, 217), (230, 217)]
    np.testing.assert_allclose(centres(outlined), sorted(expected), atol=1)


def test_the_others_state_can_be_taken_and_ones_own_brought_back(window, outlined):
    first, second = two_pages(window, outlined)
    first.front()
    draw(first, DRAWN)
    first.saved()
    second.front()
    draw(second, OTHER)
    second.until("return page.desk.saver.mark === 'conflict'")
    second.click("#theirs")
    second.saved()
    np.testing.assert_allclose(centres(outlined), sorted([*PLACES, (70, 217)]), atol=1)
    second.with_key(Keys.CONTROL, "z")
    second.saved()
    np.testing.assert_allclose(centres(outlined), sorted([*PLACES, (230, 217)]), atol=1)


def test_a_file_that_is_deleted_meanwhile_deletes_nothing(window, outlined):
    page: Page = window(outlined)
    page.step("outline")
    (outlined / "aug_test_in/00-cut.json").unlink()
    draw(page, DRAWN)
    page.until("return page.desk.saver.mark === 'conflict'")
    page.click("#merge")
    page.saved()
    np.testing.assert_allclose(centres(outlined), sorted([*PLACES, (70, 217)]), atol=1)


def test_nothing_is_drawn_on_outlines_that_cannot_be_read(window, outlined):
    path = outlined / "aug_test_in/00-cut.json"
    good = path.read_bytes()
    path.write_bytes(good[:300])
    page: Page = window(outlined)
    page.step("outline")
    page.until("return document.getElementById('banner').innerText.includes('not valid JSON')")
    assert "damaged" in page.run("return document.getElementById('list').innerText")
    draw(page, DRAWN)
    assert page.shapes() == [] and path.read_bytes() == good[:300]
    path.write_bytes(good)
    page.click("#openAgain")
    page.until("return page.desk.outlines.shapes.length === 3")
    draw(page, DRAWN)
    page.saved()
    np.testing.assert_allclose(centres(outlined), sorted([*PLACES, (70, 217)]), atol=1)


def free_port() -> str:
    """Return a port that no other test's server takes while this one's is gone: these count up from
    the usual one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def test_a_killed_server_loses_nothing(window, outlined):
    port = free_port()
    page: Page = window(outlined, "--port", port)
    page.step("outline")
    draw(page, DRAWN)
    page.saved()
    page.server.end(kill=True)
    draw(page, OTHER)
    page.until("return page.desk.saver.mark === 'failed'")
    assert json.loads((outlined / "aug_test_in/00-cut.json").read_bytes())["shapes"]  # whole
    np.testing.assert_allclose(centres(outlined), sorted([*PLACES, (70, 217)]), atol=1)
    again = Server(outlined, "--port", port)
    try:
        page.until("return document.getElementById('banner').innerText.includes('new')")
        page.driver.get(again.address)
        page.ready()
        page.step("outline")
        page.click("#bringBack")
        page.saved()
        np.testing.assert_allclose(
            centres(outlined), sorted([*PLACES, (70, 217), (230, 217)]), atol=1
        )
    finally:
        again.end()
