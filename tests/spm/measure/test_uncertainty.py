"""Confidence intervals hold the truth as often as they say.

With 400 draws the number of hits of a 95 % interval has a standard deviation of 4.4; the bounds are
three of them away, plus one per cent that approximate intervals may be off.
"""

import numpy as np
import pytest

from spm.measure.uncertainty import (
    Interval,
    Recognition,
    class_intervals,
    mean_interval,
    share_interval,
)

DRAWS = 400
LEAST, MOST = 0.95 - 0.033 - 0.01, 0.95 + 0.033 + 0.01


def hits(draw, truth):
    """Share of the draws whose interval holds the truth."""
    inside = [(i := draw(k)).low <= truth <= i.high for k in range(DRAWS)]
    return np.mean(inside)


@pytest.mark.parametrize("images", [6, 20])
@pytest.mark.parametrize("spread", [0.0, 0.4])
def test_density_over_images_that_differ(images, spread, rng):
    """Poisson numbers whose mean differs from image to image by `spread`; areas differ too."""

    def draw(_):
        areas = rng.uniform(0.5, 1.5, images)
        strength = np.exp(rng.normal(0, spread, images) - spread**2 / 2) if spread else 1.0
        return class_intervals(rng.poisson(50 * areas * strength)[:, None], areas).densities[0]

    # The mean of few strongly skewed numbers is below the truth more often than above.
    assert LEAST - (0.03 if spread else 0) < hits(draw, 50) < MOST


@pytest.mark.parametrize("mean", [4, 30])
def test_density_of_one_image(mean, rng):
    found = hits(lambda _: class_intervals([[rng.poisson(mean)]], [1.0]).densities[0], mean)
    assert LEAST < found < MOST + 0.01, "numbers of molecules are whole: some more hits"


def test_handedness_over_images_with_mirror_domains(rng):
    """Images of one to three domains, each of one hand nearly: molecules are not independent."""

    def draw(_):
        right, left = [], []
        for _ in range(20):
            n = rng.integers(20, 80, rng.integers(1, 4))
            share = np.where(rng.random(len(n)) < 0.7, 0.97, 0.03)
            r = rng.binomial(n, share).sum()
            right.append(r)
            left.append(n.sum() - r)
        return share_interval(right, np.add(right, left))

    assert LEAST - 0.02 < hits(draw, 0.7 * 0.97 + 0.3 * 0.03) < MOST


def test_count_corrected_by_precision_and_recall(rng):
    """Of 500 molecules 80 % are found, with 10 % false answers among those reported; an evaluation
    of 100 molecules says so within its own chance."""

    def draw(_):
        found = rng.binomial(100, 0.8)
        evaluated = Recognition(found, int(rng.poisson(100 * 0.8 / 9)), 100 - found)
        reported = rng.poisson(500 * 0.8) + rng.poisson(500 * 0.8 / 9)
        return class_intervals([[reported]], [1.0], [evaluated]).densities[0]

    assert LEAST < hits(draw, 500) < MOST
    assert Recognition(80, 20, 0).factor == pytest.approx(0.8)


def test_share_in_one_image_corrected_by_recall(rng):
    """80 of 100 molecules are A, of which 80 % are found, as an evaluation of 200 tells."""

    def draw(_):
        found = rng.binomial(200, 0.8)
        counts = [[rng.poisson(80 * 0.8), rng.poisson(20)]]
        return class_intervals(counts, [1.0], [Recognition(found, 0, 200 - found), None]).shares[0]

    assert LEAST < hits(draw, 0.8) < MOST


def test_ends_of_the_range():
    none = class_intervals([[0, 7]], [2.0])
    assert none.densities[0].value == none.densities[0].low == 0 < none.densities[0].high < 2
    assert none.shares[1].value == none.shares[1].high == 1 > none.shares[1].low
    empty = class_intervals(np.zeros((9, 2)), np.ones(9))
    assert np.isnan(empty.shares[0].value) and empty.densities[0].value == 0
    assert Interval(0.5, 0.2, 0.8).through(lambda p: 2 * p - 1) == Interval(
        0.0, -0.6, 0.6000000000000001
    )
    assert np.isnan(mean_interval([3.0]).low) and mean_interval([]).value != 0
    assert mean_interval([1, 2, 3]).low == pytest.approx(2 - 4.3027 / 3**0.5, abs=1e-3)
