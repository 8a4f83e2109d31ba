"""What made a run: settings, versions, revision, command; stored with its results."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

from spm.run.files import write_json

PACKAGES = (
    "openvino", "tensorflow", "tensorflow-cpu", "torch", "jax", "keras", "numpy", "scipy",
    "opencv-python", "opencv-python-headless", "scikit-image", "scikit-learn", "h5py",
)  # fmt: skip


def describe_run() -> dict:
    """Date, command, machine, package versions and git revision of this process."""
    return {
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "machine": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: v for name in PACKAGES if (v := _version(name))},
        "revision": git_revision(),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def git_revision() -> str | None:
    """Revision of the checkout that the code runs from, with "+" when files in it were changed;
    None outside of git."""
    folder = Path(__file__).resolve().parent.parent
    if "site-packages" in folder.parts:  # installed: a repository around it is another one
        return None
    commands = (["rev-parse", "--short=12", "HEAD"], ["status", "--porcelain", "-uno"])
    try:
        revision, changes = (
            subprocess.run(
                ["git", "-C", str(folder), *command], capture_output=True, text=True, timeout=10
            )
            for command in commands
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if revision.returncode:
        return None
    return revision.stdout.strip() + ("+" if changes.stdout.strip() else "")


def plain(value):
    """Settings as JSON gives them back: lists for tuples and arrays, text for what it lacks."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if hasattr(value, "tolist"):
        return value.tolist()
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def write_record(path: Path, settings: dict) -> None:
    """Writes the settings and `describe_run` as JSON."""
    write_json(path, {**describe_run(), "settings": plain(settings)})


def read_settings(path: Path) -> dict | None:
    """The settings that `write_record` stored; None when the file is not a whole record."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record.get("settings") if isinstance(record, dict) else None
