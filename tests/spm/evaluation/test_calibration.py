"""Worked out by hand: how far scores are from the share of right answers."""

import numpy as np
import pytest

from spm.evaluation.calibration import expected_calibration_error
from spm.evaluation.instances import Instance
from spm.evaluation.metrics import ALL, summary


def test_the_error_is_the_weighted_gap_of_the_bins():
    # 0.9 to 1: mean 0.95, 3 of 4 right: 0.2. 0.2 to 0.3: mean 0.25, none of 2 right: 0.25.
    scores, right = [0.92, 0.94, 0.96, 0.98, 0.2, 0.29], [True, True, True, False, False, False]
    error = expected_calibration_error(np.array(scores), np.array(right))
    assert error == pytest.approx((4 * 0.2 + 2 * 0.245) / 6)


def test_right_scores_have_no_error_and_no_answer_has_none():
    assert expected_calibration_error(np.ones(3), np.ones(3, bool)) == 0
    half = expected_calibration_error(np.full(4, 0.5), np.array([True, False, True, False]))
    assert half == 0
    assert np.isnan(expected_calibration_error(np.zeros(0), np.zeros(0, bool)))


def test_an_evaluation_says_it_of_what_is_reported():
    def square(x, score=1.0):
        points = np.array([[x, 5], [x + 10, 5], [x + 10, 15], [x, 15]], float)
        return Instance.from_polygon("a", points, 30, 90, score=score)

    truths = [[square(5), square(30)]]
    predictions = [[square(5, 0.9), square(30, 0.9), square(60, 0.7), square(75, 0.1)]]
    row = summary(truths, predictions, score_threshold=0.5)["mask"]["per_class"][ALL]
    assert row["calibration_error"] == pytest.approx((2 * 0.1 + 0.7) / 3)
