"""The repeating cell of a molecular layer, from the molecules' centroids.

The differences between centroids of the same class pile up at the lattice vectors (the
autocorrelation of the point set). Two peaks span a cell when molecules have partners at all eight
sums and differences around them; of all such pairs the smallest cell is taken.
`spm.measure.domains` then numbers the molecules and fits vectors and uncertainties.

Points are (x, y) pixels, y downwards.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

# Largest distance between a molecule and its place in the lattice, in nearest-neighbour distances.
TOLERANCE = 0.16
# Longest difference looked at, in distances between neighbours of the same class.
REACH = 6.5
MOST_PEAKS = 28  # candidate vectors, shortest first
LEAST_POINTS = 8  # of one class; fewer say nothing about order


@dataclass
class Lattice:
    """A fitted cell.

    Attributes:
        vectors: (2, 2) float64, rows a and b (x, y) in pixels; reduced, |a| <= |b|, the angle
            between them 90 to 120 degrees.
        covariance: (2, 2) float64 of the coefficients (a, b) for each of x and y, square pixels.
        residual: root mean square distance of the molecules from their places, pixels.
        molecules: number of molecules in the fit.
    """

    vectors: np.ndarray
    covariance: np.ndarray
    residual: float
    molecules: int
    per_cell: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def lengths(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """((|a|, standard error), (|b|, standard error)) in pixels."""
        errors = np.sqrt(np.diag(self.covariance))
        values = np.hypot(*self.vectors.T)
        return tuple((float(v), float(e)) for v, e in zip(values, errors, strict=True))

    @property
    def angle(self) -> tuple[float, float]:
        """(Angle between a and b, standard error) in degrees."""
        a, b = self.vectors
        value = np.degrees(np.arctan2(abs(a[0] * b[1] - a[1] * b[0]), a @ b))
        gradient = _angle_gradient(a, b)
        return float(value), float(np.degrees(self._error(gradient)))

    @property
    def area(self) -> tuple[float, float]:
        """(Area of the cell, standard error) in square pixels."""
        a, b = self.vectors
        cross = a[0] * b[1] - a[1] * b[0]
        gradient = np.array([[b[1], -b[0]], [-a[1], a[0]]])
        return float(abs(cross)), float(self._error(gradient))

    @property
    def direction(self) -> tuple[float, float]:
        """(Direction of a, standard error) in degrees, anticlockwise from the right, 0 to 180."""
        a = self.vectors[0]
        gradient = np.array([[-a[1], a[0]], [0.0, 0.0]]) / (a @ a)
        value = np.degrees(np.arctan2(-a[1], a[0])) % 180
        return float(value), float(np.degrees(self._error(gradient)))

    def _error(self, gradient: np.ndarray) -> float:
        """Return the standard error of a function with this (2, 2) gradient (vector, xy)."""
        variance = np.einsum("ix,ij,jx->", gradient, self.covariance, gradient)
        return float(np.sqrt(max(0.0, variance)))


def _angle_gradient(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the gradient (2, 2) of the angle between a and b (radians a pixel)."""
    sign = np.sign(a[0] * b[1] - a[1] * b[0]) or 1.0
    from_a = np.array([a[1], -a[0]]) / (a @ a) * sign
    from_b = np.array([-b[1], b[0]]) / (b @ b) * sign
    return np.stack([from_a, from_b])


def neighbour_distance(points: np.ndarray) -> float:
    """Return the median distance of (N, 2) points to their nearest neighbour; 0 for N < 2."""
    from scipy.spatial import cKDTree

    if len(points) < 2:
        return 0.0
    distances, _ = cKDTree(points).query(points, k=2)
    return float(np.median(distances[:, 1]))


