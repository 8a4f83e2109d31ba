"""Trainings with one outline of each class: what is like them is found and teaches."""

from __future__ import annotations

import json

import cv2
import h5py
import numpy as np
import pytest

import train_test
import workflow
from engine import retrain
from engine.examples import teach_by_examples
from spm.dataset.annotated_images import outlined_sources
from spm.errors import InputError
from spm.geometry.cropped_mask import CroppedMask
from spm.io.images import write_image
from spm.simulate import simulate
from spm.structures.annotation import Annotation, read_annotation, write_annotation
from spm.structures.classes import Classes
from spm.structures.labelme_file import CORRECTED
from spm.structures.shape import Shape, region

NAMES = ["003a", "020a"]


@pytest.fixture
def house(tmp_path):
    """A crop with one outline of each class, and another image whose molecules are known."""
    crop, truth = simulate("network", size=320, seed=3, image_name="crop.png")
    whole = [s for s in truth.classified(NAMES).shapes if not s.flags.get("edge")]
    one_each = [next(s for s in whole if s.class_name == name) for name in NAMES]
    put(tmp_path / "in", "crop", crop, one_each)
    image, truth = simulate("network", size=500, seed=4)
    (tmp_path / "images").mkdir()
    write_image(tmp_path / "images" / "other.png", image)
    return tmp_path, truth.classified(NAMES)


def put(folder, name, image, shapes):
    folder.mkdir()
    write_image(folder / f"{name}.png", image)
    annotation = Annotation(shapes, *image.shape[:2], f"{name}.png")
    write_annotation(folder / f"{name}.json", annotation)


def masks(annotation):
    outlines = [region(shape) for shape in annotation.shapes]
    return CroppedMask.of_polygons(outlines, annotation.height, annotation.width)


def test_one_outline_of_each_class_names_and_outlines_another_image(house, capsys):
    base, truth = house
    teach_by_examples(
        base / "taught", base / "images", base / "in", Classes.of(NAMES), mirror=True, seed=0
    )
    taught = read_annotation(base / "taught" / "found0.json").classified(NAMES)
    ious = np.array([[one.iou(other) for other in masks(truth)] for one in masks(taught)])
    nearest = ious.argmax(axis=1)
    there = ious.max(axis=1) >= 0.5
    names = [s.class_name for s in taught.shapes]
    right = [n == truth.shapes[k].class_name for n, k in zip(names, nearest, strict=True)]
    assert np.mean(there & right) >= 0.97
    whole = [k for k, shape in enumerate(truth.shapes) if not shape.flags.get("edge")]
    assert np.mean([k in nearest[there] for k in whole]) >= 0.95
    assert ious.max(axis=1)[there].mean() >= 0.85
    own = read_annotation(base / "taught" / "own0.json")
    assert len(own.shapes) >= 10 and not own.partial, "those around the outlined ones teach too"
    assert "molecules like your outlines teach too: " in capsys.readouterr().out


def test_the_workflow_trains_with_them(house, monkeypatch):
    base, _ = house
    asked = {}

    def train(**settings):
        asked.update(settings)
        raise KeyboardInterrupt

    monkeypatch.setattr(train_test, "train_main", train)
    with pytest.raises(KeyboardInterrupt):
        workflow.main(
            examples=True, source_dir=base / "in", images_dir=base / "images",
            log_dir=base / "logs", dataset_dir=base / "dataset", copies_dir=base / "copies",
            cache_dir=base / "cache", out_dir=base / "out", recipe="cpu", init_with="none",
        )  # fmt: skip
    assert asked["source_dir"] == base / "logs" / "examples" and asked["augment"] == "online"
    assert asked["class_names"] == NAMES and asked["partial"]
    assert not (base / "copies").exists()


def test_nothing_alike_is_one_sentence(tmp_path):
    bare = np.zeros((200, 200, 3), np.uint8)
    corners = np.array([[(40, 40), (90, 40), (65, 90)], [(120, 120), (160, 120), (120, 160)]])
    molecules = cv2.fillPoly(bare.copy(), list(corners), (200, 120, 30))
    shapes = [Shape(name, points) for name, points in zip(NAMES, corners, strict=True)]
    put(tmp_path / "in", "crop", molecules, shapes)
    (tmp_path / "images").mkdir()
    write_image(tmp_path / "images" / "bare.png", bare)
    with pytest.raises(InputError, match="nothing looks like the molecules that are outlined in"):
        teach_by_examples(
            tmp_path / "t", tmp_path / "images", tmp_path / "in", Classes.of(NAMES), True, 0
        )


