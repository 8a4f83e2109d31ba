"""Weights files in matterport's HDF5 layout: read by layer name, written so that older code can.

A file holds one group a layer with a `weight_names` attribute, and `layer_names` at the top (or
under `model_weights`). The three layers of the RPN lie together in the group `rpn_model`. Root
attributes carry what prediction needs: `class_names`, `scale`, `config`, `score_threshold`.
"""

import contextlib
import errno
import json
import os
import re
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

NESTED = {name: "rpn_model" for name in ("rpn_conv_shared", "rpn_class_raw", "rpn_bbox_pred")}
# Their shapes depend on the number of classes.
CLASS_LAYERS = ("mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask")
METADATA = ("class_names", "scale", "config", "score_threshold", "extra")
MAX_ATTRIBUTE_BYTES = 1 << 20  # no honest attribute of ours is larger
MAX_WEIGHT_BYTES = 1 << 30  # nor any single weight


class WeightsError(ValueError):
    """A weights file that cannot be used; the message says which, why, and what to do."""


@dataclass
class LoadReport:
    """What became of the layers in a load.

    `loaded`, `excluded`, `absent` (in the network, not in the file) and `unused` (in the file, not
    in the network) are layer names.
    """

    path: str
    loaded: list = field(default_factory=list)
    excluded: list = field(default_factory=list)
    absent: list = field(default_factory=list)
    unused: list = field(default_factory=list)

    def __str__(self):
        return "\n".join(
            [
                f"Weights from {self.path}: {len(self.loaded)} layers loaded.",
                f"  Left as they were: {_listing(self.excluded)} by request, "
                f"{_listing(self.absent)} not in the file.",
                f"  In the file without use here: {_listing(self.unused)}.",
            ]
        )


def _listing(names, limit=4):
    if not names:
        return "none"
    shown = ", ".join(names[:limit])
    return f"{len(names)} ({shown}{', ...' if len(names) > limit else ''})"


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
            (network pixels a picture pixel), `config` (dict), `score_threshold`, `extra` (dict).
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
                group.create_dataset(key, data=_to_numpy(variable).astype("float32"))
                names.append(key.encode())
        group.attrs["weight_names"] = np.array(names)


def _to_numpy(variable):
    from keras import ops

    return np.asarray(ops.convert_to_numpy(variable))


