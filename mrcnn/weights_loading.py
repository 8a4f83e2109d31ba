"""Fills a network from a weights file by layer name, and says what became of each layer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .class_layers import CLASS_LAYERS, for_other_classes
from .older_keras_names import imagenet_name, in_backbone
from .weights import NESTED, WeightsError, read_groups, to_numpy, weight_name


@dataclass
class LoadReport:
    """What became of the layers in a load.

    `loaded`, `excluded`, `absent` (in the network, not in the file) and `unused` (in the file, not
    in the network) are layer names; `notes` are sentences for the user.
    """

    path: str
    loaded: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join(
            [
                f"Weights from {self.path}: {len(self.loaded)} layers loaded.",
                f"  Left as they were: {_listing(self.excluded)} by request, "
                f"{_listing(self.absent)} not in the file.",
                f"  In the file without use here: {_listing(self.unused)}.",
                *(f"  {note}" for note in self.notes),
            ]
        )


def _listing(names: list[str], limit: int = 4) -> str:
    if not names:
        return "none"
    shown = ", ".join(names[:limit])
    return f"{len(names)} ({shown}{', ...' if len(names) > limit else ''})"


def load_weights(
    path: str | Path,
    layers: Iterable,
    exclude: Iterable[str] = (),
    start: bool = False,
    other_classes: bool = False,
) -> LoadReport:
    """Fill layers by name from a file.

    A file of the backbone alone is taken for ImageNet's (`load_imagenet`).

    Args:
        path: weights file, or one that holds weights under `model_weights`.
        layers: built Keras layers.
        exclude: names of layers to leave as they are; `rpn_model` means its three.
        start: whether training starts from the weights. Then a backbone alone will do, and of a
            deeper one the blocks that fit; else both are refused.
        other_classes: the file was trained for other classes: what its class layers know of all of
            them is where those of the network start (see `class_layers.py`).

    Returns:
        LoadReport

    Raises:
        WeightsError: when the file is unusable, a layer is neither in it nor excluded, or a shape
            differs. The layers are then as they were.
    """
    layers = [layer for layer in layers if layer.weights]
    stored = read_groups(path)
    if _is_backbone(stored) and not all(in_backbone(layer.name) for layer in layers):
        if not start:
            raise WeightsError(
                f"{path}: holds a backbone alone (ImageNet?), which finds nothing yet; train from "
                "it, or use the weights of a whole Mask R-CNN."
            )
        return load_imagenet(layers, stored, exclude, str(path))
    if other_classes:
        stored |= for_other_classes(stored, _class_layers(layers))
    report = LoadReport(str(path))
    assignments = _match(report, layers, stored, exclude)
    report.unused = [
        n for n in stored if n not in {x.name for x in layers} and not n.startswith("anchors")
    ]
    if not (report.loaded or report.excluded):
        raise WeightsError(
            f"{path}: none of its {len(stored)} layers has a name of this network; "
            "nothing was loaded. Is this a Mask R-CNN weights file?"
        )
    if report.absent:
        raise WeightsError(_incomplete_message(report))
    _note_deeper_backbone(report, layers, start)
    _assign(assignments)
    return report


def load_imagenet(
    layers: Iterable,
    stored: dict[str, dict[str, np.ndarray]],
    exclude: Iterable[str] = (),
    path: str = "ImageNet",
) -> LoadReport:
    """Fill the backbone from ImageNet weights; all other layers stay as they are.

    Those were trained on BGR images, ours are RGB: the input axis of the first kernel is turned.

    Args:
        layers: built Keras layers of a ResNet-50 or -101.
        stored: {layer name: {weight name: array}} with names of keras.applications or ours.
        exclude: names of layers to leave as they are.
        path: the file's, for messages.

    Raises:
        WeightsError: when no layer fits, or a shape differs.
    """
    report = LoadReport(path)
    ours = {imagenet_name(name) or name: weights for name, weights in stored.items()}
    if "kernel" in ours.get("conv1", {}):
        ours["conv1"] = {**ours["conv1"], "kernel": ours["conv1"]["kernel"][:, :, ::-1]}
    layers = list(layers)
    assignments = _match(report, layers, ours, exclude)
    report.unused = [name for name in ours if name not in {layer.name for layer in layers}]
    if not report.loaded:
        raise WeightsError(
            f"{path}: no layer fits this network; BACKBONE must be resnet50 or resnet101."
        )
    report.notes.append("These are weights of a backbone; the other layers start from chance.")
    _assign(assignments)
    return report


def _class_layers(layers) -> dict[str, dict[str, np.ndarray]]:
    """{layer: {weight: array}} of the class layers among `layers`."""
    return {
        layer.name: {weight_name(v): to_numpy(v) for v in layer.weights}
        for layer in layers
        if layer.name in CLASS_LAYERS
    }


def _is_backbone(stored: dict) -> bool:
    names = [imagenet_name(name) or name for name in stored]
    others = ("fpn_", "rpn_", "mrcnn_")
    return "conv1" in names and not any(name.startswith(others) for name in names)


def _match(report: LoadReport, layers, stored, exclude) -> list:
    """[(variable, array)] of the layers that `stored` has; the report says which."""
    exclude = {exclude} if isinstance(exclude, str) else set(exclude or ())
    assignments = []
    for layer in layers:
        if not layer.weights:
            continue
        if layer.name in exclude or NESTED.get(layer.name) in exclude:
            report.excluded.append(layer.name)
        elif layer.name not in stored:
            report.absent.append(layer.name)
        else:
            assignments += _pair(report.path, layer, stored[layer.name])
            report.loaded.append(layer.name)
    return assignments


def _assign(assignments) -> None:
    for variable, value in assignments:
        variable.assign(value)


def _pair(path: str, layer, stored: dict) -> list:
    """[(variable, array)] of one layer, after checking shapes and numbers."""
    pairs = []
    for variable in layer.weights:
        name = weight_name(variable)
        value = stored.get(name)
        if value is None:
            raise WeightsError(
                f"{path}: layer {layer.name!r} lacks its {name!r}; "
                f"exclude it (exclude=[{layer.name!r}]) or use another file."
            )
        if value.dtype == np.float16:  # a file of `write_compact`
            value = value.astype(np.float32)
        if tuple(value.shape) != tuple(variable.shape):
            raise WeightsError(_shape_message(path, layer.name, name, value.shape, variable.shape))
        if not np.isfinite(value).all():
            raise WeightsError(
                f"{path}: {layer.name}/{name} holds values that are no numbers, as a training "
                "that went wrong leaves them; use the file of an earlier epoch."
            )
        pairs.append((variable, value))
    return pairs


def _shape_message(path: str, layer: str, weight: str, stored, own) -> str:
    if layer in CLASS_LAYERS and len(stored) == len(own) and stored[:-1] == own[:-1]:
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


def _incomplete_message(report: LoadReport) -> str:
    names, more = ", ".join(report.absent[:3]), ", ..." if len(report.absent) > 3 else ""
    cause = "it was made by another network or is incomplete"
    if all(in_backbone(name) for name in report.absent):
        cause = "its backbone is another one (see BACKBONE)"
    return (
        f"{report.path}: {len(report.absent)} layers of the network are not in the file "
        f"({names}{more}); {cause}: name another file, or exclude these layers to leave them as "
        "they are."
    )


def _note_deeper_backbone(report: LoadReport, layers, start: bool) -> None:
    """ResNet-101 has 23 blocks in stage 4, ResNet-50 the first 6 of them."""
    left_out = [name for name in report.unused if in_backbone(name)]
    if not left_out or not any(in_backbone(layer.name) for layer in layers):
        return
    blocks = sorted({name.removeprefix("bn").removeprefix("res")[:2] for name in left_out})
    if not start:
        raise WeightsError(
            f"{report.path}: its backbone is deeper than this network's (blocks {blocks[0]} to "
            f"{blocks[-1]} have no place), whose answers would be wrong; set BACKBONE as it was "
            "when the file was trained (resnet101?)."
        )
    report.notes.append(
        f"Its backbone is deeper: blocks {blocks[0]} to {blocks[-1]} are left out, which training "
        "makes up for; BACKBONE = 'resnet101' would take all of matterport's."
    )
