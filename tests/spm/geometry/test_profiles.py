"""Radial profiles, on shapes whose distances follow from geometry."""

import numpy as np
import pytest

from spm.geometry.profiles import DIRECTIONS, Turn, best_turn, near_turns, radial_profile

SQUARE = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


def shape(degrees=0.0, mirrored=False):
    """A polygon without any symmetry, about (5, 7)."""
    angles = np.radians(np.arange(0, 360, 5))
    radius = 10 + 2 * np.cos(angles) + 1.5 * np.sin(2 * angles) + np.cos(3 * angles + 1)
    angles = np.radians(degrees) + (-angles if mirrored else angles)
    return np.stack([5 + radius * np.cos(angles), 7 + radius * np.sin(angles)], axis=1)


def test_profile_of_a_square():
    profile = radial_profile(SQUARE * 10, np.zeros(2))
    assert profile.shape == (DIRECTIONS,)
    angles = np.arange(DIRECTIONS) * (2 * np.pi / DIRECTIONS)
    expected = 10 / np.maximum(np.abs(np.cos(angles)), np.abs(np.sin(angles)))
    np.testing.assert_allclose(profile, expected)


def test_the_farthest_crossing_counts_and_a_centre_outside_has_no_profile():
    notched = np.array([[-2, -2], [4, -2], [4, -1], [1, -0.5], [1, 0.5], [4, 1], [4, 2], [-2, 2.0]])
    assert radial_profile(notched, np.zeros(2))[0] == pytest.approx(1)
    assert radial_profile(notched, np.array([-1.0, -1.5]))[0] == pytest.approx(5)
    assert radial_profile(notched, np.array([3.0, 0.0])) is None


@pytest.mark.parametrize("degrees", [0, 1, 33.3, 180, 301])
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_turn_between_two_molecules_is_found(degrees, mirrored):
    centre = np.array([5.0, 7.0])
    one = radial_profile(shape(), centre)
    other = radial_profile(shape(degrees, mirrored), centre)
    turn, apart = best_turn(one, other)
    assert turn.mirrored == mirrored and apart < 0.05
    assert (turn.angle * 2 - degrees + 180) % 360 - 180 == pytest.approx(0, abs=0.3)
    np.testing.assert_allclose(turn.apply(one), other, atol=0.25)
    np.testing.assert_allclose(turn.undo(other), one, atol=0.25)


def test_all_turns_of_a_symmetric_molecule_are_near_and_one_of_another():
    angles = np.arange(DIRECTIONS) * (2 * np.pi / DIRECTIONS)
    lobes = 10 + np.cos(3 * angles)
    noise = np.random.default_rng(0).normal(0, 0.05, (2, DIRECTIONS))
    turned = np.roll(lobes, 10) + noise[0]
    found = near_turns(lobes + noise[1], turned, 1.2)
    assert sorted((t.mirrored, round(t.angle)) for t in found) == [
        (m, place) for m in (False, True) for place in (10, 70, 130)
    ]
    assert all(t.apply(lobes) == pytest.approx(turned, abs=0.3) for t in found)
    centre = np.array([5.0, 7.0])
    one, other = (radial_profile(shape(d), centre) for d in (0, 40))
    (turn,) = near_turns(one, other, 1.2)
    assert not turn.mirrored and turn.angle == pytest.approx(20, abs=0.2)
    (same,) = near_turns(one, one, 1.2)
    assert same.angle == pytest.approx(0, abs=1e-6)


def test_a_turn_by_whole_directions_is_undone_exactly():
    profile = np.random.default_rng(0).random(DIRECTIONS)
    for turn in (Turn(False, 7), Turn(True, -3), Turn(True, 0)):
        np.testing.assert_array_equal(turn.undo(turn.apply(profile)), profile)
