"""The window of app.py in a headless Chromium: the real server, the real page, a user's hands."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import browser
from checkout import ROOT
from selenium import webdriver
from selenium.common.exceptions import JavascriptException
from selenium.webdriver import ActionChains
from selenium.webdriver.chrome.service import Service

# Seconds until a page that shows nothing new has failed: what takes four alone can take two minutes
# beside other work.
PATIENCE = 240.0
FLAGS = ["--headless=new", *(flag for flag in browser.FLAGS if flag != "--headless")]


def start_browser(profile: Path, size: tuple[int, int] = (1440, 1000)) -> webdriver.Chrome:
    """Start Chromium with an empty profile.

    Args:
        profile: an empty folder.
        size: of the window in CSS pixels.
    """
    chromium, driver = browser.find()
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    size_flag = f"--window-size={size[0]},{size[1]}"
    for flag in (*FLAGS, size_flag, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    found = webdriver.Chrome(options, Service(driver))
    found.set_script_timeout(PATIENCE)
    return found


class Server:
    """`python app.py` in a folder.

    Attributes:
        address: with the token.
    """

    def __init__(self, project: Path, *flags: str):
        command = [sys.executable, str(ROOT / "app.py"), "--no-browser", "--language", "en", *flags]
        self.process = subprocess.Popen(
            command, cwd=project, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self.address = ""
        for line in self.process.stdout:
            if match := re.search(r"http://\S+", line):
                self.address = match[0]
                break
        assert self.address, f"the server ended with {self.process.wait()}"

    def end(self, kill: bool = False) -> None:
        """End the server; `kill`: without a chance to do anything before."""
        if kill:
            self.process.kill()
        else:
            self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


@contextlib.contextmanager
def served(project: Path, *flags: str) -> Iterator[Server]:
    """Serve a project's folder until the block ends."""
    server = Server(project, *flags)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.end()


def new_project(folder: Path, piece: Path | None = None) -> Path:
    """Make a project's folders, with one training piece."""
    for name in ("images", "aug_test_in", "img_cache", "logs"):
        (folder / name).mkdir(parents=True)
    if piece is not None:
        shutil.copy(piece, folder / "aug_test_in" / piece.name)
    return folder


class Page:
    """One tab of the browser with the page in it, and what a user does there."""

    def __init__(self, driver: webdriver.Chrome, address: str):
        self.driver = driver
        driver.switch_to.new_window("tab")
        self.tab = driver.current_window_handle
        driver.get_log("browser")  # what an earlier page complained of
        driver.get(address)
        self.ready()

    def ready(self) -> None:
        """Wait until the page is there, with its first image."""
        self.until("return Boolean(globalThis.page)")

    def front(self) -> None:
        self.driver.switch_to.window(self.tab)

    def run(self, script: str, *values: Any) -> Any:
        """Run the body of a function in the page."""
        return self.driver.execute_script(script, *values)

    def until(self, script: str, *values: Any) -> Any:
        """Wait until the body of a function returns something that is true; return it."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with contextlib.suppress(JavascriptException):
                if found := self.run(script, *values):
                    return found
            time.sleep(0.05)
        text = " | ".join(self.text().split("\n"))
        raise AssertionError(f"it never came true: {script}\n{self.errors()}\n{text}")

    def text(self) -> str:
        return self.run("return document.body.innerText")

    def errors(self) -> list[str]:
        """Return what the page complained of since this was last asked."""
        log = self.driver.get_log("browser")
        return [entry["message"] for entry in log if entry["level"] in ("SEVERE", "WARNING")]

    def click(self, selector: str) -> None:
        """Click an element as soon as it is there."""
        self.until("return document.querySelector(arguments[0])?.disabled === false", selector)
        # The panel may be drawn anew between a look and a click: both at once.
        self.run("document.querySelector(arguments[0]).click()", selector)

    def step(self, name: str) -> None:
        self.click(f"#step-{name}")

    def open(self, folder: str, name: str) -> None:
        """Choose an image in the list, and wait for it."""
        self.run("document.querySelector(`[data-key='${arguments[0]}']`).click()",
                 f"{folder}/{name}")  # fmt: skip
        self.until(
            "return page.state.info && page.state.file.folder === arguments[0]"
            " && page.state.file.name === arguments[1]", folder, name,
        )  # fmt: skip

    def name_class(self, name: str) -> None:
        """Write the name of a class; the focus is on the image afterwards."""
        self.until("return document.getElementById('newClass')")
        self.run("document.getElementById('newClass').focus()")
        self.type(name, "\ue007")  # Enter
        self.until("return page.state.className === arguments[0]", name)

    def type(self, *keys: str) -> None:
        """Press keys where the focus is."""
        ActionChains(self.driver, duration=0).send_keys(*keys).perform()

    def with_key(self, key: str, *keys: str) -> None:
        """Press keys while another is held."""
        ActionChains(self.driver, duration=0).key_down(key).send_keys(*keys).key_up(key).perform()

    def hand(self) -> ActionChains:
        return ActionChains(self.driver, duration=0)

    def at(self, points: Sequence[Sequence[float]]) -> list[list[int]]:
        """Return where points (x, y) of the image are in the window, once it is painted: a bar that
        just appeared moves the image with the next frame."""
        self.run("return new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        return self.run(
            "const v = page.desk.viewer, r = v.layers.top.getBoundingClientRect();"
            "return arguments[0].map((p) => v.toScreen(p).map("
            "(s, i) => Math.round(s + [r.left, r.top][i])))", [list(map(float, p)) for p in points],
        )  # fmt: skip

    def click_at(self, *points: Sequence[float], key: str | None = None) -> None:
        """Click places (x, y) of the image."""
        hand = self.hand()
        if key:
            hand.key_down(key)
        for x, y in self.at(points):
            hand.w3c_actions.pointer_action.move_to_location(x, y)
            hand.click()
        if key:
            hand.key_up(key)
        hand.perform()

    def drag(self, start: Sequence[float], end: Sequence[float]) -> None:
        """Drag from a place of the image to another."""
        (x0, y0), (x1, y1) = self.at([start, end])
        hand = self.hand()
        pointer = hand.w3c_actions.pointer_action
        pointer.move_to_location(x0, y0)
        pointer.pointer_down()
        pointer.move_to_location((x0 + x1) // 2, (y0 + y1) // 2)
        pointer.move_to_location(x1, y1)
        pointer.pointer_up()
        hand.perform()

    def shapes(self) -> list[dict[str, Any]]:
        """Return the outlines as the page has them."""
        return self.run("return page.desk.outlines.shapes")

    def saved(self) -> None:
        """Wait until all is saved."""
        self.until("return page.desk.saver.mark === 'saved' && !page.desk.saver.dirty")
