"""The installed labelme, driven by clicks in a process of its own.

`clicks` gives the environment in which any process that becomes labelme (labelme itself, or our own
door) plays a list of steps in labelme's window and leaves: sitecustomize, which Python imports at
its start, waits for `labelme.app`. Where OpenCV is hidden, Qt's own plugin draws without a screen.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spm.run.labelme_program import LABELME

FOLDER = Path(__file__).parent / "labelme_clicks"


def clicks(steps: list, told: Path) -> dict[str, str]:
    """The environment in which labelme plays steps, see labelme_clicks/labelme_steps.py, and writes
    what it showed to a JSON file."""
    if importlib.util.find_spec("labelme") is None:
        pytest.skip("labelme is not installed")
    home = told.parent / "home"  # labelme writes its settings and its log there
    home.mkdir(exist_ok=True)
    return os.environ | {
        "PYTHONPATH": os.pathsep.join([str(FOLDER), os.environ.get("PYTHONPATH", "")]),
        "LABELME_STEPS": json.dumps({"steps": steps, "told": str(told)}),
        "QT_QPA_PLATFORM": "offscreen",
        **dict.fromkeys(("HOME", "USERPROFILE", "LOCALAPPDATA", "XDG_CONFIG_HOME"), str(home)),
    }


def run_driven(command: list, steps: list, folder: Path, cwd: Path | None = None) -> dict:
    """Run a command in which labelme opens and plays steps; return what it showed."""
    told = folder / "told.json"
    told.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, *map(str, command)], cwd=cwd, env=clicks(steps, told),
        capture_output=True, text=True, encoding="utf-8", timeout=120,
    )  # fmt: skip
    if "ImportError: lib" in done.stderr or "libraries of the system" in done.stderr:
        pytest.skip("a library of the system that Qt needs is missing")
    assert done.returncode == 0, done.stderr
    return json.loads(told.read_text(encoding="utf-8")) | {"printed": done.stdout}


def by_hand(path: Path, steps: list, folder: Path, *options: str) -> dict:
    """A user who starts labelme himself."""
    return run_driven(["-P", "-c", LABELME, path, *options], steps, folder)
