"""The two heads: class and box of a RoI, and its mask.

Both run on RoIs as a batch of their own, (B * N, size, size, C), and give (B, N, ...) back.
"""

import keras
from keras import ops

from .batch_norm import WholeConv2D


class SplitBatch(keras.layers.Layer):
    """(B * N, ...) -> (B, N, ...) for a static number N of RoIs an image; None for any number, of
    one image."""

    def __init__(self, count, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.count = count

    def call(self, x):
        first = (1, -1) if self.count is None else (-1, self.count)
        return ops.reshape(x, (*first, *x.shape[1:]))

    def compute_output_spec(self, x):
        batch = None if x.shape[0] is None or self.count is None else x.shape[0] // self.count
        first = (1, None) if self.count is None else (batch, self.count)
        return keras.KerasTensor((*first, *x.shape[1:]), x.dtype)


def box_head(bank, pooled, count, num_classes, width):
    """Class and box deltas of RoIs.

    Args:
        bank: `LayerBank`.
        pooled: (B * N, 7, 7, C).
        count: N, static.
        width: of the two hidden layers.

    Returns:
        class logits (B, N, K), their softmax (B, N, K), and deltas per class (B, N, K, 4) over
        BBOX_STD_DEV; float32.
    """
    x = pooled
    for index, size in enumerate((int(pooled.shape[1]), 1), 1):
        names = f"mrcnn_class_conv{index}", f"mrcnn_class_bn{index}"
        x = bank.conv_norm(x, *names, width, size, kind=WholeConv2D)
        x = keras.layers.Activation("relu", dtype=bank.dtype)(x)
    x = keras.layers.Flatten(name="pool_squeeze", dtype="float32")(x)
    logits = bank.dense("mrcnn_class_logits", num_classes)(x)
    deltas = bank.dense("mrcnn_bbox_fc", 4 * num_classes)(x)
    logits = SplitBatch(count)(logits)
    deltas = keras.layers.Reshape((num_classes, 4))(deltas)
    return (
        logits,
        keras.layers.Softmax(name="mrcnn_class")(logits),
        SplitBatch(count, name="mrcnn_bbox")(deltas),
    )


def mask_head(bank, pooled, count, num_classes, channels=256, fine=None):
    """Mask probabilities of RoIs, one mask a class.

    Args:
        bank: `LayerBank`.
        pooled: (B * N, 14, 14, C).
        count: N, static.
        fine: (B * N, 28, 28, C') of a finer map, which tells where borders run; or None.

    Returns:
        (B, N, 28, 28, K) float32 in 0..1.
    """
    x = pooled
    for index in range(1, 5):
        names = f"mrcnn_mask_conv{index}", f"mrcnn_mask_bn{index}"
        x = bank.conv_norm(x, *names, channels, 3, padding="same")
        x = keras.layers.Activation("relu", dtype=bank.dtype)(x)
    x = bank.deconv("mrcnn_mask_deconv", channels)(x)
    if fine is not None:
        fine = bank.conv("mrcnn_mask_fine", channels, 1)(fine)
        x = keras.layers.Add(dtype=bank.dtype)([x, fine])
        x = keras.layers.Activation("relu", dtype=bank.dtype)(x)
        x = bank.conv("mrcnn_mask_fine_conv", channels, 3, padding="same", activation="relu")(x)
    small = keras.initializers.RandomNormal(stddev=0.01)
    x = bank.conv(
        "mrcnn_mask",
        num_classes,
        1,
        activation="sigmoid",
        kernel_initializer=small,
        dtype="float32",
    )(x)
    return SplitBatch(count, name="mrcnn_mask_rois")(x)
