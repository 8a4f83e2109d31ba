"""Radial profiles of outlines: how far the outline is from its centre in each direction.

Two molecules of one shape have profiles that differ by a turn, and maybe by a mirror image; the
turn is found by circular correlation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spm.geometry.polygons import following

DIRECTIONS = 180  # of a profile, 2 degrees each; 0 points along x, 90 degrees along y
ROUNDING = 1e-9  # of a direction
_MIRRORED = -np.arange(DIRECTIONS) % DIRECTIONS


@dataclass(frozen=True)
class Turn:
    """How a profile is brought onto another one: mirrored (angle a becomes -a), then turned."""

    mirrored: bool
    angle: float  # in directions, from x to y; a fraction turns between them

    def apply(self, profile: np.ndarray) -> np.ndarray:
        """Return the profile (DIRECTIONS,) brought onto the other one."""
        return _rolled(_mirror(profile) if self.mirrored else profile, self.angle)

    def undo(self, profile: np.ndarray) -> np.ndarray:
        """Return a profile (DIRECTIONS,) given beside the other one, brought back."""
        turned = _rolled(profile, -self.angle)
        return _mirror(turned) if self.mirrored else turned


def radial_profile(outline: np.ndarray, centre: np.ndarray) -> np.ndarray | None:
    """Return how far an outline is from a centre within it.

    Args:
        outline: (n, 2) polygon x, y, n >= 3.
        centre: (2,) x, y.

    Returns:
        (DIRECTIONS,) float64 distances where rays in these directions last cross the outline; None
        when some ray does not cross it: the centre is not inside.
    """
    start = np.asarray(outline, np.float64) - centre
    side = following(start) - start
    # Each side meets only the rays between the directions of its ends.
    one = np.arctan2(start[:, 1], start[:, 0]) * (DIRECTIONS / (2 * np.pi))
    wide = (following(one) - one + DIRECTIONS / 2) % DIRECTIONS - DIRECTIONS / 2
    first = np.ceil(np.minimum(one, one + wide) - ROUNDING).astype(int)
    last = np.floor(np.maximum(one, one + wide) + ROUNDING).astype(int)
    counts = np.maximum(last - first + 1, 0)
    edge = np.repeat(np.arange(len(start)), counts)
    ray = first[edge] + np.arange(len(edge)) - (np.cumsum(counts) - counts)[edge]
    angle = ray * (2 * np.pi / DIRECTIONS)
    across = np.cos(angle) * side[edge, 1] - np.sin(angle) * side[edge, 0]
    level = np.abs(across) < 1e-12  # the side lies on the ray; its neighbours end there too
    moment = start[:, 0] * side[:, 1] - start[:, 1] * side[:, 0]
    distance = np.where(level, 0.0, moment[edge] / np.where(level, 1.0, across))
    farthest = np.zeros(DIRECTIONS)
    np.maximum.at(farthest, ray % DIRECTIONS, distance)
    return farthest if (farthest > 0).all() else None


def best_turn(profile: np.ndarray, onto: np.ndarray) -> tuple[Turn, float]:
    """Return the turn that brings a profile nearest to another one, and how far apart they stay.

    Returns:
        the turn, and the root mean square of the difference.
    """
    found = []
    for mirrored, likeness in zip((False, True), _likeness(profile, onto), strict=True):
        k = int(likeness.argmax())
        turn = Turn(mirrored, k + _peak(likeness, k))
        difference = turn.apply(profile) - onto
        found.append((turn, float(np.sqrt(np.mean(difference**2)))))
    return min(found, key=lambda one: one[1])


def near_turns(profile: np.ndarray, onto: np.ndarray, factor: float) -> list[Turn]:
    """Return all turns that bring a profile about as near to another one as the best one does: of a
    molecule with three equal lobes three, and as many mirrored ones.

    Args:
        factor: root mean square of the difference, in that of the best turn, up to which one
            counts.
    """
    both = _likeness(profile, onto)
    squares = profile @ profile + onto @ onto - 2 * both  # of the differences, at whole directions
    ring = np.concatenate((both[:, -1:], both, both[:, :1]), axis=1)
    peaks = (both >= ring[:, :-2]) & (both > ring[:, 2:])
    near = peaks & (squares <= factor**2 * max(squares.min(), 0.0))
    near[np.unravel_index(both.argmax(), both.shape)] = True
    return [Turn(bool(m), k + _peak(both[m], k)) for m, k in np.argwhere(near).tolist()]


def _likeness(profile: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """(2, DIRECTIONS) sums of products of two profiles, the first one as it is and mirrored, turned
    by each direction."""
    own, other = np.fft.rfft((profile, onto))
    # The mirror image's spectrum is the complex conjugate.
    return np.fft.irfft((other * own.conj(), other * own), n=DIRECTIONS)


def _mirror(profile: np.ndarray) -> np.ndarray:
    return profile[_MIRRORED]


def _rolled(profile: np.ndarray, by: float) -> np.ndarray:
    """Return the profile turned by a number of directions, whole or not."""
    whole = math.floor(by)
    share, start = by - whole, -whole % DIRECTIONS
    ring = np.concatenate([profile[-1:], profile, profile])  # np.roll takes ten times as long
    before, after = (ring[k : k + DIRECTIONS] for k in (start, start + 1))
    return (1 - share) * after + share * before


def _peak(values: np.ndarray, k: int) -> float:
    """Where between the samples of a ring the greatest one, `k`, peaks: a parabola's offset."""
    before, at, after = values[k - 1], values[k], values[(k + 1) % len(values)]
    bend = before - 2 * at + after
    return 0.0 if bend == 0 else float(0.5 * (before - after) / bend)
