"""Weights files that the older Keras writes, and ours in its hands: both sides are real."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import ops
from networks import fill_by_recipe
from older_keras import Network, write_files
from toys import TinyConfig, Toys

import predict_big_pic
import train_test
from mrcnn import backbone, weights
from mrcnn.model import MaskRCNN, WeightsError
from spm.io.images import write_image
from spm.structures.annotation import Annotation, write_annotation
from spm.structures.shape import Shape

WIDTHS, BLOCKS, DEEP = (8, 16, 32, 64), (2, 1, 2, 1), (2, 1, 5, 1)
SIZES = Network(3, BLOCKS, WIDTHS, pyramid=16, rpn=16, hidden=32, mask=16)
WAYS = [
    "save_weights", "checkpoint", "whole_model", "training_graph", "numbered_rpn", "long_names",
    "whole_in_one",
]  # fmt: skip


class SmallConfig(TinyConfig):
    BACKBONE = "resnet50"
    TOP_DOWN_PYRAMID_SIZE, RPN_CHANNELS = 16, 16
    FPN_CLASSIF_FC_LAYERS_SIZE, MASK_HEAD_CHANNELS = 32, 16


@pytest.fixture(scope="module", autouse=True)
def small_backbones():
    """ResNet-50 and -101 in the small: as many kinds of blocks, fewer and narrower."""
    patch = pytest.MonkeyPatch()
    patch.setattr(backbone, "WIDTHS", WIDTHS)
    patch.setitem(backbone.BLOCKS, "resnet50", BLOCKS)
    patch.setitem(backbone.BLOCKS, "resnet101", DEEP)
    yield
    patch.undo()


def values(model):
    return {
        f"{layer.name}/{weights.weight_name(v)}": np.array(ops.convert_to_numpy(v))
        for layer in model.bank.layers.values()
        for v in layer.weights
    }


def forget(model):
    for layer in model.bank.layers.values():
        for variable in layer.weights:
            variable.assign(ops.zeros_like(variable))


def assert_same(found, expected):
    for key in ("rois", "class_ids", "scores", "masks", "class_scores"):
        np.testing.assert_array_equal(found[key], expected[key], err_msg=key)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A detector, filled by the recipe."""
    model = MaskRCNN("inference", SmallConfig(), tmp_path_factory.mktemp("logs"))
    fill_by_recipe(model.bank.layers.values())
    return model


@pytest.fixture(scope="module")
def image():
    return Toys().load(1).load_image(0)


@pytest.fixture(scope="module")
def before(model, image):
    """Weights and detections of the detector as it is first."""
    found = model.detect([image])[0]
    assert len(found["rois"]) > 5
    return values(model), found


@pytest.fixture(scope="module")
def ours(model, before, tmp_path_factory):
    """Our file of its weights."""
    path = tmp_path_factory.mktemp("ours") / "mask_rcnn_tiny_0001.h5"
    model.save_weights(path)
    return path


@pytest.fixture(scope="module")
def files(ours, tmp_path_factory):
    """Files of the older Keras, whose network was filled from our file by name."""
    folder = tmp_path_factory.mktemp("older")
    more = [*WAYS, "float16", "backbone"]
    return {
        **write_files(folder, SIZES, more, ours),
        **write_files(folder, SIZES, ["second_of_a_session"], ours),
    }


@pytest.mark.parametrize("way", [*WAYS, "second_of_a_session"])
def test_the_same_detections_before_and_after(model, before, files, image, way):
    """Our writer, the older Keras's reader and writer, our reader."""
    expected, found = before
    forget(model)
    report = model.load_weights(str(files[way]), by_name=True)
    assert len(report.loaded) == sum(1 for x in model.bank.layers.values() if x.weights)
    assert not report.unused or way in ("long_names", "whole_in_one")  # their long-named layer
    now = values(model)
    for key, value in expected.items():
        np.testing.assert_array_equal(now[key], value, err_msg=key)
    assert_same(model.detect([image])[0], found)


