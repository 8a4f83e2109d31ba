"""Settings as scripts for matterport's API make them, and what the network becomes of them."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
from keras import ops
from toys import TinyConfig, Toys

from mrcnn import weights
from mrcnn.batches import DataGenerator
from mrcnn.config import Config
from mrcnn.model import MaskRCNN
from mrcnn.random_rois import generate_random_rois


def config(**changes):
    return type("Changed", (TinyConfig,), changes)()


def values_of(model):
    return {
        f"{layer.name}/{weights.weight_name(v)}": np.array(ops.convert_to_numpy(v))
        for layer in model.bank.layers.values()
        for v in layer.weights
    }


# --- steps ---------------------------------------------------------------------------------------


def test_steps_that_scripts_divide_are_whole():
    """STEPS_PER_EPOCH = len(images) / batch size: what is left over is a step too."""
    made = config(STEPS_PER_EPOCH=7 / 2, VALIDATION_STEPS=np.float64(1.0))
    assert (made.STEPS_PER_EPOCH, made.VALIDATION_STEPS) == (4, 1)
    assert type(made.STEPS_PER_EPOCH) is int and type(made.VALIDATION_STEPS) is int
    made.STEPS_PER_EPOCH = 5 / 3
    assert made.STEPS_PER_EPOCH == 2 and made.to_dict()["STEPS_PER_EPOCH"] == 2


def test_training_takes_a_float_of_steps(tmp_path, eagerly):
    model = MaskRCNN("training", config(STEPS_PER_EPOCH=1.5, VALIDATION_STEPS=0), tmp_path)
    history = model.train(Toys().load(2), None, 0.001, 1, "heads", verbose=0)
    assert len(history.history["loss"]) == 1 and model.find_last()


# --- BatchNorm -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("setting", "moves"), [(None, True), (True, True), (False, False)])
def test_what_trains_batch_norm(setting, moves, tmp_path, eagerly):
    """None is the older API's "normal mode": trained."""
    made = config(TRAIN_BN=setting, STEPS_PER_EPOCH=1, VALIDATION_STEPS=0)
    model = MaskRCNN("training", made, tmp_path)
    before = values_of(model)["bn_conv1/moving_mean"]
    model.train(Toys().load(1), None, 0.001, 1, "all", verbose=0)
    assert (values_of(model)["bn_conv1/moving_mean"] != before).any() == moves


# --- channels ------------------------------------------------------------------------------------


class OwnShape(TinyConfig):
    """What the older wiki tells those to do whose images have another number of channels."""

    MEAN_PIXEL = np.array([120.0, 110.0, 100.0, 50.0])

    def __init__(self):
        super().__init__()
        self.IMAGE_SHAPE = np.array([128, 128, 4])


class FourChannels(Toys):
    def load_image(self, image_id):
        image = super().load_image(image_id)
        return np.dstack([image, image[..., :1]])


def test_a_config_whose_own_init_sets_the_channels(tmp_path, eagerly):
    model = MaskRCNN("training", OwnShape(), tmp_path)
    assert model.keras_model.inputs[0].shape == (None, 128, 128, 4)
    model.train(FourChannels().load(2), None, 0.001, 1, "all", verbose=0)
    detector = MaskRCNN("inference", OwnShape(), tmp_path)
    detector.load_weights(detector.find_last())
    found = detector.detect([FourChannels().load(1).load_image(0)])[0]
    assert found["masks"].shape[:2] == (128, 128)
    stored = weights.read_metadata(detector.find_last())["config"]
    again = TinyConfig.from_dict(stored)
    assert again.IMAGE_SHAPE.tolist() == [128, 128, 4] and len(again.MEAN_PIXEL) == 4


def test_a_mean_colour_of_other_channels_is_told(tmp_path):
    with pytest.raises(ValueError, match="each of the 4 channels .* Received: 3 values"):
        MaskRCNN("training", config(IMAGE_CHANNEL_COUNT=4), tmp_path)
    grey = MaskRCNN("inference", config(IMAGE_CHANNEL_COUNT=1, MEAN_PIXEL=np.array([115.0])), "x")
    assert grey.keras_model.inputs[0].shape[-1] == 1


# --- a backbone of one's own ---------------------------------------------------------------------


def own_backbone(input_image, stage5=True, train_bn=None):
    """Five plain convolutions; names that Keras invents, and a nested model."""
    layers, maps, x = keras.layers, [], input_image
    for stage, width in enumerate((8, 16, 16, 32, 32), 1):
        x = layers.Conv2D(width, 3, strides=2, padding="same")(x)
        x = layers.BatchNormalization(name=f"own_bn{stage}")(x, training=train_bn)
        x = layers.Activation("relu")(x)
        maps.append(x)
    inside = keras.Input((None, None, 32))
    nested = keras.Model(inside, layers.DepthwiseConv2D(3, padding="same", name="own_dw")(inside))
    return [*maps[:4], nested(x)]


