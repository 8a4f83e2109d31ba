"""What a newcomer does, as one: install, outline, train, recognise, correct, open again.

    python -m tests.helpers.newcomer_walk FOLDER

FOLDER gets a fresh copy of this checkout below a folder with spaces and Chinese letters, new
virtual environments, and screenshots of all that was seen. Packages are fetched from the internet;
Linux, with what `labelme_on_screen` needs. It takes some fifteen minutes on two cores.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from spm.io.images import read_image
from spm.structures.annotation import read_annotation, write_annotation
from tests.helpers.checkout import ROOT
from tests.helpers.labelme_on_screen import Screen, outline, screen

TWO_STEPS = ["--augment", "online", "--recipe", "cpu", "--init-with", "none", "--epochs", "1",
             "--steps-per-epoch", "2"]  # fmt: skip


def run(command: list, folder: Path, title: str = "", **more) -> str:
    """Run a command in a folder, show what it says, and stop the walk where it fails."""
    words = " ".join(map(str, command))
    print(f"\n=== {title or words}", flush=True)
    start = time.monotonic()
    done = subprocess.run(
        list(map(str, command)), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, encoding="utf-8", **more,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    print("\n".join(lines[-25:]), f"\n[{time.monotonic() - start:.0f} s]", flush=True)
    if done.returncode:
        raise SystemExit(f"{words}: status {done.returncode}")
    return done.stdout


def new_environment(folder: Path, name: str, *wanted: str, cwd: Path) -> Path:
    """Make a virtual environment, install into it, and say what it takes; return its programs."""
    run([sys.executable, "-m", "venv", folder / name], folder, f"python -m venv {name}")
    programs = folder / name / "bin"
    run([programs / "python", "-m", "pip", "install", "-q", *wanted], cwd)
    packages = json.loads(run([programs / "pip", "list", "--format", "json"], cwd, "pip list"))
    taken = sum(p.lstat().st_size for p in (folder / name).rglob("*") if p.is_file())
    print(f"{len(packages)} packages (pip among them), {taken / 1e9:.2f} GB", flush=True)
    return programs


def annotate(on: Screen, command: list, folder: Path, image: Path, hands=None) -> str:
    """Open labelme by a command, let `hands(on, place)` work in it, close it; return what the
    command said."""
    print(f"\n=== {' '.join(map(str, command))}", flush=True)
    process = subprocess.Popen(
        list(map(str, command)), cwd=folder, env=on.environment, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, encoding="utf-8",
    )  # fmt: skip
    try:
        on.wait_for("labelme|Labelme")
        time.sleep(3)
        place = on.find(read_image(image))
        if hands:
            hands(on, place)
        on.keys("ctrl+q")
        said, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    print(said, flush=True)
    if process.returncode:
        raise SystemExit(f"labelme: status {process.returncode}")
    return said


def forget_one(path: Path) -> np.ndarray:
    """Take the outline nearest to the middle out of an annotation; return its corners."""
    annotation = read_annotation(path)
    middle = np.array([annotation.width, annotation.height]) / 2
    far = [np.linalg.norm(np.mean(s.points, axis=0) - middle) for s in annotation.shapes]
    taken = annotation.shapes.pop(int(np.argmin(far)))
    write_annotation(path, annotation)
    return np.asarray(taken.points), taken.label


def corners_of(path: Path, number: int = -1) -> np.ndarray:
    """Return the points of an outline of a JSON."""
    return np.asarray(read_annotation(path).shapes[number].points)


def with_the_scripts(folder: Path, on: Screen) -> None:
    """README: requirements.txt, then the scripts in the checkout."""
    home = folder / "STM 数据" / "molecules"
    home.mkdir(parents=True)
    archive = subprocess.run(
        ["git", "-C", ROOT, "archive", "HEAD"], capture_output=True, check=True
    )
    subprocess.run(["tar", "-x", "-C", home], input=archive.stdout, check=True)
    programs = new_environment(folder, "venv", "-r", "requirements.txt", cwd=home)
    python = programs / "python"
    run([programs / "pip", "check"], home)

    piece = home / "aug_test_in" / "00-cut.png"
    points, label = forget_one(piece.with_suffix(".json"))
    before = len(read_annotation(piece.with_suffix(".json")).shapes)
    command = [python, "-m", "spm.annotate", "aug_test_in/00-cut.png"]
    annotate(on, command, home, piece, lambda on, place: outline(on, place, points, "003a"))
    drawn = read_annotation(piece.with_suffix(".json"))
    assert len(drawn.shapes) == before + 1
    away = np.abs(corners_of(piece.with_suffix(".json")) - points).max()
    print(f"the outline of {label} is saved; its corners are within {away:.1f} pixels")
    assert away < 2

    run([python, "workflow.py", "--check"], home)
    run([python, "workflow.py", *TWO_STEPS], home)

    result, image = home / "img_cache" / "00-cut_predicted.json", home / "images" / "00-cut.png"
    command = [python, "-m", "spm.annotate", "images/00-cut.png"]
    annotate(on, command, home, image, lambda on, place: outline(on, place, points, "003a"))
    corrected = read_annotation(result)
    assert np.abs(corners_of(result) - points).max() < 2, "the correction was not saved"
    said = annotate(on, command, home, image)
    assert "your correction" in said and "nothing was changed" in said
    assert read_annotation(result).labels == corrected.labels
    run([python, "predict_big_pic.py", "--language", "zh"], home)
    said = annotate(on, command, home, image)
    assert "00-cut_corrected.json" in said, "predicting again has lost the correction"
    run([python, "workflow.py", "--check", "--add", result], home)


def as_a_package(folder: Path, on: Screen) -> None:
    """pip install . in an empty environment, and the commands in another folder."""
    home, elsewhere = folder / "STM 数据" / "molecules", folder / "elsewhere 别处"
    elsewhere.mkdir()
    programs = new_environment(folder, "package", ".", cwd=home)
    run([programs / "spm-simulate", "--demo"], elsewhere)
    run([programs / "spm-workflow", "--check"], elsewhere)
    run([programs / "spm-workflow", *TWO_STEPS], elsewhere)
    run([programs / "spm-predict", "images/00.png"], elsewhere)
    image = elsewhere / "images" / "00.png"
    annotate(on, [programs / "spm-annotate", "images/00.png"], elsewhere, image)
    run([programs / "spm-pool", "img_cache", "--language", "zh"], elsewhere)
    run([programs / "spm-clean"], elsewhere)
    print(sorted(path.name for path in elsewhere.iterdir()))


if __name__ == "__main__":
    target = Path(sys.argv[1]).resolve()
    target.mkdir(parents=True)
    with screen(target / "shots") as nobody_sees:
        with_the_scripts(target, nobody_sees)
        as_a_package(target, nobody_sees)
