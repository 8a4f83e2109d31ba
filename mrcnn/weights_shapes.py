"""What a weights file without settings says of its network all the same: by names and shapes."""

from pathlib import Path
from typing import Any

from .weights import WeightsError, read_groups

# A layer that only this trunk and deeper ones have, the deepest first.
_TRUNKS = (
    ("resnet101", "res4w_branch2a"),
    ("resnet50", "res4f_branch2c"),
)


def count_classes(path: str | Path) -> int:
    """Return the number of classes of a weights file, with the background.

    Raises:
        WeightsError: when the file is unusable, or its heads are not there.
    """
    return _outputs(path, read_groups(path), "mrcnn_class_logits")


def settings_of_shapes(path: str | Path) -> dict[str, Any]:
    """Read from the weights' shapes the settings of a network in matterport's layout.

    Args:
        path: weights file.

    Returns:
        dict of the names of `Config`: BACKBONE, NUM_CLASSES (with the background),
        TOP_DOWN_PYRAMID_SIZE, RPN_CHANNELS, FPN_CLASSIF_FC_LAYERS_SIZE, MASK_HEAD_CHANNELS. Sizes
        of images and anchors leave no trace in the weights.

    Raises:
        WeightsError: when the file is unusable, or holds no whole Mask R-CNN on a ResNet-50 or
            ResNet-101 with levels P2 to P6 and three anchors a place.
    """
    stored = read_groups(path)
    backbone = next((name for name, layer in _TRUNKS if layer in stored), None)
    if backbone is None or "fpn_c2p2" not in stored:
        raise WeightsError(
            f"{path}: the file says nothing of its network, and this is no whole Mask R-CNN on a "
            "ResNet-50 or ResNet-101; use another weights file."
        )
    anchors = _outputs(path, stored, "rpn_class_raw") // 2
    if anchors != 3:
        raise WeightsError(
            f"{path}: the network has {anchors} anchors a place instead of 3, and the file does "
            "not say which; use another weights file."
        )
    layers = {
        "NUM_CLASSES": "mrcnn_class_logits",
        "TOP_DOWN_PYRAMID_SIZE": "fpn_c5p5",
        "RPN_CHANNELS": "rpn_conv_shared",
        "FPN_CLASSIF_FC_LAYERS_SIZE": "mrcnn_class_conv1",
        "MASK_HEAD_CHANNELS": "mrcnn_mask_conv1",
    }
    sizes = {name: _outputs(path, stored, layer) for name, layer in layers.items()}
    return {"BACKBONE": backbone, **sizes}


def _outputs(path, stored, layer):
    """Channels that a layer gives out."""
    if "kernel" not in stored.get(layer, {}):
        raise WeightsError(
            f"{path}: the layer {layer!r} of a Mask R-CNN is not in the file; use weights of a "
            "whole Mask R-CNN."
        )
    return int(stored[layer]["kernel"].shape[-1])
