"""How smooth the window of app.py is in a headless Chromium, which has no graphics card.

    python benchmarks/page.py [--size 4096] [--outlines 1000]

The demo's image again and again, with stars on a grid as outlines; the real server, the real page.
Measures from the click in the list until image and outlines are painted, frames a second while
a point of a molecule is dragged, the image moved, and zoomed; and from the click on a microscope
file of the same size, with tilt and line offsets, until it is first seen and until it is levelled.
Needs requirements-dev.txt and Chromium.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests/helpers")]

from app_page import Page, new_project, served, start_browser  # noqa: E402
from instrument_writers import write_gsf  # noqa: E402

from spm.io.images import read_image, write_image  # noqa: E402
from spm.run import command_line  # noqa: E402
from spm.run.settings import Settings, takes  # noqa: E402
from spm.structures.annotation import Annotation, write_annotation  # noqa: E402
from spm.structures.shape import Shape  # noqa: E402

CORNERS = 24  # of an outline
REPEATS = 5
SCANS = 3
FRAME = 1e-7  # metres
FRAMES = 120  # of a movement

# Until the second frame after all is there: then the first has been painted.
OPEN = """
const [folder, name, done] = arguments;
const start = performance.now();
document.querySelector(`[data-key='${folder}/${name}']`).click();
const look = () => {
  const { state, desk } = page;
  if (state.info && state.file.name === name && desk.viewer.width && !desk.viewer.waiting.size) {
    const painted = () => done((performance.now() - start) / 1000);
    requestAnimationFrame(() => requestAnimationFrame(painted));
  } else setTimeout(look, 5);
};
look();
"""

# Until something of a microscope file is painted, and until its levelled image is.
OPEN_SCAN = """
const [name, done] = arguments;
const start = performance.now();
const passed = () => (performance.now() - start) / 1000;
let seen = null;
document.querySelector(`[data-key='images/${name}']`).click();
const look = () => {
  const { viewer } = page.desk;
  const there = page.state.file.name === name && viewer.width && !viewer.waiting.size;
  if (there) seen ??= passed();
  if (there && page.state.info) done([seen, passed()]);
  else setTimeout(look, 5);
};
look();
"""

# Real pointer events at the canvas, one a frame; the time between the frames.
MOVE = """
const [kind, from, count, done] = arguments;
const canvas = document.getElementById("top");
const box = canvas.getBoundingClientRect();
const send = (name, x, y, more = {}) => canvas.dispatchEvent(new PointerEvent(name, {
  bubbles: true, pointerId: 1, button: kind === "pan" ? 2 : 0, buttons: 1,
  clientX: box.left + x, clientY: box.top + y, ...more }));
canvas.setPointerCapture = () => {};
const times = [];
let last = null, k = 0;
if (kind !== "zoom") send("pointerdown", ...from);
const step = (now) => {
  if (last !== null) times.push(now - last);
  last = now;
  if (k === count) {
    if (kind !== "zoom") send("pointerup", from[0] + 1, from[1] + 1);
    done(times);
    return;
  }
  const angle = (2 * Math.PI * k) / 40;
  k += 1;
  if (kind === "zoom") canvas.dispatchEvent(new WheelEvent("wheel", {
    clientX: box.left + from[0], clientY: box.top + from[1], deltaY: k % 40 < 20 ? -40 : 40,
    cancelable: true }));
  else send("pointermove", from[0] + 30 * Math.cos(angle), from[1] + 30 * Math.sin(angle));
  requestAnimationFrame(step);
};
requestAnimationFrame(step);
"""


# A corner of an outline near the middle of the screen; the outline is chosen.
CORNER = """
const { viewer, outlines } = page.desk;
const [left, top, right, bottom] = viewer.seen;
const near = outlines.shapes.find(({ parts: [[[x, y]]] }) =>
  x > (left + right) / 2 && y > (top + bottom) / 2);
