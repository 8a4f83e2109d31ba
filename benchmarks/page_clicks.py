"""How many clicks the demo's piece takes in the window of app.py, against labelme's polygons.

    python benchmarks/page_clicks.py

The shipped outlines of the piece are the truth. labelme: a click for each of their corners, one to
close, and one for the class. The window, in a headless Chromium: a click on the most central
molecule of each class, "find alike", all taken; what is wrong is deleted, what is missing gets a
click each. A molecule counts when an outline of its class has a mask IoU above 0.5 with it. Keys
are counted apart. Needs requirements-dev.txt and Chromium.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests/helpers")]

from app_page import Page, new_project, served, start_browser  # noqa: E402

from spm.evaluation.instances import from_annotation  # noqa: E402
from spm.evaluation.matching import find_overlaps  # noqa: E402
from spm.geometry.polygons import polygon_centroid  # noqa: E402
from spm.structures.annotation import Annotation, read_annotation  # noqa: E402

PIECE = ROOT / "aug_test_in/00-cut.png"
CLASSES = ["003a", "020a"]
RIGHT = 0.5  # mask IoU
ENTER, DELETE = "\ue007", "\ue017"


class Hand:
    """Clicks and presses keys in the window, and counts both."""

    def __init__(self, page: Page):
        self.page, self.clicks, self.keys = page, 0, 0

    def propose(self, place: np.ndarray) -> None:
        """Click on a molecule, and wait for its outline or a sentence."""
        before = self.page.run("return page.desk.outlines.version")
        self.page.click_at(place)
        self.clicks += 1
        self.page.until(
            "return page.desk.outlines.version !== arguments[0]"
            " || document.querySelector('.notice')", before,
        )  # fmt: skip

    def delete(self, place: np.ndarray) -> None:
        """Click on an outline and delete it."""
        self.page.click_at(place)
        self.clicks += 1
        self.page.until("return page.desk.outlines.chosen")
        self.press(DELETE)

    def press(self, key: str) -> None:
        """Press a key."""
        self.page.type(key)
        self.keys += 1


def places(annotation: Annotation) -> tuple[list[str], np.ndarray]:
    """Return the classes and the centres (n, 2) x, y of the outlines."""
    names = [annotation.classes.find(shape.label) for shape in annotation.shapes]
    return names, np.array([polygon_centroid(shape.points) for shape in annotation.shapes])


def compare(truth: Annotation, project: Path) -> tuple[np.ndarray, list[int], Annotation]:
    """Return the IoU of each true molecule with an outline of its class, the numbers of outlines
    that are none of them, and the outlines."""
    found = read_annotation(project / f"aug_test_in/{PIECE.stem}.json").classified(CLASSES)
    pairs = find_overlaps(from_annotation(truth), from_annotation(found))
    names, found_names = places(truth)[0], places(found)[0]
    iou, right = np.zeros(len(names)), set()
    for t, p, overlap in zip(pairs.truth, pairs.prediction, pairs.overlap, strict=True):
        if names[t] == found_names[p] and overlap > RIGHT:
            iou[t] = max(iou[t], overlap)
            right.add(p)
    return iou, [k for k in range(len(found_names)) if k not in right], found


def outline(page: Page, truth: Annotation, project: Path) -> tuple[Hand, np.ndarray]:
    """Outline the piece as a user would; return what the hand did, and the IoUs."""
    hand = Hand(page)
    names, centres = places(truth)
    middle = np.abs(centres - truth.width / 2).max(axis=1)
    page.step("outline")
    for name in CLASSES:
        page.name_class(name)
        hand.press("c")
        k = min((k for k, one in enumerate(names) if one == name), key=lambda k: middle[k])
        hand.propose(centres[k])
    hand.press("f")
    page.until("return page.desk.tools.alike.proposals.length")
    hand.press(ENTER)
    page.saved()
    _, wrong, found = compare(truth, project)
    for k in wrong:
        hand.delete(places(found)[1][k])
    page.saved()
    iou, _, _ = compare(truth, project)
    hand.press("c")
    for name in CLASSES:
        hand.press(str(CLASSES.index(name) + 1))
        for k in np.flatnonzero(iou <= RIGHT):
            if names[k] == name:
                hand.propose(centres[k])
    page.saved()
    return hand, compare(truth, project)[0]


def main() -> None:
    """Count and print."""
    truth = read_annotation(PIECE.with_suffix(".json")).classified(CLASSES)
    corners = sum(len(shape.points) for shape in truth.shapes)
    print(f"labelme: {corners + 2 * len(truth.shapes)} clicks for {len(truth.shapes)} molecules")
    with tempfile.TemporaryDirectory() as folder:
        project = new_project(Path(folder) / "project", PIECE)
        driver = start_browser(Path(folder) / "chromium")
        try:
            with served(project) as server:
                page = Page(driver, server.address)
                start = time.perf_counter()
                hand, iou = outline(page, truth, project)
                seconds = time.perf_counter() - start
        finally:
            driver.quit()
    print(
        f"the window: {hand.clicks} clicks, {hand.keys} keys and the names of the classes, "
        f"{seconds:.1f} s without a hand's own time; {np.sum(iou > RIGHT)} of {len(iou)} outlined, "
        f"mean IoU of these {iou[iou > RIGHT].mean():.2f}"
    )


if __name__ == "__main__":
    main()
