"""Excess of one hand, and mirror domains, on layers whose hand is known."""

import numpy as np
import pytest

from spm.measure import handedness

HEXAGONAL = np.array([(40, 0), (-20, 34.641)])
OBLIQUE = np.array([(50, 0), (-18, 62)])
SQUARE = np.array([(45.0, 0), (0, 45)])


def domain(vectors, angle, turn, rng, mirrored=False, order=3, count=40, stretch=0.0):
    """A domain whose molecules point `angle` degrees from a, turned by `turn`, perhaps mirrored."""
    up = vectors * (1, -1)
    angles = angle + rng.normal(0, 3, count)
    if mirrored:
        up, angles = up * (1, -1), -angles
    t = np.radians(turn)
    up = up @ np.array([[np.cos(t), np.sin(t)], [-np.sin(t), np.cos(t)]])
    down = up * (1, -1) @ np.array([[1, 0.0], [stretch, 1]])
    names, orders = ["m"] * count, [order] * count
    return handedness.directions(down, names, (angles + turn) % (360 / max(order, 1)), orders)


@pytest.mark.parametrize("turn", [0, 17, 60, 133])
@pytest.mark.parametrize(
    "vectors,angle", [(HEXAGONAL, 14), (OBLIQUE, 0), (OBLIQUE, 20), (SQUARE, 11)]
)
def test_mirror_domains_are_told_apart(vectors, angle, turn, rng):
    domains = [
        domain(vectors, angle, 0, rng),
        domain(vectors, angle, turn, rng, stretch=0.02),
        domain(vectors, angle, turn, rng, mirrored=True, stretch=0.02),
    ]
    assert handedness.hands(domains) == ["A", "A", "B"]


def test_a_layer_that_is_its_own_mirror_image_has_no_hand(rng):
    domains = [domain(HEXAGONAL, 0, 0, rng), domain(HEXAGONAL, 0, 40, rng, mirrored=True)]
    assert handedness.hands(domains) == ["", ""]
    round_ones = [domain(SQUARE, 0, t, rng, order=0) for t in (0, 20)]
    assert handedness.hands(round_ones) == ["", ""]
    assert handedness.hands([]) == []


def test_another_lattice_is_neither(rng):
    domains = [domain(OBLIQUE, 10, 0, rng), domain(HEXAGONAL, 10, 0, rng)]
    assert handedness.hands(domains) == ["A", ""]


def test_excess_by_hand():
    found = handedness.excess([30, 30], [10, 10])
    assert (found.first, found.second) == (60, 20)
    assert found.excess.value == pytest.approx(0.5) and found.ratio.value == pytest.approx(3)
    assert -1 <= found.excess.low < 0.5 < found.excess.high <= 1
    assert found.excess.low == pytest.approx(2 * found.share.low - 1)
    only = handedness.excess([5], [0])
    assert only.excess.value == 1 and np.isinf(only.ratio.high) and only.ratio.low > 1
    assert np.isnan(handedness.excess([0], [0]).excess.value)
