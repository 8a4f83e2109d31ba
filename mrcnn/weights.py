"""Weights files in matterport's HDF5 layout: read by layer name, written so that older code can.

A file holds one group a layer with a `weight_names` attribute, and `layer_names` at the top (or
under `model_weights`). The three layers of the RPN lie together in the group `rpn_model`. Root
attributes carry what prediction needs: `class_names`, `scale`, `config`, `score_threshold`.
"""

import contextlib
import errno
import hashlib
import json
import os
import uuid
from pathlib import Path

import h5py
import numpy as np

from .class_layers import of_one_class
from .older_keras_names import known_layer, layer_and_weight

NESTED = {name: "rpn_model" for name in ("rpn_conv_shared", "rpn_class_raw", "rpn_bbox_pred")}
METADATA = ("class_names", "scale", "config", "score_threshold", "extra")
MAX_ATTRIBUTE_BYTES = 1 << 20  # no honest attribute of ours is larger
MAX_BYTES = 2 << 30  # nor all weights together


class WeightsError(ValueError):
    """A weights file that cannot be used; the message says which, why, and what to do."""


def weight_name(variable):
    """The last part of a variable's name: kernel, bias, gamma, beta, moving_mean, ..."""
    return variable.path.split("/")[-1].split(":")[0]


# --- writing ---------------------------------------------------------------------------------


