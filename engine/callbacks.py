"""What a training tells: before it starts, and after each epoch."""

from __future__ import annotations

import sys
import time

from mrcnn.devices import device_name
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
    parts = ", ".join(f"{counted(epochs, 'epoch')} of {name}" for name, epochs, _ in stages)
    print(f"  {counted(steps, 'step')} ({parts})")


def callbacks() -> list:
    """A line an epoch where there is no terminal for a progress bar."""
    import keras

    if sys.stdout.isatty():
        return []
    clock = {"start": time.perf_counter()}
    return [
        keras.callbacks.LambdaCallback(
            on_train_begin=lambda logs: clock.update(start=time.perf_counter()),
            on_epoch_end=lambda epoch, logs: _epoch_line(clock, epoch, logs),
        )
    ]


def _epoch_line(clock: dict, epoch: int, logs: dict) -> None:
    held = f", on validation images {logs['val_loss']:.3f}" if "val_loss" in logs else ""
    minutes = (time.perf_counter() - clock["start"]) / 60
    print(f"  epoch {epoch + 1}: loss {logs['loss']:.3f}{held}; {minutes:.1f} minutes", flush=True)