class OwnBackbone(TinyConfig):
    """With plain functions in the class's body, as everybody writes them first."""

    BACKBONE = own_backbone

    def COMPUTE_BACKBONE_SHAPE(image_shape):
        return np.array([[-(-side // s) for side in image_shape[:2]] for s in (4, 8, 16, 32, 64)])


def test_a_backbone_of_ones_own_trains_saves_loads_and_detects(tmp_path, eagerly):
    model = MaskRCNN("training", OwnBackbone(), tmp_path)
    names = list(model.bank.layers)
    assert {"backbone_conv2d_1", "backbone_conv2d_5", "own_bn1", "own_dw", "fpn_c5p5"} <= set(names)
    before = values_of(model)
    model.train(Toys().load(2), None, 0.01, 1, "all", verbose=0)
    after = values_of(model)
    moved = {name for name in after if (after[name] != before[name]).any()}
    assert {"backbone_conv2d_1/kernel", "own_dw/kernel", "own_bn1/gamma"} <= moved
    assert "own_bn1/moving_mean" not in moved  # TRAIN_BN is False

    # A second detector of the session: Keras counts its invented names on.
    detector = MaskRCNN("inference", OwnBackbone(), tmp_path)
    report = detector.load_weights(detector.find_last())
    assert not report.absent and not report.unused
    loaded = values_of(detector)
    assert all((loaded[name] == after[name]).all() for name in after)
    image = Toys().load(1).load_image(0)
    assert detector.detect([image])[0]["masks"].shape[:2] == (128, 128)
    for graph in (detector.keras_model, detector.detection_graph((128, 128))):
        used = {id(layer) for layer in graph.layers}
        assert all(
            id(detector.bank.layers[n]) in used for n in names if n.startswith(("b", "own_b"))
        )
    with pytest.raises(ValueError, match="or a function. Received: 'own_backbone'"):
        TinyConfig.from_dict(weights.read_metadata(detector.find_last())["config"])


def test_stages_of_training_leave_a_backbone_of_ones_own_alone(tmp_path):
    model = MaskRCNN("training", OwnBackbone(), tmp_path)
    model.set_trainable(r"(mrcnn\_.*)|(rpn\_.*)|(fpn\_.*)", verbose=0)
    assert not [x.name for x in model.get_trainable_layers() if x.name.startswith(("own", "back"))]


def test_batch_norm_of_a_backbone_of_ones_own_is_trained_when_asked(tmp_path, eagerly):
    class Trained(OwnBackbone):
        TRAIN_BN = None

    model = MaskRCNN("training", Trained(), tmp_path)
    before = values_of(model)["own_bn1/moving_mean"]
    model.train(Toys().load(1), None, 0.001, 1, "all", verbose=0)
    assert (values_of(model)["own_bn1/moving_mean"] != before).any()


def test_the_ways_to_give_a_backbone():
    assert OwnBackbone().BACKBONE is own_backbone
    assert OwnBackbone().COMPUTE_BACKBONE_SHAPE((128, 96, 3))[-1].tolist() == [2, 2]
    assert config(BACKBONE=staticmethod(own_backbone)).BACKBONE is own_backbone

    class Method(TinyConfig):
        def BACKBONE(self, image, stage5, train_bn):
            return [self.NUM_CLASSES]

    assert Method().BACKBONE(None, True, None) == [3]
    assert json.dumps(OwnBackbone().to_dict()["BACKBONE"]) == '"own_backbone"'
    with pytest.raises(ValueError, match="or a function"):
        config(BACKBONE="vgg")


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda image, stage5, train_bn: image, "must return .*Received: KerasTensor"),
        (lambda image, stage5, train_bn: [image] * 4, "must return"),
        (
            lambda image, stage5, train_bn: [
                None, *[keras.layers.Conv2D(4, 1, strides=s, name=n)(image)
                        for s, n in ((4, "a"), (8, "b"), (16, "c"), (32, "fpn_c5p5"))]
            ],
            "called 'fpn_c5p5'",
        ),
    ],
)  # fmt: skip
def test_a_backbone_that_cannot_be_used_is_told(function, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        MaskRCNN("inference", config(BACKBONE=staticmethod(function)), tmp_path)


# --- RoIs from outside ---------------------------------------------------------------------------


def test_random_rois_lie_around_the_instances():
    boxes = np.array([[10, 20, 30, 50], [90, 90, 100, 100], [0, 0, 5, 5]])
    rois = generate_random_rois(
        (100, 120, 3), 200, np.array([1, 2, -1]), boxes, np.random.default_rng(0)
    )
    assert rois.shape == (200, 4) and rois.dtype == np.int32
    assert (rois[:, 2:] > rois[:, :2]).all() and (rois >= 0).all()
    assert (rois[:, 2] <= 100).all() and (rois[:, 3] <= 120).all()
    first, second = rois[:90], rois[90:180]  # nine of ten, shared among two
    assert (first >= [0, 0, 0, 0]).all() and (first <= [50, 80, 50, 80]).all()
    assert (second[:, :2] >= 80).all()
    assert first[:, 3].max() > 70 and rois[180:, 2].max() > 80  # the whole of each region is used
    alone = generate_random_rois((8, 8), 5, np.zeros(0, int), np.zeros((0, 4)))
    assert alone.shape == (5, 4) and alone.max() <= 8


def test_training_with_rois_from_outside(tmp_path, eagerly):
    """USE_RPN_ROIS False: the heads learn from the RoIs that the batches bring along."""
    made = config(USE_RPN_ROIS=False)
    model = MaskRCNN("training", made, tmp_path)
    assert model.keras_model.inputs[7].name == "input_roi"
    batches = DataGenerator(Toys().load(2), made, seed=1)
    (inputs,) = batches[0]
    assert inputs[7].shape == (1, made.POST_NMS_ROIS_TRAINING, 4)
    drawn = model.keras_model.predict_on_batch(list(inputs))[8][0]
    drawn = drawn[drawn.any(axis=1)] * 127 + [0, 0, 1, 1]
    apart = np.abs(drawn[:, None] - inputs[7][0][None]).max(axis=2).min(axis=1)
    assert len(drawn) and apart.max() < 1e-3
    history = model.train(Toys().load(2), Toys().load(1), 0.001, 1, "heads", verbose=0)
    assert np.isfinite(history.history["val_loss"]).all()


def test_without_rois_from_outside_nothing_changes():
    assert len(DataGenerator(Toys().load(1), config())[0][0]) == 7
    assert Config.USE_RPN_ROIS
