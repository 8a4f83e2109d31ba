"""The RPN's answers at the few anchors that its losses look at.

Of some 65,000 anchors of a 512 x 512 image 256 count. Only their cells pass a gradient on, so that
the gradients of convolutions over whole maps are a sixth of a training step spent on zeros, and
the maps in between need not be kept.
"""

import keras
from keras import ops

# How many times as many cells as sampled anchors make it worth while.
WORTH = 4


def judged(bank, levels, match, anchors_per_cell, count):
    """What the RPN's losses take, of those anchors alone that count.

    Args:
        bank: `LayerBank` with the RPN's layers, built.
        levels: pyramid levels (B, h, w, C) of static size.
        match: (B, A, 1) int32: 1 positive, -1 background, 0 neither.
        count: D, at least as many as count in an image; of more the last negative ones are left
            out.

    Returns:
        match (B, D, 1), logits (B, D, 2), deltas (B, D, 4), positive anchors first, each kind in
        the order of the anchors.
    """
    indices = SampledAnchors(count)(match)
    layers = [bank.layers[f"rpn_{name}"] for name in ("conv_shared", "class_raw", "bbox_pred")]
    logits, deltas = SampledRPN(layers, anchors_per_cell)([indices, *levels])
    return ops.take_along_axis(match, indices[..., None], axis=1), logits, deltas


class SampledAnchors(keras.layers.Layer):
    """Finds the anchors that count.

    Args:
        count: D.

    Call with match (B, A, 1) int32: 1 positive, -1 background, 0 neither.
    Returns indices (B, D) int32: of positive anchors, ascending, then of background, ascending;
    places left over are of anchors that do not count.
    """

    def __init__(self, count, **kwargs):
        super().__init__(dtype="float32", autocast=False, **kwargs)
        self.count = count

    def call(self, match):
        total = int(match.shape[1])
        order = ops.arange(total, 0, -1, dtype="float32")
        match = match[..., 0]
        score = ops.where(match > 0, total + order, ops.where(match < 0, order, 0.0))
        return ops.cast(ops.top_k(score, min(self.count, total))[1], "int32")


class SampledRPN(keras.layers.Layer):
    """Logits and deltas of some anchors, as the RPN's convolutions over whole maps give them.

    Args:
        convolutions: the layers rpn_conv_shared, rpn_class_raw and rpn_bbox_pred, built; they stay
            layers of their own, with their weights.
        anchors_per_cell: static int.

    Call with `[indices (B, D) int32, P2, ..., P6]`, the levels (B, h, w, C) of static size.
    Returns logits (B, D, 2) and deltas (B, D, 4), float32.
    """

    def __init__(self, convolutions, anchors_per_cell, **kwargs):
        super().__init__(dtype="float32", autocast=False, **kwargs)
        self._convolutions = lambda: convolutions  # attributes would be a part of this layer
        self.anchors_per_cell = anchors_per_cell

    def call(self, inputs):
        indices, *levels = inputs
        shared, classes, boxes = self._convolutions()
        cells = ops.reshape(indices // self.anchors_per_cell, (-1,))
        patches = _patches(levels, cells, indices.shape[1], shared)
        hidden = ops.relu(_product(patches, shared))
        hidden = ops.cast(hidden, "float32")
        anchor = ops.reshape(indices % self.anchors_per_cell, (-1, 1, 1))
        answers = []
        for layer, width in ((classes, 2), (boxes, 4)):
            rows = ops.reshape(_product(hidden, layer), (-1, self.anchors_per_cell, width))
            own = ops.take_along_axis(rows, anchor, axis=1)
            answers.append(ops.reshape(own, (*indices.shape, width)))
        return answers

    def compute_output_spec(self, inputs):
        shape = inputs[0].shape
        return [keras.KerasTensor((*shape, width), "float32") for width in (2, 4)]


def _product(rows, convolution):
    """(R, k * k * C) through the weights of a convolution: (R, F)."""
    kernel = ops.reshape(convolution.kernel, (rows.shape[-1], convolution.filters))
    bias = ops.cast(convolution.bias, rows.dtype)
    return ops.matmul(rows, ops.cast(kernel, rows.dtype)) + bias


def _patches(levels, cells, per_image, convolution):
    """What a convolution with zeros around the maps sees at some cells of its answer.

    Args:
        levels: (B, h, w, C) maps.
        cells: (B * per_image,) int32, counted over levels, rows and columns of the answer.
        convolution: its kernel_size and strides count.

    Returns:
        (B * per_image, k * k * C), in the dtype of the levels.
    """
    size, stride = convolution.kernel_size[0], convolution.strides[0]
    batch, channels = levels[0].shape[0], levels[0].shape[-1]
    image = ops.repeat(ops.arange(batch, dtype="int32"), per_image)[:, None, None]
    steps = ops.arange(size, dtype="int32")
    total, first = 0, 0
    for level in levels:
        height, width = level.shape[1:3]
        tall, wide = -(-height // stride), -(-width // stride)
        cell = cells - first
        mine = ops.logical_and(cell >= 0, cell < tall * wide)
        y = (cell // wide * stride - _before(height, size, stride))[:, None, None] + steps[:, None]
        x = (cell % wide * stride - _before(width, size, stride))[:, None, None] + steps
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width) & mine[:, None, None]
        place = ops.where(inside, (image * height + y) * width + x, 0)
        patch = ops.take(ops.reshape(level, (-1, channels)), place, axis=0)
        total += ops.where(inside[..., None], patch, ops.zeros_like(patch))
        first += tall * wide
    return ops.reshape(total, (-1, size * size * channels))


def _before(length, size, stride):
    """Zeros before a map of `length` cells, as "same" padding lays them."""
    return max((-(-length // stride) - 1) * stride + size - length, 0) // 2
