"""What happens after the steps and epochs of a training: it stops, is stored, is written down."""

import csv
from pathlib import Path

import keras
import numpy as np

from .training import LOSS_NAMES
from .weights import whole_file


class NonFiniteLoss(RuntimeError):
    """Training met a loss that is NaN or infinite."""


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
