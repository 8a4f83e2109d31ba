"""TensorFlow's fused kernels on a processor, for what Keras builds of many small operations.

BatchNorm and Adam only read and write memory; each small operation does so anew. Keras normalises
in float32, too, so that bfloat16 maps are kept for the gradient at twice their size and more.
Graphics cards are left to XLA, which fuses by itself.
"""

from __future__ import annotations

import keras

from .devices import has_accelerator


def available() -> bool:
    """Whether the kernels are there and pay."""
    return keras.backend.backend() == "tensorflow" and not has_accelerator()


def batch_norm(x, gamma, beta, epsilon, moving=None):
    """Normalise maps by their own statistics or by given ones.

    Args:
        x: (B, H, W, C), float32 or bfloat16.
        gamma, beta: (C,) float32.
        epsilon: added to the variance; at least 1e-5, less is not taken on every processor.
        moving: (mean, variance), each (C,) float32; None for those of `x`.

    Returns:
        The normalised maps in the dtype of `x`; the mean and the variance used, (C,) float32. The
        variance is the mean squared deviation, as Keras defines it.
    """
    import tensorflow as tf

    mean, variance = moving or (tf.zeros([0]), tf.zeros([0]))
    y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x, scale=gamma, offset=beta, mean=mean, variance=variance,
        epsilon=epsilon, is_training=moving is None,
    )  # fmt: skip
    if moving is None:
        # The kernel divides by n - 1.
        count = tf.cast(tf.size(x) // tf.shape(x)[-1], "float32")
        variance = variance * (tf.maximum(count - 1.0, 1.0) / count)
    return y, mean, variance


class _ClippedInPlace:
    """Clips by the norm of the whole gradient without a second copy of it: what the gradients are
    to be multiplied with is left to the kernels.

    Args:
        global_clipnorm: see Keras's optimisers.
    """

    def __init__(self, *args, global_clipnorm=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.clip_norm = global_clipnorm
        self._factor = 1.0

    def apply(self, grads, trainable_variables=None):
        import tensorflow as tf

        if self.clip_norm:
            norm = tf.linalg.global_norm(grads)
            # Not a number where the norm is none, as in Keras: training stops with a sentence.
            self._factor = tf.minimum(self.clip_norm / norm, 1.0) + (norm - norm)
        super().apply(grads, trainable_variables)
        self._factor = 1.0  # a tensor would belong to the graph that was traced

    def get_config(self):
        return {**super().get_config(), "global_clipnorm": self.clip_norm}


def _with_decay(gradient, variable):
    import tensorflow as tf

    regularizer = getattr(variable, "regularizer", None)
    if not getattr(regularizer, "by_optimizer", False):
        return gradient
    if gradient is None:
        return regularizer.gradient(variable.value)
    with tf.control_dependencies([gradient]):  # else it would be made at once
        return gradient + regularizer.gradient(tf.identity(variable.value))


class FusedSGD(_ClippedInPlace, keras.optimizers.SGD):
    """SGD with momentum whose update of a variable is one kernel: the same formula, and the same
    variables in the state. It adds the gradient of weight decay where `MeanL2` leaves it to the
    optimiser: of the loss it would be made before all others, and kept until these are there."""

    def apply(self, grads, trainable_variables=None):
        if trainable_variables is not None or self.built:
            variables = trainable_variables or self._trainable_variables
            grads = [_with_decay(g, v) for g, v in zip(grads, variables, strict=True)]
        super().apply(grads, trainable_variables)

    def update_step(self, gradient, variable, learning_rate):
        import tensorflow as tf

        if not self.momentum:
            super().update_step(gradient * self._factor, variable, learning_rate)
            return
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=self.momentums[self._get_variable_index(variable)].value.handle,
            lr=tf.cast(learning_rate, "float32") * self._factor,
            grad=gradient,
            momentum=self.momentum,
            use_nesterov=self.nesterov,
        )


class FusedAdamW(_ClippedInPlace, keras.optimizers.AdamW):
    """AdamW whose update of a variable is one kernel: the same formula, and the same variables in
    the state."""

    def update_step(self, gradient, variable, learning_rate):
        import tensorflow as tf

        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, "float32")
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=tf.cast(learning_rate, "float32"),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient * self._factor,
        )

    def _apply_weight_decay(self, variables):
        # Keras's formula with fewer passes over the memory. A Keras that calls this otherwise does
        # it its own way.
        for variable in variables:
            if self.weight_decay and self._use_weight_decay(variable):
                variable.assign(variable * (1.0 - self.weight_decay * self.learning_rate))