outlines.choose(near.id);
return viewer.toScreen(near.parts[0][0]);
"""


class Smoothness(Settings):
    """What is opened."""

    size: int = 4096
    """Side of the image in pixels."""
    outlines: int = 1000
    """How many."""


def outlines(size: int, count: int) -> list[Shape]:
    """Return stars on a square grid, of three classes."""
    side = int(np.ceil(np.sqrt(count)))
    pitch = size / side
    angles = 2 * np.pi * np.arange(CORNERS) / CORNERS
    radius = pitch * np.where(np.arange(CORNERS) % 2, 0.28, 0.42)
    star = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius[:, None]
    return [
        Shape(
            f"{'ABC'[k % 3]}{k + 1}", star + ((k % side + 0.5) * pitch, (k // side + 0.5) * pitch)
        )
        for k in range(count)
    ]


def image_of(demo: np.ndarray, side: int) -> np.ndarray:
    """Return the demo's image again and again, (side, side, 3) uint8."""
    copies = [-(-side // length) for length in demo.shape[:2]]
    return np.tile(demo, (*copies, 1))[:side, :side]


def write_project(folder: Path, size: int, count: int) -> Path:
    """Write a large outlined image, and a small one."""
    project = new_project(folder / "project")
    demo = read_image(ROOT / "images/00.png")
    for name, side in (("large.png", size), ("a_small_one.png", 64)):
        write_image(project / "aug_test_in" / name, image_of(demo, side))
    annotation = Annotation(outlines(size, count), size, size, "large.png")
    write_annotation(project / "aug_test_in/large.json", annotation)
    write_image(project / "images/0 opened at first.png", image_of(demo, 64))
    for k in range(SCANS):
        heights = scan(image_of(demo, size)[..., 1], seed=k)
        write_gsf(project / f"images/scan {k}.gsf", heights, (FRAME, FRAME))
    return project


def scan(surface: np.ndarray, seed: int) -> np.ndarray:
    """Return heights in metres with tilt, noise and an offset of each line."""
    rng = np.random.default_rng(seed)
    rows, columns = surface.shape
    y, x = np.mgrid[:rows, :columns]
    heights = surface / 255 + x / columns + 0.7 * y / rows + rng.normal(0, 0.5, (rows, 1))
    return (heights + rng.normal(0, 0.01, surface.shape)) * 1e-10


def measure_scans(page: Page) -> None:
    """Print how long microscope files take to be seen and to be levelled."""
    for k in range(SCANS):
        page.open("aug_test_in", "a_small_one.png")
        seen, levelled = page.driver.execute_async_script(OPEN_SCAN, f"scan {k}.gsf")
        print(f"microscope file {k + 1}: seen after {seen:.2f} s, levelled after {levelled:.2f} s")


def measure(page: Page) -> None:
    """Print a line for each measurement."""
    times = []
    for _ in range(REPEATS):
        page.open("aug_test_in", "a_small_one.png")
        times.append(page.driver.execute_async_script(OPEN, "aug_test_in", "large.png"))
    print(f"opened: first {times[0]:.2f} s, again (median) {statistics.median(times[1:]):.2f} s")
    page.until("return page.desk.viewer.levels.length > 1")
    width = page.run("return page.desk.viewer.screenWidth")
    for zoom in (1, 4):
        page.run("page.desk.viewer.fit(); page.desk.viewer.zoom(arguments[0])", zoom)
        _frames(page, zoom, "drag", page.run(CORNER))
        page.run("page.desk.outlines.undo(); page.desk.outlines.choose(null)")
        _frames(page, zoom, "pan", [width / 2, 300])
        _frames(page, zoom, "zoom", [width / 2, 300])


def _frames(page: Page, zoom: float, kind: str, place: list[float]) -> None:
    moved = page.run("return page.desk.viewer.frames")
    times = np.array(page.driver.execute_async_script(MOVE, kind, place, FRAMES))
    painted = page.run("return page.desk.viewer.frames") - moved
    assert painted >= FRAMES - 5, f"only {painted} of {FRAMES} frames were painted: {kind}"
    slowest = np.sort(times)[-len(times) // 20 :].mean()
    print(
        f"{kind}, zoomed {zoom} times: {1000 / times.mean():.0f} frames a second, "
        f"{1000 / slowest:.0f} in the slowest twentieth"
    )


@takes(Smoothness)
def main(settings: Smoothness) -> int:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        project = write_project(Path(folder), settings.size, settings.outlines)
        driver = start_browser(Path(folder) / "chromium")
        try:
            with served(project) as server:
                page = Page(driver, server.address)
                page.step("outline")
                measure_scans(page)
                measure(page)
        finally:
            driver.quit()
    return 0


if __name__ == "__main__":
    command_line.run(main)
