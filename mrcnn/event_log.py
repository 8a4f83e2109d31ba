"""The losses of each epoch as TensorBoard events: `tensorboard --logdir logs` shows the curves.

Keras's own TensorBoard callback needs TensorFlow, also on the other backends. The tensorboard
package brings the records' format (`RecordWriter`) and the event's (`event_pb2`) without it.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import keras


class EventLog(keras.callbacks.Callback):
    """Writes a scalar for each loss of an epoch, under its name in Keras's logs (`loss`,
    `val_loss`, `rpn_class_loss`, ...), at the epoch's number from 1 on.

    Args:
        folder: the run folder; one file is added to it for each training.
    """

    def __init__(self, folder: str | Path):
        super().__init__()
        self.folder = Path(folder)
        self._file = self._writer = None

    def on_train_begin(self, logs: dict | None = None):
        try:
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ImportError:
            print("No TensorBoard events are written: the package tensorboard is not installed.")
            return
        name = f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}.{os.getpid()}"
        number = len(list(self.folder.glob(f"{name}.*")))  # two trainings in a second
        self._file = (self.folder / f"{name}.{number}").open("xb")
        self._writer = RecordWriter(self._file)
        self._write(file_version="brain.Event:2")

    def on_epoch_end(self, epoch: int, logs: dict | None = None):
        if self._writer is None:
            return
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [
            Summary.Value(tag=name, simple_value=float(value))
            for name, value in sorted((logs or {}).items())
        ]
        self._write(step=epoch + 1, summary=Summary(value=values))

    def on_train_end(self, logs: dict | None = None):
        if self._file is not None:
            self._file.close()

    def _write(self, **content):
        from tensorboard.compat.proto.event_pb2 import Event

        event = Event(wall_time=time.time(), **content)
        self._writer.write(event.SerializeToString())
        self._writer.flush()
