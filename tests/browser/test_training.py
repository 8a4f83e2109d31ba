"""A run started from the window: what the check finds, a run that fails, one that is stopped."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
from app_page import Page, new_project
from checkout import ROOT

from spm.structures.annotation import Annotation, read_annotation, write_annotation
from spm.structures.shape import Shape

PIECE = ROOT / "aug_test_in/00-cut.png"
CROSSED = [(40, 40), (100, 100), (100, 40), (40, 100)]
GOOD = [(200, 200), (260, 200), (260, 260), (200, 260)]


@pytest.fixture
def project(tmp_path):
    return new_project(tmp_path / "project", PIECE)


def test_a_finding_of_the_check_leads_to_its_molecule_and_the_run_says_the_same(window, project):
    shapes = [
        Shape(name, np.array(points, float)) for name, points in (("A1", GOOD), ("A2", CROSSED))
    ]
    write_annotation(
        project / "aug_test_in/00-cut.json", Annotation(shapes, 320, 320, "00-cut.png")
    )
    page: Page = window(project)
    page.step("train")
    page.click(".finding")
    chosen = page.until("return page.desk.outlines.chosenShape")
    np.testing.assert_allclose(chosen["parts"][0], CROSSED)
    assert "crosses itself" in page.run("return document.querySelector('.finding').innerText")
    page.click("#train")
    page.until("return page.state.job && !page.state.job.running")
    page.until("return document.getElementById('panel').innerText.includes('ended with an error')")
    assert "crosses itself" in page.run("return document.querySelector('.job .reason').innerText")
    page.run("document.querySelector('#panel .job details').open = true")
    assert "crosses itself" in page.run("return document.querySelector('.job pre').innerText")
    assert page.errors() == []


def test_nothing_is_started_without_an_outline(window, project):
    page: Page = window(project)
    page.step("train")
    page.click("#train")
    page.until(
        "return document.getElementById('notices').innerText.includes('Nothing is outlined')"
    )
    assert page.run("return page.state.job") is None
    assert not (project / "logs/app_job.json").exists()


def test_a_run_is_stopped_and_can_go_on(window, project):
    shutil.copy(PIECE.with_suffix(".json"), project / "aug_test_in")
    shutil.copy(PIECE, project / "images")
    page: Page = window(project)
    page.step("train")
    page.click("#train")
    page.until("return page.state.job?.log.some((line) => line.includes('L1'))")
    assert page.run("return !document.getElementById('jobMark').hidden")
    page.click("#language")
    page.until("return /[\u4e00-\u9fff]/.test(document.getElementById('stage-now').innerText)")
    page.until("return document.querySelector('.lines p')")
    lines = page.run("return [...document.querySelectorAll('.lines p')].map((p) => p.innerText)")
    assert lines and all(re.search("[\u4e00-\u9fff]", line) for line in lines), lines
    page.click("#language")
    page.click("#stop")
    page.until("return page.state.job.stopped && !page.state.job.running")
    page.until("return document.getElementById('train')?.innerText === 'Go on with the training'")
    assert len(read_annotation(project / "aug_test_in/00-cut.json").shapes) == 22
    assert page.errors() == []


def test_one_outline_of_each_class_is_enough_to_train(window, project):
    """The tick is the setting of workflow.py: the molecules alike are found before the training."""
    outlined = read_annotation(PIECE.with_suffix(".json"))
    whole = [s for s in outlined.shapes if np.min(s.points) > 5 and np.max(s.points) < 315]
    names = {shape.label[:4]: shape for shape in whole}
    assert len(names) == 2
    write_annotation(
        project / "aug_test_in/00-cut.json",
        Annotation(list(names.values()), outlined.height, outlined.width, "00-cut.png"),
    )
    shutil.copy(PIECE, project / "images")
    page: Page = window(project)
    page.step("train")
    page.click("#examples")
    page.click("#train")
    page.until(
        "return page.state.job?.log.some((line) => line.includes('like your outlines teach too'))"
    )
    page.click("#stop")
    page.until("return page.state.job.stopped && !page.state.job.running")
    assert len(read_annotation(project / "logs/examples/found0.json").shapes) > 10
    assert page.errors() == []
