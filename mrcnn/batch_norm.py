"""Convolutions with a BatchNorm behind them.

Ioffe and Szegedy, Batch Normalization (ICML 2015). A frozen one is a factor and a shift of each
channel, so that in training the convolution's weights take it over.
"""

import math

import keras

from . import distributed, fused_kernels
from .recompute import scaled_convolution


class _Normed:
    """A convolution that may also do what the frozen BatchNorm behind it would.

    That is linear in each channel, so the convolution's weights can take it over: the same answer
    and gradients, and the maps between the two are not kept for the gradient.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._norm = lambda: None

    def take_over(self, norm):
        """Do the work of a `FrozenBatchNorm`, which stays a layer of its own, with its weights.
        Before the first call of either."""
        norm.build((None, None, None, self.filters))
        norm.done = True
        self._norm = lambda: norm  # as an attribute it would be a part of this layer

    def add_weight(self, **settings):
        # The weights of the two are multiplied in their own type.
        return super().add_weight(**settings, autocast=self._norm() is None)

    def call(self, inputs):
        if self._norm() is None:
            return super().call(inputs)
        norm, dtype = self._norm(), self.compute_dtype
        scale = norm.factors()
        if fused_kernels.available():
            answer = scaled_convolution(self.convolution_op, inputs, self.kernel, scale)
        else:
            answer = self.convolution_op(inputs, keras.ops.cast(self.kernel * scale, dtype))
        bias = ((self.bias if self.use_bias else 0.0) - norm.moving_mean) * scale + norm.beta
        return keras.ops.add(answer, keras.ops.cast(bias, dtype))


@keras.saving.register_keras_serializable("mrcnn")
class Conv2D(_Normed, keras.layers.Conv2D):
    """A convolution, see `_Normed`. Scripts know layers by the names of their classes."""


@keras.saving.register_keras_serializable("mrcnn")
class WholeConv2D(_Normed, keras.layers.Conv2D):
    """A convolution whose kernel covers its whole input (N, k, k, C), done as one matrix product;
    see also `_Normed`.

    Same weights, same answer (N, 1, 1, F); TensorFlow's CPU kernel for the gradient of such a
    convolution is ten times slower than the product.
    """

    def convolution_op(self, inputs, kernel):
        rows = keras.ops.reshape(inputs, (-1, math.prod(inputs.shape[1:])))
        answer = keras.ops.matmul(rows, keras.ops.reshape(kernel, (-1, self.filters)))
        return keras.ops.reshape(answer, (-1, 1, 1, self.filters))


@keras.saving.register_keras_serializable("mrcnn")
class FrozenBatchNorm(keras.layers.BatchNormalization):
    """BatchNorm that always uses its moving statistics and never changes them.

    `training=False` in the call is not enough: a Keras model that is called with training=True
    passes that on to every layer, over what the layer was called with when the graph was built.

    Attributes:
        done: whether the convolution before it has done it.
    """

    done = False

    def call(self, inputs, training=None, mask=None):
        return inputs if self.done else super().call(inputs, training=False, mask=mask)

    def factors(self):
        """What each channel is multiplied with, (C,) float32."""
        return self.gamma * keras.ops.rsqrt(self.moving_variance + self.epsilon)


@keras.saving.register_keras_serializable("mrcnn")
class BatchNorm(keras.layers.BatchNormalization):
    """BatchNorm with the statistics of the whole batch, also when processes share it; these are
    not fused.

    Args:
        fused: whether `fused_kernels` normalises; for training, whose gradients gain by it.
    """

    def __init__(self, fused=False, **kwargs):
        super().__init__(**kwargs)
        self.fused = fused

    def call(self, inputs, training=None, mask=None):
        if not self.fused:
            return super().call(inputs, training=training, mask=mask)
        moving = self.moving_mean, self.moving_variance
        if not (training and self.trainable):
            return self._fused(inputs, moving)[0]
        answer, *own = self._fused(inputs)
        for average, value in zip(moving, own, strict=True):
            average.assign(average * self.momentum + value * (1.0 - self.momentum))
        return answer

    def _fused(self, inputs, moving=None):
        return fused_kernels.batch_norm(inputs, self.gamma, self.beta, self.epsilon, moving)

    def _moments(self, inputs, mask):
        if distributed.processes() == 1:
            return super()._moments(inputs, mask)
        # All processes have equally many values: the mean of their means is the mean.
        axes = list(range(len(inputs.shape) - 1))
        mean = distributed.mean(keras.ops.mean(inputs, axis=axes))
        return mean, distributed.mean(keras.ops.mean(keras.ops.square(inputs - mean), axis=axes))
