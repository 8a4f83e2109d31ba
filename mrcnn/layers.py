"""The store of the network's layers: each is made once, under its name in the weights file.

Building the graph again for another image size calls the same layers, so all graphs of a
detector share their weights.
"""

import math

import keras

from . import distributed, fused_kernels


@keras.saving.register_keras_serializable("mrcnn")
class MeanL2(keras.regularizers.Regularizer):
    """Weight decay as matterport defines it: factor * sum(w^2) / size(w)."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, weight):
        return self.factor * keras.ops.mean(keras.ops.square(weight))

    def get_config(self):
        return {"factor": self.factor}


@keras.saving.register_keras_serializable("mrcnn")
class WholeConv2D(keras.layers.Conv2D):
    """A convolution whose kernel covers its whole input (N, k, k, C), done as one matrix product.

    Same weights, same answer (N, 1, 1, F); TensorFlow's CPU kernel for the gradient of such a
    convolution is ten times slower than the product.
    """

    def call(self, inputs):
        rows = keras.ops.reshape(inputs, (-1, math.prod(inputs.shape[1:])))
        answer = keras.ops.matmul(rows, keras.ops.reshape(self.kernel, (-1, self.filters)))
        return keras.ops.reshape(answer + self.bias, (-1, 1, 1, self.filters))


class _FusableBatchNorm(keras.layers.BatchNormalization):
    """BatchNorm that `fused_kernels` can normalise for.

    Args:
        fused: whether they do; for training, whose gradients gain by it.
    """

    def __init__(self, fused=False, **kwargs):
        super().__init__(**kwargs)
        self.fused = fused

    def _fused(self, inputs, moving=None):
        return fused_kernels.batch_norm(inputs, self.gamma, self.beta, self.epsilon, moving)


@keras.saving.register_keras_serializable("mrcnn")
class FrozenBatchNorm(_FusableBatchNorm):
    """BatchNorm that always uses its moving statistics and never changes them.

    `training=False` in the call is not enough: a Keras model that is called with training=True
    passes that on to every layer, over what the layer was called with when the graph was built.
    """

    def call(self, inputs, training=None, mask=None):
        if not self.fused:
            return super().call(inputs, training=False, mask=mask)
        return self._fused(inputs, (self.moving_mean, self.moving_variance))[0]


@keras.saving.register_keras_serializable("mrcnn")
class BatchNorm(_FusableBatchNorm):
    """BatchNorm with the statistics of the whole batch, also when processes share it; these are
    not fused."""

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

    def _moments(self, inputs, mask):
        if distributed.processes() == 1:
            return super()._moments(inputs, mask)
        # All processes have equally many values: the mean of their means is the mean.
        axes = list(range(len(inputs.shape) - 1))
        mean = distributed.mean(keras.ops.mean(inputs, axis=axes))
        return mean, distributed.mean(keras.ops.mean(keras.ops.square(inputs - mean), axis=axes))


class LayerBank:
    """Makes and remembers layers.

    Args:
        config: a `Config`; read are COMPUTE_DTYPE, TRAIN_BN, BN_MOMENTUM, WEIGHT_DECAY and
            OPTIMIZER (decoupled decay needs no loss term).
        training: True for a graph that is trained. BatchNorm layers use the batch's statistics
            only then, and only with TRAIN_BN True or None.

    Attributes:
        layers: dict of name -> layer.
        trains_batch_norm: whether BatchNorm is trained.
        backbone: Keras model of the function given as BACKBONE (see `own_backbone`), or None.
    """

    def __init__(self, config, training):
        self.dtype = config.COMPUTE_DTYPE
        self._bn_momentum = config.BN_MOMENTUM
        # None is matterport's "normal mode": the batch's statistics in training alone.
        self.trains_batch_norm = training and (config.TRAIN_BN is None or bool(config.TRAIN_BN))
        decay = config.WEIGHT_DECAY if config.OPTIMIZER == "sgd" else 0
        self._regularizer = MeanL2(decay) if decay else None
        self._fused = training and distributed.processes() == 1 and fused_kernels.available()
        self.layers = {}
        self.backbone = None

    def get(self, layer_class, name, **settings):
        """The layer called `name`, made on the first call."""
        if name not in self.layers:
            self.layers[name] = layer_class(name=name, **settings)
        return self.layers[name]

    def conv(self, name, filters, size, strides=1, padding="valid", **settings):
        """A 2-D convolution with a bias."""
        return self.get(
            keras.layers.Conv2D,
            name,
            filters=filters,
            kernel_size=size,
            strides=strides,
            padding=padding,
            kernel_regularizer=self._regularizer,
            bias_regularizer=self._regularizer,
            **{"kernel_initializer": "he_normal", "dtype": self.dtype, **settings},
        )

    def whole_conv(self, name, filters, size):
        """A convolution over its whole input, `size` x `size` cells."""
        return self.get(
            WholeConv2D,
            name,
            filters=filters,
            kernel_size=size,
            kernel_initializer="he_normal",
            kernel_regularizer=self._regularizer,
            bias_regularizer=self._regularizer,
            dtype=self.dtype,
        )

    def deconv(self, name, filters):
        """A transposed 2 x 2 convolution of stride 2."""
        return self.get(
            keras.layers.Conv2DTranspose,
            name,
            filters=filters,
            kernel_size=2,
            strides=2,
            activation="relu",
            kernel_initializer="he_normal",
            kernel_regularizer=self._regularizer,
            bias_regularizer=self._regularizer,
            dtype=self.dtype,
        )

    def dense(self, name, units):
        """A float32 dense layer with small first weights, for logits and deltas."""
        return self.get(
            keras.layers.Dense,
            name,
            units=units,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            kernel_regularizer=self._regularizer,
            bias_regularizer=self._regularizer,
            dtype="float32",
        )

    def batch_norm(self, name, x):
        """x through the BatchNorm layer called `name`."""
        trained = self.trains_batch_norm
        layer = self.get(
            BatchNorm if trained else FrozenBatchNorm,
            name,
            epsilon=1e-3,
            momentum=self._bn_momentum,
            fused=self._fused,
            dtype=self.dtype,
        )
        return layer(x, training=trained)
