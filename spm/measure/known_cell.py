"""Drift and scanner errors, from a cell that is known: the affine map that makes the measured cell
the known one.

The fast direction (x) of the scan keeps its direction: drift shears and stretches along the slow
one, calibration stretches along both. So the map has three parameters,

    x' = sx x + h y        y' = sy y,

as many as a cell has (two lengths and an angle); how the cell is turned is left as measured.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from spm.errors import InputError
from spm.measure.lattice import Lattice

MOST_STRETCH = 0.35  # a measured cell that is farther off than this (log of a stretch) is another
ALIKE = 0.05  # domains whose maps differ by less than this are taken together
SAME = 1e-5
DISTINCT = 0.01  # maps that differ by more are two
_BASES = [
    np.array(rows).reshape(2, 2)
    for rows in itertools.product(range(-2, 3), repeat=4)
    if abs(rows[0] * rows[3] - rows[1] * rows[2]) == 1
]


@dataclass(frozen=True)
class KnownCell:
    """A cell from elsewhere.

    Attributes:
        a, b: lengths, nm.
        angle: between a and b, degrees.
        a_error, b_error, angle_error: their standard errors; 0 where they count as exact.
    """

    a: float
    b: float
    angle: float
    a_error: float = 0.0
    b_error: float = 0.0
    angle_error: float = 0.0

    @property
    def values(self) -> np.ndarray:
        """(3,) float64 a, b in nm and the angle in radians."""
        return np.array([self.a, self.b, np.radians(self.angle)])

    @property
    def variances(self) -> np.ndarray:
        """(3,) float64 of `values`."""
        return np.array([self.a_error, self.b_error, np.radians(self.angle_error)]) ** 2

    @property
    def metric(self) -> np.ndarray:
        """(2, 2) float64 scalar products of the vectors, nm^2."""
        product = self.a * self.b * np.cos(np.radians(self.angle))
        return np.array([[self.a**2, product], [product, self.b**2]])


@dataclass(frozen=True)
class CellMap:
    """The map from measured to true lengths.

    Attributes:
        parameters: (3,) float64 sx, h, sy; nm for each unit that was measured in.
        covariance: (3, 3) float64 of them.
        domains: numbers of the domains that it follows from, from 0.
        stretch: largest change of a length, 0.05 for 5 %; without a scale that beyond the mean.
        rival: that of the next best way to lay the measured cell on the known one, inf without any.
            Where it is hardly larger the lattice alone cannot tell which one is right.
        misfit: chi squared for each degree of freedom over several domains; nan for one domain. Far
            above 1 the domains contradict one another, and the errors have been widened by it.
    """

    parameters: np.ndarray
    covariance: np.ndarray
    domains: list[int]
    stretch: float
    rival: float
    misfit: float

    @property
    def doubtful(self) -> bool:
        """Whether another way to lay the cells on one another is nearly as good."""
        return self.rival < 2 * self.stretch

    @property
    def matrix(self) -> np.ndarray:
        """(2, 2) float64, applied to column vectors (x, y)."""
        return matrix_of(self.parameters)

    @property
    def errors(self) -> np.ndarray:
        """(3,) standard errors of sx, h, sy."""
        return np.sqrt(np.diag(self.covariance))

    def corrected(self, lattice: Lattice, factor: float) -> dict[str, tuple[float, float]]:
        """Return a, b (nm) and angle (degrees) of a lattice, corrected, with standard errors.

        The errors are those of the lattice's fit and of the map together; for a domain that the map
        follows from they are somewhat too large.

        Args:
            lattice: as measured, pixels.
            factor: what was measured in, units a pixel.
        """
        vectors = lattice.vectors * factor

        def cell(numbers: np.ndarray) -> np.ndarray:
            return cell_values(numbers[:4].reshape(2, 2) @ matrix_of(numbers[4:]).T)

        numbers = np.concatenate([vectors.ravel(), self.parameters])
        covariance = np.zeros((7, 7))
        covariance[:4, :4] = np.kron(lattice.covariance * factor**2, np.eye(2))
        covariance[4:, 4:] = self.covariance
        slope = _jacobian(cell, numbers)
        values, errors = cell(numbers), np.sqrt(np.diag(slope @ covariance @ slope.T))
        values[2], errors[2] = np.degrees([values[2], errors[2]])
        pairs = zip(("a", "b", "angle"), values.tolist(), errors.tolist(), strict=True)
        return {name: (value, error) for name, value, error in pairs}


def matrix_of(parameters: np.ndarray) -> np.ndarray:
    """Return the (2, 2) map of sx, h, sy."""
    sx, h, sy = parameters
    return np.array([[sx, h], [0.0, sy]])


def cell_values(vectors: np.ndarray) -> np.ndarray:
    """Return lengths of a and b, and the angle between them in radians, of (2, 2) row vectors."""
    a, b = vectors
    cross = abs(a[0] * b[1] - a[1] * b[0])
    return np.array([np.hypot(*a), np.hypot(*b), np.arctan2(cross, a @ b)])


def fit_map(
    lattices: Sequence[Lattice], known: KnownCell, factor: float, scaled: bool = True
) -> CellMap:
    """Return the map that makes the measured lattices the known one.

    Args:
        lattices: of the domains, largest first, pixels.
        known: the cell.
        factor: units a pixel: nanometres where the scale is known, else 1.
        scaled: whether that scale is about right; False leaves it free.

    Raises:
        InputError: when there is no lattice, or none that could be the known one.
    """
    if not lattices:
        raise InputError("no lattice was found in the image; there is nothing to compare.")
    ways = [_ways(lattice.vectors * factor, known, scaled) for lattice in lattices]
    first = next((k for k, mine in enumerate(ways) if mine), None)
    if first is None:
        raise InputError(
            f"no domain's cell is like the known one ({known.a:g} x {known.b:g} nm, "
            f"{known.angle:g} degrees); check the three numbers and --nm-per-pixel."
        )
    found: list[CellMap] = []
    for stretch, _, reference in ways[first]:
        if all(_apart(reference, matrix_of(other.parameters)) > SAME for other in found):
            found.append(_with_all(lattices, ways, known, factor, (stretch, reference)))
    best = min(found, key=_merit)
    others = [m for m in found if m is not best and _merit(m)[0] == _merit(best)[0]]
    if not np.isnan(best.misfit):  # several domains: maps by which they contradict are out
        others = [m for m in others if m.misfit < max(4.0, 4 * best.misfit)]
    apart = [_apart(best.matrix, other.matrix) for other in others]
    rivals = [m.stretch for m, d in zip(others, apart, strict=True) if d > DISTINCT]
    # Cells that are nearly, but not quite, hexagonal or square: which vector is which is open, and
    # the map uncertain by the difference.
    near = [m.parameters - best.parameters for m, d in zip(others, apart, strict=True)
            if d <= DISTINCT]  # fmt: skip
    covariance = best.covariance + sum(np.outer(d, d) for d in near) / max(1, len(near))
    return replace(best, covariance=covariance, rival=min(rivals, default=np.inf))


def _merit(found: CellMap) -> tuple[float, ...]:
    """Return a key that is least for the best map: most domains, least misfit, least stretch."""
    misfit = 0.0 if np.isnan(found.misfit) else round(found.misfit, 1)
    return -len(found.domains), misfit, found.stretch


def _with_all(
    lattices: Sequence[Lattice],
    ways: list[list[tuple[float, np.ndarray, np.ndarray]]],
    known: KnownCell,
    factor: float,
    start: tuple[float, np.ndarray],
) -> CellMap:
    """Return the map that starts from one domain's and takes in all domains that agree."""
    stretch, reference = start
    chosen, measured = [], []
    for k, mine in enumerate(ways):
        near = min(mine, key=lambda way: _apart(way[2], reference), default=None)
        if near is not None and _apart(near[2], reference) < ALIKE:
            chosen.append(k)
            measured.append((lattices[k], near[1]))
    first = reference[[0, 0, 1], [0, 1, 1]]
    parameters, covariance, misfit = _refined(first, measured, known, factor)
    return CellMap(parameters, covariance, chosen, stretch, np.inf, misfit)


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one @ np.linalg.inv(other) - np.eye(2)).max())