@contextlib.contextmanager
def whole_file(path):
    """A temporary path beside `path` that takes its place when the block ends well; else the old
    file stays. The disk has the content before the file gets its name: a loss of power leaves no
    empty file either.

    The temporary name is one that `remove_leftovers` knows after a kill, and no `*.h5`.
    """
    path = Path(path)
    temporary = path.with_name(f".~{uuid.uuid4().hex[:8]}~.tmp")
    try:
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        # HDF5 tells of a full disk in a page of text about a file whose name the user never saw.
        number = errno.ENOSPC if "No space left" in str(error) else getattr(error, "errno", None)
        if number is None:
            raise
        raise OSError(number, os.strerror(number), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def save_weights(path, layers, metadata=None):
    """Write layers to `path`; an interrupted run leaves the old file or the new one, whole.

    Args:
        path: file to write, by custom `mask_rcnn_<name>_<epoch, 4 digits>.h5`.
        layers: built Keras layers, in network order.
        metadata: dict with any of `class_names` (list of str, without background), `scale`
            (network pixels an image pixel), `config` (dict), `score_threshold`, `extra` (dict).
    """
    with whole_file(path) as temporary, h5py.File(temporary, "w") as file:
        _write_layers(file, layers)
        for key, value in (metadata or {}).items():
            if key not in METADATA:
                raise ValueError(f"metadata must be among {METADATA}. Received: {key!r}")
            if value is not None:
                file.attrs[key] = json.dumps(value, default=_plain, ensure_ascii=False)


def _write_layers(file, layers):
    groups = {}
    for layer in layers:
        if layer.weights:
            groups.setdefault(NESTED.get(layer.name, layer.name), []).append(layer)
    # Fixed-length bytes throughout: the older Keras decodes what it reads.
    file.attrs["layer_names"] = np.array([name.encode() for name in groups])
    file.attrs["backend"] = np.bytes_("tensorflow")
    # The layout's version, not that of the writing program.
    file.attrs["keras_version"] = np.bytes_("2.5.0")
    for name, members in groups.items():
        group = file.create_group(name)
        names = []
        for layer in members:
            for variable in layer.weights:
                key = f"{layer.name}/{weight_name(variable)}:0"
                group.create_dataset(key, data=to_numpy(variable).astype("float32"))
                names.append(key.encode())
        group.attrs["weight_names"] = np.array(names)


def to_numpy(variable):
    """The values of a Keras variable, whatever the backend."""
    from keras import ops

    return np.asarray(ops.convert_to_numpy(variable))


def _plain(value):
    """JSON form of NumPy values in a config."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    return str(value)


def write_start(source, target, class_name):
    """Write a trained file as a start for other molecules, a quarter as large.

    Kernels become float16 (BatchNorm stays float32: a variance may be smaller than what float16
    holds), and the classes one, which is their mean (see `class_layers.py`): to be trained on, not
    to find anything. Of the metadata `config` stays.

    Args:
        source: weights file.
        target: file to write.
        class_name: of the one class.

    Raises:
        WeightsError: when the file is missing or broken.
    """
    with _open(source) as file, _reading(source):
        config = json.loads(file.attrs["config"]) | {"NUM_CLASSES": 2}
        with whole_file(target) as temporary, h5py.File(temporary, "w") as start:
            for name in ("layer_names", "backend", "keras_version"):
                start.attrs[name] = file.attrs[name]
            start.attrs.update(
                class_names=json.dumps([class_name]), scale=file.attrs["scale"],
                config=json.dumps(config),
            )  # fmt: skip
            for name in _names(source, file, "layer_names"):
                group = start.create_group(name)
                group.attrs["weight_names"] = file[name].attrs["weight_names"]
                for key in _names(source, file[name], "weight_names"):
                    value = of_one_class(name, file[name][key][()])
                    kind = "float16" if key.endswith("kernel:0") else "float32"
                    group.create_dataset(
                        key, data=value.astype(kind), compression="gzip", shuffle=True
                    )


# --- reading ---------------------------------------------------------------------------------


def _open(path):
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such weights file; check the name.")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise WeightsError(
            f"{path}: this is no HDF5 file, or its end is missing; fetch or train it again."
        ) from error
    return file


@contextlib.contextmanager
def _reading(path):
    """Turns what h5py raises over a damaged file into a WeightsError."""
    try:
        yield
    except WeightsError:
        raise
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{path}: something that the file announces cannot be read ({error}); "
            "the file is damaged, fetch or train it again."
        ) from error


def read_metadata(path):
    """What a weights file says about itself.

    Returns:
        dict with `class_names` (list of str, or None), `scale` (float, or None), `config` (dict,
        empty when absent), `score_threshold` (float, or None), `extra` (dict).

    Raises:
        WeightsError: when the file is missing, broken, or its attributes are no JSON.
    """
    answer = {
        "class_names": None,
        "scale": None,
        "config": {},
        "score_threshold": None,
        "extra": {},
    }
    with _open(path) as file, _reading(path):
        for key in METADATA:
            if key not in file.attrs:
                continue
            text = _attribute(path, file, key)
            try:
                answer[key] = json.loads(text)
            except (ValueError, TypeError) as error:
                raise WeightsError(
                    f"{path}: the attribute {key!r} is no JSON; use another weights file."
                ) from error
    return answer


def digest(path):
    """Digest of a weights file's layers, names and values, and of its settings; class names,
    scale and score threshold do not count.

    Raises:
        WeightsError: when the file is missing, broken, or holds no layers.
    """
    settings = json.dumps(read_metadata(path)["config"], sort_keys=True)
    answer = hashlib.sha256(settings.encode())
    for layer, weights in sorted(read_groups(path).items()):
        for name, value in sorted(weights.items()):
            answer.update(f"{layer}/{name} {value.dtype} {value.shape}".encode())
            answer.update(np.ascontiguousarray(value).data)
    return answer.hexdigest()


def read_groups(path):
    """All weights of a file: {layer name: {weight name: array}}, under our names wherever a name
    of the file means one of our layers (see `older_keras_names`).

    Raises:
        WeightsError: when the file is missing, truncated, or holds no layers in this layout.
    """
    with _open(path) as file, _reading(path):
        root = file if _parts(file, "layer_names") else file.get("model_weights", file)
        if not _parts(root, "layer_names"):
            raise WeightsError(
                f"{path}: no layers in matterport's layout (no `layer_names`); "
                "is this a Mask R-CNN weights file?"
            )
        datasets = _datasets(path, root)
        # Before anything is read: a chunked weight that is not in the file takes its size all the
        # same.
        if sum(d.nbytes for weights in datasets.values() for d in weights.values()) > MAX_BYTES:
            raise WeightsError(
                f"{path}: its weights are too large to be honest; use another weights file."
            )
        return {
            layer: {name: dataset[()] for name, dataset in weights.items()}
            for layer, weights in datasets.items()
        }


def _datasets(path, root):
    """{layer name: {weight name: dataset}} under our names."""
    layers = {}
    for group_name in _names(path, root, "layer_names"):
        group = root[group_name]
        for key in _names(path, group, "weight_names"):
            layer, weight = layer_and_weight(group_name, key)
            weights = layers.setdefault(layer, {})
            if weight in weights and known_layer(layer):
                raise WeightsError(
                    f"{path}: holds {layer}/{weight} twice, as of two networks; save one of them "
                    "alone and use that file."
                )
            weights[weight] = group[key]
    return layers


def _parts(item, key):
    """The attributes that hold a list of names: `key`, or where it would be over 64 KB, the older
    Keras's `key`0, `key`1, ..."""
    if key in item.attrs:
        return [key]
    parts = []
    while f"{key}{len(parts)}" in item.attrs:
        parts.append(f"{key}{len(parts)}")
    return parts


def _names(path, item, key):
    """A list of names, which a layer without weights has empty."""
    parts = _parts(item, key)
    if not parts:
        raise KeyError(f"{key} of {item.name}")
    _check_size(path, item, parts, key)
    values = [item.attrs[part] for part in parts]
    return [
        name.decode() if isinstance(name, bytes) else str(name)
        for value in values
        if not isinstance(value, h5py.Empty)
        for name in np.ravel(value)
    ]


def _attribute(path, item, key):
    """An attribute of a group, unless a file made to fill the memory pretends to have it."""
    _check_size(path, item, [key], key)
    return item.attrs[key]


def _check_size(path, item, parts, key):
    # Not get_storage_size, which h5py refuses for empty attributes.
    ids = [item.attrs.get_id(part) for part in parts]
    size = sum(i.get_space().get_simple_extent_npoints() * i.get_type().get_size() for i in ids)
    if size > MAX_ATTRIBUTE_BYTES:
        raise WeightsError(
            f"{path}: the attribute {key!r} is too large to be honest; use another weights file."
        )
