"""Matching and average precision, on four squares whose figures are worked out by hand."""

import numpy as np
import pytest

from mrcnn import evaluation

CELLS = [(0, 0, 10, 10), (0, 10, 10, 20), (10, 0, 20, 10), (10, 10, 20, 20)]


def scene(boxes, class_ids, scores=None):
    boxes = np.array(boxes, np.int32).reshape(-1, 4)
    masks = np.zeros((20, 20, len(boxes)), bool)
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        masks[y1:y2, x1:x2, i] = True
    parts = [boxes, np.array(class_ids, np.int32), masks]
    if scores is not None:
        parts.insert(2, np.array(scores, float))
    return parts


def test_matches_by_hand():
    truth = scene(CELLS[:3], [1, 2, 1])
    # By score: the second cell with the wrong class, the third a little small, the first.
    found = scene([CELLS[0], CELLS[1], (10, 0, 18, 10)], [1, 1, 1], [0.5, 0.9, 0.7])
    gt_match, pred_match, overlaps = evaluation.compute_matches(*truth, *found)
    assert gt_match.tolist() == [2, -1, 1]
    assert pred_match.tolist() == [-1, 2, 0]
    np.testing.assert_allclose(overlaps, [[0, 1, 0], [0, 0, 0.8], [1, 0, 0]])
    _, pred_match, _ = evaluation.compute_matches(*truth, *found, iou_threshold=0.9)
    assert pred_match.tolist() == [-1, -1, 0]
    _, pred_match, _ = evaluation.compute_matches(*truth, *found, score_threshold=0.9)
    assert pred_match.tolist() == [-1, -1, 0]


def test_an_instance_is_claimed_once_pitfall_16():
    """Pitfall 16: three detections of one molecule gave recall 1, 2, 3."""
    truth = scene([CELLS[0]], [1])
    found = scene([CELLS[0]] * 3, [1, 1, 1], [0.9, 0.8, 0.7])
    gt_match, pred_match, _ = evaluation.compute_matches(*truth, *found)
    assert gt_match.tolist() == [0]
    assert pred_match.tolist() == [0, -1, -1]
    ap, precisions, recalls, _ = evaluation.compute_ap(*truth, *found)
    assert ap == 1
    assert recalls.tolist() == [0, 1, 1, 1, 1]
    np.testing.assert_allclose(precisions, [1, 1, 0.5, 1 / 3, 0])


def test_the_second_detection_takes_the_next_free_instance():
    truth = scene([(0, 0, 10, 10), (0, 2, 10, 12)], [1, 1])
    found = scene([(0, 0, 10, 10), (0, 0, 10, 11)], [1, 1], [0.9, 0.8])
    _, pred_match, _ = evaluation.compute_matches(*truth, *found)
    assert pred_match.tolist() == [0, 1]


def test_ap_is_the_area_under_the_envelope_pitfall_16():
    """Pitfall 16: the interpolation was not the envelope.

    Four instances; right, wrong, right, right: precisions 1, 1/2, 2/3, 3/4. The envelope is 1 for
    the first quarter of recall and 3/4 for the next two; the last quarter is never reached.
    """
    truth = scene(CELLS, [1, 1, 1, 1])
    found = scene([CELLS[0], (3, 3, 6, 6), CELLS[1], CELLS[2]], [1, 1, 1, 1], [0.9, 0.8, 0.7, 0.6])
    ap, precisions, recalls, overlaps = evaluation.compute_ap(*truth, *found)
    assert ap == pytest.approx(0.25 + 2 * 0.25 * 0.75)
    np.testing.assert_allclose(precisions, [1, 1, 0.75, 0.75, 0.75, 0])
    np.testing.assert_allclose(recalls, [0, 0.25, 0.25, 0.5, 0.75, 1])
    assert overlaps.shape == (4, 4)


def test_without_detections_ap_is_zero():
    ap, precisions, recalls, overlaps = evaluation.compute_ap(
        *scene(CELLS, [1] * 4), *scene([], [], [])
    )
    assert ap == 0
    assert precisions.tolist() == [0, 0] and recalls.tolist() == [0, 1]
    assert overlaps.shape == (0, 4)


@pytest.mark.parametrize("found", [scene([], [], []), scene(CELLS[:1], [1], [0.9])])
def test_without_truth_nothing_raises_pitfall_16(found):
    """Pitfall 16: an image without truth raised."""
    truth = scene([], [])
    gt_match, pred_match, overlaps = evaluation.compute_matches(*truth, *found)
    assert len(gt_match) == 0 and (pred_match == -1).all()
    assert overlaps.shape == (len(found[0]), 0)
    assert np.isnan(evaluation.compute_ap(*truth, *found)[0])
    assert np.isnan(evaluation.compute_ap_range(*truth, *found, verbose=0))
    recall, positive = evaluation.compute_recall(found[0], truth[0], 0.5)
    assert np.isnan(recall) and len(positive) == 0


def test_rows_of_zeros_are_padding():
    truth = scene([CELLS[0], (0, 0, 0, 0)], [1, 0])
    found = scene([CELLS[0], (0, 0, 0, 0)], [1, 0], [0.9, 0.0])
    gt_match, pred_match, overlaps = evaluation.compute_matches(*truth, *found)
    assert gt_match.tolist() == [0] and pred_match.tolist() == [0]
    assert overlaps.shape == (1, 1)


def test_ap_range(capsys):
    truth = scene([CELLS[0]], [1])
    found = scene([(0, 0, 10, 7)], [1], [0.9])  # IoU 0.7: right at five of the ten thresholds
    assert evaluation.compute_ap_range(*truth, *found) == pytest.approx(0.5)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 11
    assert lines[4].split() == ["AP", "@0.70:", "1.000"]
    assert lines[-1].split() == ["AP", "@0.50-0.95:", "0.500"]
    assert evaluation.compute_ap_range(*truth, *found, iou_thresholds=[0.9], verbose=0) == 0


def test_recall_of_boxes():
    boxes = np.array([CELLS[0], (0, 0, 10, 9), (5, 5, 15, 15)])
    recall, positive = evaluation.compute_recall(boxes, np.array(CELLS[:2]), 0.5)
    assert recall == 0.5
    assert positive.tolist() == [0, 1]
    recall, positive = evaluation.compute_recall(boxes[:0], np.array(CELLS), 0.5)
    assert recall == 0 and len(positive) == 0
