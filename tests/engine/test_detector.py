"""A real tiny network behind the seam: from an image file to the table, nothing faked."""

from __future__ import annotations

import csv

import cv2
import numpy as np
import pytest
from networks import fill_by_recipe
from older_keras import Network, write_files
from toys import TinyConfig, Toys

import evaluate
import predict_big_pic
from engine import detector as engine_detector
from engine.detector import OLDER_CONFIG, describe_weights, load_detector, lowest_answer
from mrcnn.mask_tools import crop_masks
from mrcnn.model import MaskRCNN
from mrcnn.weights import read_metadata
from spm.errors import InputError
from spm.geometry.cropped_mask import CroppedMask
from spm.inference.nms import Detection
from spm.inference.predict import Settings
from spm.io.images import read_image, write_image
from spm.structures.annotation import Annotation, Shape, write_annotation

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
        files=[path], weights=weights, out_dir=folder, tile_images=False, report=False, **settings
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
    # `detect` rounds boxes and lets masks fall to zero at their edges, as matterport's does; the
    # seam's masks are the network's own probabilities, laid into the boxes as these are.
    ((shape, *_, small, _),) = trained[1]._look([image()])
    for mask, (pixels, top, left) in zip(
        found.masks, crop_masks(small[: len(found)], found.boxes, shape), strict=True
    ):
        assert (mask.top, mask.left) == (top, left) and 0 < pixels.size < 128 * 128
        np.testing.assert_array_equal(mask.pixels, pixels)


@pytest.mark.parametrize("views", [1, 4])
def test_the_second_class_reaches_the_table(trained, tmp_path, views):
    """Each line's second class and score are those that the network gave to the same box."""
    write_image(tmp_path / "图 1.png", image())
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


# --- weights that say nothing but numbers ------------------------------------------------------


class OlderConfig(TinyConfig):
    """A network of the 2022 scripts' kind, as narrow as it goes."""

    NUM_CLASSES = 3
    BACKBONE = "resnet50"
    TOP_DOWN_PYRAMID_SIZE = RPN_CHANNELS = FPN_CLASSIF_FC_LAYERS_SIZE = MASK_HEAD_CHANNELS = 16


@pytest.fixture(scope="module")
def older(tmp_path_factory):
    """A weights file that the older Keras wrote: without names, scale and settings."""
    folder = tmp_path_factory.mktemp("older")
    network = MaskRCNN("inference", OlderConfig(), folder)
    fill_by_recipe(network.bank.layers.values())
    network.keras_model.save_weights(str(folder / "ours.h5"))
    sizes = Network(3, pyramid=16, rpn=16, hidden=16, mask=16)
    written = write_files(folder, sizes, ["save_weights"], folder / "ours.h5")
    path = written["save_weights"].rename(folder / "mask_rcnn_shapes_0040.h5")
    assert not set(read_metadata(path)["config"])
    return path


@pytest.fixture
def small(monkeypatch):
    """Input of the network of 128 pixels instead of 1024: a tenth of a second a tile."""
    limits = {"POST_NMS_ROIS_INFERENCE": 50, "DETECTION_MAX_INSTANCES": 20}
    sides = {"IMAGE_MIN_DIM": 128, "IMAGE_MAX_DIM": 128}
    monkeypatch.setattr(engine_detector, "OLDER_CONFIG", OLDER_CONFIG | sides | limits)


def test_older_weights_describe_themselves_by_their_shapes(older):
    said = describe_weights(older, ["003a", "020a"])
    assert said["class_names"] == ["003a", "020a"] and said["scale"] is None
    config = said["config"]
    assert (config["BACKBONE"], config["NUM_CLASSES"]) == ("resnet50", 3)
    assert config["RPN_CHANNELS"] == config["TOP_DOWN_PYRAMID_SIZE"] == 16
    assert config["IMAGE_MAX_DIM"] == 1024 and config["RPN_ANCHOR_SCALES"][0] == 32
    assert describe_weights(older, ["003a, 020a"])["class_names"] == ["003a", "020a"]


