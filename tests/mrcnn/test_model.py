"""The detector as an object: matterport's public interface, training stages, resumption."""

import csv
import datetime
import os
import re
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops
from networks import fill_by_recipe
from toys import TinyConfig, Toys

from mrcnn import model as modellib
from mrcnn import weights
from mrcnn.model import MaskRCNN
from mrcnn.training import STAGES
from mrcnn.training_callbacks import NonFiniteLoss
from mrcnn.training_state import read_state, state_path


def config(**changes):
    return type("Changed", (TinyConfig,), changes)()


def values(model):
    return {
        f"{layer.name}/{weights.weight_name(v)}": np.array(ops.convert_to_numpy(v))
        for layer in model.bank.layers.values()
        for v in layer.weights
    }


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    model = MaskRCNN("inference", config(IMAGES_PER_GPU=2), tmp_path_factory.mktemp("logs"))
    fill_by_recipe(model.bank.layers.values())
    return model


@pytest.fixture(scope="module")
def images():
    toys = Toys().load(3, seed=5)
    return [toys.load_image(k) for k in toys.image_ids]


def assert_same_result(a, b, exact=True):
    """Equal to the last bit; or within the rounding of batches of other images."""
    for key in ("rois", "class_ids", "masks"):
        np.testing.assert_array_equal(a[key], b[key], err_msg=key)
    for key in ("scores", "class_scores"):
        np.testing.assert_allclose(a[key], b[key], rtol=0, atol=0 if exact else 1e-5, err_msg=key)


# --- detection ---------------------------------------------------------------------------------


def test_what_detect_returns(detector, images):
    result = detector.detect(images[:2])[0]
    count = len(result["rois"])
    assert 0 < count <= 20
    assert result["rois"].shape == (count, 4) and result["rois"].dtype == np.int32
    y1, x1, y2, x2 = result["rois"].T
    assert (y1 < y2).all() and (x1 < x2).all()
    assert result["rois"].min() >= 0 and result["rois"].max() <= 128
    assert set(result["class_ids"]) <= {1, 2} and result["class_ids"].dtype == np.int32
    assert (np.diff(result["scores"]) <= 0).all() and result["scores"].dtype == np.float32
    assert result["masks"].shape == (128, 128, count) and result["masks"].dtype == bool
    for box, mask in zip(result["rois"], np.moveaxis(result["masks"], 2, 0), strict=True):
        outside = mask.copy()
        outside[box[0] : box[2], box[1] : box[3]] = False
        assert not outside.any()
    own = result["class_scores"][np.arange(count), result["class_ids"] - 1]
    np.testing.assert_array_equal(own, result["scores"])


def test_any_number_of_images(detector, images):
    """A batch is two images; one and three give what each image gives in a full batch."""
    three = detector.detect(images)
    assert len(three) == 3
    assert_same_result(detector.detect([images[2]])[0], three[2], exact=False)
    assert_same_result(detector.detect(images[1:])[0], three[1], exact=False)
    assert detector.detect([]) == []


def test_detect_molded(detector, images):
    molded, metas, windows = detector.mold_inputs(images[:2])
    assert molded.shape == (2, 128, 128, 3) and metas.shape == (2, 15)
    assert windows.tolist() == [[0, 0, 128, 128]] * 2
    for a, b in zip(
        detector.detect_molded(molded, metas), detector.detect(images[:2]), strict=True
    ):
        assert_same_result(a, b)


def test_images_that_are_not_square(detector, images):
    """In mode "square" an image is padded; boxes and masks come back in its own pixels."""
    result = detector.detect([images[0][:64]])[0]
    assert result["masks"].shape[:2] == (64, 128)
    assert result["rois"][:, [0, 2]].max(initial=0) <= 64


