"""Handedness: two classes that are mirror images, and domains that are mirror images of another.

Angles are taken anticlockwise (y upwards), as orientations are.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spm.measure.uncertainty import Interval, share_interval

HARMONICS = (1, 2, 3)  # of symmetry * orientation, compared between domains
LEAST_ORIENTED = 6  # molecules of a class, for its directions to say anything
# A reading must explain the other domain better than its rival by this many times, and this well.
CLEARLY = 2.0
FITS = 0.35
# ... and by so much that it is no chance: a constant and so many standard errors.
LEAST_MISFIT = 0.05
ERRORS = 4.0
_SMALL = [
    np.array(rows).reshape(2, 2)
    for rows in itertools.product((-1, 0, 1), repeat=4)
    if abs(rows[0] * rows[3] - rows[1] * rows[2]) == 1
]


@dataclass(frozen=True)
class Excess:
    """How many of a pair of mirror images are of each hand.

    Attributes:
        first, second: numbers of molecules of the two classes.
        share: of the first in both.
        excess: enantiomeric excess (first - second) / (first + second), -1 to 1.
        ratio: first / second; infinite where there is no second.
    """

    first: int
    second: int
    share: Interval
    excess: Interval
    ratio: Interval


def excess(first: Sequence[int], second: Sequence[int], seed: int = 0) -> Excess:
    """Return the excess of the first hand, with its confidence interval.

    Args:
        first, second: (images,) or (domains,) numbers of molecules of the two classes.
        seed: of the intervals' draws, see `spm.measure.uncertainty`.
    """
    first, second = np.asarray(first, int), np.asarray(second, int)
    share = share_interval(first, first + second, seed)
    return Excess(
        int(first.sum()),
        int(second.sum()),
        share,
        share.through(lambda p: 2 * p - 1),
        share.through(lambda p: p / (1 - p) if p < 1 else np.inf),
    )


@dataclass(frozen=True)
class Directions:
    """What a domain looks like but for its place.

    Attributes:
        vectors: (2, 2) float64 lattice vectors a, b (x, y), pixels, y downwards.
        moments: class -> (len(HARMONICS),) complex, means of exp(i k symmetry orientation).
        symmetries: class -> rotational order; 0 has no moments.
        error: standard error of the moments, root mean square.
    """

    vectors: np.ndarray
    moments: dict[str, np.ndarray]
    symmetries: dict[str, int]
    error: float = 0.0

    def stored(self) -> dict[str, Any]:
        """Return all but the vectors as JSON has it."""
        return {
            "symmetries": dict(self.symmetries),
            "moments": {
                name: [[float(m.real), float(m.imag)] for m in moments]
                for name, moments in self.moments.items()
            },
            "error": self.error,
        }

    @classmethod
    def of_stored(cls, vectors: np.ndarray, stored: dict[str, Any]) -> Directions:
        """Return what `stored` came from."""
        moments = {
            name: np.array([complex(*m) for m in pairs])
            for name, pairs in stored["moments"].items()
        }
        vectors = np.asarray(vectors, np.float64)
        return cls(vectors, moments, stored["symmetries"], stored["error"])


def directions(
    vectors: np.ndarray,
    class_names: Sequence[str],
    orientations: Sequence[float],
    symmetries: Sequence[int],
) -> Directions:
    """Return the directions of a domain's molecules, class by class.

    Args:
        vectors: of its lattice.
        class_names, orientations, symmetries: of its molecules; nan for round ones.
    """
    orders = dict(zip(class_names, symmetries, strict=True))
    moments, variances = {}, []
    for name, order in orders.items():
        mine = np.array([o for n, o in zip(class_names, orientations, strict=True) if n == name])
        mine = np.radians(mine[np.isfinite(mine)] * order)
        if order and len(mine) >= LEAST_ORIENTED:
            moments[name] = np.array([np.exp(1j * k * mine).mean() for k in HARMONICS])
            spread = np.mean(1 - np.abs(moments[name]) ** 2) / len(mine)
            variances.append(max(0.0, spread))  # rounded below zero where all are parallel
    error = float(np.sqrt(np.mean(variances))) if variances else 0.0
    return Directions(np.asarray(vectors, np.float64), moments, orders, error)


def relation(one: Directions, other: Directions) -> str:
    """Return how one domain comes out of another: "same" by a rotation, "mirror" by a reflection.

    The two lattices are laid on one another in every way that fits; each way turns or reflects the
    molecules' directions too, and the way that fits best decides. "" where both do equally well
    (a layer that is its own mirror image), or none does.
    """
    misfits = {hand: min(_misfits(one, other, hand), default=np.inf) for hand in ("same", "mirror")}
    better = min(misfits, key=misfits.get)
    least, most = sorted(misfits.values())
    chance = LEAST_MISFIT + ERRORS * np.hypot(one.error, other.error)
    if least > FITS + chance or most < CLEARLY * least or most - least < chance:
        return ""
    return better


def _misfits(one: Directions, other: Directions, hand: str) -> Iterator[float]:
    """Yield the misfit of each rotation or reflection that lays the lattices on one another."""
    flip = np.diag([1.0, -1.0])
    # y upwards, as the angles.
    here, there = one.vectors @ flip, other.vectors @ flip
    for change in _SMALL:
        linear = np.linalg.solve(here, change @ there)  # row vectors: here @ linear = there
        if (np.linalg.det(linear) > 0) != (hand == "same"):
            continue
        stretch = np.abs(np.log(np.linalg.svd(linear, compute_uv=False))).max()
        if stretch > 0.15:
            continue  # drift is a few per cent
        u, _, v = np.linalg.svd(linear)
        yield np.hypot(stretch / 0.15, _direction_misfit(one, other, u @ v))


def _direction_misfit(one: Directions, other: Directions, turn: np.ndarray) -> float:
    """Return how far the molecules' directions are from those turned or reflected, 0 to about 1."""
    misfit, weight = 0.0, 0.0
    image = np.array([1.0, 0.0]) @ turn  # where the direction 0 goes
    angle = np.arctan2(image[1], image[0])
    for name in one.moments.keys() & other.moments.keys():
        order = one.symmetries[name]
        before = one.moments[name]
        if np.linalg.det(turn) < 0:
            before = before.conj()
        expected = before * np.exp(1j * order * angle * np.array(HARMONICS))
        misfit += float((np.abs(expected - other.moments[name]) ** 2).sum())
        weight += float((np.abs(before) ** 2).sum() + (np.abs(other.moments[name]) ** 2).sum())
    return np.sqrt(misfit / weight) if weight else 0.0


def hands(domains: Sequence[Directions]) -> list[str]:
    """Return the hand of each domain: "A" that of the first, "B" its mirror image, "" undecided.

    Where the first domain and its own mirror image are the same, nothing can be told apart.
    """
    if not domains:
        return []
    reference = domains[0]
    reflected = Directions(
        reference.vectors @ np.diag([1.0, -1.0]),
        {name: m.conj() for name, m in reference.moments.items()},
        reference.symmetries,
        reference.error,
    )
    if relation(reference, reflected) != "mirror":
        return [""] * len(domains)
    names = {"same": "A", "mirror": "B", "": ""}
    return ["A", *(names[relation(reference, other)] for other in domains[1:])]
