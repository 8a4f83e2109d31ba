"""The five losses on tensors small enough to work out on paper."""

import math

import numpy as np
import pytest
from keras import ops

from mrcnn import losses

LN2, LN3 = math.log(2), math.log(3)


def value(function, *arrays):
    answer = function(*(ops.convert_to_tensor(a) for a in arrays))
    assert tuple(answer.shape) == ()
    return float(answer)


def i32(values):
    return np.array(values, "int32")


def f32(values):
    return np.array(values, "float32")


def test_smooth_l1():
    found = losses.smooth_l1(f32([0, 0, 0, 0]), f32([0, 0.5, -1, 3]))
    np.testing.assert_allclose(ops.convert_to_numpy(found), [0, 0.125, 0.5, 2.5])


# --- RPN ---------------------------------------------------------------------------------------


def test_rpn_class_loss():
    """Logits (0, ln 3) say 3/4 molecule: -ln 3/4 for the positive, -ln 1/4 for the background."""
    match = i32([[[1], [-1], [0]]])
    logits = f32([[[0, LN3], [0, LN3], [50, -50]]])
    expected = (math.log(4 / 3) + math.log(4)) / 2  # the neutral third does not count
    assert value(losses.rpn_class_loss, match, logits) == pytest.approx(expected, rel=1e-6)


def test_rpn_class_loss_averages_over_the_batch():
    match = i32([[[1], [0]], [[-1], [-1]]])
    logits = f32([[[0, 0], [0, 0]], [[0, 0], [0, LN3]]])
    expected = (LN2 + LN2 + math.log(4)) / 3
    assert value(losses.rpn_class_loss, match, logits) == pytest.approx(expected, rel=1e-6)


def test_rpn_class_loss_of_great_logits_is_finite():
    match = i32([[[1], [-1]]])
    logits = f32([[[200, -200], [200, -200]]])
    assert value(losses.rpn_class_loss, match, logits) == pytest.approx(200)


def test_rpn_bbox_loss():
    """Row k of the target belongs to the k-th positive anchor, whatever stands between."""
    match = i32([[[0], [1], [-1], [1]]])
    target = f32([[[1, 0, 0, 0], [0, 0, 0, 4], [9, 9, 9, 9]]])  # the last row is padding
    deltas = f32([[[7] * 4, [0.5, 0, 0, 0], [7] * 4, [0, 0, 0, 2]]])
    # 0.5 * 0.25 / 4 and 1.5 / 4, averaged
    assert value(losses.rpn_bbox_loss, match, target, deltas) == pytest.approx(1.625 / 8)


def test_rpn_bbox_loss_keeps_images_apart():
    match = i32([[[1], [1]], [[-1], [1]]])
    target = f32([[[1] * 4, [2] * 4], [[3] * 4, [0] * 4]])
    deltas = f32([[[1] * 4, [2] * 4], [[9] * 4, [5] * 4]])
    assert value(losses.rpn_bbox_loss, match, target, deltas) == pytest.approx(1.5 / 3)


# --- heads -------------------------------------------------------------------------------------


def test_class_loss():
    """Logits (0, ln 2, 0) give probabilities 1/4, 1/2, 1/4."""
    ids = i32([[1, 0, 2]])
    logits = f32([[[0, LN2, 0]] * 3])
    active = i32([[1, 1, 1]])
    expected = (LN2 + 2 * math.log(4)) / 3
    assert value(losses.mrcnn_class_loss, ids, logits, active) == pytest.approx(expected)


def test_class_loss_passes_over_classes_of_other_datasets():
    """A RoI taken for class 2 does not count where the image's dataset does not know it."""
    ids = i32([[1, 0]])
    logits = f32([[[0, LN2, 0], [0, 0, 5]]])
    assert value(losses.mrcnn_class_loss, ids, logits, i32([[1, 1, 0]])) == pytest.approx(LN2)
    assert value(losses.mrcnn_class_loss, ids, logits, i32([[1, 0, 0]])) == 0


def test_bbox_loss_takes_the_true_class_of_positives():
    ids = i32([[2, 0]])
    target = f32([[[0.5, 0, 0, 0], [3, 3, 3, 3]]])
    deltas = np.full((1, 2, 3, 4), 9, "float32")
    deltas[0, 0, 2] = [0, 2, 0, 0]
    # (0.5 * 0.25 + 1.5) / 4
    assert value(losses.mrcnn_bbox_loss, target, ids, deltas) == pytest.approx(0.40625)


def test_mask_loss_takes_the_true_class_of_positives():
    ids = i32([[1, 0]])
    target = np.zeros((1, 2, 2, 2), "float32")
    target[0, 0, 0, 0] = 1
    masks = np.full((1, 2, 2, 2, 2), 0.9, "float32")
    masks[0, 0, :, :, 1] = [[0.5, 0.25], [0.25, 0.25]]
    expected = (LN2 + 3 * math.log(4 / 3)) / 4
    assert value(losses.mrcnn_mask_loss, target, ids, masks) == pytest.approx(expected, rel=1e-5)


def test_mask_loss_of_certain_wrong_answers_is_finite():
    target, masks = np.ones((1, 1, 2, 2), "float32"), np.zeros((1, 1, 2, 2, 2), "float32")
    expected = -math.log(losses.EPSILON)
    assert value(losses.mrcnn_mask_loss, target, i32([[1]]), masks) == pytest.approx(expected)
    found = value(losses.mrcnn_mask_loss, 1 - target, i32([[1]]), 1 - masks)
    assert found == pytest.approx(expected, rel=0.02)  # 1 - 1e-7 is 1 - 1.19e-7 in float32


# --- nothing there -----------------------------------------------------------------------------


def test_nothing_there_costs_nothing():
    """No anchor chosen, no molecule: each loss is 0, never NaN."""
    neutral, background = i32([[[0], [0]]]), i32([[[-1], [-1]]])
    logits, deltas = f32([[[0, 1], [1, 0]]]), f32([[[1] * 4] * 2])
    assert value(losses.rpn_class_loss, neutral, logits) == 0
    assert value(losses.rpn_bbox_loss, background, np.zeros((1, 4, 4), "float32"), deltas) == 0
    ids = i32([[0, 0]])
    assert value(losses.mrcnn_bbox_loss, deltas, ids, np.ones((1, 2, 3, 4), "float32")) == 0
    masks = np.full((1, 2, 2, 2, 3), 0.3, "float32")
    assert value(losses.mrcnn_mask_loss, np.zeros((1, 2, 2, 2), "float32"), ids, masks) == 0
    none = i32([[0, 0, 0]])
    assert value(losses.mrcnn_class_loss, ids, np.ones((1, 2, 3), "float32"), none) == 0
