"""The optimiser of a training and its learning-rate schedule."""

import math

import keras
from keras import ops

from . import fused_kernels
from .fused_kernels import FusedAdamW, FusedSGD


def make_optimizer(config, learning_rate, total_steps, momentum=None):
    """The optimiser that a config asks for, with its learning-rate schedule; or, when a momentum
    is given, SGD with it at a constant rate."""
    if momentum is not None:
        return _sgd(config, learning_rate, momentum)
    if config.SCHEDULE == "cosine" or config.WARMUP_STEPS:
        learning_rate = WarmupCosine(
            learning_rate,
            total_steps,
            min(config.WARMUP_STEPS, max(total_steps // 5, 1)),
            cosine=config.SCHEDULE == "cosine",
        )
    if config.OPTIMIZER == "adamw":
        adamw = FusedAdamW if fused_kernels.available() else keras.optimizers.AdamW
        optimizer = adamw(
            learning_rate,
            weight_decay=config.WEIGHT_DECAY,
            global_clipnorm=config.GRADIENT_CLIP_NORM,
        )
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        return optimizer
    return _sgd(config, learning_rate, config.LEARNING_MOMENTUM)


def _sgd(config, learning_rate, momentum):
    sgd = FusedSGD if fused_kernels.available() else keras.optimizers.SGD
    return sgd(learning_rate, momentum=momentum, global_clipnorm=config.GRADIENT_CLIP_NORM)


@keras.saving.register_keras_serializable("mrcnn")
class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise over `warmup` steps, then a half cosine down to 1 % at `total` steps, or the
    full rate to the end."""

    def __init__(self, rate, total, warmup, cosine=True):
        self.rate, self.total, self.warmup, self.cosine = rate, total, warmup, cosine

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rise = ops.minimum((step + 1.0) / max(self.warmup, 1), 1.0)
        if not self.cosine:
            return self.rate * rise
        progress = ops.clip((step - self.warmup) / max(self.total - self.warmup, 1), 0.0, 1.0)
        return self.rate * rise * (0.01 + 0.99 * 0.5 * (1.0 + ops.cos(math.pi * progress)))

    def get_config(self):
        return {
            "rate": self.rate,
            "total": self.total,
            "warmup": self.warmup,
            "cosine": self.cosine,
        }