def find_vectors(
    points: np.ndarray, kinds: np.ndarray, height: int, width: int, tolerance: float | None = None
) -> np.ndarray | None:
    """Return two vectors that span the smallest cell repeating in the points.

    Args:
        points: (N, 2) float64 centroids (x, y).
        kinds: (N,) int; only points of the same kind can be copies of one another.
        height, width: size of the image, pixels: partners outside it are not missed.
        tolerance: pixels. Defaults to `TOLERANCE` nearest-neighbour distances.

    Returns:
        (2, 2) float64, rows a and b reduced; None when nothing repeats.
    """
    points, kinds = np.asarray(points, np.float64), np.asarray(kinds)
    if len(points) == 0 or np.bincount(kinds).max() < LEAST_POINTS:
        return None
    if tolerance is None:
        tolerance = TOLERANCE * neighbour_distance(points)
    peaks = difference_peaks(points, kinds, height, width, tolerance)
    if len(peaks) < 2:
        return None
    forward = np.stack([partner_of(points, kinds, peak, tolerance) for peak in peaks])
    backward = np.stack([_inverse(partner) for partner in forward])
    near = _near_points(points, kinds)
    pairs = []
    for i in range(len(peaks)):
        for j in range(i + 1, len(peaks)):
            a, b = peaks[i], peaks[j]
            area = abs(a[0] * b[1] - a[1] * b[0])
            if area < 0.8 * np.hypot(*a) * np.hypot(*b):
                continue  # the angle of a reduced pair is 60 to 120 degrees, its sine above 0.86
            corners = [points + m * a + n * b for m in (-1, 1) for n in (-1, 1)]
            inside = [_inside(corner, height, width) for corner in corners]
            block = _block_count(forward[[i, j]], backward[[i, j]])
            centre = np.logical_and.reduce(inside)
            cell = _cell_complete(forward[i], forward[j])
            pairs.append((area, np.hypot(*a) + np.hypot(*b), i, j))
            full = _share(block >= 7, centre)
            coherent = full > 0 and _coherence(block >= 7, centre, near) >= 0.55
            pairs[-1] += (full if coherent else 0.0, _share(cell, inside[-1]))
    # Molecules with at least 7 of 8 partners all round prove a lattice, be it in one domain only:
    # then their neighbours have them too, while a part of a cell's molecules (as in a kagome
    # lattice, whose rows are denser than the cell) may have a finer lattice of their own.
    # An image of two or three cells has room for single cells at best.
    for column, least in ((4, 0.15), (5, 0.75)):
        best = max((pair[column] for pair in pairs), default=0.0)
        if best < 0.2:
            continue
        good = [pair for pair in pairs if pair[column] >= least * best]
        smallest = min(pair[0] for pair in good)
        # Bases of one lattice have the same area; the shortest of them is the reduced one.
        _, _, i, j, *_ = min((p for p in good if p[0] < 1.15 * smallest), key=lambda p: p[1])
        return reduce_basis(peaks[[i, j]])[0]
    return None


