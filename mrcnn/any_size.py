"""Running a graph on images of any size without making it anew for each."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np


def runner(graph: keras.Model) -> Callable[[list[np.ndarray]], list[np.ndarray]]:
    """A function that gives a graph's outputs for its inputs.

    On TensorFlow, Keras's `predict` traces a graph for the first size of image, and again for the
    first that differs in height, and in width; here it is traced once, for all sizes. The other
    backends run the graph as `predict_on_batch` does: PyTorch step by step, JAX compiled for each
    size.
    """
    if keras.backend.backend() != "tensorflow":
        return graph.predict_on_batch
    import tensorflow as tf

    signature = [tf.TensorSpec(x.shape, x.dtype) for x in graph.inputs]

    @tf.function(input_signature=signature, autograph=False)
    def outputs(*inputs):
        return graph(list(inputs), training=False)

    def run(arrays: list[np.ndarray]) -> list[np.ndarray]:
        return [value.numpy() for value in outputs(*arrays)]

    return run