def test_the_files_are_of_the_kinds_that_they_should_be(files):
    """Each trap is in its file: empty and split lists, numbers, optimiser weights, anchors."""
    with h5py.File(files["save_weights"]) as file:
        lengths = [len(file[n].attrs["weight_names"]) for n in file.attrs["layer_names"]]
        assert lengths.count(0) > 40
    with h5py.File(files["whole_model"]) as file:
        assert "optimizer_weights" in file and "layer_names" not in file.attrs
    with h5py.File(files["training_graph"]) as file:
        assert len(file["anchors"].attrs["weight_names"]) == 1
    with h5py.File(files["numbered_rpn"]) as file:
        assert "rpn_model_1" in file and "rpn_model" not in file
    with h5py.File(files["second_of_a_session"]) as file:
        assert "rpn_conv_shared_1/kernel:0" in file["rpn_model"].attrs["weight_names"]
        assert "mrcnn_mask_bn1_1/gamma:0" in file["mrcnn_mask_bn1"].attrs["weight_names"]
    with h5py.File(files["long_names"]) as file:
        assert "layer_names" not in file.attrs and "layer_names1" in file.attrs
    with h5py.File(files["whole_in_one"]) as file:
        assert "weight_names1" in file["mask_rcnn"].attrs
    with h5py.File(files["float16"]) as file:
        assert file["conv1/conv1/kernel:0"].dtype == np.float16


def test_float16(model, before, files):
    forget(model)
    model.load_weights(str(files["float16"]))
    now = values(model)
    for key, value in before[0].items():
        assert now[key].dtype == np.float32
        np.testing.assert_array_equal(now[key], value.astype(np.float16), err_msg=key)


def test_a_file_that_lacks_the_rpn(model, before, files, tmp_path):
    """Once three layers of 133 stayed away without a word, and nothing was found."""
    path = tmp_path / "part.h5"
    path.write_bytes(files["second_of_a_session"].read_bytes())
    with h5py.File(path, "a") as file:
        file["rpn_model"].attrs["weight_names"] = np.array([])
    with pytest.raises(WeightsError, match="3 layers of the network are not in the file .rpn_"):
        model.load_weights(str(path))
    report = model.load_weights(str(path), exclude=["rpn_model"])
    assert len(report.excluded) == 3


@pytest.fixture(scope="module")
def trainer(tmp_path_factory):
    return MaskRCNN("training", SmallConfig(), tmp_path_factory.mktemp("logs"))


@pytest.fixture(scope="module")
def coco(tmp_path_factory):
    """As matterport's COCO file: 81 classes, ResNet-101, with the training graph's anchors."""
    deep = Network(81, DEEP, WIDTHS, pyramid=16, rpn=16, hidden=32, mask=16)
    folder = tmp_path_factory.mktemp("coco")
    return write_files(folder, deep, ["training_graph"])["training_graph"]


def test_a_deeper_backbone(model, trainer, coco):
    """A COCO file (ResNet-101, 81 classes) in a ResNet-50 of three classes: a start, no result."""
    path = coco
    heads = ["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask"]
    with pytest.raises(WeightsError, match="trained for 81 classes .* network has 3"):
        trainer.load_weights(str(path), by_name=True)
    # What matterport's scripts leave out, `mrcnn_bbox` without weights among it.
    report = trainer.load_weights(str(path), by_name=True, exclude=[*heads, "mrcnn_bbox"])
    assert sorted(report.excluded) == sorted(heads) and not report.absent
    assert "blocks 4c to 4e are left out" in str(report)
    now = values(trainer)
    with h5py.File(path) as file:
        for layer, weight in (("res4b_branch2b", "kernel"), ("mrcnn_class_bn2", "gamma")):
            stored = file[layer][f"{layer}/{weight}:0"][()]
            np.testing.assert_array_equal(now[f"{layer}/{weight}"], stored)
    with pytest.raises(WeightsError, match="deeper than this network's .*set BACKBONE"):
        model.load_weights(str(path), by_name=True, exclude=heads)


