"""What TensorFlow on a processor makes again for the gradient instead of keeping it.

Chen et al., Training Deep Nets with Sublinear Memory Cost (2016). Only what is cheap to make: a
step takes no longer than before, within what can be measured. Graphics cards are left to XLA.
"""

from __future__ import annotations

import keras


def scaled_convolution(convolve, x, kernel, scale):
    """A convolution with a scaled kernel that is not kept for the gradient, but made anew.

    Args:
        convolve: function of maps and kernel.
        x: (B, H, W, C), float32 or bfloat16.
        kernel: (h, w, C, F) float32.
        scale: (F,) float32.

    Returns:
        convolve(x, kernel * scale), the product in the dtype of x.
    """
    import tensorflow as tf

    def run(x, kernel, scale):
        return convolve(x, tf.cast(kernel * scale, x.dtype))

    @tf.custom_gradient
    def run_and_forget(x, kernel, scale):
        def gradient(upstream):
            with tf.control_dependencies([upstream]):  # else it would be made at once
                values = [tf.identity(v) for v in (x, kernel, scale)]
            with tf.GradientTape() as tape:
                tape.watch(values)
                answer = run(*values)
            return tape.gradient(answer, values, upstream)

        return run(x, kernel, scale), gradient

    return run_and_forget(x, tf.convert_to_tensor(kernel), tf.convert_to_tensor(scale))


def _recomputed(part, source, maps):
    """The maps that a part of a network made, from which it makes them again for the gradient.

    Args:
        part: Keras model without state of its own that changes.
        source: what it takes.
        maps: what it answered.

    Returns:
        The maps; what lies between the two is not kept.
    """
    import tensorflow as tf

    variables = part.trainable_variables

    @tf.custom_gradient
    def run(source, *values):
        def gradient(upstream):
            with tf.control_dependencies([upstream]):  # else it would be made at once
                again = tf.identity(source)
            with tf.GradientTape() as tape:
                tape.watch(again)
                answer = part(again)
            wanted = [again, *(v.value for v in variables)]
            return tape.gradient(answer, wanted, upstream)

        return tf.stop_gradient(maps), gradient

    return run(source, *(tf.convert_to_tensor(v.value) for v in variables))


class Recomputed(keras.layers.Layer):
    """Maps whose making is forgotten and done again for the gradient.

    Args:
        part: Keras model that makes them.

    Call with `[what the model takes, its answer]`. Returns the answer.
    """

    def __init__(self, part, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self._part = lambda: part  # its layers stay the network's own

    def call(self, inputs):
        return _recomputed(self._part(), *inputs)

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(inputs[1].shape, inputs[1].dtype)
