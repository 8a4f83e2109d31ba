"""One process of a training over several, for test_distributed.py: trains a tiny network on toys.

    PYTHONPATH=tests/helpers:. python tests/helpers/shared_training.py \\
        FOLDER WORKERS IMAGES EPOCHS [kill]

FOLDER gets the run folder and, from each process, `weights_RANK.npz`. IMAGES are of one worker.
With `kill`, the last process kills itself at the start of epoch 2, but only once.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path

import keras
import numpy as np
from keras import ops
from toys import TinyConfig, Toys

from mrcnn import distributed
from mrcnn.model import MaskRCNN
from mrcnn.weights import weight_name


class KillOnce(keras.callbacks.Callback):
    """Ends this process as the system would, unless a file says that it did so before."""

    def __init__(self, mark):
        super().__init__()
        self.mark = mark

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1 and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)


def settings(workers, images):
    changes = {
        "GPU_COUNT": workers,
        "IMAGES_PER_GPU": images,
        "IMAGE_MIN_DIM": 64,
        "IMAGE_MAX_DIM": 64,
        "STEPS_PER_EPOCH": 1,
        "VALIDATION_STEPS": 0,
        "ADD_GT_ROIS": True,
        "TRAIN_BN": True,
        "BN_MOMENTUM": 0.5,
        "RPN_TRAIN_ANCHORS_PER_IMAGE": 32,
    }
    return type("Shared", (TinyConfig,), changes)()


def train(folder, workers, images, epochs, kill=False):
    """Trains up to `epochs`, from the last weights in `folder` if there are some; the History."""
    distributed.join()
    rank = distributed.rank()
    # The processes begin with different weights and draws: those of number 0 must win.
    keras.utils.set_random_seed(1 + rank)
    model = MaskRCNN("training", settings(workers, images), folder)
    with contextlib.suppress(FileNotFoundError):
        model.load_weights(model.find_last())
    callbacks = [KillOnce(folder / "killed")] if kill and rank == workers - 1 else []
    toys = Toys().load(7)
    history = model.train(toys, None, 0.02, epochs, "all", custom_callbacks=callbacks, verbose=0)
    values = {
        f"{layer.name}/{weight_name(v)}": np.array(ops.convert_to_numpy(v))
        for layer in model.bank.layers.values()
        for v in layer.weights
    }
    losses = np.array([value[-1] for _, value in sorted(history.history.items())])
    np.savez(folder / f"weights_{rank}.npz", losses=losses, **values)


if __name__ == "__main__":
    train(Path(sys.argv[1]), *(int(n) for n in sys.argv[2:5]), kill=sys.argv[5:] == ["kill"])
