"""What a training step leaves out or makes again changes neither its answers nor its gradients."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from mrcnn import fused_kernels
from mrcnn.backbone import resnet
from mrcnn.batch_norm import Conv2D, FrozenBatchNorm, WholeConv2D
from mrcnn.config import Config
from mrcnn.layers import LayerBank, MeanL2
from mrcnn.model import MaskRCNN
from mrcnn.optimizer_schedule import make_optimizer
from mrcnn.rpn import rpn_head
from mrcnn.sampled_rpn import SampledAnchors, judged
from mrcnn.training import LOSS_NAMES, TrainingModel

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="gradients by TensorFlow's tape"
)


def gradients(model, inputs: list) -> list[np.ndarray]:
    """The answers of a model, and the gradients of the sum of their sines by its inputs and its
    trainable weights, as a traced function works them out."""
    import tensorflow as tf

    tensors = [tf.constant(x) for x in inputs]
    weights = [v.value for v in model.trainable_variables]

    @tf.function
    def run():
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            answers = tf.nest.flatten(model(tensors if len(tensors) > 1 else tensors[0]))
            loss = tf.add_n([tf.reduce_sum(tf.sin(tf.cast(a, "float32"))) for a in answers])
        wanted = [t for t in tensors if t.dtype.is_floating] + weights
        return answers, tape.gradient(loss, wanted)

    return [np.asarray(x) for x in tf.nest.flatten(run())]


def randomise(layers):
    """Give weights to layers as a trained network has them, the same each time."""
    rng = np.random.default_rng(0)
    for layer in layers:
        layer.set_weights([
            rng.uniform(0.5, 1.5, v.shape) if v.path.endswith(("gamma", "variance"))
            else rng.normal(0, 0.3 if len(v.shape) < 4 else np.prod(v.shape[:3]) ** -0.5, v.shape)
            for v in layer.weights
        ])  # fmt: skip


def assert_same(found: list, expected: list):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        scale = np.abs(other).max()
        assert scale > 0
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-5 * scale)


@pytest.mark.parametrize("kernels", [True, False])
@pytest.mark.parametrize("kind, side, settings", [
    (Conv2D, 9, {"strides": 2, "padding": "same"}),
    (Conv2D, 9, {"use_bias": False}),
    (WholeConv2D, 3, {}),
])  # fmt: skip
def test_a_convolution_does_what_the_frozen_batch_norm_behind_it_would(
    monkeypatch, kernels, kind, side, settings
):
    monkeypatch.setattr(fused_kernels, "available", lambda: kernels)
    maps = np.random.default_rng(1).normal(size=(2, side, side, 4)).astype("float32")
    answers = []
    for done in (False, True):
        norm = FrozenBatchNorm(epsilon=1e-3)
        conv = kind(filters=5, kernel_size=3, **settings)
        if done:
            conv.take_over(norm)
        x = keras.Input(maps.shape[1:], batch_size=2)
        model = keras.Model(x, norm(conv(x)))
        assert model.layers[1:] == [conv, norm]
        randomise([conv, norm])
        answers.append(gradients(model, [maps]))
    assert_same(answers[1], answers[0])


def test_kernels_are_scaled_in_float32():
    """bfloat16 rounds once: the scaled kernel, not the two that it is made of."""
    norm = FrozenBatchNorm(epsilon=1e-3)
    conv = Conv2D(filters=1, kernel_size=1, dtype="mixed_bfloat16")
    conv.take_over(norm)
    norm.set_weights([np.array([x]) for x in (1.003, 0.0, 0.0, 1 - 1e-3)])
    conv.build((1, 1, 1, 1))
    conv.set_weights([np.full((1, 1, 1, 1), 1.003), np.zeros(1)])
    answer = conv(np.ones((1, 1, 1, 1), "float32"))
    # 1.003 is 1.0 in bfloat16, whose next number is 1.0078125.
    assert float(keras.ops.cast(answer, "float32")[0, 0, 0, 0]) == 1.0078125


@pytest.mark.parametrize("architecture", ["resnet18", "resnet50"])
def test_maps_made_anew_have_the_gradients_of_those_kept(architecture):
    class Small(Config):
        TRAIN_BN = False

    image = np.random.default_rng(1).normal(size=(1, 64, 64, 3)).astype("float32")
    answers, kinds = [], []
    for anew in (False, True):
        bank = LayerBank(Small(), training=True)
        if not anew:
            bank.recomputed = lambda source, maps: maps
        x = keras.Input(image.shape[1:], batch_size=1)
        model = keras.Model(x, resnet(bank, x, architecture, 16)[::3])
        kinds.append([type(layer).__name__ for layer in model.layers])
        randomise(bank.layers.values())
        answers.append(gradients(model, [image]))
    assert "Recomputed" not in kinds[0]
    assert ("Recomputed" in kinds[1]) == fused_kernels.available()
    # The network's layers are as many, and its weights the same ones.
    assert [k for k in kinds[1] if k != "Recomputed"] == kinds[0]
    assert_same(answers[1], answers[0])


@pytest.mark.parametrize("stride", [1, 2])
def test_the_rpn_answers_at_the_sampled_anchors_as_everywhere(stride):
    anchors_per_cell, count, channels = 3, 20, 8
    bank = LayerBank(Config(), training=True)
    shapes = [(2, 13, 10, channels), (2, 7, 5, channels), (2, 2, 1, channels)]
    levels = [keras.Input(shape[1:], batch_size=2) for shape in shapes]
    logits, _, deltas = rpn_head(bank, levels, anchors_per_cell, stride, 16)
    total = int(logits.shape[1])
    match = keras.Input((total, 1), batch_size=2, dtype="int32")
    sampled = judged(bank, levels, match, anchors_per_cell, count)
    randomise(bank.layers.values())

    rng = np.random.default_rng(0)
    maps = [rng.normal(size=shape).astype("float32") for shape in shapes]
    flags = np.zeros((2, total, 1), "int32")
    corners = [0, 1, 2, total - 1, total - 2]
    flags[0, rng.choice(total, 14, replace=False)] = 1
    flags[0, corners] = -1
    flags[1, rng.choice(total, count, replace=False)] = -1
    chosen = [np.r_[np.flatnonzero(row > 0), np.flatnonzero(row < 0)] for row in flags[..., 0]]

    found = gradients(keras.Model([match, *levels], sampled), [flags, *maps])
    own_match, own_logits, own_deltas = found[:3]
    dense = keras.Model([match, *levels], [logits, deltas])([flags, *maps])
    for image, rows in enumerate(chosen):
        assert own_match[image, : len(rows), 0].tolist() == flags[image, rows, 0].tolist()
        assert not own_match[image, len(rows) :].any()
        for own, all_of_them in zip((own_logits, own_deltas), dense, strict=True):
            expected = np.asarray(all_of_them)[image, rows]
            np.testing.assert_allclose(own[image, : len(rows)], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2])
def test_the_rpn_learns_from_the_sampled_anchors_as_from_all(stride):
    class Rpn(keras.layers.Layer):
        """The losses' view: what is not sampled does not count."""

        def call(self, inputs):
            match, *answers = inputs
            counts = keras.ops.cast(keras.ops.not_equal(match, 0), "float32")
            return [answer * counts for answer in answers]

    bank = LayerBank(Config(), training=True)
    shapes = [(2, 13, 10, 8), (2, 7, 5, 8)]
    levels = [keras.Input(shape[1:], batch_size=2) for shape in shapes]
    logits, _, deltas = rpn_head(bank, levels, 3, stride, 16)
    match = keras.Input((int(logits.shape[1]), 1), batch_size=2, dtype="int32")
    rng = np.random.default_rng(0)
    maps = [rng.normal(size=shape).astype("float32") for shape in shapes]
    flags = rng.choice([-1, 0, 1], match.shape, p=[0.05, 0.9, 0.05]).astype("int32")
    count = int(np.count_nonzero(flags, axis=1).max())

    randomise(bank.layers.values())
    everywhere = keras.Model([match, *levels], Rpn()([match, logits, deltas]))
    expected = gradients(everywhere, [flags, *maps])
    own = Rpn()(judged(bank, levels, match, 3, count))
    # With the dense answers the RPN's layers are this model's own, too.
    answers = [*own, logits * 0.0, deltas * 0.0]
    found = gradients(keras.Model([match, *levels], answers), [flags, *maps])
    assert_same(found[4:], expected[2:])