def test_examples_go_without_copies_and_corrections(house):
    with pytest.raises(InputError, match="examples: is a training of its own without copies"):
        workflow.main(examples=True, augment="folder")


def test_simulated_images_are_no_examples(house):
    base, _ = house
    crop = read_annotation(base / "in" / "crop.json")
    crop.extra["simulation"] = {}
    write_annotation(base / "in" / "crop.json", crop)
    with pytest.raises(InputError, match="no molecule of a real image is outlined"):
        teach_by_examples(base / "t", base / "images", base / "in", Classes.of(NAMES), True, 0)


def test_a_broken_image_teaches_nothing_and_the_others_do(house, capsys):
    base, _ = house
    (base / "images" / "a_broken.png").write_bytes(b"no image")
    teach_by_examples(base / "t", base / "images", base / "in", Classes.of(NAMES), True, 0)
    told = capsys.readouterr()
    assert "it teaches nothing: " in told.err and "a_broken.png" in told.err
    lines = told.out.splitlines()
    assert lines[1].startswith("  crop: ") and lines[2].startswith("  other.png: ")
    assert sorted(path.name for path in (base / "t").glob("*.json")) == ["found1.json", "own0.json"]


@pytest.mark.parametrize(
    "points, told",
    [
        ([(100, 100), (104, 100), (104, 103)], "shape 2 ('020a') is 2.8 pixels wide, the largest"),
        ([(0, 100), (30, 100), (30, 140), (0, 140)], "020a: the image's border cuts each of its"),
        (None, "020a: no molecule is outlined; outline one as its example, or leave the class out"),
    ],
)
def test_an_outline_that_is_no_example_is_told_before_any_work(house, points, told):
    """One slip with the mouse would teach hundreds of molecules that are none."""
    base, _ = house
    crop = read_annotation(base / "in" / "crop.json")
    crop.shapes[1:] = [Shape("020a", np.array(points, float))] if points else []
    write_annotation(base / "in" / "crop.json", crop)
    with pytest.raises(InputError) as error:
        workflow.main(
            examples=True, source_dir=base / "in", images_dir=base / "images",
            log_dir=base / "logs", class_names=NAMES, check=True,
        )  # fmt: skip
    assert told in str(error.value) and not (base / "logs").exists()


def test_the_user_s_files_among_those_that_teach_are_not_deleted(house):
    base, _ = house
    teach = base / "images", base / "in", Classes.of(NAMES), True, 0
    for _ in range(2):  # what an earlier run wrote goes
        teach_by_examples(base / "t", *teach)
    (base / "t" / "mine.json").write_text("{}")
    with pytest.raises(InputError, match=r"holds files that no step wrote \(mine.json\)"):
        teach_by_examples(base / "t", *teach)
    assert (base / "t" / "mine.json").read_text() == "{}" and (base / "t" / "own0.json").exists()


def test_corrections_after_examples_know_that_the_rest_was_not_outlined(house):
    """The crop with one outline of each class, not flagged `partial`, would teach that its other
    molecules are background."""
    base, _ = house
    truth = read_annotation(base / "in" / "crop.json")
    write_image(base / "in" / "corrected.png", simulate("network", size=320, seed=5)[0])
    corrected = Annotation(truth.shapes, 320, 320, "corrected.png", extra={CORRECTED: {}})
    write_annotation(base / "in" / "corrected.json", corrected)
    plain, partial = (
        {s.name: s.partial for s in outlined_sources(base / "in", how)} for how in (False, True)
    )
    assert plain == {"crop": False, "corrected": False}
    assert partial == {"crop": True, "corrected": False}
    teach_by_examples(base / "t", base / "images", base / "in", Classes.of(NAMES), True, 0)
    assert not any(s.partial for s in outlined_sources(base / "t", True))
    weights = base / "weights.h5"
    for known in (True, False):
        metadata = {"class_names": NAMES, "scale": 1.0, "extra": {"partial": known}}
        with h5py.File(weights, "w") as file:
            file.attrs.update({key: json.dumps(value) for key, value in metadata.items()})
        _, changes = retrain.start_with(str(weights), base)
        assert changes.get("partial", False) == known
