"""Matching detections with the truth, and average precision, for one image.

A detection is matched with at most one instance and an instance with at most one detection, so
recall never exceeds 1. For figures over many images see the project's evaluation program.
"""

from collections.abc import Sequence

import numpy as np

from mrcnn import box_tools


def compute_matches(
    gt_boxes: np.ndarray,
    gt_class_ids: np.ndarray,
    gt_masks: np.ndarray,
    pred_boxes: np.ndarray,
    pred_class_ids: np.ndarray,
    pred_scores: np.ndarray,
    pred_masks: np.ndarray,
    iou_threshold: float = 0.5,
    score_threshold: float = 0.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Match detections with instances, the best score first.

    A detection takes the instance that its mask overlaps most, of those of its class that are
    still free.

    Args:
        gt_boxes: (N, 4) boxes; rows of zeros are padding and are left out.
        gt_class_ids: (N,) int.
        gt_masks: (H, W, N).
        pred_boxes: (K, 4) boxes, likewise.
        pred_class_ids: (K,) int.
        pred_scores: (K,) float.
        pred_masks: (H, W, K).
        iou_threshold: least mask IoU of a match.
        score_threshold: nothing is matched that overlaps an instance by less than this IoU; kept
            from the older API, where it has this meaning in spite of its name.

    Returns:
        gt_match: (N,) for each instance the index of its detection, else -1.
        pred_match: (K,) for each detection the index of its instance, else -1.
        overlaps: (K, N) mask IoU.

    Detections are counted in the order of falling score, in `gt_match`, `pred_match` and
    `overlaps` alike.
    """
    gt_class_ids, pred_class_ids, overlaps = _by_score(
        gt_boxes, gt_class_ids, gt_masks, pred_boxes, pred_class_ids, pred_scores, pred_masks
    )
    return *_match(gt_class_ids, pred_class_ids, overlaps, iou_threshold, score_threshold), overlaps


def _by_score(gt_boxes, gt_class_ids, gt_masks, boxes, class_ids, scores, masks):
    """Drop the padding, sort the detections by falling score, and compute the mask overlaps."""
    gt_count = len(box_tools.trim_zeros(np.reshape(gt_boxes, (-1, 4))))
    count = len(box_tools.trim_zeros(np.reshape(boxes, (-1, 4))))
    order = np.argsort(-np.asarray(scores)[:count], kind="stable")
    overlaps = np.zeros((count, gt_count))
    if count and gt_count:
        overlaps = box_tools.compute_overlaps_masks(masks[..., order], gt_masks[..., :gt_count])
    return np.asarray(gt_class_ids)[:gt_count], np.asarray(class_ids)[order], overlaps


def _match(gt_class_ids, pred_class_ids, overlaps, iou_threshold, score_threshold=0.0):
    gt_match = np.full(len(gt_class_ids), -1)
    pred_match = np.full(len(pred_class_ids), -1)
    least = max(iou_threshold, score_threshold)
    for i, class_id in enumerate(pred_class_ids):
        allowed = np.flatnonzero((gt_match < 0) & (gt_class_ids == class_id))
        if not len(allowed):
            continue
        j = allowed[overlaps[i, allowed].argmax()]
        if overlaps[i, j] >= least:
            gt_match[j] = i
            pred_match[i] = j
    return gt_match, pred_match


def compute_ap(
    gt_boxes: np.ndarray,
    gt_class_ids: np.ndarray,
    gt_masks: np.ndarray,
    pred_boxes: np.ndarray,
    pred_class_ids: np.ndarray,
    pred_scores: np.ndarray,
    pred_masks: np.ndarray,
    iou_threshold: float = 0.5,
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Compute the average precision of one image, over all classes at once.

    The area under the envelope of the precision-recall points: at each recall the greatest
    precision at this recall or a higher one (Everingham et al., PASCAL VOC 2010).

    Args:
        gt_boxes, gt_class_ids, gt_masks, pred_boxes, pred_class_ids, pred_scores, pred_masks: as
            in `compute_matches`.
        iou_threshold: least mask IoU of a match.

    Returns:
        ap: float; nan where the image has no instance, since recall is then undefined.
        precisions: (K + 2,) envelope, with a point before the first detection and one after the
            last.
        recalls: (K + 2,) from 0 to 1.
        overlaps: (K, N) mask IoU, detections by falling score.
    """
    gt_class_ids, pred_class_ids, overlaps = _by_score(
        gt_boxes, gt_class_ids, gt_masks, pred_boxes, pred_class_ids, pred_scores, pred_masks
    )
    return *_average_precision(gt_class_ids, pred_class_ids, overlaps, iou_threshold), overlaps


def _average_precision(gt_class_ids, pred_class_ids, overlaps, iou_threshold):
    _, pred_match = _match(gt_class_ids, pred_class_ids, overlaps, iou_threshold)
    right = np.cumsum(pred_match >= 0)
    precisions = np.concatenate([[0], right / np.arange(1, len(right) + 1), [0]])
    recalls = np.concatenate([[0], right / max(len(gt_class_ids), 1), [1]])
    precisions = np.maximum.accumulate(precisions[::-1])[::-1]
    ap = float(np.sum(np.diff(recalls) * precisions[1:])) if len(gt_class_ids) else float("nan")
    return ap, precisions, recalls


def compute_ap_range(
    gt_box: np.ndarray,
    gt_class_id: np.ndarray,
    gt_mask: np.ndarray,
    pred_box: np.ndarray,
    pred_class_id: np.ndarray,
    pred_score: np.ndarray,
    pred_mask: np.ndarray,
    iou_thresholds: Sequence[float] | None = None,
    verbose: int = 1,
) -> float:
    """Compute the mean of the average precisions over several IoU thresholds.

    Args:
        gt_box, gt_class_id, gt_mask, pred_box, pred_class_id, pred_score, pred_mask: as in
            `compute_matches`.
        iou_thresholds: the thresholds; 0.5, 0.55, ..., 0.95 when None, as COCO has it.
        verbose: 1 prints the average precision at each threshold.

    Returns:
        float; nan where the image has no instance.
    """
    thresholds = np.arange(50, 100, 5) / 100 if iou_thresholds is None else iou_thresholds
    known = _by_score(gt_box, gt_class_id, gt_mask, pred_box, pred_class_id, pred_score, pred_mask)
    values = []
    for threshold in thresholds:
        ap, _, _ = _average_precision(*known, threshold)
        values.append(ap)
        if verbose:
            print(f"AP @{threshold:.2f}:\t {ap:.3f}")
    mean = float(np.mean(values))
    if verbose:
        print(f"AP @{thresholds[0]:.2f}-{thresholds[-1]:.2f}:\t {mean:.3f}")
    return mean


def compute_recall(
    pred_boxes: np.ndarray, gt_boxes: np.ndarray, iou: float
) -> tuple[float, np.ndarray]:
    """Compute how many instances some box overlaps well: a measure for proposals.

    Args:
        pred_boxes: (K, 4) boxes.
        gt_boxes: (N, 4) boxes, in the same coordinates.
        iou: least box IoU.

    Returns:
        recall: share of instances that are the best match of a box; nan without instances.
        positive_ids: (M,) indices of the boxes that overlap an instance by at least `iou`.
    """
    overlaps = box_tools.compute_overlaps(pred_boxes, gt_boxes)
    if not len(gt_boxes):
        return float("nan"), np.zeros(0, int)
    positive_ids = np.flatnonzero(overlaps.max(axis=1) >= iou)
    found = np.unique(overlaps[positive_ids].argmax(axis=1))
    return len(found) / len(gt_boxes), positive_ids