def _plain(value):
    """JSON form of NumPy values in a config."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    return str(value)


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
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
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


def read_groups(path):
    """All weights of a file: {layer name: {weight name: array}}, the layers of `rpn_model` under
    their own names.

    Raises:
        WeightsError: when the file is missing, truncated, or holds no layers in this layout.
    """
    with _open(path) as file, _reading(path):
        root = file.get("model_weights", file)
        if "layer_names" not in root.attrs:
            raise WeightsError(
                f"{path}: no layers in matterport's layout (no `layer_names`); "
                "is this a Mask R-CNN weights file?"
            )
        layers = {}
        for group_name in _texts(_attribute(path, root, "layer_names")):
            group = root[group_name]
            for key in _texts(_attribute(path, group, "weight_names")):
                if group[key].nbytes > MAX_WEIGHT_BYTES:
                    raise WeightsError(
                        f"{path}: the weight {key!r} is too large to be honest; "
                        "use another weights file."
                    )
                layer, weight = _split_key(group_name, key)
                layers.setdefault(layer, {})[weight] = group[key][()]
    return layers


def _attribute(path, item, key):
    """An attribute of a group, unless a file made to fill the memory pretends to have it."""
    if item.attrs.get_id(key).get_storage_size() > MAX_ATTRIBUTE_BYTES:
        raise WeightsError(
            f"{path}: the attribute {key!r} is too large to be honest; use another weights file."
        )
    return item.attrs[key]


def _texts(names):
    return [n.decode() if isinstance(n, bytes) else str(n) for n in names]


def _split_key(group_name, key):
    """Layer and weight of a key such as `rpn_conv_shared/kernel:0` or `td/mrcnn_mask/bias:0`."""
    parts = key.split(":")[0].split("/")
    weight = re.sub(r"_\d+$", "", parts[-1])
    if group_name == "rpn_model" and len(parts) > 1:
        return parts[-2], weight
    return group_name, weight


def load_weights(path, layers, exclude=()):
    """Fill layers by name from a file.

    Args:
        path: weights file, or one that holds weights under `model_weights`.
        layers: built Keras layers.
        exclude: names of layers to leave as they are.

    Returns:
        LoadReport

    Raises:
        WeightsError: when the file is unusable, a shape differs, or no layer fits.
    """
    stored = read_groups(path)
    report = LoadReport(str(path))
    exclude = set(exclude or ())
    assignments = []
    for layer in layers:
        if not layer.weights:
            continue
        if layer.name in exclude or NESTED.get(layer.name) in exclude:
            report.excluded.append(layer.name)
        elif layer.name not in stored:
            report.absent.append(layer.name)
        else:
            assignments += _pair(path, layer, stored[layer.name])
            report.loaded.append(layer.name)
    known = {layer.name for layer in layers}
    report.unused = [n for n in stored if n not in known and n != "anchors"]
    if not report.loaded:
        raise WeightsError(
            f"{path}: none of its {len(stored)} layers has a name of this network; "
            "nothing was loaded. Is this a Mask R-CNN weights file?"
        )
    for variable, value in assignments:
        variable.assign(value)
    return report


def _pair(path, layer, stored):
    """[(variable, array)] of one layer, after checking shapes."""
    pairs = []
    for variable in layer.weights:
        name = weight_name(variable)
        value = stored.get(name)
        if value is None:
            raise WeightsError(
                f"{path}: layer {layer.name!r} lacks its {name!r}; "
                f"exclude it (exclude=[{layer.name!r}]) or use another file."
            )
        if tuple(value.shape) != tuple(variable.shape):
            raise WeightsError(_shape_message(path, layer.name, name, value.shape, variable.shape))
        pairs.append((variable, value))
    return pairs


def _shape_message(path, layer, weight, stored, own):
    if layer in CLASS_LAYERS:
        per_class = 4 if layer == "mrcnn_bbox_fc" else 1
        return (
            f"{path}: the file was trained for {stored[-1] // per_class} classes (with the "
            f"background), this network has {own[-1] // per_class}; to start from it all the "
            f"same, load it with exclude={list(CLASS_LAYERS)}."
        )
    return (
        f"{path}: {layer}/{weight} has the shape {tuple(stored)}, this network needs "
        f"{tuple(own)}; the file belongs to another network (see BACKBONE and "
        f"TOP_DOWN_PYRAMID_SIZE), or load it with exclude=[{layer!r}]."
    )


# --- ImageNet --------------------------------------------------------------------------------


def imagenet_name(keras_name):
    """Our layer for one of `keras.applications.ResNet50`, or None: conv4_block6_2_conv ->
    res4f_branch2b, conv2_block1_0_bn -> bn2a_branch1, conv1_conv -> conv1."""
    if keras_name in ("conv1_conv", "conv1_bn"):
        return {"conv1_conv": "conv1", "conv1_bn": "bn_conv1"}[keras_name]
    found = re.fullmatch(r"conv([2-5])_block(\d+)_([0-3])_(conv|bn)", keras_name)
    if not found:
        return None
    stage, block, branch, kind = found.groups()
    letter = chr(ord("a") + int(block) - 1)
    suffix = {"0": "1", "1": "2a", "2": "2b", "3": "2c"}[branch]
    return f"{'res' if kind == 'conv' else 'bn'}{stage}{letter}_branch{suffix}"


def load_imagenet(layers, source):
    """Fill the trunk from ImageNet weights.

    Those were trained on BGR pictures, ours are RGB: the input axis of the first kernel is turned.

    Args:
        layers: built Keras layers of a ResNet-50 or -101 trunk.
        source: {layer name of keras.applications: {weight name: array}}.

    Returns:
        LoadReport
    """
    by_name = {layer.name: layer for layer in layers}
    report = LoadReport("ImageNet")
    assignments = []
    for keras_name, stored in source.items():
        name = imagenet_name(keras_name)
        if name is None or name not in by_name:
            report.unused.append(keras_name)
            continue
        if name == "conv1":
            stored = {**stored, "kernel": stored["kernel"][:, :, ::-1, :]}
        assignments += _pair("ImageNet", by_name[name], stored)
        report.loaded.append(name)
    if not report.loaded:
        raise WeightsError(
            "ImageNet: no layer fits this network; BACKBONE must be resnet50 or resnet101."
        )
    for variable, value in assignments:
        variable.assign(value)
    report.absent = [
        n for n in by_name if n.startswith(("res", "bn", "conv1")) and n not in report.loaded
    ]
    return report
