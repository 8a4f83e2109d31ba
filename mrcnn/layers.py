"""The store of the network's layers: each is made once, under its name in the weights file.

Building the graph again for another image size calls the same layers, so all graphs of a
detector share their weights.
"""

import contextlib
import math

import keras

from . import distributed, fused_kernels
from .batch_norm import BatchNorm, Conv2D, FrozenBatchNorm
from .recompute import Recomputed


@keras.saving.register_keras_serializable("mrcnn")
class MeanL2(keras.regularizers.Regularizer):
    """Weight decay as matterport defines it: factor * sum(w^2) / size(w).

    Attributes:
        by_optimizer: whether the optimiser adds the gradient, so that the loss passes none on.
    """

    by_optimizer = False

    @classmethod
    @contextlib.contextmanager
    def left_to_the_optimizer(cls, whether=True):
        """Within, `by_optimizer` is set."""
        cls.by_optimizer = whether
        try:
            yield
        finally:
            cls.by_optimizer = False

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, weight):
        decay = self.factor * keras.ops.mean(keras.ops.square(weight))
        return keras.ops.stop_gradient(decay) if self.by_optimizer else decay

    def gradient(self, weight):
        """Of the decay of a weight, in its shape."""
        return weight * (2.0 * self.factor / math.prod(weight.shape))

    def get_config(self):
        return {"factor": self.factor}


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
        self._folds = training and not self.trains_batch_norm
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

    def conv(self, name, filters, size, strides=1, padding="valid", kind=None, **settings):
        """A 2-D convolution with a bias."""
        return self.get(
            kind or keras.layers.Conv2D,
            name,
            filters=filters,
            kernel_size=size,
            strides=strides,
            padding=padding,
            kernel_regularizer=self._regularizer,
            bias_regularizer=self._regularizer,
            **{"kernel_initializer": "he_normal", "dtype": self.dtype, **settings},
        )

    def conv_norm(self, x, name, norm_name, filters, size, *place, kind=Conv2D, **settings):
        """x through a convolution and the BatchNorm layer called `norm_name`.

        Args:
            place, settings: strides and the others of `conv`.
            kind: `Conv2D`, or `WholeConv2D` for one over its whole input.
        """
        conv = self.conv(name, filters, size, *place, kind=kind, **settings)
        norm = self._batch_norm(norm_name)
        if self._folds and not conv.built:
            conv.take_over(norm)
        return norm(conv(x), training=self.trains_batch_norm)

    def recomputed(self, source, maps):
        """`maps`, made of `source`. Training a frozen BatchNorm's network on a processor forgets
        what lies between the two, and makes it again for the gradient."""
        if not (self._fused and self._folds):
            return maps
        return Recomputed(keras.Model(source, maps))([source, maps])

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

    def _batch_norm(self, name):
        return self.get(
            BatchNorm if self.trains_batch_norm else FrozenBatchNorm,
            name,
            epsilon=1e-3,
            momentum=self._bn_momentum,
            dtype=self.dtype,
            **({"fused": self._fused} if self.trains_batch_norm else {}),
        )