def _block_count(forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """Return how many of the 8 neighbours +-a, +-b, +-a+-b each point has: (N,) int.

    Args:
        forward, backward: (2, N) int, partners at +a, +b and at -a, -b; -1 for none.
    """
    count = (forward >= 0).sum(axis=0) + (backward >= 0).sum(axis=0)
    for a in (forward[0], backward[0]):
        for b in (forward[1], backward[1]):
            # The corner is reached over either side, in case one of them is vacant.
            over_a = np.where(a >= 0, b[a], -1)
            over_b = np.where(b >= 0, a[b], -1)
            count += (over_a >= 0) | (over_b >= 0)
    return count


def _cell_complete(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return whether each point has partners at a, b and a + b: (N,) bool."""
    return (a >= 0) & (b >= 0) & (np.where(a >= 0, b[a], -1) >= 0)


def _near_points(points: np.ndarray, kinds: np.ndarray, count: int = 6) -> np.ndarray:
    """Return the nearest points of the same kind: (N, count) int, -1 where there are fewer."""
    from scipy.spatial import cKDTree

    near = np.full((len(points), count), -1)
    for kind in np.unique(kinds):
        mine = np.flatnonzero(kinds == kind)
        if len(mine) > count:
            _, index = cKDTree(points[mine]).query(points[mine], k=count + 1)
            near[mine] = mine[index[:, 1:]]
    return near


def _coherence(yes: np.ndarray, valid: np.ndarray, near: np.ndarray) -> float:
    """Return the share of `yes` among the valid neighbours of the valid points with `yes`."""
    around = near[yes & valid]
    known = (around >= 0) & valid[around]
    return float(yes[around][known].mean()) if known.any() else 0.0


def _share(yes: np.ndarray, valid: np.ndarray) -> float:
    """Return the share of `yes` among `valid`; 0 for fewer than 3 of them."""
    total = int((yes & valid).sum())
    return total / int(valid.sum()) if total >= 3 else 0.0


def _inverse(partner: np.ndarray) -> np.ndarray:
    """Return the partners at -d from those at +d."""
    back = np.full(len(partner), -1)
    hit = np.flatnonzero(partner >= 0)
    back[partner[hit]] = hit
    return back


def difference_peaks(
    points: np.ndarray, kinds: np.ndarray, height: int, width: int, tolerance: float
) -> np.ndarray:
    """Return the differences at which the points' autocorrelation peaks, shortest first.

    Returns:
        (P, 2) float64, P <= MOST_PEAKS, one of each pair +d and -d.
    """
    from scipy.ndimage import gaussian_filter, maximum_filter
    from scipy.spatial import cKDTree

    differences = same_kind_differences(points, kinds, height, width)
    if len(differences) == 0:
        return np.zeros((0, 2))
    reach = np.abs(differences).max() + 3 * tolerance
    cell = tolerance / 2.5
    bins = min(1024, max(8, int(2 * reach / cell)))
    counts, x_edges, y_edges = np.histogram2d(
        *differences.T, bins=bins, range=[[-reach, reach], [-reach, reach]]
    )
    smooth = gaussian_filter(counts, tolerance / 2 / (x_edges[1] - x_edges[0]), mode="constant")
    size = max(3, int(2 * tolerance / (x_edges[1] - x_edges[0])) | 1)
    peak = (smooth == maximum_filter(smooth, size)) & (smooth > 0.02 * smooth.max())
    ix, iy = np.nonzero(peak)
    middles = np.stack([(x_edges[ix] + x_edges[ix + 1]) / 2, (y_edges[iy] + y_edges[iy + 1]) / 2])
    tree = cKDTree(differences)
    found, shares = [], []
    for middle in middles.T:
        for _ in range(3):  # mean shift
            members = tree.query_ball_point(middle, tolerance)
            if not members:
                break
            middle = differences[members].mean(axis=0)
        possible = _inside(points + middle, height, width).sum()
        if len(members) >= 3 and possible >= 3 and (middle[1], middle[0]) > (0, 0):
            found.append(middle)
            shares.append(len(members) / possible)
    if not found:
        return np.zeros((0, 2))
    peaks, shares = np.array(found), np.array(shares)
    peaks = peaks[shares >= 0.4 * shares.max()]
    return peaks[np.argsort(np.hypot(*peaks.T))][:MOST_PEAKS]


def same_kind_differences(
    points: np.ndarray, kinds: np.ndarray, height: int, width: int
) -> np.ndarray:
    """Return all differences (both signs) between near points of the same kind: (M, 2)."""
    from scipy.spatial import cKDTree

    parts = []
    for kind in np.unique(kinds):
        mine = points[kinds == kind]
        if len(mine) < 3:
            continue
        reach = min(REACH * neighbour_distance(mine), 0.7 * min(height, width))
        pairs = cKDTree(mine).query_pairs(reach, output_type="ndarray")
        difference = mine[pairs[:, 1]] - mine[pairs[:, 0]]
        parts += [difference, -difference]
    return np.concatenate(parts) if parts else np.zeros((0, 2))


def partner_of(
    points: np.ndarray, kinds: np.ndarray, shift: np.ndarray, tolerance: float
) -> np.ndarray:
    """Return for each point the index of the same-kind point at `shift` from it, or -1: (N,)."""
    from scipy.spatial import cKDTree

    partner = np.full(len(points), -1)
    for kind in np.unique(kinds):
        mine = np.flatnonzero(kinds == kind)
        tree = cKDTree(points[mine])
        distance, index = tree.query(points[mine] + shift, distance_upper_bound=tolerance)
        hit = np.isfinite(distance)
        partner[mine[hit]] = mine[index[hit]]
    return partner


def _inside(points: np.ndarray, height: int, width: int) -> np.ndarray:
    x, y = points.T
    return (x >= 0) & (y >= 0) & (x <= width) & (y <= height)


def reduce_basis(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the reduced basis of a lattice (Gauss) and the integer matrix that gives it.

    Args:
        vectors: (2, 2) float64, rows a and b, linearly independent.

    Returns:
        (2, 2) float64 with |a| <= |b|, angle 90 to 120 degrees, a pointing to the right; and
        (2, 2) int `change` with reduced = change @ vectors.
    """
    change = np.eye(2, dtype=int)
    basis = np.asarray(vectors, np.float64)
    for _ in range(100):
        if basis[0] @ basis[0] > basis[1] @ basis[1]:
            basis, change = basis[::-1], change[::-1]
        steps = round(float(basis[0] @ basis[1] / (basis[0] @ basis[0])))
        if steps == 0:
            break
        turn = np.array([[1, 0], [-steps, 1]])
        basis, change = turn @ basis, turn @ change
    signs = np.array([-1 if (basis[0][0], -basis[0][1]) < (0, 0) else 1, 1])
    if (signs[0] * basis[0]) @ basis[1] > 0:
        signs[1] = -1
    return signs[:, None] * basis, signs[:, None] * change