def decayed_step(config, optimizer) -> list[np.ndarray]:
    """Loss and weights after two steps of a network with weight decay and little else."""
    decay = {"kernel_regularizer": MeanL2(0.5), "bias_regularizer": MeanL2(0.5)}
    dense = keras.layers.Dense(3, bias_initializer="ones", **decay)
    x = keras.Input((4,), batch_size=2)
    losses = [keras.ops.mean(dense(x)) * (n + 1) for n in range(len(LOSS_NAMES))]
    model = TrainingModel(x, losses)
    model.configure({})
    dense.set_weights([np.arange(12.0).reshape(4, 3) / 10, np.arange(3.0)])
    model.compile(optimizer=optimizer)
    data = np.linspace(-1, 1, 8, dtype="float32").reshape(2, 4)
    loss = [float(np.ravel(model.train_on_batch(data))[0]) for _ in range(2)]
    return [np.array(loss), *dense.get_weights()]


@pytest.mark.parametrize("clip", [0.5, None])
def test_weight_decay_is_the_same_whoever_adds_its_gradient(clip):
    class Decayed(Config):
        GRADIENT_CLIP_NORM = clip

    own = make_optimizer(Decayed(), 0.1, None, momentum=0.9)
    plain = keras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=clip)
    found, expected = decayed_step(Decayed(), own), decayed_step(Decayed(), plain)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_in_a_loop_by_hand_the_loss_has_the_gradient_of_the_decay():
    import tensorflow as tf

    x = keras.Input((4,), batch_size=2)
    dense = keras.layers.Dense(1, use_bias=False, kernel_regularizer=MeanL2(0.5))
    model = TrainingModel(x, [keras.ops.mean(dense(x))] * len(LOSS_NAMES))
    model.configure({})
    model.compile(make_optimizer(Config(), 0.1, None, momentum=0.9))
    model.train_on_batch(np.ones((2, 4), "float32"))
    with tf.GradientTape() as tape:
        decay = tf.add_n(model.losses)
    kernel = dense.kernel.value
    np.testing.assert_allclose(tape.gradient(decay, kernel), kernel / 4, rtol=1e-6)
    model.optimizer.momentums[0].assign(np.zeros((4, 1)))
    before = kernel.numpy()
    model.optimizer.apply([tf.zeros_like(kernel)], [dense.kernel])
    np.testing.assert_array_equal(kernel.numpy(), before)


