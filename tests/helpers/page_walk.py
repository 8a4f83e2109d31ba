"""What a newcomer does in the window, as one: cut, outline, train, look, correct, take the results.

    python -m tests.helpers.page_walk FOLDER [--keyboard] [--no-training]

FOLDER gets a fresh clone of this checkout, in which `python app.py` is started; all else is done in
a real Chromium with the mouse, or with the keyboard alone, and FOLDER keeps screenshots of all that
was seen. The demo's image is used, its outlines are not. The training is a whole one and takes
minutes; a clone that is trained already is only looked at and corrected, and --no-training ends
before it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests/helpers")]

from app_page import Page, start_browser  # noqa: E402
from selenium.webdriver import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

from spm.evaluation.instances import from_annotation  # noqa: E402
from spm.evaluation.matching import find_overlaps  # noqa: E402
from spm.structures.annotation import Annotation, read_annotation  # noqa: E402

SIZE = (1440, 900)
CLASSES = ("003a", "020a")
PIECE = (352, 352, 320, 320)  # left, top, width and height of what is cut out of the demo's image
CUT, IMAGE = "00-cut.png", "00.png"
HALF_AN_HOUR, TABS = 1800.0, 90
MATCH = 0.5  # IoU from which an outline is that of the molecule
THERE = "const found = document.querySelector(arguments[0]); return found && !found.disabled"


class Mouse:
    """Does everything with clicks; words are typed."""

    def __init__(self, page: Page):
        self.page = page

    def press(self, selector: str) -> None:
        """Press what a CSS selector names."""
        self.page.until(THERE, selector)
        element = self.page.driver.find_element(By.CSS_SELECTOR, selector)
        hand = ActionChains(self.page.driver, duration=50)
        hand.scroll_to_element(element).move_to_element(element).click().perform()

    def step(self, number: int) -> None:
        self.press(f"#steps .step:nth-child({number})")

    def tool(self, name: str, _: str) -> None:
        """Take a tool in hand; the second is its key."""
        self.press(f"#tools [data-tool={name}]")

    def open(self, folder: str, name: str) -> None:
        self.press(f"[data-key='{folder}/{name}']")

    def point(self, place: np.ndarray) -> None:
        """Click a place (x, y) of the image."""
        self.page.click_at(place)

    def cut(self) -> None:
        """Drag the rectangle of the piece, and cut it."""
        left, top, width, height = PIECE
        # From outside of the rectangle that is there, which a drag inside would move.
        self.page.drag((10, 10), (30, 30))
        self.page.drag((left, top), (left + width, top + height))
        self.press("#cutNow")


class Keyboard(Mouse):
    """Does everything with keys; nothing is clicked, not even to give the page the focus."""

    def focus(self, selector: str) -> None:
        """Press Tab until something has the focus."""
        has = "return document.activeElement?.matches(arguments[0]) ?? false"
        self.page.until(THERE, selector)
        for _ in range(TABS):
            if self.page.run(has, selector):
                return
            self.page.type(Keys.TAB)
        raise AssertionError(f"Tab does not lead to {selector}")

    def press(self, selector: str) -> None:
        self.focus(selector)
        self.page.type(Keys.ENTER)

    def step(self, number: int) -> None:
        self.page.with_key(Keys.ALT, str(number))

    def tool(self, _: str, key: str) -> None:
        self.focus("#top")
        self.page.type(key)

    def open(self, folder: str, name: str) -> None:
        self.focus(f"[data-folder='{folder}'] .item[tabindex='0']")
        for _ in range(TABS):
            found = self.page.run("return document.activeElement.dataset.key")
            if found == f"{folder}/{name}":
                self.page.type(Keys.ENTER)
                return
            self.page.type(Keys.ARROW_DOWN)
        raise AssertionError(f"the arrow keys do not lead to {folder}/{name}")

    def point(self, place: np.ndarray) -> None:
        """Move the cross to a place and press the space bar."""
        self.focus("#top")
        goal = self.page.run(
            "return page.desk.viewer.toScreen(arguments[0])", list(map(float, place))
        )
        start = self.page.run(
            "const { stage: { cross }, viewer } = page.desk;"
            "return cross ?? [viewer.screenWidth / 2, viewer.screenHeight / 2]"
        )
        for far, back, forth in zip(
            np.subtract(goal, start), (Keys.ARROW_LEFT, Keys.ARROW_UP),
            (Keys.ARROW_RIGHT, Keys.ARROW_DOWN), strict=True,
        ):  # fmt: skip
            self.page.type(*[forth if far > 0 else back] * round(abs(far) / 8))
        self.page.type(" ")

    def cut(self) -> None:
        for name, value in zip(("left", "top", "width", "height"), PIECE, strict=True):
            self.focus(f"input[name={name}]")
            self.page.with_key(Keys.CONTROL, "a")
            self.page.type(str(value), Keys.TAB)
        self.press("#cutNow")


class Walk:
    """The walk of one newcomer.

    Args:
        page: the window.
        hands: what the newcomer uses.
        home: the clone.
        shots: folder of the screenshots.
    """

    def __init__(self, page: Page, hands: Mouse, home: Path, shots: Path):
        self.page, self.hands, self.home, self.shots = page, hands, home, shots
        self.truth = read_annotation(home / "tests/data/00_truth.json").classified(CLASSES)
        self.start = time.monotonic()

    def seen(self, what: str) -> None:
        """Keep a screenshot."""
        time.sleep(0.4)
        self.page.driver.save_screenshot(str(self.shots / f"{what}.png"))
        print(f"{time.monotonic() - self.start:6.0f} s  {what}", flush=True)

    def outline(self) -> None:
        """Cut a piece out of the image, outline one molecule of each class, and find the others."""
        page, hands = self.page, self.hands
        self.seen("images")
        hands.press("#cutPiece")
        page.until("return page.desk.tools.crop.rectangle")
        hands.cut()
        page.until("return page.state.step === 'outline' && page.state.file.name === arguments[0]"
                   " && page.state.info", CUT)  # fmt: skip
        self.seen("piece")
        for count, name in enumerate(CLASSES, start=1):
            hands.press("#newClass")
            page.type(name, Keys.ENTER)
            hands.tool("propose", "c")
            hands.point(self.middle(name))
            page.until("return page.desk.outlines.shapes.length === arguments[0]", count)
            self.seen(f"one_{name}")
        hands.press("#findAlike")
        page.until("return page.desk.tools.alike.proposals.length")
        self.seen("alike")
        hands.press("#acceptAll")
        page.saved()
        self.seen("outlined")
        drawn = read_annotation(self.home / "aug_test_in" / Path(CUT).with_suffix(".json"))
        print(f"        {len(drawn.shapes)} outlined")

    def middle(self, name: str) -> np.ndarray:
        """Return the middle of the most central molecule of a class, in the piece."""
        left, top, width, height = PIECE
        found = [np.mean(shape.points, axis=0) - (left, top) for shape in self.truth.shapes
                 if self.truth.class_of(shape) == name]  # fmt: skip
        return min(found, key=lambda place: np.abs(place - (width / 2, height / 2)).max())

    def check(self) -> None:
        """Go to the step of the training, which checks the outlines."""
        self.hands.step(3)
        self.page.until("return document.querySelector('.good, .bad')")
        self.seen("checked")

    def train(self) -> None:
        """Press Train, look now and then, and wait for the end."""
        page, start = self.page, time.monotonic()
        self.hands.press("#train")
        page.until("return page.state.job?.running")
        self.seen("started")
        shown = set()
        while page.run("return page.state.job.running"):
            phase = page.run(
                "const { phase, epoch } = page.state.job; return `${phase}_${epoch ?? 0}`"
            )
            if phase not in shown and (not shown or phase.split("_")[1] in ("0", "1", "3", "10")):
                self.seen(phase)
            shown.add(phase)
            assert time.monotonic() - start < HALF_AN_HOUR, page.text()
            time.sleep(2)
        print(f"        the run took {(time.monotonic() - start) / 60:.1f} minutes")
        assert page.run("return page.state.job.status") == 0, page.run("return page.state.job.log")
        self.seen("trained")

    def look(self) -> None:
        """Look at the image; delete what is in doubt, and outline the molecule that is there."""
        page, hands = self.page, self.hands
        hands.step(4)
        hands.open("images", IMAGE)
        page.until("return document.querySelectorAll('.table .body .row').length > 5")
        self.seen("look")
        self.say_how_good("recognised")
        hands.press("#nextDoubt")
        chosen = page.until("return page.desk.outlines.chosenShape")
        self.seen("in_doubt")
        before = page.run("return page.desk.outlines.shapes.length")
        hands.press("#panel .chosenBox [aria-keyshortcuts=Delete]")
        page.until("return page.desk.outlines.shapes.length === arguments[0]", before - 1)
        name, place = self.nearest(np.mean(chosen["parts"][0], axis=0))
        page.saved()
        if self.outlined(place):  # what was deleted was no molecule, but lay beside one
            self.seen("corrected")
            self.say_how_good("corrected")
            return
        hands.press(
            f"[data-class='{name}']" if type(hands) is Mouse else "[data-class][tabindex='0']"
        )
        if type(hands) is Keyboard:
            hands.focus("#top")
            page.type(str(1 + CLASSES.index(name)))
        hands.tool("propose", "c")
        hands.point(place)
        page.until("return page.desk.outlines.shapes.length === arguments[0]", before)
        page.saved()
        self.seen("corrected")
        self.say_how_good("corrected")

    def nearest(self, place: np.ndarray) -> tuple[str, np.ndarray]:
        """Return class and middle of the true molecule that is nearest to a place of the image."""
        middles = [np.mean(shape.points, axis=0) for shape in self.truth.shapes]
        best = int(np.linalg.norm(np.subtract(middles, place), axis=1).argmin())
        return self.truth.class_of(self.truth.shapes[best]), middles[best]

    def outlined(self, place: np.ndarray) -> bool:
        """Return whether a place of the image lies in a recognised molecule."""
        found = read_annotation(self.home / "img_cache/00_predicted.json")
        x, y = map(float, place)
        outlines = [np.asarray(shape.points, np.float32) for shape in found.shapes]
        return any(cv2.pointPolygonTest(points, (x, y), False) >= 0 for points in outlines)

    def say_how_good(self, what: str) -> None:
        found = read_annotation(self.home / "img_cache/00_predicted.json").classified(CLASSES)
        right, every = matches(self.truth, found), len(self.truth.shapes)
        print(f"        {what}: {len(found.shapes)} molecules; {right} of {every} true ones"
              " are among them, with their class")  # fmt: skip

    def results(self) -> None:
        """Look at the results, and take the molecules along to ImageJ."""
        self.hands.step(5)
        self.page.until("return [...document.querySelectorAll('#panel img')].length > 0 && "
                        "[...document.querySelectorAll('#panel img')].every("
                        "(image) => image.complete && image.naturalWidth > 0)")  # fmt: skip
        self.hands.press("[data-export=imagej]")
        self.page.until("return document.querySelector('#panel .files a')")
        self.seen("results")


def matches(truth: Annotation, found: Annotation) -> int:
    """Return how many true molecules were found with their class."""
    overlaps = find_overlaps(from_annotation(truth), from_annotation(found))
    matched = overlaps.overlap > MATCH
    pairs = zip(overlaps.truth[matched], overlaps.prediction[matched], strict=True)
    class_of = truth.class_of
    same = {t for t, f in pairs if class_of(truth.shapes[t]) == found.class_of(found.shapes[f])}
    return len(same)


def clone(folder: Path) -> Path:
    """Clone this checkout, and take the demo's outlines out of it, as the README says."""
    home = folder / "分子 molecules"
    if not home.is_dir():
        subprocess.run(["git", "clone", "-q", ROOT, home], check=True)
        for path in [*(home / "aug_test_in").iterdir(), home / "images" / CUT]:
            path.unlink()
    return home


def start(home: Path) -> tuple[subprocess.Popen, str]:
    """Start `python app.py`; return it and the address that it prints."""
    command = [sys.executable, "app.py", "--no-browser", "--language", "en"]
    process = subprocess.Popen(command, cwd=home, stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline().strip()


def main(folder: Path, keyboard: bool, training: bool) -> None:
    """Walk."""
    folder.mkdir(parents=True, exist_ok=True)
    home, shots = clone(folder), folder / ("keyboard" if keyboard else "mouse")
    shots.mkdir(exist_ok=True)
    server, address = start(home)
    driver = start_browser(folder / "chromium", SIZE)
    try:
        page = Page(driver, address)
        walk = Walk(page, (Keyboard if keyboard else Mouse)(page), home, shots)
        trained = page.run("return page.state.weights")
        if not trained:
            walk.outline()
            walk.check()
        if not trained and training:
            walk.train()
        if trained or training:
            walk.look()
            walk.results()
        print(page.errors() or "the page complained of nothing")
    finally:
        driver.quit()
        server.terminate()
        server.wait()


if __name__ == "__main__":
    flags = sys.argv[2:]
    main(Path(sys.argv[1]).resolve(), "--keyboard" in flags, "--no-training" not in flags)
