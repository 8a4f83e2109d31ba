"""Final detections: the best class of each RoI, refined, cut to the window, one a place."""

import keras
from keras import ops

from . import boxes as box_ops
from .nms import non_max_suppression


class Detections(keras.layers.Layer):
    """Turns classified RoIs into a fixed number of detections.

    Args:
        config: `Config`; read are DETECTION_MAX_INSTANCES, DETECTION_MIN_CONFIDENCE,
            DETECTION_NMS_THRESHOLD and BBOX_STD_DEV.

    Call with `[rois (B, N, 4) normalised, probabilities (B, N, K), deltas (B, N, K, 4),
    window (B, 4) normalised]`.
    Returns detections (B, D, 6): (y1, x1, y2, x2, class id, score) by falling score, padded with
    zeros, and the class probabilities (B, D, K) of each.
    """

    def __init__(self, config, **kwargs):
        super().__init__(dtype="float32", autocast=False, **kwargs)
        self.count = config.DETECTION_MAX_INSTANCES
        self.min_confidence = config.DETECTION_MIN_CONFIDENCE
        self.nms_threshold = config.DETECTION_NMS_THRESHOLD
        self.std_dev = [float(v) for v in config.BBOX_STD_DEV]

    def call(self, inputs):
        rois, probabilities, deltas, window = inputs
        # Not argmax: Keras makes of it, on TensorFlow, bit operations that ONNX does not have.
        scores, class_ids = ops.top_k(probabilities, 1)
        scores, class_ids = scores[..., 0], ops.cast(class_ids[..., 0], "int32")
        own = ops.take_along_axis(deltas, class_ids[..., None, None], axis=2)[:, :, 0]
        boxes = box_ops.apply_deltas(rois, own * ops.convert_to_tensor(self.std_dev))
        boxes = box_ops.clip(boxes, window[:, None, :])
        wanted = ops.logical_and(class_ids > 0, box_ops.area(rois) > 0)
        if self.min_confidence:
            wanted = ops.logical_and(wanted, scores >= self.min_confidence)
        picked = [
            self._suppress(boxes[k], class_ids[k], scores[k], probabilities[k], wanted[k])
            for k in range(int(rois.shape[0]))
        ]
        return ops.stack([p[0] for p in picked]), ops.stack([p[1] for p in picked])

    def _suppress(self, boxes, class_ids, scores, probabilities, wanted):
        # Boxes lie within the image, that is within 0..1: shifted by twice their class number,
        # those of different classes never meet, and one pass serves all classes.
        own_field = boxes + 2.0 * ops.cast(class_ids, "float32")[:, None]
        kept, valid = non_max_suppression(
            own_field, ops.where(wanted, scores, -1.0), self.count, self.nms_threshold
        )
        answer = ops.concatenate(
            [boxes, ops.cast(class_ids, "float32")[:, None], scores[:, None]], axis=1
        )
        answer = ops.take(answer, kept, axis=0)
        probabilities = ops.take(probabilities, kept, axis=0)
        return (
            ops.where(valid[:, None], answer, 0.0),
            ops.where(valid[:, None], probabilities, 0.0),
        )