def test_of_more_anchors_than_there_is_room_for_the_positive_ones_count():
    match = -np.ones((1, 50, 1), "int32")
    match[0, [49, 30]] = 1
    found = keras.ops.convert_to_numpy(SampledAnchors(5)(match))
    assert found.tolist() == [[30, 49, 0, 1, 2]]


def test_a_backbone_whose_maps_do_not_fit_the_anchors_is_an_error(tmp_path):
    class Unfit(Config):
        NUM_CLASSES = 2
        IMAGES_PER_GPU = 1
        IMAGE_MIN_DIM = IMAGE_MAX_DIM = 128
        RPN_TRAIN_ANCHORS_PER_IMAGE = 32

        def BACKBONE(image, stage5=True, train_bn=None):
            x, maps = image, [None]
            for stage, stride in enumerate((8, 2, 2, 2), 2):
                x = keras.layers.Conv2D(8, 3, stride, padding="same", name=f"own{stage}")(x)
                maps.append(x)
            return maps

    with pytest.raises(ValueError, match="rpn_class_loss"):
        MaskRCNN("training", Unfit(), str(tmp_path))


def test_layers_stand_in_the_order_of_the_network():
    """Weights files hold them so."""
    bank = LayerBank(Config(), training=True)
    resnet(bank, keras.Input((64, 64, 3), batch_size=1), "resnet50")
    assert list(bank.layers)[:4] == ["conv1", "bn_conv1", "res2a_branch2a", "bn2a_branch2a"]
