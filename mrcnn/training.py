"""What happens around a training step: the model that sums the losses, optimiser, callbacks."""

import csv
import math
from pathlib import Path

import keras
import numpy as np
from keras import ops

from . import distributed
from .weights import whole_file

LOSS_NAMES = (
    "rpn_class_loss",
    "rpn_bbox_loss",
    "mrcnn_class_loss",
    "mrcnn_bbox_loss",
    "mrcnn_mask_loss",
)

# Which layers a named training stage moves, by regular expression of their names.
_HEADS = r"(mrcnn\_.*)|(rpn\_.*)|(fpn\_.*)"
STAGES = {
    "heads": _HEADS,
    "3+": r"(res3.*)|(bn3.*)|(res4.*)|(bn4.*)|(res5.*)|(bn5.*)|" + _HEADS,
    "4+": r"(res4.*)|(bn4.*)|(res5.*)|(bn5.*)|" + _HEADS,
    "5+": r"(res5.*)|(bn5.*)|" + _HEADS,
    "all": ".*",
}


class NonFiniteLoss(RuntimeError):
    """Training met a loss that is NaN or infinite."""


class TrainingModel(keras.Model):
    """The training graph, whose loss is the weighted sum of its five loss outputs and the
    regularisation. Each term is tracked under its name."""

    def configure(self, loss_weights):
        self.loss_weights = [float(loss_weights.get(name, 1.0)) for name in LOSS_NAMES]
        self.terms = [keras.metrics.Mean(name=name) for name in LOSS_NAMES]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        losses = y_pred[-len(LOSS_NAMES) :]
        for metric, value in zip(self.terms, losses, strict=True):
            metric.update_state(distributed.reported(value))
        total = sum(w * v for w, v in zip(self.loss_weights, losses, strict=True))
        if self.losses:
            total = total + sum(ops.cast(v, "float32") for v in self.losses)
        return distributed.reported(total)


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
        optimizer = keras.optimizers.AdamW(
            learning_rate,
            weight_decay=config.WEIGHT_DECAY,
            global_clipnorm=config.GRADIENT_CLIP_NORM,
        )
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        return optimizer
    return _sgd(config, learning_rate, config.LEARNING_MOMENTUM)


def _sgd(config, learning_rate, momentum):
    return keras.optimizers.SGD(
        learning_rate, momentum=momentum, global_clipnorm=config.GRADIENT_CLIP_NORM
    )


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


class StopOnNonFinite(keras.callbacks.Callback):
    """Stops the run when a loss is not finite, and names it.

    The means of an epoch stay NaN once a step was, so looking at every tenth step misses nothing.
    """

    def on_train_batch_end(self, batch, logs=None):
        if batch % 10 == 0:
            self._check(logs, f"step {batch + 1}")

    def on_epoch_end(self, epoch, logs=None):
        self._check(logs, f"the end of epoch {epoch + 1}")

    def _check(self, logs, where):
        broken = [name for name, value in (logs or {}).items() if not np.isfinite(value)]
        if broken:
            raise NonFiniteLoss(
                f"Training stopped at {where}: {', '.join(broken)} not finite. "
                "Lower the learning rate (LEARNING_RATE), or look for broken images or outlines."
            )


class SaveWeights(keras.callbacks.Callback):
    """Writes the weights file of each epoch.

    Args:
        write: function of the epoch's number (from 1 on).
    """

    def __init__(self, write):
        super().__init__()
        self.write = write

    def on_epoch_end(self, epoch, logs=None):
        self.write(epoch + 1)


class LossTable(keras.callbacks.Callback):
    """Keeps `losses.csv` (a row an epoch) and `losses.png` in the run folder."""

    def __init__(self, folder):
        super().__init__()
        self.folder = Path(folder)
        self.rows = []
        table = self.folder / "losses.csv"
        if table.exists():
            with table.open(newline="", encoding="utf-8") as file:
                self.rows = list(csv.DictReader(file))

    def on_epoch_end(self, epoch, logs=None):
        row = {
            "epoch": epoch + 1,
            **{k: f"{float(v):.6g}" for k, v in sorted((logs or {}).items())},
        }
        self.rows = [r for r in self.rows if int(r["epoch"]) <= epoch] + [row]
        self._write_table()
        self._write_curve()

    def _write_table(self):
        names = list(dict.fromkeys(k for row in self.rows for k in row))
        with (
            whole_file(self.folder / "losses.csv") as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            table = csv.DictWriter(file, names, restval="")
            table.writeheader()
            table.writerows(self.rows)

    def _write_curve(self):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 4.5), layout="constrained")
        axes = figure.subplots()
        epochs = [int(row["epoch"]) for row in self.rows]
        for name in ("loss", "val_loss", *LOSS_NAMES):
            values = [float(row.get(name) or "nan") for row in self.rows]
            if np.isfinite(values).any():
                wide = name in ("loss", "val_loss")
                axes.plot(epochs, values, marker="o", linewidth=2 if wide else 1, label=name)
        axes.set(xlabel="epoch", ylabel="loss", yscale="log")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
        with whole_file(self.folder / "losses.png") as temporary:
            figure.savefig(temporary, dpi=150, format="png")
