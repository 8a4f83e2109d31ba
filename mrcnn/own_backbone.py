"""A backbone that a script brings along as a function: `config.BACKBONE = function`.

Its layers join the network's own: they are trained, saved and loaded by name like all others, and
are made once for all graphs of a detector.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import keras

from .batch_norm import FrozenBatchNorm
from .layers import LayerBank

_HEADS = ("fpn_", "rpn_", "mrcnn_")  # names of the layers behind the backbone


def feature_maps(bank: LayerBank, function: Callable, image: keras.KerasTensor) -> list:
    """Run a backbone function on images, as matterport's training and inference graphs do.

    Args:
        bank: the detector's layers; those of the function are added on the first call.
        function: takes `(image, stage5=True, train_bn=...)`, image a KerasTensor (B, H, W, C) of
            any height and width, and returns [C1, C2, C3, C4, C5], of which C1 may be None.
            `train_bn` is None where BatchNorm is trained and False where it is frozen; plain
            `BatchNormalization` layers are frozen then whatever the function does with it.
        image: (B, H, W, C) molded images.

    Returns:
        [C2, C3, C4, C5].

    Raises:
        ValueError: the function returns something else, or names a layer as the network does.
    """
    if bank.backbone is None:
        bank.backbone = _build(bank, function, image.shape[-1])
    return list(bank.backbone.call(image))  # its layers, one by one, in the graph being made


def _build(bank: LayerBank, function: Callable, channels: int) -> keras.Model:
    image = keras.Input((None, None, channels), name="backbone_image")
    frozen = not bank.trains_batch_norm
    maps = function(image, stage5=True, train_bn=False if frozen else None)
    if not isinstance(maps, (list, tuple)) or len(maps) != 5 or any(x is None for x in maps[1:]):
        raise ValueError(
            "The function given as BACKBONE must return [C1, C2, C3, C4, C5]. "
            f"Received: {type(maps).__name__} {maps!r:.200}"
        )
    made = keras.Model(image, list(maps[1:]))
    backbone = keras.models.clone_model(made, clone_function=_Renamed(frozen), recursive=True)
    backbone.set_weights(made.get_weights())
    for layer in _single_layers(backbone):
        taken = bank.layers.setdefault(layer.name, layer) is not layer
        if taken or layer.name.startswith(_HEADS):
            raise ValueError(
                f"Two layers of the network would be called {layer.name!r}; rename that of the "
                f"function given as BACKBONE (the network's own begin with {', '.join(_HEADS)})."
            )
    return backbone


class _Renamed:
    """Copies a layer of the function where the network needs it otherwise.

    Keras counts the names that it invents (conv2d_3) over a whole session, so that the second
    detector of a session would not find its layers in the file of the first. Here they are counted
    within the backbone. A model that is called with training=True hands that to BatchNorm whatever
    the layer was called with, so that frozen ones need a class of their own.
    """

    def __init__(self, frozen: bool):
        self.frozen = frozen
        self.counts = {}

    def __call__(self, layer):
        if not getattr(layer, "weights", None):
            return layer
        kind, name = type(layer), layer.name
        if self.frozen and kind is keras.layers.BatchNormalization:
            kind = FrozenBatchNorm
        base = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", "_", type(layer).__name__)
        base = base.lower()
        if re.fullmatch(rf"{re.escape(base)}(_\d+)?", name):
            self.counts[base] = self.counts.get(base, 0) + 1
            name = f"backbone_{base}_{self.counts[base]}"
        if (kind, name) == (type(layer), layer.name):
            return layer
        return kind.from_config({**layer.get_config(), "name": name})


def _single_layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """The layers of a model that have weights, with those of models inside it."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _single_layers(layer)
        elif layer.weights:
            yield layer
