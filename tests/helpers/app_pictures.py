"""The screenshots of docs/app.md.

    python -m tests.helpers.app_pictures PROJECT

PROJECT: a folder in which the demo was trained and recognised from the window (`python app.py`,
Train). It is copied; in the copy the piece's outlines are taken away but one of each class, and all
others are proposed.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests/helpers")]

from app_page import Page, served, start_browser  # noqa: E402
from PIL import Image  # noqa: E402

from spm.structures.annotation import read_annotation, write_annotation  # noqa: E402

PIECE = "00-cut"
IMAGE = "00.png"
SIZE = (1360, 900)
LARGE = {"before", "re_mask_cache", "train_dataset"}


@contextmanager
def opened(project: Path, profile: Path) -> Iterator[Page]:
    """Serve a project and open its page."""
    driver = start_browser(profile, SIZE)
    try:
        with served(project) as server:
            yield Page(driver, server.address)
    finally:
        driver.quit()


def save(page: Page, name: str) -> None:
    """Save what the window shows as docs/images/NAME.jpg."""
    page.run("document.getElementById('notices').replaceChildren()")
    shot = Image.open(io.BytesIO(page.driver.get_screenshot_as_png())).convert("RGB")
    shot.save(ROOT / f"docs/images/{name}.jpg", quality=80, optimize=True)
    print(f"docs/images/{name}.jpg: {shot.width} x {shot.height}")


def leave_one_of_each(path: Path) -> None:
    """Take away all outlines but the most central one of each class."""
    annotation = read_annotation(path)
    annotation = annotation.classified(["003a", "020a"])
    middle = annotation.width / 2
    best = {}
    for shape in annotation.shapes:
        name = annotation.classes.find(shape.label)
        far = abs(shape.points.mean(axis=0) - middle).max()
        if name not in best or far < best[name][0]:
            best[name] = (far, shape)
    annotation.shapes = [shape for _, shape in best.values()]
    write_annotation(path, annotation)


def outline(page: Page) -> None:
    """One outline of each class, and all others proposed."""
    page.step("outline")
    page.open("aug_test_in", f"{PIECE}.png")
    page.click("#findAlike")
    page.until("return page.desk.tools.alike.proposals.length")
    save(page, "app_outline")


def train(page: Page) -> None:
    """The losses of the run, and the findings of the check."""
    page.open("aug_test_in", f"{PIECE}.png")
    page.step("train")
    page.until("return document.querySelector('#check') && document.querySelector('.chart')")
    page.until("return !document.body.classList.contains('waiting')")
    save(page, "app_train")


def look(page: Page) -> None:
    """A molecule in doubt."""
    page.step("look")
    page.open("images", IMAGE)
    page.until("return document.querySelectorAll('.table .body .row').length > 5")
    page.run("document.getElementById('top').focus()")
    page.type("n")
    page.until("return page.desk.outlines.chosenShape")
    page.until("return document.querySelector('#panel select')")
    save(page, "app_look")


def results(page: Page) -> None:
    """The results, and the molecules written for ImageJ."""
    page.step("results")
    page.click("[data-export=imagej]")
    page.until("return document.querySelector('#panel .files a')")
    page.until("return [...document.querySelectorAll('#panel img')].every((one) => one.complete)")
    save(page, "app_results")


def main(project: Path) -> None:
    """Make all of them."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "demo"
        shutil.copytree(project, copy, ignore=shutil.ignore_patterns(*LARGE))
        with opened(copy, Path(folder) / "first") as page:
            train(page)
            look(page)
            results(page)
        leave_one_of_each(copy / f"aug_test_in/{PIECE}.json")
        with opened(copy, Path(folder) / "second") as page:
            outline(page)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
