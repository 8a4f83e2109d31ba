"""Where the cells of a domain lie in the image, followed locally where the layer is bent."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from spm.measure import sublattices
from spm.measure.lattice import neighbour_distance

NEIGHBOURS = 14  # molecules that tell the local shift of the lattice
# The lattice is followed locally where the neighbours of a molecule foretell its shift so well that
# this share of the variance, or less, is left.
FOLLOWED_BELOW = 0.8
LEAST_SHIFT = 0.05  # pixels, root mean square; less is rounding
LEAST_FOLLOWED = 3 * NEIGHBOURS


@dataclass(frozen=True)
class CellPlaces:
    """The complete cells of a domain.

    Attributes:
        vectors: (2, 2) float64 rows a, b (x, y), pixels.
        numbers: (N, 2) int, places (n, m) of those that lie in the image.
        corners: (N, 2, 2, 2) float64, corner (x, y) of cell n at the fractions (s, t) of a and b,
            s and t 0 or 1.
        sites: (M, 2) float64 fractions (s, t) of the molecules in a cell, 0 to 1.
        site_classes: their classes.
        complete: places of all complete cells, those that stick out of the image among them.
        followed: whether the corners follow the layer locally.
    """

    vectors: np.ndarray
    numbers: np.ndarray
    corners: np.ndarray
    sites: np.ndarray
    site_classes: list[str]
    complete: frozenset[tuple[int, int]]
    followed: bool

    def some(self, chosen: np.ndarray) -> CellPlaces:
        """Return the places with only these of its cells."""
        return replace(self, numbers=self.numbers[chosen], corners=self.corners[chosen])

    def of_the_layer(self, s: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Return for each cell which of its points belong to the layer: (N, points) bool.

        A point belongs to the molecule that is nearest to it in an endless layer. Near an edge of
        the cell that may be one of the next cell, which is missing where the layer ends.
        """
        from scipy.spatial import cKDTree

        points = np.stack([np.ravel(s), np.ravel(t)], axis=1)
        steps = np.array([(n, m) for n in (-1, 0, 1) for m in (-1, 0, 1)])
        places = (self.sites[:, None] + steps).reshape(-1, 2)
        _, nearest = cKDTree(places @ self.vectors).query(points @ self.vectors)
        step = steps[nearest % len(steps)]
        there = np.array(
            [
                [(n + dn, m + dm) in self.complete for dn, dm in steps.tolist()]
                for n, m in self.numbers.tolist()
            ]
        )
        return there[:, (step[:, 0] + 1) * 3 + step[:, 1] + 1]

    def points(self, s: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Return the image points (N, *s.shape, 2) of fractions in each cell."""
        c = self.corners[:, :, :, None, :]
        s, t = (np.ravel(v)[None, :, None] for v in (s, t))
        return (
            c[:, 0, 0] * (1 - s) * (1 - t)
            + c[:, 1, 0] * s * (1 - t)
            + c[:, 0, 1] * (1 - s) * t
            + c[:, 1, 1] * s * t
        )


def find_cells(
    points: np.ndarray, class_names: list[str], vectors: np.ndarray, shape: tuple[int, int]
) -> CellPlaces | None:
    """Return the cells of a domain that hold all their molecules and lie in the image.

    Args:
        points: (n, 2) float64 centroids of the domain's molecules.
        class_names: their classes.
        vectors: the domain's lattice vectors, pixels.
        shape: (height, width) of the image.

    Returns:
        None where the molecules cannot be numbered again.
    """
    names = sorted(set(class_names))
    kinds = np.array([names.index(name) for name in class_names], int)
    groups = sublattices.grow(points, kinds, vectors, neighbour_distance(points))
    if not groups:
        return None
    patches = max(groups, key=lambda group: sum(len(p.members) for p in group))
    design, target = sublattices.design_matrix(points, patches)
    solution, *_ = np.linalg.lstsq(design, target, rcond=None)
    fitted, vectors = solution[:2], solution[:2]
    ideal = design @ solution
    shifts = target - ideal
    inverse = np.linalg.inv(fitted)
    classes = kinds[np.concatenate([p.members for p in patches])]
    fractions, origin = _clear_of_edges(ideal @ inverse)
    cells = np.floor(fractions).astype(int)
    complete, sites = _complete(cells, fractions - cells, classes)
    if not len(complete):
        return None
    corners, followed = _corners(complete, origin, vectors, ideal, shifts)
    inside = ((corners >= 0) & (corners <= np.array(shape[::-1]))).all(axis=(1, 2, 3))
    where, kind = sites
    everywhere = frozenset(map(tuple, complete.tolist()))
    kind_names = [names[k] for k in kind]
    return CellPlaces(
        vectors, complete[inside], corners[inside], where, kind_names, everywhere, followed
    )


def _clear_of_edges(fractions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the fractions counted from an origin with all molecules clear of the cells' edges, and
    that origin."""
    origin = np.zeros(2)
    for axis in range(2):
        places = np.sort(fractions[:, axis] % 1)
        gaps = np.diff(np.append(places, places[0] + 1))
        widest = int(gaps.argmax())
        origin[axis] = places[widest] + gaps[widest] / 2
    return fractions - origin, origin


def _complete(
    cells: np.ndarray, within: np.ndarray, classes: np.ndarray
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Return the cells (N, 2) with the usual number of molecules of each class, and what the usual
    cell holds: fractions (M, 2) and classes (M,)."""
    unique, index = np.unique(cells, axis=0, return_inverse=True)
    index = index.ravel()
    counts = np.zeros((len(unique), classes.max() + 1), int)
    np.add.at(counts, (index, classes), 1)
    kinds, inverse, number = np.unique(counts, axis=0, return_inverse=True, return_counts=True)
    usual = kinds[number.argmax()]
    good = np.flatnonzero((counts == usual).all(axis=1))
    example = np.flatnonzero(index == good[0]) if len(good) else np.zeros(0, int)
    mine = np.isin(index, good)
    sites = []
    for i in example:
        near = mine & (classes == classes[i])
        near &= np.hypot(*(within - within[i]).T) < 0.1
        sites.append(within[near].mean(axis=0))
    return unique[good], (np.array(sites).reshape(-1, 2), classes[example])


def _corners(
    cells: np.ndarray,
    origin: np.ndarray,
    vectors: np.ndarray,
    ideal: np.ndarray,
    shifts: np.ndarray,
) -> tuple[np.ndarray, bool]:
    """Return the cells' corners in the image (N, 2, 2, 2) and whether they follow the layer."""
    steps = np.stack(np.meshgrid([0, 1], [0, 1], indexing="ij"), axis=-1)
    corners = (cells[:, None, None, :] + steps + origin) @ vectors
    if len(ideal) < LEAST_FOLLOWED:
        return corners, False
    foretold = local_shift(ideal, ideal, shifts, leave_out=True)
    left = np.mean((shifts - foretold) ** 2) / max(np.mean(shifts**2), 1e-12)
    if left > FOLLOWED_BELOW or np.mean(shifts**2) < LEAST_SHIFT**2:
        return corners, False
    flat = corners.reshape(-1, 2)
    return (flat + local_shift(flat, ideal, shifts)).reshape(corners.shape), True


def local_shift(
    where: np.ndarray, points: np.ndarray, shifts: np.ndarray, leave_out: bool = False
) -> np.ndarray:
    """Return the shift at some places from those of the nearest points, by a local linear fit.

    Args:
        where: (M, 2) places.
        points: (n, 2) where the shifts are known, n >= NEIGHBOURS + 1.
        shifts: (n, 2).
        leave_out: `where` are the points themselves, and none has a say in its own shift.
    """
    from scipy.spatial import cKDTree

    distance, index = cKDTree(points).query(where, k=NEIGHBOURS + 1)
    if leave_out:
        distance, index = distance[:, 1:], index[:, 1:]
    reach = distance[:, -1:]
    weight = np.maximum(1 - (distance / (1.05 * reach)) ** 2, 0)
    offset = (points[index] - where[:, None]) / reach[..., None]
    design = np.concatenate([np.ones((*index.shape, 1)), offset], axis=2)
    normal = np.einsum("mki,mk,mkj->mij", design, weight, design) + 1e-3 * np.eye(3)
    right = np.einsum("mki,mk,mkj->mij", design, weight, shifts[index])
    return np.linalg.solve(normal, right)[:, 0]
