"""The five losses, each a float32 scalar over the whole batch; with several workers the mean of
theirs is (see `distributed`).

Formulas: Ren et al., Faster R-CNN (2015), and He et al., Mask R-CNN (ICCV 2017), averaged as in
matterport's detector.
"""

from keras import ops

from . import distributed

EPSILON = 1e-7  # keeps logarithms of probabilities finite


def smooth_l1(target, predicted):
    """Elementwise 0.5 d^2 for |d| < 1, |d| - 0.5 beyond."""
    d = ops.abs(target - predicted)
    return ops.where(d < 1.0, 0.5 * d * d, d - 0.5)


def _cross_entropy(labels, logits):
    """-log softmax(logits)[label]; labels (...) int32, logits (..., K)."""
    log_probabilities = logits - ops.logsumexp(logits, axis=-1, keepdims=True)
    return -ops.take_along_axis(log_probabilities, labels[..., None], axis=-1)[..., 0]


def _masked_mean(values, mask):
    """Mean of values where mask is set; 0 when it is set nowhere."""
    weight = ops.cast(mask, "float32")
    # Both branches of a where are differentiated: keep unused values out of the sum, finite.
    values = ops.where(mask, values, 0.0)
    count = distributed.total(ops.sum(weight))
    return distributed.processes() * ops.sum(values) / ops.maximum(count, 1.0)


def rpn_class_loss(match, logits):
    """Cross entropy over the anchors that count.

    Args:
        match: (B, A, 1) int32: 1 positive, -1 background, 0 neither.
        logits: (B, A, 2) of (background, molecule).
    """
    match = match[..., 0]
    return _masked_mean(
        _cross_entropy(ops.cast(match == 1, "int32"), logits), ops.not_equal(match, 0)
    )


def rpn_bbox_loss(match, target, deltas):
    """Smooth L1 over the positive anchors.

    Args:
        match: (B, A, 1) int32.
        target: (B, D, 4); row k belongs to the image's k-th positive anchor.
        deltas: (B, A, 4) predicted.
    """
    positive = match[..., 0] == 1
    rank = ops.cumsum(ops.cast(positive, "int32"), axis=1) - 1
    rank = ops.clip(rank, 0, target.shape[1] - 1)
    own = ops.take_along_axis(ops.cast(target, "float32"), rank[..., None], axis=1)
    return _masked_mean(ops.mean(smooth_l1(own, deltas), axis=-1), positive)


def mrcnn_class_loss(target_ids, logits, active_ids):
    """Cross entropy of the RoIs' classes.

    Args:
        target_ids: (B, T) int32.
        logits: (B, T, K).
        active_ids: (B, K), 1 for the classes of the image's dataset. A RoI taken for a class
            that its dataset does not know does not count.
    """
    guess = ops.argmax(logits, axis=-1)
    active = ops.take_along_axis(ops.cast(active_ids, "int32"), ops.cast(guess, "int32"), axis=1)
    return _masked_mean(_cross_entropy(ops.cast(target_ids, "int32"), logits), active > 0)


def mrcnn_bbox_loss(target_deltas, target_ids, deltas):
    """Smooth L1 of the positive RoIs' deltas for their true class.

    Args:
        target_deltas: (B, T, 4).
        target_ids: (B, T) int32.
        deltas: (B, T, K, 4).
    """
    ids = ops.maximum(target_ids, 0)
    own = ops.take_along_axis(deltas, ids[..., None, None], axis=2)[:, :, 0]
    return _masked_mean(ops.mean(smooth_l1(target_deltas, own), axis=-1), target_ids > 0)


def mrcnn_mask_loss(target_masks, target_ids, masks):
    """Binary cross entropy of the positive RoIs' masks for their true class.

    Args:
        target_masks: (B, P, h, w) float32 of 0 and 1.
        target_ids: (B, P) int32.
        masks: (B, P, h, w, K) probabilities.
    """
    ids = ops.maximum(target_ids, 0)
    own = ops.take_along_axis(masks, ids[..., None, None, None], axis=4)[..., 0]
    own = ops.clip(own, EPSILON, 1.0 - EPSILON)
    entropy = -(target_masks * ops.log(own) + (1.0 - target_masks) * ops.log(1.0 - own))
    return _masked_mean(ops.mean(entropy, axis=(2, 3)), target_ids > 0)