def test_the_recipe_for_a_graphics_card_starts_from_coco(
    coco, tmp_path, monkeypatch, eagerly, capsys
):
    """From the file to found molecules, in two steps a stage and without internet."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(coco, "mask_rcnn_coco.h5")
    for name in ("IMAGE_MIN_DIM", "IMAGE_MAX_DIM", "RPN_ANCHOR_SCALES", "TOP_DOWN_PYRAMID_SIZE",
                 "RPN_CHANNELS", "FPN_CLASSIF_FC_LAYERS_SIZE", "MASK_HEAD_CHANNELS",
                 "PRE_NMS_LIMIT", "POST_NMS_ROIS_TRAINING", "POST_NMS_ROIS_INFERENCE",
                 "TRAIN_ROIS_PER_IMAGE", "MAX_GT_INSTANCES",
                 "DETECTION_MAX_INSTANCES"):  # fmt: skip
        monkeypatch.setattr(train_test.ShapesConfig, name, getattr(SmallConfig, name))
    monkeypatch.setattr(train_test.ShapesConfig, "COMPUTE_DTYPE", "float32")
    monkeypatch.setattr(train_test.ShapesConfig, "MOLECULE_PIXELS", 25)  # few tiles
    image, squares = np.full((90, 200, 3), 60, np.uint8), []
    for k in range(4):
        y, x = 20, 20 + 45 * k
        image[y : y + 25, x : x + 25] = 180
        corners = np.array([[x, y], [x + 25, y], [x + 25, y + 25], [x, y + 25]], float)
        squares.append(Shape(f"A{k}", corners))
    Path("aug_test_in").mkdir()
    write_image(Path("aug_test_in/a.png"), image)
    write_annotation(Path("aug_test_in/a.json"), Annotation(squares, 90, 200, "a.png"))

    trained = train_test.train_main(
        class_names=["A"], recipe="gpu", init_with="coco", augment="online", steps_per_epoch=2
    )
    said = capsys.readouterr().out
    assert "4 steps (1 epoch of heads, 1 epoch of all)" in said
    assert "3 (mrcnn_class_logits, mrcnn_bbox_fc, mrcnn_mask) by request, none not" in said
    assert "blocks 4c to 4e are left out" in said
    files = [Path("aug_test_in/a.png")]
    assert predict_big_pic.main(files=files, weights=trained, report=False) == 0
    assert Path("img_cache/a_molecules.csv").exists()


# --- ImageNet ------------------------------------------------------------------------------------


def test_imagenet_weights_of_keras_2(model, trainer, before, files, tmp_path):
    """Their layers are called as ours; they know BGR images."""
    path = files["backbone"]
    report = trainer.load_weights(str(path), by_name=True)
    assert len(report.loaded) == sum(n.startswith(("res", "bn", "conv1")) for n in report.loaded)
    assert {"fpn_p2", "rpn_class_raw", "mrcnn_mask"} < set(report.absent)
    assert "the other layers start from chance" in str(report)
    now, expected = values(trainer), before[0]
    np.testing.assert_array_equal(now["conv1/kernel"], expected["conv1/kernel"][:, :, ::-1])
    for key in ("res2a_branch1/bias", "bn5a_branch2c/moving_variance"):
        np.testing.assert_array_equal(now[key], expected[key])
    with pytest.raises(WeightsError, match="backbone alone .* train from it"):
        model.load_weights(str(path), by_name=True)

    # Keras 1 named the weights otherwise; only they are changed here.
    parts = {"kernel": "W", "bias": "b", "moving_mean": "running_mean"}
    parts |= {"moving_variance": "running_std"}
    older = tmp_path / "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
    older.write_bytes(path.read_bytes())
    with h5py.File(older, "a") as file:
        for layer in file.attrs["layer_names"]:
            group, names = file[layer], []
            for key in group.attrs["weight_names"]:
                weight = key.split("/")[1].removesuffix(":0")
                names.append(f"{layer}_{parts.get(weight, weight)}_1:0")
                group.move(key, names[-1])
            group.attrs["weight_names"] = np.array([n.encode() for n in names])
    forget(trainer)
    trainer.keras_model.load_weights(str(older), by_name=True)
    after = values(trainer)
    for name in report.loaded:
        for key in (k for k in now if k.startswith(f"{name}/")):
            np.testing.assert_array_equal(after[key], now[key], err_msg=key)


def test_imagenet_weights_of_later_keras(tmp_path, monkeypatch):
    """A real ResNet-50, into a ResNet-101 as matterport's scripts do: it fills 106 layers."""
    monkeypatch.setattr(backbone, "WIDTHS", (64, 128, 256, 512))
    monkeypatch.setitem(backbone.BLOCKS, "resnet101", (3, 4, 8, 3))
    path = write_files(tmp_path, SIZES, ["application"])["application"]
    config = type("Deep", (SmallConfig,), {"BACKBONE": "resnet101"})()
    model = MaskRCNN("training", config, tmp_path)
    report = model.load_weights(str(path), by_name=True)
    assert len(report.loaded) == 106 and "res4g_branch2a" in report.absent
    with h5py.File(path) as file:
        kernel = file["conv1_conv/conv1_conv/kernel:0"][()]
    np.testing.assert_array_equal(values(model)["conv1/kernel"], kernel[:, :, ::-1])


def test_imagenet_weights_without_internet(trainer, monkeypatch):
    """Keras raises a plain Exception then."""

    def offline(**_):
        raise Exception("URL fetch failure on https://a.b/c.h5: None -- unreachable")

    monkeypatch.setattr(keras.applications, "ResNet50", offline)
    with pytest.raises(WeightsError) as caught:
        trainer.get_imagenet_weights()
    message = str(caught.value)
    assert "https://a.b/c.h5" in message and "resnet50_imagenet.h5" in message
    assert message.count("\n") == 0
