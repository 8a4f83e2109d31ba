"""The region proposal network and the proposals that it makes.

Ren et al., Faster R-CNN (NIPS 2015), on a feature pyramid: one head serves all levels.
"""

import keras
from keras import ops

from . import boxes as box_ops
from .nms import non_max_suppression


def rpn_head(bank, levels, anchors_per_cell, anchor_stride=1, channels=512):
    """Score and box deltas of every anchor.

    Args:
        bank: `LayerBank`.
        levels: pyramid levels (B, h, w, C).
        anchors_per_cell: static int, number of anchor ratios (times scales) of a level.

    Returns:
        logits (B, A, 2) of (background, molecule), their softmax (B, A, 2), and deltas (B, A, 4)
        over RPN_BBOX_STD_DEV; A runs over levels, rows, columns, anchors of a cell. All float32.
    """
    small = keras.initializers.RandomNormal(stddev=0.01)
    logits, deltas = [], []
    for level in levels:
        shared = bank.conv(
            "rpn_conv_shared", channels, 3, anchor_stride, padding="same", activation="relu"
        )(level)
        raw = bank.conv(
            "rpn_class_raw", 2 * anchors_per_cell, 1, kernel_initializer=small, dtype="float32"
        )(shared)
        logits.append(keras.layers.Reshape((-1, 2))(raw))
        raw = bank.conv(
            "rpn_bbox_pred", 4 * anchors_per_cell, 1, kernel_initializer=small, dtype="float32"
        )(shared)
        deltas.append(keras.layers.Reshape((-1, 4))(raw))
    logits = keras.layers.Concatenate(axis=1, name="rpn_class_logits")(logits)
    deltas = keras.layers.Concatenate(axis=1, name="rpn_bbox")(deltas)
    return logits, keras.layers.Softmax(name="rpn_class")(logits), deltas


class Proposals(keras.layers.Layer):
    """Turns scored anchors into a fixed number of RoIs; no gradient flows through it.

    Args:
        count: RoIs an image.
        nms_threshold: IoU above which the lower-scored RoI goes.
        pre_nms_limit: anchors by falling score that enter the NMS.
        std_dev: (4,) scale of the deltas.

    Call with `[scores (B, A, 2), deltas (B, A, 4), anchors (B, A, 4) normalised]`.
    Returns RoIs (B, count, 4), normalised, by falling score, padded with zeros.
    """

    def __init__(self, count, nms_threshold, pre_nms_limit, std_dev, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.count = count
        self.nms_threshold = nms_threshold
        self.pre_nms_limit = pre_nms_limit
        self.std_dev = [float(v) for v in std_dev]

    def call(self, inputs):
        scores, _, _, boxes = self.candidates(inputs)
        rois = []
        for index in range(int(scores.shape[0])):
            kept, valid = self.suppress(boxes[index], scores[index])
            rois.append(ops.where(valid[:, None], ops.take(boxes[index], kept, axis=0), 0.0))
        return ops.stack(rois)

    def compute_output_spec(self, inputs):
        # Said, and not found by a trace: JAX traces no graph that serves images of any size.
        return keras.KerasTensor((inputs[0].shape[0], self.count, 4), "float32")

    def candidates(self, inputs):
        """What enters the NMS, by falling score: scores (B, M), their anchors, these moved by the
        deltas, and these cut to the image, each (B, M, 4)."""
        probabilities, deltas, anchors = (ops.stop_gradient(x) for x in inputs)
        scores = probabilities[:, :, 1]
        count = ops.shape(scores)[1]  # a tensor where the graph serves images of any size
        known = isinstance(count, int)
        limit = min(self.pre_nms_limit, count) if known else ops.minimum(self.pre_nms_limit, count)
        scores, best = ops.top_k(scores, limit, sorted=True)
        deltas = ops.take_along_axis(deltas, best[..., None], axis=1)
        anchors = ops.take_along_axis(anchors, best[..., None], axis=1)
        moved = box_ops.apply_deltas(anchors, deltas * ops.convert_to_tensor(self.std_dev))
        inside = box_ops.clip(moved, ops.convert_to_tensor([0.0, 0.0, 1.0, 1.0]))
        return scores, anchors, moved, inside

    def suppress(self, boxes, scores):
        """Rows (count,) of the candidates of one image that stay, and which places are used."""
        return non_max_suppression(boxes, scores, self.count, self.nms_threshold)
