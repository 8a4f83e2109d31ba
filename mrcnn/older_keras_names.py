"""Names in weights files of other origin, and which of our layers they mean.

The older Keras numbers a name that it meets again in a session (`rpn_conv_shared_1/kernel:0`);
Keras 1 wrote `conv1_W_1:0`; ImageNet files know our backbone by two sets of names.
"""

from __future__ import annotations

import re

# The layers with weights of a Mask R-CNN in matterport's layout. No name ends in `_<number>`.
_BACKBONE = re.compile(r"conv1|bn_conv1|(res|bn)[2-5][a-z]_branch(1|2[abc])")
_REST = re.compile(
    r"fpn_(c[2-5]p[2-5]|p[2-6])|rpn_(conv_shared|class_raw|bbox_pred)|"
    r"mrcnn_(class_(conv[12]|bn[12]|logits)|bbox_fc|mask(_conv[1-4]|_bn[1-4]|_deconv)?)"
)
_NUMBER = re.compile(r"_\d+$")
# Keras 1 called the variance `running_std`.
_KERAS_1 = {
    "W": "kernel",
    "b": "bias",
    "gamma": "gamma",
    "beta": "beta",
    "running_mean": "moving_mean",
    "running_std": "moving_variance",
}
_KERAS_1_NAME = re.compile(rf"(.+)_({'|'.join(_KERAS_1)})")


def in_backbone(layer: str) -> bool:
    """Whether a layer of this name belongs to the ResNet."""
    return _BACKBONE.fullmatch(layer) is not None


def known_layer(name: str) -> str | None:
    """`name` without the number that Keras gave it, or None when no layer is called so:
    rpn_bbox_pred_2 -> rpn_bbox_pred, mrcnn_mask_bn1 -> mrcnn_mask_bn1, dense_1 -> None."""
    for candidate in (name, _NUMBER.sub("", name)):
        if in_backbone(candidate) or _REST.fullmatch(candidate) or imagenet_name(candidate):
            return candidate
    return None


def layer_and_weight(group: str, key: str) -> tuple[str, str]:
    """Our names for a weight of a file.

    Args:
        group: the file's group, that is the layer's name or that of a model within the model.
        key: the weight's name in it, such as `rpn_conv_shared_1/kernel:0`, `td/x/bias_2:0` or
            `conv1_W_1:0`.

    Returns:
        (layer, weight); the layer is `group` when no part of the name is a known one.
    """
    *above, weight = key.split(":")[0].split("/")
    weight = _NUMBER.sub("", weight)
    older = _KERAS_1_NAME.fullmatch(weight)
    if older and known_layer(older[1]):
        above.append(older[1])
        weight = _KERAS_1[older[2]]
    layers = (known_layer(name) for name in (group, *reversed(above)))
    return next((layer for layer in layers if layer), group), weight


def imagenet_name(keras_name: str) -> str | None:
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
