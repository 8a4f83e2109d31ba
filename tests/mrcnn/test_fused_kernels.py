"""The fused kernels say what Keras's own layers and optimiser say."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from mrcnn import fused_kernels
from mrcnn.batch_norm import BatchNorm
from mrcnn.fused_kernels import FusedAdamW, FusedSGD

pytestmark = pytest.mark.skipif(
    not fused_kernels.available(), reason="the kernels are TensorFlow's, on a processor"
)


def trained_step(layer, maps: np.ndarray) -> list[np.ndarray]:
    """Answer, gradients of maps, gamma and beta, and the averages after a step."""
    import tensorflow as tf

    x = tf.constant(maps)
    with tf.GradientTape() as tape:
        tape.watch(x)
        answer = layer(x, training=True)
        loss = tf.reduce_sum(tf.sin(answer))
    gradients = tape.gradient(loss, [x, layer.gamma.value, layer.beta.value])
    averages = [layer.moving_mean, layer.moving_variance]
    return [keras.ops.convert_to_numpy(v) for v in (answer, *gradients, *averages)]


@pytest.mark.parametrize("shape", [(2, 5, 7, 3), (1, 1, 3, 4)])
def test_batch_norm_is_that_of_keras(shape):
    rng = np.random.default_rng(0)
    maps = rng.normal(3, 2, shape).astype("float32")
    start = [rng.uniform(0.5, 1.5, shape[-1]) for _ in range(4)]
    answers = []
    for fused in (False, True):
        layer = BatchNorm(fused=fused, epsilon=1e-3, momentum=0.9)
        layer.build(shape)
        layer.set_weights(start)
        answers.append(trained_step(layer, maps))
    for plain, fused in zip(*answers, strict=True):
        np.testing.assert_allclose(fused, plain, rtol=1e-4, atol=1e-5)


def test_a_layer_that_is_not_trained_uses_its_averages():
    maps = np.random.default_rng(0).normal(3, 2, (2, 5, 7, 3)).astype("float32")
    layer = BatchNorm(fused=True, epsilon=1e-3)
    layer.build(maps.shape)
    layer.trainable = False
    answer = keras.ops.convert_to_numpy(layer(maps, training=True))
    np.testing.assert_allclose(answer, maps / np.sqrt(1.001), rtol=1e-5)
    assert not np.any(keras.ops.convert_to_numpy(layer.moving_mean))


SGD = {"learning_rate": 0.01, "momentum": 0.9}
OPTIMIZERS = [
    (keras.optimizers.AdamW, FusedAdamW, {"learning_rate": 0.01, "weight_decay": 0.1}),
    (keras.optimizers.SGD, FusedSGD, SGD),
    (keras.optimizers.SGD, FusedSGD, {**SGD, "nesterov": True}),
    (keras.optimizers.SGD, FusedSGD, {**SGD, "momentum": 0.0}),
]


@pytest.mark.parametrize("clip", [None, 2.0])
@pytest.mark.parametrize(("plain", "fused", "settings"), OPTIMIZERS)
def test_optimisers_are_those_of_keras(plain, fused, settings, clip):
    rng = np.random.default_rng(0)
    start = rng.normal(size=(4, 3)).astype("float32")
    gradients = rng.normal(size=(5, 4, 3)).astype("float32")
    gradients[2] /= 100  # one below the norm that others are clipped to
    ends = []
    for kind in (plain, fused):
        weight = keras.Variable(start, name="kernel")
        optimizer = kind(**settings, global_clipnorm=clip)
        optimizer.build([weight])
        for gradient in gradients:
            optimizer.apply([keras.ops.convert_to_tensor(gradient)])
        ends.append([keras.ops.convert_to_numpy(v) for v in (weight, *optimizer.variables)])
        assert optimizer.get_config()["global_clipnorm"] == clip
    assert np.abs(ends[0][0] - start).max() > 0.02
    for first, second in zip(*ends, strict=True):
        np.testing.assert_allclose(second, first, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("fused", [FusedAdamW, FusedSGD])
def test_a_gradient_that_is_not_finite_is_not_hidden(fused):
    weights = [keras.Variable(np.ones(2, "float32")) for _ in range(2)]
    optimizer = fused(0.01, global_clipnorm=5.0)
    optimizer.apply([keras.ops.convert_to_tensor([np.inf, 1.0]), keras.ops.ones(2)], weights)
    assert all(np.isnan(keras.ops.convert_to_numpy(weight)).all() for weight in weights)