def _ways(
    vectors: np.ndarray, known: KnownCell, scaled: bool
) -> list[tuple[float, np.ndarray, np.ndarray]]:
    """Return (stretch, basis change, map) of all ways to lay a lattice on the known one, that with
    the least stretch first; none of those that stretch too much."""
    found = []
    for change in _BASES:
        inverse = np.linalg.inv(change @ vectors)
        # For the rows v of the basis, v L^T (v L^T)^T must be the known products.
        square = inverse @ known.metric @ inverse.T
        linear = np.linalg.cholesky(square[::-1, ::-1])[::-1, ::-1]
        stretch = np.log(np.linalg.svd(linear, compute_uv=False))
        stretch = float(np.abs(stretch if scaled else stretch - stretch.mean()).max())
        if stretch < MOST_STRETCH:
            found.append((stretch, change, linear))
    return sorted(found, key=lambda way: way[0])


def _refined(
    start: np.ndarray,
    measured: Sequence[tuple[Lattice, np.ndarray]],
    known: KnownCell,
    factor: float,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return parameters, covariance and misfit of the map that fits all domains, each by its
    errors."""
    from scipy.optimize import least_squares

    bases = [change @ lattice.vectors * factor for lattice, change in measured]
    whiten = []
    for basis, (lattice, change) in zip(bases, measured, strict=True):
        coefficients = change @ lattice.covariance @ change.T * factor**2
        slope = _jacobian(
            lambda v: cell_values(v.reshape(2, 2) @ matrix_of(start).T), basis.ravel()
        )
        covariance = slope @ np.kron(coefficients, np.eye(2)) @ slope.T
        covariance += np.diag(known.variances) + 1e-18 * np.eye(3)
        whiten.append(np.linalg.inv(np.linalg.cholesky(covariance)))

    def residuals(parameters: np.ndarray) -> np.ndarray:
        matrix = matrix_of(parameters)
        return np.concatenate(
            [w @ (cell_values(v @ matrix.T) - known.values)
             for v, w in zip(bases, whiten, strict=True)]
        )  # fmt: skip

    found = least_squares(
        residuals, start, x_scale=np.maximum(np.abs(start), start[0]), method="lm"
    )
    slope = _jacobian(residuals, found.x)
    covariance = np.linalg.inv(slope.T @ slope)
    freedom = 3 * len(measured) - 3
    misfit = float(2 * found.cost / freedom) if freedom else np.nan
    widened = covariance * max(1.0, misfit) if freedom else covariance
    return found.x, widened, misfit


def _jacobian(function: Callable[[np.ndarray], np.ndarray], numbers: np.ndarray) -> np.ndarray:
    """Return the derivatives of a function of some numbers, by central differences."""
    columns = []
    for k, number in enumerate(numbers):
        step = np.zeros(len(numbers))
        step[k] = 1e-5 * max(abs(number), 1e-2 * np.abs(numbers).max())
        columns.append((function(numbers + step) - function(numbers - step)) / (2 * step[k]))
    return np.stack(columns, axis=1)