@pytest.mark.parametrize(
    ("mode", "changes", "shape", "network"),
    [
        ("none", {}, (128, 64), (128, 64)),
        ("pad64", {"IMAGE_MIN_DIM": 0}, (100, 70), (128, 128)),
        ("pad64", {"IMAGE_MIN_DIM": 64}, (50, 60), (64, 128)),
        ("crop", {"IMAGE_MIN_DIM": 64}, (64, 64), (64, 64)),
    ],
)
def test_resize_modes(detector, images, mode, changes, shape, network, monkeypatch):
    """One detector serves images of several sizes; each size has its own graph."""
    monkeypatch.setattr(detector.config, "IMAGE_RESIZE_MODE", mode)
    for name, value in changes.items():
        monkeypatch.setattr(detector.config, name, value)
    image = np.ascontiguousarray(images[0][: shape[0], : shape[1]])
    assert detector.mold_inputs([image])[0].shape[1:3] == network
    result = detector.detect([image])[0]
    assert result["masks"].shape[:2] == shape
    if len(result["rois"]):
        assert (result["rois"][:, 2:] <= shape).all()


def test_images_of_different_network_sizes(detector, images, monkeypatch):
    monkeypatch.setattr(detector.config, "IMAGE_RESIZE_MODE", "none")
    with pytest.raises(ValueError, match="one size after resizing"):
        detector.detect([images[0], images[1][:64]])


def test_wrong_mode(detector, images, tmp_path):
    with pytest.raises(ValueError, match="'training' or 'inference'"):
        MaskRCNN("predict", config(), tmp_path)
    with pytest.raises(RuntimeError, match="mode='training'"):
        detector.train(None, None, 0.1, 1, "all")


# --- weights -----------------------------------------------------------------------------------


def test_saved_and_loaded_weights_give_equal_detections(detector, images, tmp_path):
    path = tmp_path / "mask_rcnn_tiny_0001.h5"
    detector.keras_model.save_weights(str(path))
    other = MaskRCNN("inference", config(IMAGES_PER_GPU=2), tmp_path)
    report = other.load_weights(str(path), by_name=True)
    assert not report.absent
    for a, b in zip(detector.detect(images), other.detect(images), strict=True):
        assert_same_result(a, b)
    with pytest.raises(FileExistsError, match="choose another name"):
        detector.keras_model.save_weights(str(path), overwrite=False)


def test_metadata_of_a_detector(detector, tmp_path):
    path = tmp_path / "m.h5"
    detector.metadata = {"class_names": ["disc", "square"], "scale": 2.0}
    detector.save_weights(path)
    found = weights.read_metadata(path)
    assert found["class_names"] == ["disc", "square"] and found["scale"] == 2.0
    assert found["config"]["RPN_ANCHOR_SCALES"] == [8, 16, 32, 64, 128]


