"""A detector that reads colours; the workers of test_cluster.py import it by this name."""

import os
import signal
from pathlib import Path

from colour_detector import fake, read_colours


def load(weights, batch_size=None, settings=None, class_names=None):
    """Notes which process builds the network."""
    with (Path(weights).parent / "loads.txt").open("a") as file:
        file.write(f"{os.getpid()}\n")
    return fake()


def load_and_die(weights, batch_size=None, settings=None, class_names=None):
    """One of the workers kills itself in the middle of its image."""
    mark = Path(weights).parent / "killed.txt"

    def detect(images):
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            return read_colours(images)
        os.kill(os.getpid(), signal.SIGKILL)

    return fake(detect)
