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


class FusedAdamW(keras.optimizers.AdamW):
    """AdamW whose update of a variable is one kernel, `ResourceApplyAdam`: the same formula, and
    the same variables in the state.

    Clipping and decay are Keras's own formulas, too, with fewer passes over the memory; a Keras
    that calls these two methods otherwise does them its own way.
    """

    def _clip_gradients(self, grads):
        import tensorflow as tf

        if self.clipnorm or not self.global_clipnorm:
            return super()._clip_gradients(grads)
        return tf.clip_by_global_norm(grads, self.global_clipnorm)[0]

    def _apply_weight_decay(self, variables):
        for variable in variables:
            if self.weight_decay and self._use_weight_decay(variable):
                variable.assign(variable * (1.0 - self.weight_decay * self.learning_rate))

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
            grad=gradient,
        )
