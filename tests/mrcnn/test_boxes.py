"""Boxes of masks, overlaps, suppression, deltas and anchors, on arrays worked out by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from mrcnn import anchor_tools, box_tools


def test_extract_bboxes_is_tight_and_exclusive():
    mask = np.zeros((6, 8, 3), bool)
    mask[1:4, 2:7, 0] = True
    mask[5, 7, 2] = True  # the last pixel of the image
    boxes = box_tools.extract_bboxes(mask)
    assert boxes.dtype == np.int32
    assert boxes.tolist() == [[1, 2, 4, 7], [0, 0, 0, 0], [5, 7, 6, 8]]


@pytest.mark.parametrize("shape", [(5, 4, 0), (0, 0, 0), (0, 4, 2)])
def test_extract_bboxes_of_nothing(shape):
    boxes = box_tools.extract_bboxes(np.zeros(shape, np.uint8))
    assert boxes.shape == (shape[2], 4)
    assert not boxes.any()


def test_compute_overlaps_by_hand():
    # 4x4 and its shifts: by two rows 8 / 24, apart 0, itself 1, empty box 0.
    one = np.array([[0, 0, 4, 4], [3, 3, 3, 3]])
    two = np.array([[2, 0, 6, 4], [4, 4, 8, 8], [0, 0, 4, 4], [9, 9, 9, 9]])
    overlaps = box_tools.compute_overlaps(one, two)
    np.testing.assert_allclose(overlaps, [[1 / 3, 0, 1, 0], [0, 0, 0, 0]])


def test_overlaps_of_nothing():
    none, two = np.zeros((0, 4)), np.ones((2, 4))
    assert box_tools.compute_overlaps(none, two).shape == (0, 2)
    assert box_tools.compute_overlaps(two, none).shape == (2, 0)
    assert box_tools.compute_iou(two[0], none, 1.0, np.zeros(0)).shape == (0,)
    masks = np.zeros((3, 3, 2), bool)
    assert box_tools.compute_overlaps_masks(masks, masks[..., :0]).shape == (2, 0)


def test_compute_overlaps_masks_by_hand():
    left, right = np.zeros((4, 4, 2)), np.zeros((4, 4, 2), bool)
    left[:2, :, 0] = 1  # eight pixels; the second mask stays empty
    right[1:3, :, 0] = True
    right[:2, :2, 1] = True
    overlaps = box_tools.compute_overlaps_masks(left, right)
    np.testing.assert_allclose(overlaps, [[4 / 12, 4 / 8], [0, 0]])


def test_compute_overlaps_masks_over_several_chunks(monkeypatch):
    rng = np.random.default_rng(1)
    one, two = rng.random((9, 11, 3)) > 0.4, rng.random((9, 11, 4)) > 0.4
    expected = [
        [(a & b).sum() / (a | b).sum() for b in np.moveaxis(two, 2, 0)]
        for a in np.moveaxis(one, 2, 0)
    ]
    monkeypatch.setattr(box_tools, "_MASK_CHUNK", 7)
    np.testing.assert_allclose(box_tools.compute_overlaps_masks(one, two), expected)


def test_non_max_suppression_pitfall_15():
    """Pitfall 15: a suppressed box must not suppress others.

    Boxes in a row, each overlapping only its neighbours (IoU 1/3): the second goes because of the
    first, the third stays although it overlaps the second.
    """
    boxes = np.array([[0, 0, 4, 4], [0, 2, 4, 6], [0, 4, 4, 8]])
    keep = box_tools.non_max_suppression(boxes, np.array([0.9, 0.8, 0.7]), 0.3)
    assert keep.dtype == np.int32
    assert keep.tolist() == [0, 2]


def test_non_max_suppression_orders_by_score_and_keeps_ties_in_order():
    boxes = np.array([[0, 0, 4, 4], [9, 9, 12, 12], [20, 20, 24, 24]], float)
    keep = box_tools.non_max_suppression(boxes, np.array([0.5, 0.9, 0.5]), 0.3)
    assert keep.tolist() == [1, 0, 2]
    assert box_tools.non_max_suppression(np.zeros((0, 4)), np.zeros(0), 0.3).shape == (0,)


def test_norm_boxes_there_and_back():
    boxes = np.array([[0, 0, 100, 200], [10, 20, 30, 41]])
    normalised = box_tools.norm_boxes(boxes, (100, 200))
    assert normalised.dtype == np.float32
    np.testing.assert_allclose(normalised[0], [0, 0, 1, 1])
    np.testing.assert_allclose(normalised[1], [10 / 99, 20 / 199, 29 / 99, 40 / 199], rtol=1e-6)
    back = box_tools.denorm_boxes(normalised, (100, 200, 3))
    assert back.dtype == np.int32
    assert back.tolist() == boxes.tolist()
    assert box_tools.norm_boxes(np.zeros((0, 4)), (5, 5)).shape == (0, 4)


def test_box_refinement_there_and_back():
    boxes = np.array([[0, 0, 10, 20], [5, 5, 9, 7]])
    targets = np.array([[1, 2, 21, 12], [4, 5, 12, 9]])
    deltas = box_tools.box_refinement(boxes, targets)
    assert deltas.dtype == np.float32
    # Centre (5, 10) -> (11, 7) in a box of 10 x 20; twice as high, half as wide.
    np.testing.assert_allclose(deltas[0], [0.6, -0.15, np.log(2), np.log(0.5)], rtol=1e-6)
    np.testing.assert_allclose(box_tools.apply_box_deltas(boxes, deltas), targets, atol=1e-5)
    assert box_tools.box_refinement(boxes[:0], targets[:0]).shape == (0, 4)
    assert box_tools.box_refinement(boxes.astype(float), targets).dtype == np.float64


def test_trim_zeros():
    rows = np.array([[0, 0, 0, 0], [0, -1, 0, 1], [0, 0, 0, 0], [2, 3, 4, 5]])
    assert box_tools.trim_zeros(rows).tolist() == [[0, -1, 0, 1], [2, 3, 4, 5]]
    assert box_tools.trim_zeros(np.zeros((0, 4))).shape == (0, 4)


def test_generate_anchors_order_and_form():
    anchors = anchor_tools.generate_anchors([8], [0.25, 1], (1, 2), 4, 1)
    # Ratio 0.25: height 8 / 0.5 = 16, width 8 * 0.5 = 4. Centres (0, 0) and (0, 4).
    expected = [[-8, -2, 8, 2], [-4, -4, 4, 4], [-8, 2, 8, 6], [-4, 0, 4, 8]]
    np.testing.assert_allclose(anchors, expected)


def test_generate_anchors_with_a_stride_and_several_scales():
    anchors = anchor_tools.generate_anchors((2, 4), 1, (3, 3), 10, 2)
    assert anchors.shape == (2 * 2 * 2, 4)
    np.testing.assert_allclose(anchors[:2], [[-1, -1, 1, 1], [-2, -2, 2, 2]])
    np.testing.assert_allclose(anchors[-1], [18, 18, 22, 22])


def test_backbone_shapes_of_a_size_that_is_no_multiple_round_up():
    config = SimpleNamespace(BACKBONE="resnet50", BACKBONE_STRIDES=[4, 32])
    assert anchor_tools.compute_backbone_shapes(config, (100, 65)).tolist() == [[25, 17], [4, 3]]


def test_backbone_shapes_of_a_backbone_of_ones_own():
    config = SimpleNamespace(
        BACKBONE=lambda: None, COMPUTE_BACKBONE_SHAPE=lambda shape: np.array([[shape[0], 1]])
    )
    assert anchor_tools.compute_backbone_shapes(config, (7, 9)).tolist() == [[7, 1]]
