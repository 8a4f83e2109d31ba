"""Matterport's `mrcnn.parallel_model`: the name, for scripts that import it.

There a model is copied to each card of one process. Here cards share a step as processes that
torchrun starts (`mrcnn.distributed`, docs/scaling.md), and GPU_COUNT says how many.
"""

from __future__ import annotations

from types import SimpleNamespace

import keras

from mrcnn import distributed


class ParallelModel:
    """A Keras model as it is, with matterport's attribute for it.

    Args:
        keras_model: the model; it is `inner_model` here, and all attributes are its own.
        gpu_count: must be the number of processes that train.

    Raises:
        ValueError: when it is not; the message says how to start them.
    """

    def __init__(self, keras_model: keras.Model, gpu_count: int):
        distributed.join()
        distributed.check(SimpleNamespace(GPU_COUNT=gpu_count))
        self.inner_model = keras_model
        self.gpu_count = gpu_count

    def __getattr__(self, name: str):
        return getattr(self.__dict__["inner_model"], name)

    def __call__(self, *inputs, **settings):
        return self.inner_model(*inputs, **settings)
