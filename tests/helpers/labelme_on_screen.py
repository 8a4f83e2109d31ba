"""labelme on a screen that nobody sees (Xvfb), worked by keys and clicks of the mouse (xdotool).

Nothing of labelme's inside is touched: where the image lies in the window is found on the screen.
Debian and Ubuntu: apt install xvfb xdotool openbox imagemagick, and the libraries that labelme's Qt
needs (docs/troubleshooting.md).
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from spm.io.images import read_image

SIZE = (1400, 1000)  # of the screen, pixels
PATIENCE = 60  # seconds until a window is there
PAUSE = 0.4  # seconds between two acts of a hand
ALIKE = 0.9  # correlation from which the image counts as found on the screen


@dataclass
class Place:
    """Where an image is drawn on the screen: screen = scale * image + (left, top)."""

    scale: float
    left: float
    top: float

    def of(self, point: Sequence[float]) -> tuple[int, int]:
        """Return the screen's pixel of a point of the image (x, y)."""
        x, y = point
        return round(self.scale * x + self.left), round(self.scale * y + self.top)


@dataclass
class Screen:
    """A screen with a window manager; `environment` leads programs to it."""

    display: str
    shots: Path
    environment: dict[str, str] = field(default_factory=dict)
    taken: int = 0

    def tool(self, *words: str | int) -> str:
        """Run xdotool and return what it says."""
        command = ["xdotool", *map(str, words)]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        return done.stdout.strip()

    def keys(self, *names: str) -> None:
        """Press keys, one after the other."""
        for name in names:
            self.tool("key", "--clearmodifiers", name)
            time.sleep(PAUSE)

    def write(self, text: str) -> None:
        """Type a text."""
        self.tool("type", "--delay", 60, text)
        time.sleep(PAUSE)

    def click(self, x: int, y: int) -> None:
        """Click with the left button."""
        self.tool("mousemove", x, y)
        time.sleep(PAUSE / 2)
        self.tool("click", 1)
        time.sleep(PAUSE)

    def shot(self, name: str) -> np.ndarray:
        """Keep the screen as an image, (H, W, 3) uint8 RGB."""
        self.taken += 1
        path = self.shots / f"{self.taken:02}_{name}.png"
        subprocess.run(["import", "-window", "root", str(path)], env=self.environment, check=True)
        return read_image(path)

    def wait_for(self, title: str) -> str:
        """Return the window of a title as soon as it is there, and bring it to the front."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            found = self.tool("search", "--onlyvisible", "--name", title).splitlines()
            if found:
                self.tool("windowactivate", "--sync", found[-1])
                self.tool("windowsize", "--sync", found[-1], SIZE[0] - 20, SIZE[1] - 60)
                return found[-1]
            time.sleep(PAUSE)
        self.shot("no_window")
        raise TimeoutError(f"no window {title!r} within {PATIENCE} s")

    def find(self, image: np.ndarray) -> Place:
        """Return where an image is drawn on the screen, enlarged or reduced."""
        screen = cv2.cvtColor(self.shot("opened"), cv2.COLOR_RGB2GRAY)
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        best = (0.0, 1.0, (0, 0))
        for side in range(200, SIZE[1], 2):
            scale = side / grey.shape[0]
            size = round(grey.shape[1] * scale), side
            if size[0] >= screen.shape[1] or size[1] >= screen.shape[0]:
                break
            drawn = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
            score = cv2.matchTemplate(screen, drawn, cv2.TM_CCOEFF_NORMED)
            _, value, _, corner = cv2.minMaxLoc(score)
            best = max(best, (value, scale, corner))
        value, scale, (left, top) = best
        assert value > ALIKE, f"the image is not on the screen (correlation {value:.2f})"
        return Place(scale, left, top)


@contextlib.contextmanager
def screen(shots: Path, display: str = ":97") -> Iterator[Screen]:
    """Start a screen and a window manager, and end both."""
    shots.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"DISPLAY": display}
    environment.pop("QT_QPA_PLATFORM", None)
    width, height = SIZE
    started = []
    try:
        for command in (
            ["Xvfb", display, "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp"],
            ["openbox"],
        ):
            silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            started.append(subprocess.Popen(command, env=environment, **silent))
            time.sleep(2)
        yield Screen(display, shots, environment)
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()


def outline(on: Screen, place: Place, points: np.ndarray, label: str) -> None:
    """Outline a molecule: Ctrl+N, a click on each corner and on the first one again, its class."""
    on.keys("ctrl+n")
    for point in [*points, points[0]]:
        on.click(*place.of(point))
    on.shot("outlined")
    on.write(label)
    on.keys("Return")
    on.shot("labelled")
