"""A prediction looked at and corrected in the window, and predicted again."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from app_page import Page, new_project
from colour_detector import blobs, fake, read_colours
from selenium.webdriver.common.keys import Keys

from engine.predict_image import predict_file
from spm.checks.predictions import is_corrected
from spm.inference.predict import Settings
from spm.io.images import write_image
from spm.structures.annotation import read_annotation

DOUBTED = 7  # number of the molecule whose second class is nearly as likely
PLACE = (14 + 26 * 2.5, 14 + 26 * 2.5)  # of the image, between the molecules


def doubtful(images):
    """Find the blobs, the lower the less sure, and be unsure of one."""
    results = read_colours(images)
    scores = results[0].class_scores
    scores *= np.linspace(1, 0.6, len(scores), dtype=np.float32)[:, None]
    first = scores[DOUBTED].argmax()
    scores[DOUBTED, 1 - first] = 0.8 * scores[DOUBTED, first]
    return results


def predict(project, report=False) -> None:
    detector = fake(doubtful, input_size=256)
    out = project / "img_cache"
    predict_file(project / "images/scan.png", "scan", out, detector, Settings(), report=report)


@pytest.fixture(scope="module")
def once_predicted(tmp_path_factory):
    project = new_project(tmp_path_factory.mktemp("predicted") / "project")
    image, _ = blobs(170, 170)
    write_image(project / "images/scan.png", image)
    predict(project, report=True)
    return project


@pytest.fixture
def predicted(once_predicted, tmp_path):
    return shutil.copytree(once_predicted, tmp_path / "project")


def result(project):
    return read_annotation(project / "img_cache/scan_predicted.json")


def test_a_prediction_is_corrected_with_keys_and_kept_when_predicted_again(window, predicted):
    before = result(predicted)
    page: Page = window(predicted)
    page.step("look")
    page.until("return document.querySelectorAll('.table .body .row').length > 5")
    count = page.run("return page.desk.outlines.shapes.length")
    assert count == len(before.shapes) == 36
    page.run("document.getElementById('top').focus()")
    page.type("n")
    chosen = page.until("return page.desk.outlines.chosenShape")
    assert chosen["uncertain"] and chosen["second_class"]
    assert page.run("return document.querySelector('.body .row[aria-selected=true]').innerText")
    other = 1 if chosen["class_name"] == "blue" else 2
    names = page.run("return page.desk.classes().map((each) => each.name)")
    page.type(str(names.index({1: "red", 2: "blue"}[other]) + 1))
    page.until("return page.desk.outlines.chosenShape.class_name !== arguments[0]",
               chosen["class_name"])  # fmt: skip
    # The table chooses in the image: its first row, which is deleted.
    page.click("[data-key=score] button")
    page.run("document.querySelector('.body .row').click()")
    deleted = page.until("return page.desk.outlines.chosenShape")
    assert deleted["score"] == min(shape["score"] for shape in page.shapes())
    page.run("document.getElementById('top').focus()")
    page.type(Keys.DELETE)
    page.type("d")
    page.click_at(*np.add([(-3, -3), (3, -3), (3, 3), (-3, 3)], PLACE))
    page.type(Keys.ENTER)
    page.until("return page.desk.outlines.shapes.length === arguments[0]", count)
    page.saved()
    after = result(predicted)
    assert is_corrected(after) and not is_corrected(before)
    assert len(after.shapes) == count
    kept = [shape for shape in after.shapes if "score" in shape.extra]
    assert len(kept) == count - 1  # what the network said of the others is still there
    page.until("return document.querySelector('.item[aria-selected=true]').innerText"
               ".includes('corrected')")  # fmt: skip
    assert page.errors() == []

    predict(predicted)
    page.driver.refresh()
    page.ready()
    assert len(page.shapes()) == count
    assert page.run("return page.desk.outlines.source") == "correction"
    centres = [np.mean(shape["parts"][0], axis=0) for shape in page.shapes()]
    assert min(np.linalg.norm(np.subtract(centres, PLACE), axis=1)) < 1


def test_the_score_slider_hides_and_the_results_link_to_their_files(window, predicted):
    page: Page = window(predicted)
    page.step("look")
    scores = page.until("return page.desk.outlines.shapes.map((shape) => shape.score)")
    least = sorted(scores)[len(scores) // 2]
    page.until("return document.getElementById('score')")
    page.run("const slider = document.getElementById('score'); slider.value = arguments[0];"
             "slider.dispatchEvent(new Event('input'))", least)  # fmt: skip
    set_to = float(page.run("return document.getElementById('score').value"))
    shown = sum(score >= set_to - 1e-9 for score in scores)
    assert 0 < shown < len(scores)
    page.until("return document.querySelector('.table').ariaRowCount == arguments[0]", shown + 1)
    page.step("results")
    links = page.until(
        "const all = [...document.querySelectorAll('#panel a')];"
        "return all.length > 2 && all.map((link) => link.href)"
    )
    loaded = page.driver.execute_async_script(
        "const done = arguments[1]; Promise.all(arguments[0].map((link) =>"
        " fetch(link).then((answer) => answer.status))).then(done)", links,
    )  # fmt: skip
    assert set(loaded) == {200}
    page.until("return [...document.querySelectorAll('#panel img')].every("
               "(image) => image.complete && image.naturalWidth > 0)")  # fmt: skip
    page.click("[data-export=imagej]")
    written = page.until("return document.querySelector('#panel .files a')?.download")
    assert (predicted / "img_cache" / written).is_file()
    assert page.errors() == []
