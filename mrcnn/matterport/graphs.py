"""Matterport's functions that add a part of the network to a Keras graph, over this package's.

Each call makes its own layers, as there; a model that uses a part twice calls a model made of it
(`build_rpn_model`). Layer names are those of the weights files.
"""

from __future__ import annotations

from types import SimpleNamespace

import keras
from keras import KerasTensor

from mrcnn.backbone import bottleneck, stages, stem
from mrcnn.config import Config
from mrcnn.heads import box_head, mask_head
from mrcnn.layers import LayerBank
from mrcnn.roi_align import RoIAlign
from mrcnn.rpn import rpn_head


def _bank(train_bn: bool | None = False) -> LayerBank:
    """A store of float32 layers without weight decay, which matterport adds when it compiles."""
    # None is matterport's "normal mode": trained.
    settings = SimpleNamespace(
        COMPUTE_DTYPE="float32",
        TRAIN_BN=train_bn is None or train_bn,
        BN_MOMENTUM=Config.BN_MOMENTUM,
        WEIGHT_DECAY=0,
        OPTIMIZER="sgd",
    )
    return LayerBank(settings, training=True)


def identity_block(
    input_tensor: KerasTensor,
    kernel_size: int,
    filters: list[int],
    stage: int,
    block: str,
    use_bias: bool = True,
    train_bn: bool | None = True,
) -> KerasTensor:
    """Add a residual block whose shortcut is the input itself.

    Args:
        input_tensor: (B, h, w, filters[2]).
        kernel_size: of the middle convolution.
        filters: of the three convolutions.
        stage, block: 2..5 and a letter, for the layer names `res2b_branch2a`, ...
        use_bias: of the convolutions.
        train_bn: None or True to train BatchNorm with the batch's statistics, False to freeze
            these.

    Returns:
        (B, h, w, filters[2]).
    """
    return bottleneck(
        _bank(train_bn),
        input_tensor,
        f"{stage}{block}",
        filters,
        size=kernel_size,
        use_bias=use_bias,
    )


def conv_block(
    input_tensor: KerasTensor,
    kernel_size: int,
    filters: list[int],
    stage: int,
    block: str,
    strides: tuple[int, int] = (2, 2),
    use_bias: bool = True,
    train_bn: bool | None = True,
) -> KerasTensor:
    """Add a residual block with a convolution in its shortcut.

    Args:
        strides: of the first convolution and of the shortcut's; the others as in `identity_block`.

    Returns:
        (B, h / strides[0], w / strides[1], filters[2]).
    """
    return bottleneck(
        _bank(train_bn),
        input_tensor,
        f"{stage}{block}",
        filters,
        strides,
        size=kernel_size,
        use_bias=use_bias,
    )


def resnet_graph(
    input_image: KerasTensor,
    architecture: str,
    stage5: bool = False,
    train_bn: bool | None = True,
) -> list[KerasTensor | None]:
    """Add a ResNet.

    Args:
        input_image: (B, H, W, C), molded.
        architecture: "resnet50", "resnet101", or ours alone "resnet18".
        stage5: False leaves the last stage out.
        train_bn: as in `identity_block`.

    Returns:
        [C1, C2, C3, C4, C5]; C5 is None without stage 5.
    """
    bank = _bank(train_bn)
    first = stem(bank, input_image)
    maps = stages(bank, first, architecture, 5 if stage5 else 4)
    return [first, *maps, *([] if stage5 else [None])]


def rpn_graph(
    feature_map: KerasTensor, anchors_per_location: int, anchor_stride: int
) -> list[KerasTensor]:
    """Add the region proposal network on one feature map (B, h, w, C).

    Returns:
        [logits (B, A, 2), probabilities (B, A, 2), deltas (B, A, 4)].
    """
    return list(rpn_head(_bank(), [feature_map], anchors_per_location, anchor_stride))


def build_rpn_model(anchor_stride: int, anchors_per_location: int, depth: int) -> keras.Model:
    """Make the region proposal network as a model of a feature map (B, h, w, depth)."""
    return rpn_model(_bank(), anchor_stride, anchors_per_location, depth)


def rpn_model(
    bank: LayerBank, stride: int, anchors_per_location: int, depth: int, channels: int = 512
) -> keras.Model:
    """The model of `build_rpn_model` from the layers of a bank."""
    feature_map = keras.Input((None, None, depth), name="input_rpn_feature_map")
    outputs = rpn_head(bank, [feature_map], anchors_per_location, stride, channels)
    return keras.Model([feature_map], list(outputs), name="rpn_model")


def fpn_classifier_graph(
    rois: KerasTensor,
    feature_maps: list[KerasTensor],
    image_meta: KerasTensor,
    pool_size: int,
    num_classes: int,
    train_bn: bool | None = True,
    fc_layers_size: int = 1024,
) -> tuple[KerasTensor, KerasTensor, KerasTensor]:
    """Add RoIAlign and the box head.

    Args:
        rois: (B, N, 4) normalised, N static.
        feature_maps: [P2, P3, P4, P5].
        image_meta: (B, M), not looked at.
        pool_size: points a side of a RoI.
        num_classes: with the background.
        train_bn: as in `identity_block`.
        fc_layers_size: width of the two hidden layers.

    Returns:
        class logits (B, N, K), probabilities (B, N, K), deltas (B, N, K, 4) over BBOX_STD_DEV.
    """
    pooled = RoIAlign(pool_size, name="roi_align_classifier")([rois, *feature_maps])
    return box_head(_bank(train_bn), pooled, rois.shape[1], num_classes, fc_layers_size)


def build_fpn_mask_graph(
    rois: KerasTensor,
    feature_maps: list[KerasTensor],
    image_meta: KerasTensor,
    pool_size: int,
    num_classes: int,
    train_bn: bool | None = True,
) -> KerasTensor:
    """Add RoIAlign and the mask head; arguments as in `fpn_classifier_graph`.

    Returns:
        masks (B, N, 2 pool_size, 2 pool_size, K) in 0..1.
    """
    pooled = RoIAlign(pool_size, name="roi_align_mask")([rois, *feature_maps])
    return mask_head(_bank(train_bn), pooled, rois.shape[1], num_classes)
