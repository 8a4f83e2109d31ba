"""The names of matterport's `mrcnn.utils`, for scripts written against that API.

Nothing lives here; new code imports from the modules themselves. No keras is imported. What each
name does differently there and here: docs/matterport_api.md.
"""

from mrcnn.anchor_tools import compute_backbone_shapes, generate_anchors, generate_pyramid_anchors
from mrcnn.box_tools import (
    apply_box_deltas,
    box_refinement,
    compute_iou,
    compute_overlaps,
    compute_overlaps_masks,
    denorm_boxes,
    extract_bboxes,
    non_max_suppression,
    norm_boxes,
    trim_zeros,
)
from mrcnn.dataset import Dataset
from mrcnn.download import COCO_MODEL_URL, download_trained_weights
from mrcnn.evaluation import compute_ap, compute_ap_range, compute_matches, compute_recall
from mrcnn.graph_tools import batch_slice, box_refinement_graph
from mrcnn.mask_tools import expand_mask, minimize_mask, resize_mask, unmold_mask
from mrcnn.resizing import resize, resize_image

__all__ = [
    "COCO_MODEL_URL",
    "Dataset",
    "apply_box_deltas",
    "batch_slice",
    "box_refinement",
    "box_refinement_graph",
    "compute_ap",
    "compute_ap_range",
    "compute_backbone_shapes",
    "compute_iou",
    "compute_matches",
    "compute_overlaps",
    "compute_overlaps_masks",
    "compute_recall",
    "denorm_boxes",
    "download_trained_weights",
    "expand_mask",
    "extract_bboxes",
    "generate_anchors",
    "generate_pyramid_anchors",
    "minimize_mask",
    "non_max_suppression",
    "norm_boxes",
    "resize",
    "resize_image",
    "resize_mask",
    "trim_zeros",
    "unmold_mask",
]
