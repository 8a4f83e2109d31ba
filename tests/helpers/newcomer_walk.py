"""What a newcomer does, as one: install, outline, train, recognise, correct, open again.

    python -m tests.helpers.newcomer_walk FOLDER

FOLDER gets a fresh copy of this checkout below a folder with spaces and Chinese letters, new
virtual environments (those of an earlier walk are taken again), and screenshots of all that was
seen. Packages are fetched from the internet; Linux, with what `labelme_on_screen` needs.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from spm.io.images import read_image
from spm.structures.annotation import Annotation, read_annotation, write_annotation
from spm.structures.shape import Shape
from tests.helpers.checkout import ROOT
from tests.helpers.labelme_on_screen import Screen, outline, screen

AWAY = 3.0  # image pixels that a corner may be away from where it was meant
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
    programs = folder / name / "bin"
    if not programs.is_dir():
        run([sys.executable, "-m", "venv", folder / name], folder, f"python -m venv {name}")
        run([programs / "python", "-m", "pip", "install", "-q", *wanted], cwd)
    run([programs / "pip", "check"], cwd)
    listed = [programs / "pip", "list", "--format", "json"]
    packages = json.loads(subprocess.run(listed, capture_output=True, check=True).stdout)
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


def in_the_middle(annotation: Annotation) -> Shape:
    """Return the outline that is nearest to the middle of an image."""
    middle = np.array([annotation.width, annotation.height]) / 2
    return min(annotation.shapes, key=lambda s: np.linalg.norm(np.mean(s.points, axis=0) - middle))


def drawn_as(path: Path, wanted: Shape) -> None:
    """Make sure that the last outline of a JSON is the wanted one, as far as a pixel of the screen
    goes."""
    last = read_annotation(path).shapes[-1]
    away = np.abs(np.asarray(last.points) - wanted.points).max()
    print(f"{path.name}: the last outline is {last.label}, corners within {away:.1f} pixels")
    assert away < AWAY


def with_the_scripts(folder: Path, on: Screen) -> None:
    """README: requirements.txt, then the scripts in the checkout."""
    home = folder / "STM 数据" / "molecules"
    shutil.rmtree(home, ignore_errors=True)  # of an earlier walk
    home.mkdir(parents=True)
    archive = subprocess.run(
        ["git", "-C", ROOT, "archive", "HEAD"], capture_output=True, check=True
    )
    subprocess.run(["tar", "-x", "-C", home], input=archive.stdout, check=True)
    programs = new_environment(folder, "venv", "-r", "requirements.txt", cwd=home)
    python = programs / "python"

    piece = home / "aug_test_in" / "00-cut.png"
    own = piece.with_suffix(".json")
    annotation = read_annotation(own)
    missed = in_the_middle(annotation)
    annotation.shapes.remove(missed)
    write_annotation(own, annotation)
    command = [python, "-m", "spm.annotate", "aug_test_in/00-cut.png"]
    annotate(on, command, home, piece, lambda on, place: outline(on, place, missed.points, "020a"))
    assert len(read_annotation(own).shapes) == len(annotation.shapes) + 1
    drawn_as(own, missed)

    run([python, "workflow.py", "--check"], home)
    run([python, "workflow.py", *TWO_STEPS], home)

    result, image = home / "img_cache" / "00_predicted.json", home / "images" / "00.png"
    missed = in_the_middle(read_annotation(home / "tests" / "data" / "00_truth.json"))
    command = [python, "-m", "spm.annotate", "images/00.png"]
    annotate(on, command, home, image, lambda on, place: outline(on, place, missed.points, "003a"))
    corrected = read_annotation(result).labels
    drawn_as(result, missed)
    said = annotate(on, command, home, image)
    assert "your correction" in said and "nothing was changed" in said
    assert read_annotation(result).labels == corrected
    run([python, "predict_big_pic.py", "--language", "zh"], home)
    said = annotate(on, command, home, image)
    assert "00_corrected.json" in said, "predicting again has lost the correction"
    run([python, "workflow.py", "--check", "--add", result], home)


def as_a_package(folder: Path, on: Screen) -> None:
    """pip install . in an empty environment, and the commands in another folder."""
    home, elsewhere = folder / "STM 数据" / "molecules", folder / "elsewhere 别处"
    shutil.rmtree(elsewhere, ignore_errors=True)
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
    target.mkdir(parents=True, exist_ok=True)
    with screen(target / "shots") as nobody_sees:
        with_the_scripts(target, nobody_sees)
        as_a_package(target, nobody_sees)
