"""Starting the installed labelme as a program of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from spm.errors import InputError

# OpenCV's wheel with windows points Qt to its own plugins as soon as it is imported, whatever the
# environment says, and labelme's Qt aborts on them (Linux). labelme imports OpenCV through imgviz,
# which does without where there is none. Once the window is closed all is saved but what Qt keeps
# of the window: the process ends there, as taking Qt apart at Python's end now and then crashes.
LABELME = """
import os, runpy, sys
sys.modules["cv2"] = None
sys.argv[0] = "labelme"
try:
    runpy.run_module("labelme", run_name="__main__")
except SystemExit as end:
    qt = [module for name, module in sys.modules.items() if name.endswith(".QtCore")]
    if end.code or not qt:
        raise
    qt[0].QSettings("labelme", "labelme").sync()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
"""
QT_FOLDERS = ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR")
# Words of Qt's in its last breath, and what to do.
REASONS = {
    "could not connect to display": "there is no screen here; start it at the computer itself, or "
    "with `ssh -X`",
    "Qt platform plugin": "libraries of the system that Qt needs are missing; on Debian and "
    "Ubuntu: sudo apt install libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-render-util0 "
    "libxcb-xinerama0 libxkbcommon-x11-0",
    "ImportError: lib": "a library of the system that Qt needs is missing; on Debian and Ubuntu: "
    "sudo apt install libgl1 libglib2.0-0",
}


Colours = Mapping[str, tuple[int, int, int]]
OWN_SETTINGS = Path("~/.labelmerc")  # the user's, in YAML


def run_labelme(
    path: Path, labels: Sequence[str], flags: Sequence[str], colours: Colours | None = None
) -> None:
    """Open an image or an annotation in labelme and wait until its window is closed.

    Args:
        path: the image, or the JSON.
        labels: class names to choose from, one colour each.
        flags: of the whole image.
        colours: label -> RGB; that of "" is taken for labels that have none. By default labelme
            takes its own, whose first one is hard to see on a usual STM image.

    Raises:
        InputError: when labelme is not installed, cannot open a window, or fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        # Files, not lists: a class name may have a comma.
        options = ["--logger-level", "warning"]
        for name, words in (("labels", labels), ("flags", flags)):
            if words:
                file = Path(folder) / f"{name}.txt"
                file.write_text("\n".join(words), encoding="utf-8")
                options += [f"--{name}", str(file)]
        if settings := settings_with(colours):
            file = Path(folder) / "labelmerc"
            file.write_bytes(settings)
            options += ["--config", str(file)]
        done = subprocess.run(
            [*program(), *options, "--", str(path)],
            env=environment(),
            stderr=subprocess.PIPE,
            check=False,
        )
    if done.returncode:
        text = done.stderr.decode("utf-8", "replace").strip()
        last = text.splitlines()[-1] if text else "it said nothing"
        why = next((way for word, way in REASONS.items() if word in text), last)
        raise InputError(f"{path}: labelme ended with status {done.returncode}: {why}.")


def settings_with(colours: Colours | None) -> bytes:
    """Return the user's settings of labelme and, below them, colours of labels.

    Nothing where there are no colours, or the user's settings say some or cannot be added to.
    labelme reads the file in the system's encoding: the user's bytes stay, ours are ASCII.
    """
    try:
        own = OWN_SETTINGS.expanduser().read_bytes()
    except (OSError, RuntimeError):  # there are none
        own = b""
    said = re.search(rb"^\s*(shape_color|label_colors|default_shape_color)\s*:", own, re.MULTILINE)
    if not colours or said or own.lstrip().startswith(b"{"):
        return b""
    others = {label: list(rgb) for label, rgb in colours.items() if label}
    # JSON is YAML.
    lines = ["shape_color: manual", f"label_colors: {json.dumps(others)}"]
    if "" in colours:
        lines.append(f"default_shape_color: {json.dumps(colours[''])}")
    return own + "\n".join(["", *lines, ""]).encode("ascii")


def program() -> list[str]:
    """Return how labelme is started: that of this environment, or else the one on the path.

    Raises:
        InputError: when there is none.
    """
    if importlib.util.find_spec("labelme") is not None:
        # -P: the folder where the user works is none to import from.
        return [sys.executable, "-P", "-c", LABELME]
    if found := shutil.which("labelme"):
        return [found]
    raise InputError("labelme is not installed; install it with: python -m pip install labelme")


def environment() -> dict[str, str]:
    """Return this process's environment for another Qt: without the folders that OpenCV named."""
    values = dict(os.environ)
    for name in QT_FOLDERS:
        if "cv2" in Path(values.get(name, "")).parts:
            del values[name]
    return values
