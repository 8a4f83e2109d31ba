"""The mean unit cell of a domain and the mean molecule of a class, with their spread.

Every cell is sampled along the lattice, every molecule in the frame of its orientation; the means
show what single ones hide in noise. Molecules are laid on one another by centroid and orientation
alone: laying noisy crops on a mean would find in them what the mean already shows.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import map_coordinates, spline_filter

from spm.geometry.polygons import median_diameter
from spm.measure.cell_places import CellPlaces, find_cells
from spm.measure.domains import Domain
from spm.structures.molecule import Molecule

LEAST = 4  # cells or molecules of a mean
MARGIN = 1.5  # side of a mean molecule, in diameters
ORDERS = (2, 3, 4, 6)  # rotations that a mean molecule is compared under
MOST_SAMPLES = 4_000_000  # of a mean; of larger images those nearest to the middle
MOST_AT_ONCE = 2_000_000
REPEATS = 8  # draws of the noise curve
SPLINE_REACH = 12  # pixels; farther ones have no weight in a cubic spline


@dataclass(frozen=True)
class Mean:
    """Mean and spread of some samples of one thing.

    Attributes:
        mean: (h, w) float64.
        sd: (h, w) float64 standard deviation of the single ones.
        count: how many they are.
        noise: (K, 2) float64, number k of samples in a mean and root mean square error of that
            mean, from differences of two means of k that share none.
    """

    mean: np.ndarray
    sd: np.ndarray
    count: int
    noise: np.ndarray


@dataclass(frozen=True)
class MeanCell:
    """The mean cell of a domain: pixel (i, j) lies at the fractions ((j + 0.5) / w of a,
    (i + 0.5) / h of b).

    Attributes:
        domain: its number, from 1.
        places: the cells.
        average: of their samples.
    """

    domain: int
    places: CellPlaces
    average: Mean

    def spread(self) -> MeanCell:
        """Return the standard deviation in the place of the mean."""
        return replace(self, average=replace(self.average, mean=self.average.sd))

    def tiled(self, step: float, repeats: float = 1.7) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean as a layer looks, continued over some cells.

        Args:
            step: side of a pixel, image pixels.
            repeats: height and width, in those of a cell.

        Returns:
            (H, W) float64, and the place (x, y) in it of a corner of a cell, near its middle.
        """
        a, b = self.places.vectors
        width, height = (np.abs(a) + np.abs(b)) * repeats
        rows, columns = (max(8, round(length / step)) for length in (height, width))
        x = (np.arange(columns) + 0.5 - columns / 2) * step
        y = (np.arange(rows) + 0.5 - rows / 2) * step
        points = np.stack(np.meshgrid(x, y), axis=-1) + (a + b) / 2
        fractions = points @ np.linalg.inv(self.places.vectors)
        shape = np.array(self.average.mean.shape[::-1])
        j, i = np.moveaxis(fractions * shape - 0.5, -1, 0)
        values = map_coordinates(self.average.mean, [i, j], order=3, mode="grid-wrap")
        corner = (np.array([columns, rows]) / 2) - (a + b) / 2 / step
        return values, corner


@dataclass(frozen=True)
class MeanMolecule:
    """The mean molecule of a class, its orientation to the right.

    Attributes:
        class_name: its class.
        average: of its molecules, pixels as in the image.
        symmetry: rotational order of the class, 0 for round ones.
        likeness: order -> correlation of the mean with itself turned by 360 / order degrees;
            "mirror" with itself reflected at its orientation.
        symmetrised: (h, w) mean over the rotations of `symmetry`.
    """

    class_name: str
    average: Mean
    symmetry: int
    likeness: dict[str, float]
    symmetrised: np.ndarray


