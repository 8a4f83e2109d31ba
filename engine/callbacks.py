"""What a training tells: before it starts, and after each epoch."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from engine.checkpoints import superseded
from mrcnn.devices import device_name, unused_card
from spm.run.progress import progress
from spm.run.words import counted


def announce(config, start, counts, training, validation, stages, augment) -> None:
    """Prints what the run is going to do."""
    molecules = ", ".join(f"{n} {name}" for name, n in counts.items())
    steps = sum(epochs for _, epochs, _ in stages) * config.STEPS_PER_EPOCH
    held = f"{len(validation)} for validation" if validation else "none for validation"
    print(
        f"Training {config.BACKBONE} on {counted(len(training), 'image')} ({augment}; {held}); "
        f"outlines: {molecules}"
    )
    print(
        f"  {config.IMAGE_SHAPE[0]} x {config.IMAGE_SHAPE[1]} pixels, {config.BATCH_SIZE} a step, "
        f"{config.SCALE:.3g} network pixels per image pixel, {config.COMPUTE_DTYPE}"
    )
    print(f"  on: {device_name()}; starting from: {start.words}")
    if sentence := unused_card():
        print(f"  {sentence}")
    parts = ", ".join(f"{counted(epochs, 'epoch')} of {name}" for name, epochs, _ in stages)
    print(f"  {counted(steps, 'step')} ({parts})")


def callbacks(run: Path, steps: int, keep_all: bool = True) -> list:
    """A bar of the steps, a line an epoch; and, after each epoch's weights are written, the removal
    of those that are not needed any more.

    Args:
        run: the run folder.
        steps: of an epoch.
        keep_all: keep the weights of every epoch.
    """
    import keras

    def thin_out(epoch: int, logs: dict) -> None:
        if not keep_all:
            remove_superseded(run, finished=False)

    told = Told(steps)
    return [
        keras.callbacks.LambdaCallback(
            on_train_begin=lambda logs: told.begin(),
            on_epoch_begin=lambda epoch, logs: told.begin_epoch(epoch),
            on_train_batch_end=lambda batch, logs: told.step(),
            on_epoch_end=lambda epoch, logs: (told.end_epoch(epoch, logs), thin_out(epoch, logs)),
        )
    ]


class Told:
    """What the user sees of a training."""

    def __init__(self, steps: int):
        self._steps, self._bar, self._start = steps, None, time.perf_counter()

    def begin(self) -> None:
        """Start the clock."""
        self._start = time.perf_counter()

    def begin_epoch(self, epoch: int) -> None:
        """Start the bar of an epoch, counted from 0."""
        self._bar = progress(self._steps, f"epoch {epoch + 1}", "step", leave=False)

    def step(self) -> None:
        """Count a step."""
        self._bar.update(1)

    def end_epoch(self, epoch: int, logs: dict) -> None:
        """Print the epoch's line."""
        self._bar.close()
        held = f", on validation images {logs['val_loss']:.3f}" if "val_loss" in logs else ""
        minutes = (time.perf_counter() - self._start) / 60
        print(
            f"  epoch {epoch + 1}: loss {logs['loss']:.3f}{held}; {minutes:.1f} minutes",
            flush=True,
        )


def remove_superseded(run: Path, finished: bool, keep_all: bool = False) -> None:
    """Removes the files of a run that nothing needs any more; one that another program holds open
    (Windows) stays.

    Args:
        keep_all: only the optimiser's state.
    """
    for path in superseded(run, finished):
        if keep_all and path.suffix == ".h5":
            continue
        with suppress(OSError):
            path.unlink()
