"""Matterport's functions of tensors: boxes, image metas, losses, and the targets of one image.

Boxes are (y1, x1, y2, x2). Tensors are of any backend, or of a Keras graph.
"""

from __future__ import annotations

from keras import ops

from mrcnn import boxes as box_ops
from mrcnn import losses
from mrcnn.config import Config
from mrcnn.detection import Detections
from mrcnn.matterport.layers import DetectionTargetLayer

smooth_l1_loss = losses.smooth_l1
apply_box_deltas_graph = box_ops.apply_deltas
clip_boxes_graph = box_ops.clip
overlaps_graph = box_ops.iou
log2_graph = ops.log2


def parse_image_meta_graph(meta) -> dict:
    """Take image metas (B, 12 + K) apart: the parts of `parse_image_meta`, as float tensors."""
    return {
        "image_id": meta[:, 0],
        "original_image_shape": meta[:, 1:4],
        "image_shape": meta[:, 4:7],
        "window": meta[:, 7:11],
        "scale": meta[:, 11],
        "active_class_ids": meta[:, 12:],
    }


def norm_boxes_graph(boxes, shape):
    """Turn pixel boxes (..., 4) into normalised ones, for an image of shape (height, width)."""
    return box_ops.normalise(boxes, shape[0], shape[1])


def denorm_boxes_graph(boxes, shape):
    """Turn normalised boxes (..., 4) into int32 pixel boxes: the inverse of `norm_boxes_graph`."""
    height, width = (ops.cast(shape[axis], "float32") for axis in (0, 1))
    scale = ops.stack([height, width, height, width]) - 1.0
    return ops.cast(ops.round(boxes * scale + ops.convert_to_tensor([0.0, 0.0, 1.0, 1.0])), "int32")


def trim_zeros_graph(boxes, name: str | None = None) -> tuple:
    """Drop the boxes (N, 4) that are all zero, with which batches are padded.

    The answer's length depends on the values, so JAX cannot do it in a compiled function.

    Args:
        boxes: (N, 4).
        name: without effect; tensors of Keras 3 carry no names that could be given.

    Returns:
        boxes (K, 4), and which rows they are, (N,) bool.
    """
    real = ops.sum(ops.abs(boxes), axis=1) > 0
    return ops.take(boxes, ops.nonzero(real)[0], axis=0), real


def batch_pack_graph(x, counts, num_rows: int):
    """The first counts[i] entries of each row x[i], one row after the other.

    Args:
        x: (B, N, ...).
        counts: (B,) int; numbers, or tensors where the backend cuts by tensors (not JAX).
        num_rows: B.

    Returns:
        (sum of counts, ...).
    """
    return ops.concatenate([x[row, : counts[row]] for row in range(num_rows)], axis=0)


def refine_detections_graph(rois, probs, deltas, window, config: Config):
    """Final detections of one image.

    Args:
        rois: (N, 4) normalised.
        probs: (N, K) class probabilities.
        deltas: (N, K, 4) over BBOX_STD_DEV.
        window: (4,) normalised; boxes are cut to it.
        config: as in `Detections`.

    Returns:
        (D, 6): (y1, x1, y2, x2, class id, score) by falling score, padded with zeros.
    """
    return Detections(config)([x[None] for x in (rois, probs, deltas, window)])[0][0]


def detection_targets_graph(proposals, gt_class_ids, gt_boxes, gt_masks, config: Config) -> list:
    """Draw training RoIs of one image: `DetectionTargetLayer` without the axis of the images."""
    batch = [x[None] for x in (proposals, gt_class_ids, gt_boxes, gt_masks)]
    return [x[0] for x in DetectionTargetLayer(config)(batch)]


# --- losses: matterport's order of arguments; formulas in `mrcnn.losses` ------------------------


def rpn_class_loss_graph(rpn_match, rpn_class_logits):
    """Loss of the RPN's scores; see `losses.rpn_class_loss`."""
    return losses.rpn_class_loss(rpn_match, rpn_class_logits)


def rpn_bbox_loss_graph(config: Config, target_bbox, rpn_match, rpn_bbox):
    """Loss of the RPN's deltas; see `losses.rpn_bbox_loss`. The config is not looked at."""
    return losses.rpn_bbox_loss(rpn_match, target_bbox, rpn_bbox)


def mrcnn_class_loss_graph(target_class_ids, pred_class_logits, active_class_ids):
    """Loss of the RoIs' classes; see `losses.mrcnn_class_loss`."""
    return losses.mrcnn_class_loss(target_class_ids, pred_class_logits, active_class_ids)


def mrcnn_bbox_loss_graph(target_bbox, target_class_ids, pred_bbox):
    """Loss of the RoIs' deltas; see `losses.mrcnn_bbox_loss`."""
    return losses.mrcnn_bbox_loss(target_bbox, target_class_ids, pred_bbox)


def mrcnn_mask_loss_graph(target_masks, target_class_ids, pred_masks):
    """Loss of the RoIs' masks; see `losses.mrcnn_mask_loss`."""
    return losses.mrcnn_mask_loss(target_masks, target_class_ids, pred_masks)
