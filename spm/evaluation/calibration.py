"""Whether scores are what they say: of the answers with a score of 0.9, nine in ten are right."""

from __future__ import annotations

import numpy as np

BINS = 10  # of equal width, between scores of 0 and 1


def expected_calibration_error(scores: np.ndarray, right: np.ndarray) -> float:
    """Return the expected calibration error (Naeini et al., AAAI 2015), 0 to 1.

    Within each of BINS equal ranges of the score, the mean score and the share of right answers
    differ by some amount; their mean, weighted with the answers in each range, is the error.

    Args:
        scores: (N,) 0 to 1.
        right: (N,) bool.

    Returns:
        nan without any answer.
    """
    scores = np.asarray(scores, float)
    if not scores.size:
        return float("nan")
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    surplus = np.bincount(bins, scores - np.asarray(right, bool), BINS)
    return float(np.abs(surplus).sum() / scores.size)
