"""Going on exactly where training was cut off: what a run needs beside its weights.

After each epoch one file, `mask_rcnn_<name>_<epoch>.state.npz`, holds the optimiser's moments and
step count and the state of the random draws, with the stage that they belong to. Only the newest
is kept. A run that goes on from that epoch in the same stage then takes the same steps as one that
was never interrupted.
"""

import json
import zipfile
from pathlib import Path

import keras
import numpy as np
from keras import ops

from .run_folders import STATE_SUFFIX as SUFFIX
from .weights import whole_file


def state_path(weights_path: str | Path) -> Path:
    """The file that belongs to a weights file."""
    path = Path(weights_path)
    return path.with_name(path.stem + SUFFIX)


def save_state(path, model, stage):
    """Write the state of a compiled `model`; an interrupted run leaves the file whole or absent.

    Args:
        path: file to write.
        model: the Keras model that is trained.
        stage: dict with `layers` (str), `learning_rate` (float) and `first_epoch` (int).
    """
    arrays = {
        key: np.asarray(ops.convert_to_numpy(variable))
        for key, variable in _variables(model).items()
    }
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, stage=np.array(json.dumps(stage)), **arrays)


def remove_older_states(path: str | Path) -> None:
    """Remove the states beside `path`, which is the newest."""
    path = Path(path)
    for other in path.parent.glob(f"*{SUFFIX}"):
        if other.name != path.name:
            other.unlink(missing_ok=True)


def read_state(path, layers):
    """The state in `path`, when it belongs to a stage that trains the same `layers`.

    Returns:
        (stage, {key: array}), or None when there is no such state. A damaged file counts as none,
        with a printed line.
    """
    path = Path(path)
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        stage = json.loads(str(arrays.pop("stage")))
        if stage["layers"] != layers:
            return None
        return {**stage, "first_epoch": int(stage["first_epoch"])}, arrays
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        print(f"{path}: damaged ({error}); the optimiser starts anew.")
        return None


def restore_state(path, model, state, learning_rate):
    """Put a state of `read_state` into a compiled `model`.

    The optimiser's learning rate is taken over only when this run was asked for the same one.

    Returns:
        whether it fitted; when not, nothing is changed and a line is printed.
    """
    stage, arrays = state
    model.optimizer.build(model.trainable_variables)
    variables = _variables(model)
    shapes = {key: tuple(variable.shape) for key, variable in variables.items()}
    if shapes != {key: array.shape for key, array in arrays.items()}:
        print(f"{path}: belongs to other layers or another optimiser, which starts anew.")
        return False
    for key, variable in variables.items():
        if key.endswith("learning_rate") and stage["learning_rate"] != learning_rate:
            continue
        variable.assign(arrays[key])
    return True


def _variables(model):
    """{key: variable} of all that changes in training and is no weight, in a fixed order."""
    named = [(v.path.split("/")[-1], v) for v in model.optimizer.variables]
    for layer in model.layers:
        random = getattr(layer, "random", None)
        if isinstance(random, keras.random.SeedGenerator):
            named.append((f"{layer.name}_seed", random.state))
    return {f"{number:04d}_{name}": variable for number, (name, variable) in enumerate(named)}
