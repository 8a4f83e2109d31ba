"""Non-maximum suppression with static shapes: the general way, and TensorFlow's kernel.

Both keep, in order of falling score, each box that no kept box overlaps by more than the
threshold; a suppressed box suppresses nobody. `tests/mrcnn/test_nms.py` holds them to the same
answer.
"""

import keras
from keras import ops

from . import boxes as box_ops

TILE = 256  # boxes decided at a time; bounds the overlap matrix to TILE x N


def non_max_suppression(boxes, scores, max_output, iou_threshold):
    """Indices of the boxes to keep.

    Args:
        boxes: (N, 4) float32.
        scores: (N,) float32. A box with a score of -1 or less takes no part.
        max_output: static int, size of the answer.
        iou_threshold: a box goes when it overlaps a kept one by more than this.

    Returns:
        indices (max_output,) int32 by falling score, and valid (max_output,) bool; where `valid`
        is False, the index is 0.
    """
    boxes = ops.stop_gradient(boxes)
    scores = ops.stop_gradient(scores)
    if keras.backend.backend() == "tensorflow":
        return _tensorflow(boxes, scores, max_output, iou_threshold)
    return greedy(boxes, scores, max_output, iou_threshold)


def greedy(boxes, scores, max_output, iou_threshold):
    """`non_max_suppression` on any backend: exact, in tiles of sorted boxes."""
    count = boxes.shape[0]
    order = ops.argsort(-scores)
    boxes = ops.take(boxes, order, axis=0)
    alive = ops.take(scores, order, axis=0) > -1.0
    kept = []
    for start in range(0, count, TILE):
        stop = min(start + TILE, count)
        tile = boxes[start:stop]
        free = alive[start:stop]
        if kept:
            earlier = ops.concatenate(kept, axis=0)
            overlap = box_ops.iou(tile, boxes[:start]) > iou_threshold
            free = ops.logical_and(free, ops.logical_not(ops.any(overlap & earlier[None], axis=1)))
        kept.append(_settle(tile, free, iou_threshold))
    kept = ops.concatenate(kept, axis=0)
    # The first `max_output` kept boxes: position in sorted order is the key.
    position = ops.where(kept, ops.arange(count, dtype="int32"), count)
    position = ops.sort(position)[:max_output]
    if count < max_output:
        position = ops.pad(position, [[0, max_output - count]], constant_values=count)
    valid = position < count
    indices = ops.take(order, ops.where(valid, position, 0), axis=0)
    return ops.where(valid, ops.cast(indices, "int32"), 0), valid


def _settle(tile, free, iou_threshold):
    """Which of a tile's sorted boxes (T, 4) stay, given that only `free` (T,) may.

    Box i stays when no staying box before it overlaps it. The rule is applied until nothing
    changes; after k rounds the first k boxes are settled, in practice all are after a few.
    """
    size = tile.shape[0]
    before = ops.arange(size)[None, :] < ops.arange(size)[:, None]
    rival = ops.logical_and(box_ops.iou(tile, tile) > iou_threshold, before)

    def changed(stay, previous):
        return ops.any(ops.not_equal(stay, previous))

    def round_(stay, previous):
        beaten = ops.any(ops.logical_and(rival, stay[None, :]), axis=1)
        return ops.logical_and(free, ops.logical_not(beaten)), stay

    stay, _ = ops.while_loop(
        changed, round_, (free, ops.logical_not(free)), maximum_iterations=size
    )
    return stay


def _tensorflow(boxes, scores, max_output, iou_threshold):
    import tensorflow as tf

    # The kernel itself: tf.image.non_max_suppression_padded is a loop of many operations.
    indices, count = tf.raw_ops.NonMaxSuppressionV4(
        boxes=boxes,
        scores=scores,
        max_output_size=max_output,
        iou_threshold=iou_threshold,
        score_threshold=-1.0,
        pad_to_max_output_size=True,
    )
    indices = tf.reshape(indices, (max_output,))
    valid = tf.range(max_output) < count
    return tf.where(valid, indices, 0), valid
