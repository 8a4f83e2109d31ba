"""Layers with the constructors and inputs of matterport's, over the layers of this package.

Boxes are (y1, x1, y2, x2), normalised; `image_meta` is the vector of `compose_image_meta`.
"""

from __future__ import annotations

import keras
from keras import ops

from mrcnn.boxes import normalise
from mrcnn.config import Config
from mrcnn.detection import Detections
from mrcnn.roi_align import RoIAlign
from mrcnn.rpn import Proposals
from mrcnn.targets import DetectionTargets


def in_batches(inputs: list, batch: int) -> list:
    """The inputs with a static number of images, where the graph does not know it."""
    return [
        x if x.shape[0] is not None else ops.reshape(x, (batch, *ops.shape(x)[1:])) for x in inputs
    ]


class ProposalLayer(Proposals):
    """RoIs from scored anchors: `Proposals` with its settings from a config.

    Args:
        proposal_count: RoIs per image.
        nms_threshold: IoU above which the lower-scored RoI is dropped.
        config: read are PRE_NMS_LIMIT, RPN_BBOX_STD_DEV and IMAGES_PER_GPU.
    """

    def __init__(self, proposal_count: int, nms_threshold: float, config: Config, **kwargs):
        super().__init__(
            proposal_count, nms_threshold, config.PRE_NMS_LIMIT, config.RPN_BBOX_STD_DEV, **kwargs
        )
        self.config = config

    def call(self, inputs: list):
        return super().call(in_batches(inputs, self.config.IMAGES_PER_GPU))

    def compute_output_spec(self, inputs: list) -> keras.KerasTensor:
        batch = inputs[0].shape[0] or self.config.IMAGES_PER_GPU
        return keras.KerasTensor((batch, self.count, 4), "float32")


class PyramidROIAlign(RoIAlign):
    """RoIAlign from the levels P2 to P5, with an axis for the RoIs of an image.

    Args:
        pool_shape: (rows, columns) of sampling points.

    Call with `[boxes (B, N, 4), image_meta (B, M), P2, P3, P4, P5]`; the size of the image is
    taken from P2, whose cells are 4 pixels wide, and `image_meta` is not looked at.
    Returns (B, N, rows, columns, C).
    """

    def __init__(self, pool_shape: tuple[int, int], **kwargs):
        super().__init__(tuple(int(n) for n in pool_shape), **kwargs)
        self.pool_shape = self.size

    def call(self, inputs: list):
        pooled = super().call([inputs[0], *inputs[2:]])
        count = ops.shape(inputs[0])[1]
        return ops.reshape(pooled, (-1, count, *self.pool_shape, pooled.shape[-1]))

    def compute_output_spec(self, inputs: list) -> keras.KerasTensor:
        boxes, maps = inputs[0].shape, inputs[2]
        return keras.KerasTensor((*boxes[:2], *self.pool_shape, maps.shape[-1]), maps.dtype)


class DetectionTargetLayer(DetectionTargets):
    """Draws training RoIs and their targets: `DetectionTargets` with masks for all RoIs.

    Args:
        config: as in `DetectionTargets`; IMAGES_PER_GPU too.

    Call with `[proposals (B, N, 4), gt_class_ids (B, G), gt_boxes (B, G, 4) normalised,
    gt_masks (B, h, w, G)]`.
    Returns RoIs (B, T, 4), class ids (B, T) int32, deltas (B, T, 4) over BBOX_STD_DEV, masks
    (B, T, mh, mw) float32. The positive RoIs stand in the first places, the negative ones behind
    all places for positive ones.
    """

    def __init__(self, config: Config, **kwargs):
        super().__init__(config, **kwargs)
        self.config = config

    def call(self, inputs: list):
        rois, ids, deltas, masks = super().call(in_batches(inputs, self.config.IMAGES_PER_GPU))
        negative = self.total - self.positives
        return rois, ids, deltas, ops.pad(masks, [[0, 0], [0, negative], [0, 0], [0, 0]])


class DetectionLayer(Detections):
    """Final detections of classified RoIs.

    Args:
        config: as in `Detections`; IMAGES_PER_GPU too.

    Call with `[rois (B, N, 4), probabilities (B, N, K), deltas (B, N, K, 4), image_meta (B, M)]`.
    Returns (B, D, 6): (y1, x1, y2, x2, class id, score) by falling score, padded with zeros.
    """

    def __init__(self, config: Config, **kwargs):
        super().__init__(config, **kwargs)
        self.config = config

    def call(self, inputs: list):
        rois, probabilities, deltas, meta = in_batches(inputs, self.config.IMAGES_PER_GPU)
        window = normalise(meta[:, 7:11], meta[0, 4], meta[0, 5])
        return super().call([rois, probabilities, deltas, window])[0]


class NmsRows(keras.layers.Layer):
    """Rows of the candidates of the first image that a `Proposals` layer keeps.

    Call with `[boxes (B, M, 4), scores (B, M)]` of `Proposals.candidates`.
    Returns (count,) int32 by falling score; -1 where the candidates ran out.
    """

    def __init__(self, proposals: Proposals, **kwargs):
        super().__init__(dtype="float32", autocast=False, **kwargs)
        self.proposals = proposals

    def call(self, inputs: list):
        kept, valid = self.proposals.suppress(inputs[0][0], inputs[1][0])
        return ops.where(valid, kept, -1)

    def compute_output_spec(self, inputs: list) -> keras.KerasTensor:
        return keras.KerasTensor((self.proposals.count,), "int32")


class Candidates(keras.layers.Layer):
    """The steps inside a `Proposals` layer, for a look at them.

    Call as the `Proposals` layer.
    Returns scores (B, M), their anchors, these after the deltas, and these within the image, each
    (B, M, 4).
    """

    def __init__(self, proposals: Proposals, **kwargs):
        super().__init__(dtype="float32", autocast=False, **kwargs)
        self.proposals = proposals

    def call(self, inputs: list):
        return self.proposals.candidates(inputs)

    def compute_output_spec(self, inputs: list) -> tuple:
        batch = inputs[0].shape[0]
        boxes = [keras.KerasTensor((batch, None, 4), "float32") for _ in range(3)]
        return keras.KerasTensor((batch, None), "float32"), *boxes
