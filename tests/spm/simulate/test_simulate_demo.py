"""The demo files of the repository, and the command that makes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spm.errors import InputError
from spm.geometry.polygon_filling import polygon_mask
from spm.io.images import read_image
from spm.simulate.__main__ import main
from spm.simulate.demo import CROP, CROP_SIZE, write_demo
from spm.structures.annotation import read_annotation

ROOT = Path(__file__).resolve().parents[3]
IMAGES = ("images/00.png", "images/00-cut.png", "aug_test_in/00-cut.png")
ANNOTATIONS = ("aug_test_in/00-cut.json", "tests/data/00_truth.json")


def test_the_demo_can_be_made_anew(tmp_path):
    """Same numbers everywhere; another processor may round a pixel to the next colour level."""
    assert len(write_demo(tmp_path)) == 5
    for name in ANNOTATIONS:
        assert (tmp_path / name).read_bytes() == (ROOT / name).read_bytes()
    for name in IMAGES:
        made, kept = read_image(tmp_path / name), read_image(ROOT / name)
        difference = np.abs(made.astype(int) - kept).max(axis=2)
        assert difference.max() <= 7 and np.mean(difference > 0) < 1e-4


def test_the_crop_is_cut_from_the_image():
    left, top = CROP
    image = read_image(ROOT / "images/00.png")
    crop = read_image(ROOT / "images/00-cut.png")
    assert image.shape == (1024, 1024, 3)
    assert np.array_equal(image[top : top + CROP_SIZE, left : left + CROP_SIZE], crop)
    assert np.array_equal(crop, read_image(ROOT / "aug_test_in/00-cut.png"))


def test_the_annotation_is_what_a_user_would_draw():
    drawn = read_annotation(ROOT / "aug_test_in/00-cut.json")
    labels = [s.label for s in drawn.shapes]
    assert labels == [f"003a{n}" for n in range(1, 9)] + [f"020a{n}" for n in range(1, 15)]
    assert drawn.version == "5.0.1" and drawn.image_bytes is None
    truth = read_annotation(ROOT / "tests/data/00_truth.json")
    exact = [polygon_mask(s.points - CROP, CROP_SIZE, CROP_SIZE) for s in truth.shapes]
    for shape in drawn.shapes:
        mask = polygon_mask(shape.points, CROP_SIZE, CROP_SIZE)
        best = max(range(len(exact)), key=lambda k, m=mask: (m & exact[k]).sum())
        assert (mask & exact[best]).sum() / (mask | exact[best]).sum() > 0.9
        assert truth.shapes[best].label[:4] == shape.label[:4]


def test_the_command_writes_images_and_truth(tmp_path):
    folder = tmp_path / "模拟 [A+B] (1)"
    assert main(system="A+B", size=96, count=2, seed=5, out=folder, colour_map="grey") == 0
    for stem in ("A_B_0005", "A_B_0006"):
        annotation = read_annotation(folder / f"{stem}.json")
        assert annotation.read_image().shape == (96, 96, 3)
        assert annotation.extra["simulation"]["seed"] == int(stem[-4:])


@pytest.mark.parametrize("flat", [False, True])
def test_the_command_takes_own_outlines(tmp_path, flat):
    out = tmp_path / "own"
    main(outlines=ROOT / "aug_test_in/00-cut.json", size=128, out=out, flat=flat)
    annotation = read_annotation(out / "own_0000.json")
    assert annotation.extra["simulation"]["class_names"] == ["003a", "020a"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [({"system": "X"}, "system"), ({"count": 0}, "count"), ({"colour_map": "pink"}, "pink")],
)
def test_the_command_names_bad_input(tmp_path, arguments, word):
    with pytest.raises(InputError, match=word):
        main(out=tmp_path / "none", **arguments)
    assert not (tmp_path / "none").exists()