@pytest.mark.parametrize(
    ("names", "phrase"),
    [
        (None, r"0040\.h5: the network knows 2 classes .* not say .*--class-names"),
        (["003a"], r"knows 2 classes .*Received: 1 \(003a\)"),
        (["a", "b", "c"], r"Received: 3 \(a, b, c\)"),
        (["a", "a"], r"Received: 2 \(a, a\)"),
    ],
)
def test_older_weights_with_missing_or_wrong_names(older, names, phrase):
    with pytest.raises(InputError, match=phrase):
        load_detector(older, class_names=names)


def test_names_of_a_file_that_says_them_stay(trained):
    with pytest.raises(InputError, match=r"trained for disc, 方 b, bar.*Received: a, b, c"):
        describe_weights(trained[0], ["a", "b", "c"])
    assert describe_weights(trained[0], ["disc,方 b,bar"])["class_names"] == CLASSES


def test_names_with_commas_are_parted_only_where_that_fits(older):
    assert describe_weights(older, ["1,2-a", "1,3-a"])["class_names"] == ["1,2-a", "1,3-a"]


def test_a_file_of_no_older_network_is_refused(tmp_path, trained):
    path = tmp_path / "light.h5"
    trained[1].keras_model.save_weights(str(path))
    with pytest.raises(InputError, match=r"light\.h5: .* no whole Mask R-CNN on a ResNet-50"):
        describe_weights(path, CLASSES)


def test_older_weights_predict_with_the_2022_cut(older, small, tmp_path, capsys):
    """Four tiles of 3/5 of the side, enlarged to the network's input; or a scale of one's own."""
    write_image(tmp_path / "a.png", image())
    names = ["003a,020a"]
    settings = {"weights": older, "class_names": names, "report": False, "score_threshold": 0.0}
    out = tmp_path / "out"
    assert predict_big_pic.main(files=[tmp_path / "a.png"], out_dir=out, **settings) == 0
    said = capsys.readouterr().out
    assert "003a, 020a; the file says no scale" in said and "four tiles of 3/5" in said
    tiles = sorted((out / "pre_predict").iterdir())
    assert len(tiles) == 4
    # The first tile shows the upper left 77 of 128 pixels, as large as the network's input.
    first = read_image(tiles[0])
    assert first.shape == (128, 128, 3)
    expected = cv2.resize(image()[:77, :77], (128, 128), interpolation=cv2.INTER_LINEAR)
    inner = slice(2, 120)
    assert abs(first[inner, inner].astype(int) - expected[inner, inner]).mean() < 3
    lines = (out / "a_molecules.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) > 1 and any("003a" in line or "020a" in line for line in lines[1:])

    settings["tile_scale"] = 1.0
    assert predict_big_pic.main(files=[tmp_path / "a.png"], out_dir=out, **settings) == 0
    assert "020a; 1 network pixels per image pixel" in capsys.readouterr().out
    assert len(list((out / "pre_predict").iterdir())) == 1


def test_older_weights_are_evaluated(older, small, tmp_path, capsys):
    (tmp_path / "truth").mkdir()
    write_image(tmp_path / "truth" / "a.png", image())
    corners = np.array([(20.0, 20), (60, 20), (60, 60), (20, 60)])
    shapes = [Shape("003a1", corners), Shape("020a1", corners + 50)]
    write_annotation(tmp_path / "truth" / "a.json", Annotation(shapes, 128, 128, "a.png"))
    settings = {"truth": tmp_path / "truth", "weights": older, "figures": False}
    with pytest.raises(InputError, match="evaluate.py: --classes"):
        evaluate.main(out=tmp_path / "out", **settings)
    numbers = evaluate.main(
        out=tmp_path / "out", classes=["003a", "020a"], tile_scale=1.0, **settings
    )
    assert numbers["class_names"] == ["003a", "020a"] and numbers["score_threshold"] == 0.5


@pytest.mark.parametrize("classes", [1, 2, 3, 6, 10])
def test_an_answer_shared_by_all_classes_is_asked_for(classes):
    shared = Detection.from_mask(
        (0, 0, 9, 9), np.full(classes, 0.6 / classes), CroppedMask(np.ones((9, 9), bool))
    )
    assert shared.objectness == pytest.approx(0.6)
    assert shared.score > 0.999 * lowest_answer(0.6, classes) > 0.05
    assert lowest_answer(0.6, 80) == lowest_answer(0.6, 10)  # or each tile has hundreds
