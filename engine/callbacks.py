"""What a training tells: before it starts, and after each epoch."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path

from engine.checkpoints import superseded
from mrcnn.devices import device_name, unused_card


def announce(config, start, counts, training, validation, stages, augment) -> None:
    """Prints what the run is going to do."""
    molecules = ", ".join(f"{n} {name}" for name, n in counts.items())
    steps = sum(epochs for _, epochs, _ in stages) * config.STEPS_PER_EPOCH
    held = f"{len(validation)} for validation" if validation else "none for validation"
    print(
        f"Training {config.BACKBONE} on {len(training)} images ({augment}; {held}); "
        f"outlines: {molecules}"
    )
    print(
        f"  {config.IMAGE_SHAPE[0]} x {config.IMAGE_SHAPE[1]} pixels, {config.BATCH_SIZE} a step, "
        f"{config.SCALE:.3g} network pixels per image pixel, {config.COMPUTE_DTYPE}"
    )
    print(f"  on: {device_name()}; starting from: {start.words}")
    if sentence := unused_card():
        print(f"  {sentence}")
    print(f"  {steps} steps ({', '.join(f'{e} epochs of {name}' for name, e, _ in stages)})")


def callbacks(run: Path, keep_all: bool = True) -> list:
    """A line an epoch where there is no terminal for a progress bar; and, after each epoch's
    weights are written, the removal of those that are not needed any more.

    Args:
        run: the run folder.
        keep_all: keep the weights of every epoch.
    """
    import keras

    thin_out = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: remove_superseded(run, finished=False)
    )
    kept = [] if keep_all else [thin_out]
    if sys.stdout.isatty():
        return kept
    clock = {"start": time.perf_counter()}
    return [
        *kept,
        keras.callbacks.LambdaCallback(
            on_train_begin=lambda logs: clock.update(start=time.perf_counter()),
            on_epoch_end=lambda epoch, logs: _epoch_line(clock, epoch, logs),
        ),
    ]


def _epoch_line(clock: dict, epoch: int, logs: dict) -> None:
    held = f", on validation images {logs['val_loss']:.3f}" if "val_loss" in logs else ""
    minutes = (time.perf_counter() - clock["start"]) / 60
    print(f"  epoch {epoch + 1}: loss {logs['loss']:.3f}{held}; {minutes:.1f} minutes", flush=True)


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