def test_find_last(detector, tmp_path, monkeypatch):
    monkeypatch.setattr(detector, "model_dir", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="train first"):
        detector.find_last()
    for name in (
        "tiny20260101T1200/mask_rcnn_tiny_0001.h5",
        "tiny20260102T0900/mask_rcnn_tiny_0002.h5",
        "tiny20260102T0900/mask_rcnn_tiny_0010.h5",
        "tiny20260103T0900/events.txt",  # a run without weights
        "tinyother20270101T0000/mask_rcnn_tinyother_0001.h5",  # of another name
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    assert Path(detector.find_last()) == tmp_path / "tiny20260102T0900/mask_rcnn_tiny_0010.h5"
    # Renamed, it keeps its time; without a time in its name, that of its file counts.
    renamed = (tmp_path / "tiny20260102T0900").rename(tmp_path / "tiny20260102T0900_good")
    assert Path(detector.find_last()) == renamed / "mask_rcnn_tiny_0010.h5"
    best = tmp_path / "tiny-best" / "mask_rcnn_tiny_0003.h5"
    best.parent.mkdir()
    best.write_bytes(b"")
    for year, last in ((2025, renamed / "mask_rcnn_tiny_0010.h5"), (2027, best)):
        moment = datetime.datetime(year, 1, 1).timestamp()
        os.utime(best, (moment, moment))
        assert Path(detector.find_last()) == last


def test_set_log_dir(detector, tmp_path, monkeypatch):
    monkeypatch.setattr(detector, "model_dir", str(tmp_path))
    detector.set_log_dir(str(tmp_path / "tiny20260102T0930" / "mask_rcnn_tiny_0007.h5"))
    assert detector.epoch == 7
    assert Path(detector.log_dir) == tmp_path / "tiny20260102T0930"
    expected = tmp_path / "tiny20260102T0930" / "mask_rcnn_tiny_0008.h5"
    assert Path(detector.checkpoint_path.format(epoch=8)) == expected
    detector.set_log_dir("C:\\logs\\tiny20260102T0930\\mask_rcnn_tiny_0003.h5")
    assert detector.epoch == 3
    detector.set_log_dir(str(tmp_path / "mask_rcnn_coco.h5"))
    assert detector.epoch == 0
    # A second run has a folder of its own, even within the same minute.
    first = Path(detector.log_dir)
    first.mkdir()
    Path(detector.checkpoint_path.format(epoch=1)).write_bytes(b"")
    detector.set_log_dir()
    assert Path(detector.log_dir).parent == first.parent and Path(detector.log_dir) > first


# --- looking inside ----------------------------------------------------------------------------


def test_anchors(detector):
    anchors = detector.get_anchors((128, 128, 3))
    assert anchors.shape == (3 * (32**2 + 16**2 + 8**2 + 4**2 + 2**2), 4)
    # The first: ratio 0.5, scale 8, at the corner; 11.31 high and 5.66 wide.
    np.testing.assert_allclose(detector.anchors[0], [-5.657, -2.828, 5.657, 2.828], atol=1e-3)
    expected = (detector.anchors[0] - [0, 0, 1, 1]) / 127
    np.testing.assert_allclose(anchors[0], expected, rtol=1e-5)
    assert detector.get_anchors((128, 128, 3)) is anchors


def test_anchors_cannot_be_trained(trained):
    """Pitfall 13: with layers="all" no variable holds the anchors."""
    graph = trained.keras_model
    assert graph.get_layer("anchors").variables == []
    shape = trained.get_anchors((64, 64)).shape
    assert shape == (3 * (16**2 + 8**2 + 4**2 + 2**2 + 1), 4)
    assert not [v for v in graph.variables if tuple(v.shape)[-2:] == shape]


def test_run_graph(detector, images):
    graph = detector.keras_model
    found = detector.run_graph(
        images[:2],
        [
            ("rpn_class", graph.get_layer("rpn_class").output),
            ("proposals", graph.get_layer("ROI").output),
            ("res4b_out", graph.get_layer("res4b_out").output),
            ("masks", graph.get_layer("mrcnn_mask").output),
            ("detections", graph.get_layer("mrcnn_detection").output),
            ("pooled", graph.get_layer("roi_align_classifier").output),
            ("all masks", graph.outputs[3]),
        ],
    )
    assert list(found)[:3] == ["rpn_class", "proposals", "res4b_out"] and len(found) == 7
    assert found["rpn_class"].shape == (2, 4092, 2)
    np.testing.assert_allclose(found["rpn_class"].sum(axis=2), 1, rtol=1e-5)
    assert found["proposals"].shape == (2, 60, 4)
    assert found["res4b_out"].shape == (2, 8, 8, 256)
    # RoIs have an axis of their own, as in matterport's TimeDistributed layers.
    assert found["masks"].shape == (2, 20, 28, 28, 3)
    np.testing.assert_array_equal(found["masks"], found["all masks"])
    assert found["detections"].shape == (2, 20, 6)
    assert found["pooled"].shape == (2, 60, 7, 7, 64)


def test_ancestor(detector):
    graph = detector.keras_model
    found = detector.ancestor(graph.outputs[3], "ROI")
    assert found is graph.get_layer("ROI").output
    assert detector.ancestor(graph.outputs[5], "mrcnn_mask") is None


def test_find_trainable_layer(detector):
    layer = detector.bank.layers["conv1"]
    assert detector.find_trainable_layer(layer) is layer
    wrapped = keras.layers.TimeDistributed(keras.layers.Dense(2))
    assert detector.find_trainable_layer(wrapped) is wrapped.layer


def test_names_of_the_older_module():
    for name in ("load_image_gt", "mold_image", "unmold_image", "compose_image_meta", "log"):
        assert callable(getattr(modellib, name))
    for name in ("parse_image_meta", "build_rpn_targets", "DataGenerator", "data_generator"):
        assert callable(getattr(modellib, name))


# --- training ----------------------------------------------------------------------------------


class TrainConfig(TinyConfig):
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 64
    STEPS_PER_EPOCH, VALIDATION_STEPS = 1, 1
    TRAIN_BN = False
    ADD_GT_ROIS = True  # so that the mask head has something to learn in the first step


@pytest.fixture(scope="module")
def trained(tmp_path_factory, eagerly):
    """A detector after an epoch each of heads, 3+ and all, with its weights before and after."""
    keras.utils.set_random_seed(1)
    model = MaskRCNN("training", TrainConfig(), tmp_path_factory.mktemp("logs"))
    model.history = [values(model)]
    toys = Toys().load(2)
    for epoch, layers in enumerate(("heads", "3+", "all"), 1):
        model.train(toys, toys if epoch == 1 else None, 0.01, epoch, layers, verbose=0)
        model.history.append(values(model))
    return model


def changed(model, stage):
    before, after = model.history[stage - 1 : stage + 1]
    return {key for key in before if (before[key] != after[key]).any()}


def layers_of(keys):
    return {key.split("/")[0] for key in keys}


@pytest.mark.parametrize(("number", "stage"), [(1, "heads"), (2, "3+"), (3, "all")])
def test_stages_move_their_layers(trained, number, stage):
    """Each stage moves the layers that it names, and no others."""
    moved = layers_of(changed(trained, number))
    named = {
        key.split("/")[0]
        for key in trained.history[0]
        if re.fullmatch(STAGES[stage], key.split("/")[0])
    }
    assert moved <= named
    assert len(moved) > 0.9 * len(named)
    if stage == "all":
        assert {"conv1", "res2a_branch2a", "bn5b_branch2b", "mrcnn_mask"} <= moved
    else:
        assert not {"conv1", "bn_conv1", "res2a_branch2a"} & moved
    assert ("res3a_branch2a" in moved) == (stage != "heads")


def test_frozen_batch_norm(trained):
    """TRAIN_BN False: the moving statistics stay, while scale and shift are trained."""
    assert not [key for key in changed(trained, 3) if "moving" in key]
    first, last = trained.history[0], trained.history[-1]
    assert not [key for key in first if "moving" in key and (first[key] != last[key]).any()]
    assert [key for key in changed(trained, 3) if key.endswith("gamma")]


def test_files_of_a_run(trained):
    folder = Path(trained.log_dir)
    names = sorted(p.name for p in folder.iterdir())
    events = [name for name in names if name.startswith("events.out.tfevents.")]
    assert len(events) == 3  # one a training
    assert names == [
        *events,
        "losses.csv",
        "losses.png",
        "mask_rcnn_tiny_0001.h5",
        "mask_rcnn_tiny_0002.h5",
        "mask_rcnn_tiny_0003.h5",
        "mask_rcnn_tiny_0003.state.npz",  # only the newest is kept
    ]
    assert Path(trained.find_last()).name == "mask_rcnn_tiny_0003.h5"
    with (folder / "losses.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    terms = ("rpn_class_loss", "rpn_bbox_loss", "mrcnn_class_loss", "mrcnn_mask_loss", "loss")
    assert all(float(row[name]) > 0 for row in rows for name in terms)
    assert float(rows[0]["val_loss"]) > 0 and rows[1]["val_loss"] == ""
    assert (folder / "losses.png").read_bytes().startswith(b"\x89PNG")
    found = weights.read_metadata(folder / "mask_rcnn_tiny_0003.h5")
    assert found["class_names"] == ["disc", "square"]


def test_an_epoch_that_was_reached(trained, capsys):
    assert trained.train(Toys().load(1), None, 0.01, 3, "all") is None
    assert "nothing to do" in capsys.readouterr().out


def test_weights_of_a_run_in_the_detector(trained, images, tmp_path):
    model = MaskRCNN("inference", TrainConfig(), trained.model_dir)
    model.load_weights(model.find_last())
    assert model.epoch == 3
    for key, value in values(model).items():
        np.testing.assert_array_equal(value, trained.history[-1][key])
    assert model.detect(images[:1])[0]["masks"].shape[:2] == (128, 128)


def test_trained_batch_norm_and_a_loss_that_is_nan(tmp_path, eagerly):
    """TRAIN_BN True moves the statistics. Then a broken weight stops the run by name, and no
    weights of that epoch are written."""
    model = MaskRCNN("training", type("Bn", (TrainConfig,), {"TRAIN_BN": True})(), tmp_path)
    toys = Toys().load(1)
    before = values(model)
    model.train(toys, None, 0.001, 1, "all", verbose=0)
    after = values(model)
    moved = [key for key in before if "moving" in key and (before[key] != after[key]).any()]
    assert {"bn_conv1/moving_mean", "mrcnn_mask_bn1/moving_variance"} <= set(moved)

    bias = model.bank.layers["rpn_class_raw"].bias
    bias.assign(ops.full_like(bias, np.nan))
    with pytest.raises(NonFiniteLoss, match="rpn_class_loss.* not finite.*LEARNING_RATE"):
        model.train(toys, None, 0.001, 2, "all", verbose=0)
    assert sorted(p.name for p in Path(model.log_dir).glob("*.h5")) == ["mask_rcnn_tiny_0001.h5"]


def test_exact_masks_with_finer_features(tmp_path, eagerly, images):
    """The light recipe's mask head trains, and its weights file predicts; a file without its
    finer layers is refused by their names, and loads where these are left out."""
    exact = {"EXACT_ROI_ALIGN": True, "EXACT_MASKS": True, "MASK_ROI_ERROR": 0.25}
    settings = type("Fine", (TrainConfig,), {**exact, "MASK_FINE_FEATURES": True})
    model = MaskRCNN("training", settings(), tmp_path)
    before = values(model)
    model.train(Toys().load(1), None, 0.001, 1, "heads", verbose=0)
    after = values(model)
    assert (before["mrcnn_mask_fine/kernel"] != after["mrcnn_mask_fine/kernel"]).any()

    finder = MaskRCNN("inference", settings(), tmp_path)
    assert not finder.load_weights(model.find_last()).absent
    assert finder.detect_cropped(images[:1])[0]["boxes"].shape[1] == 4
    plain = tmp_path / "plain.h5"
    MaskRCNN("inference", TrainConfig(), tmp_path).save_weights(plain)
    finer = ["mrcnn_mask_fine", "mrcnn_mask_fine_conv"]
    with pytest.raises(weights.WeightsError, match=", ".join(finer)):
        finder.load_weights(str(plain))
    assert not finder.load_weights(str(plain), exclude=finer).absent


def test_training_starts_from_files_of_other_networks(tmp_path, eagerly, monkeypatch):
    """From a ResNet-101 file with other classes, and from ImageNet weights as Keras gives them."""
    other = type("Other", (TrainConfig,), {"BACKBONE": "resnet101", "NUM_CLASSES": 5})()
    source = MaskRCNN("inference", other, tmp_path)
    path = tmp_path / "mask_rcnn_coco.h5"
    source.save_weights(path)
    given = values(source)

    model = MaskRCNN("training", type("Own", (TrainConfig,), {"BACKBONE": "resnet50"})(), tmp_path)
    with pytest.raises(modellib.WeightsError, match="for 5 classes .* network has 3; .*exclude="):
        model.load_weights(str(path), by_name=True)
    exclude = ["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask"]
    report = model.load_weights(str(path), by_name=True, exclude=exclude)
    assert not report.absent and sorted(report.excluded) == sorted(exclude)
    blocks = {re.match("(?:res|bn)(4[a-z])_", name)[1] for name in report.unused}
    assert blocks == {f"4{chr(ord('a') + k)}" for k in range(6, 23)}
    assert model.epoch == 0
    model.train(Toys().load(1), None, 0.001, 1, "heads", verbose=0)
    for key, value in values(model).items():
        if key.startswith(("res", "bn", "conv1")):
            np.testing.assert_array_equal(value, given[key], err_msg=key)
    assert (values(model)["fpn_p2/kernel"] != given["fpn_p2/kernel"]).any()
    assert Path(model.find_last()).name == "mask_rcnn_tiny_0001.h5"

    asked = []

    def resnet50(weights, include_top):
        asked.append((weights, include_top))
        return build(weights=None, include_top=False, input_shape=(64, 64, 3))

    build = keras.applications.ResNet50
    monkeypatch.setattr(keras.applications, "ResNet50", resnet50)
    path = model.get_imagenet_weights()
    assert model.get_imagenet_weights() == path and asked == [("imagenet", False)]
    assert len(model.load_weights(path, by_name=True).loaded) == 106
    kernel = weights.read_groups(path)["conv1_conv"]["kernel"]
    np.testing.assert_array_equal(values(model)["conv1/kernel"], kernel[:, :, ::-1])


class ResumeConfig(TrainConfig):
    OPTIMIZER, SCHEDULE, WARMUP_STEPS = "adamw", "cosine", 1
    STEPS_PER_EPOCH, VALIDATION_STEPS = 1, 0


class CopyAfterStep(keras.callbacks.Callback):
    """Copies the run folder in the middle of epoch 2: what a kill at that moment would leave."""

    def __init__(self, log_dir, target):
        super().__init__()
        self.log_dir, self.target, self.seen = Path(log_dir), target, 0

    def on_train_batch_end(self, batch, logs=None):
        self.seen += 1
        if self.seen == 2:
            shutil.copytree(self.log_dir, self.target / self.log_dir.name)


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory, eagerly):
    """The weights after two epochs, and a run that was killed in the second, in a new detector."""
    keras.utils.set_random_seed(3)
    whole = MaskRCNN("training", ResumeConfig(), tmp_path_factory.mktemp("whole"))
    folder = tmp_path_factory.mktemp("cut")
    copy = CopyAfterStep(whole.log_dir, folder)
    whole.train(Toys().load(3), None, 0.001, 2, "all", custom_callbacks=[copy], verbose=0)

    keras.utils.set_random_seed(99)  # another process draws other numbers
    resumed = MaskRCNN("training", ResumeConfig(), folder)
    first = resumed.find_last()
    assert first.endswith("_0001.h5") and state_path(first).exists()
    resumed.load_weights(first)
    return values(whole), resumed


def test_state_of_a_run(interrupted):
    """The optimiser goes on from its step count and moments, in the same stage only."""
    resumed = interrupted[1]
    path = state_path(resumed.find_last())
    stage, arrays = read_state(path, STAGES["all"])
    assert stage == {"layers": ".*", "learning_rate": 0.001, "first_epoch": 0}
    resumed._compile(STAGES["all"], 0.001, 2, 0)
    variables = resumed.keras_model.optimizer.variables
    assert int(resumed.keras_model.optimizer.iterations) == 1
    assert len(arrays) == len(variables) + 1  # and the seed of the random draws
    for variable, (_, array) in zip(variables, sorted(arrays.items()), strict=False):
        np.testing.assert_array_equal(ops.convert_to_numpy(variable), array)
    assert sum(np.abs(array).max() > 0 for array in arrays.values()) > 200  # moments

    resumed._compile(STAGES["heads"], 0.001, 2, 0)
    resumed.keras_model.optimizer.build(resumed.keras_model.trainable_variables)
    assert int(resumed.keras_model.optimizer.iterations) == 0


def test_a_run_goes_on_exactly(interrupted):
    """Killed in epoch 2 and taken up again from epoch 1: the weights of a run that was not."""
    expected, resumed = interrupted
    resumed.train(Toys().load(3), None, 0.001, 2, "all", verbose=0)
    assert int(resumed.keras_model.optimizer.iterations) == 2
    for key, value in values(resumed).items():
        np.testing.assert_array_equal(value, expected[key], err_msg=key)
    assert [p.name for p in Path(resumed.log_dir).glob("*.npz")] == [
        "mask_rcnn_tiny_0002.state.npz"
    ]


def test_states_that_cannot_be_used(trained, tmp_path, capsys):
    """Another stage, a damaged file, none at all: the optimiser starts anew."""
    own = state_path(trained.find_last())
    path = tmp_path / own.name
    path.write_bytes(own.read_bytes())
    assert read_state(path, STAGES["all"])[0]["first_epoch"] == 2
    assert read_state(path, "other layers") is None
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert read_state(path, STAGES["all"]) is None
    assert "damaged" in capsys.readouterr().out
    path.unlink()
    assert read_state(path, STAGES["all"]) is None
