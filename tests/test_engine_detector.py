"""A real tiny network behind the seam: from an image file to the table, nothing faked."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from networks import TinyConfig, Toys, fill_by_recipe

import predict_big_pic
from engine.detector import load_detector
from mrcnn.model import MaskRCNN
from spm.picture import write_picture
from spm.prediction import Settings

CLASSES = ["disc", "方 b", "bar"]


class SeamConfig(TinyConfig):
    """Three classes, so that their order counts."""

    NUM_CLASSES = 1 + len(CLASSES)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A weights file of a network filled by the recipe, which has an opinion of every class."""
    folder = tmp_path_factory.mktemp("logs (网)")
    network = MaskRCNN("inference", SeamConfig(), folder)
    fill_by_recipe(network.bank.layers.values(), damped="branch2b")
    network.metadata = {
        "class_names": CLASSES,
        "scale": 1.0,
        "score_threshold": 0.3,
        "extra": {"molecule_size": 20.0},
    }
    path = folder / "mask_rcnn_tiny_0001.h5"
    network.save_weights(path)
    return path, network


@pytest.fixture(autouse=True)
def float32(monkeypatch):
    """The precision of both sides, whatever this processor is fast with."""
    monkeypatch.setattr("mrcnn.config.best_dtype", lambda: "float32")


def image():
    return Toys().load(1, seed=5).load_image(0)


def table(folder, path, *, weights, **settings):
    status = predict_big_pic.main(
        files=[path], weights=weights, out_dir=folder, tile_pictures=False, report=False, **settings
    )
    assert status == 0
    with (folder / f"{path.stem}_molecules.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_detections_say_what_detect_says(trained):
    detector = load_detector(trained[0], settings=Settings(score_threshold=0.0))
    (expected,) = trained[1].detect([image()])
    (found,) = detector.detect([image()])
    assert len(found) == len(expected["rois"]) > 5
    np.testing.assert_array_equal(np.around(found.boxes), expected["rois"])
    assert found.boxes.dtype == np.float64 and (found.boxes % 1 != 0).any()
    np.testing.assert_allclose(found.class_scores, expected["class_scores"], atol=1e-6)
    np.testing.assert_array_equal(found.class_scores.argmax(axis=1) + 1, expected["class_ids"])
    np.testing.assert_allclose(found.class_scores.max(axis=1), expected["scores"], atol=1e-6)
    for k, mask in enumerate(found.masks):
        full = np.zeros((128, 128), bool)
        height, width = mask.pixels.shape
        full[mask.top : mask.top + height, mask.left : mask.left + width] = mask.pixels
        assert mask.pixels.size < full.size
        np.testing.assert_array_equal(full, expected["masks"][..., k])


@pytest.mark.parametrize("views", [1, 4])
def test_the_second_class_reaches_the_table(trained, tmp_path, views):
    """Each line's second class and score are those that the network gave to the same box."""
    write_picture(tmp_path / "图 1.png", image())
    rows = table(
        tmp_path / "out",
        tmp_path / "图 1.png",
        weights=trained[0],
        views=views,
        score_threshold=0.1,
    )
    assert len(rows) > 3
    ratio = predict_big_pic.UNCERTAIN_RATIO
    for row in rows:
        score, second = float(row["score"]), float(row["second_score"])
        assert row["second_class"] in CLASSES and row["second_class"] != row["class"]
        assert 0 < second <= score
        assert int(row["uncertain"]) == (second >= ratio * score)
    if views == 1:
        (seen,) = trained[1].detect([image()])
        order = np.argsort(-seen["class_scores"], axis=1)
        told = {
            (CLASSES[first], CLASSES[second], round(float(s[first]), 4), round(float(s[second]), 4))
            for (first, second), s in zip(order[:, :2], seen["class_scores"], strict=True)
        }
        same = [
            (r["class"], r["second_class"], float(r["score"]), float(r["second_score"])) in told
            for r in rows
        ]
        # The others carry the higher score of an overlapping answer of another class.
        assert sum(same) > len(rows) / 2