def mean_cell(
    values: np.ndarray, domain: Domain, number: int, molecules: Sequence[Molecule]
) -> MeanCell | None:
    """Return the mean cell of a domain; None for fewer than LEAST cells.

    Args:
        values: (H, W) float heights or brightness.
        domain: of `spm.measure.domains`.
        number: what it is called, from 1.
        molecules: those that were analysed.
    """
    members = [molecules[i] for i in domain.members]
    points = np.array([m.centroid for m in members])
    names = [m.class_name for m in members]
    places = find_cells(points, names, domain.lattice.vectors, values.shape)
    if places is None or len(places.corners) < LEAST:
        return None
    width, height = (max(4, round(v)) for v in np.hypot(*places.vectors.T))
    s, t = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    most = max(LEAST, MOST_SAMPLES // (width * height))
    places = places.some(_nearest(places.corners, most))
    samples = _sampled(values, places.points(s, t))
    samples[~places.of_the_layer(s, t)] = np.nan
    return MeanCell(number, places, _mean_of(samples.reshape(-1, height, width)))


def mean_molecule(
    values: np.ndarray, molecules: Sequence[Molecule], class_name: str
) -> MeanMolecule | None:
    """Return the mean molecule of a class; None for fewer than LEAST that are whole and certain.

    Args:
        values: (H, W) float heights or brightness.
        molecules: of the image.
        class_name: the class.
    """
    mine = [m for m in molecules if m.class_name == class_name and not (m.edge or m.uncertain)]
    order = max((m.symmetry for m in mine), default=0)
    mine = [m for m in mine if not order or np.isfinite(m.orientation)]
    if not mine:
        return None
    half = MARGIN / 2 * median_diameter([m.area for m in mine])
    half = max(4, int(np.ceil(half)))
    centres = np.array([m.centroid for m in mine])
    near = np.argsort(np.hypot(*(centres - centres.mean(axis=0)).T), kind="stable")
    mine = [mine[i] for i in near[: max(LEAST, MOST_SAMPLES // (2 * half + 1) ** 2)]]
    steps = np.arange(-half, half + 1)
    u, v = np.meshgrid(steps, -steps)  # v upwards
    angles = np.radians([m.orientation if order else 0.0 for m in mine])
    along = np.stack([np.cos(angles), -np.sin(angles)], axis=1)[:, None]
    across = np.stack([-np.sin(angles), -np.cos(angles)], axis=1)[:, None]
    centres = np.array([m.centroid for m in mine])[:, None]
    points = centres + u.reshape(1, -1, 1) * along + v.reshape(1, -1, 1) * across
    limits = np.array(values.shape[::-1])
    inside = ((points >= 0) & (points <= limits)).all(axis=(1, 2))
    if inside.sum() < LEAST:
        return None
    samples = _sampled(values, points[inside]).reshape(-1, 2 * half + 1, 2 * half + 1)
    average = _mean_of(samples)
    turned = [rotated(average.mean, 360.0 * k / max(1, order)) for k in range(max(1, order))]
    return MeanMolecule(
        class_name, average, order, _likeness(average.mean), np.mean(turned, axis=0)
    )


def _nearest(corners: np.ndarray, most: int) -> np.ndarray:
    """Return the indices of at most so many cells, those nearest to their common middle."""
    middles = corners.mean(axis=(1, 2))
    distance = np.hypot(*(middles - middles.mean(axis=0)).T)
    return np.sort(np.argsort(distance, kind="stable")[:most])


def rotated(image: np.ndarray, degrees: float) -> np.ndarray:
    """Return a square image turned about its middle, anticlockwise; continued by its rim."""
    half = (len(image) - 1) / 2
    v, u = np.mgrid[-half : half + 1, -half : half + 1]
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return map_coordinates(
        image, [s * u + c * v + half, c * u - s * v + half], order=3, mode="nearest"
    )


def _likeness(image: np.ndarray) -> dict[str, float]:
    half = (len(image) - 1) / 2
    v, u = np.mgrid[-half : half + 1, -half : half + 1]
    disc = np.hypot(u, v) <= half / MARGIN
    others = {str(order): rotated(image, 360 / order) for order in ORDERS}
    others["mirror"] = image[::-1]
    return {
        name: float(np.corrcoef(image[disc], other[disc])[0, 1]) for name, other in others.items()
    }


def _sampled(values: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the values (N, P) at image points (N, P, 2), by cubic splines."""
    # One axis after the other: numpy is 20 times as slow at both at once.
    least, most = (np.array([find(points[..., k]) for k in (0, 1)]) for find in (np.min, np.max))
    low = np.maximum(np.floor(least).astype(int) - SPLINE_REACH, 0)
    high = np.ceil(most).astype(int) + SPLINE_REACH
    part = np.asarray(values[low[1] : high[1], low[0] : high[0]], np.float64)
    filtered = spline_filter(part, order=3, mode="nearest")
    chunk = max(1, MOST_AT_ONCE // max(1, points.shape[1]))
    samples = np.empty(points.shape[:2])
    for k in range(0, len(points), chunk):
        # A pixel's centre lies half a pixel from its corner.
        x, y = np.moveaxis(points[k : k + chunk] - low - 0.5, -1, 0)
        samples[k : k + chunk] = map_coordinates(
            filtered, [y, x], order=3, mode="nearest", prefilter=False
        )
    return samples


def _mean_of(samples: np.ndarray) -> Mean:
    """Return mean and spread over samples (N, h, w), which may be nan where one says nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a place that no sample tells of
        mean, sd = np.nanmean(samples, axis=0), np.nanstd(samples, axis=0, ddof=1)
    known = np.isfinite(samples).sum(axis=0)
    mean = np.where(known > 0, mean, np.nanmean(mean))
    return Mean(mean, np.where(known > 1, sd, 0.0), len(samples), _noise(samples))


def _noise(samples: np.ndarray) -> np.ndarray:
    """Return the error of means of 1, 2, 4, ... samples: (K, 2)."""
    rng = np.random.default_rng(0)
    flat = samples.reshape(len(samples), -1)
    curve, k = [], 1
    while 2 * k <= len(samples):
        squares = []
        for _ in range(REPEATS):
            one, other = rng.permutation(len(samples))[: 2 * k].reshape(2, k)
            # Nan where a single one says nothing: such places are left out.
            difference = flat[one].mean(axis=0) - flat[other].mean(axis=0)
            difference = difference[np.isfinite(difference)]
            if len(difference):
                squares.append(np.mean(difference**2) / 2)
        if squares:
            curve.append((k, np.sqrt(np.mean(squares))))
        k *= 2
    return np.array(curve).reshape(-1, 2)
