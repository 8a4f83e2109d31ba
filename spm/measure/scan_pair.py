"""Drift from two scans of one place, scanned in opposite ways along the slow axis.

While a line is scanned nothing drifts to speak of; from line to line the surface moves on by the
same step v. A point p of the first scan then shows the surface at (1 + C) p and one of the second,
whose lines follow in the opposite order, at (1 - C) p, up to a shift, with

    C = [[0, vx], [0, vy]],

so that what lies at p in the first lies in the second at M p + shift, M = (1 - C)^-1 (1 + C), and

    C = (M + 1)^-1 (M - 1):   vy = (Myy - 1) / (Myy + 1),   vx = Mxy / (Myy + 1).

The first scan is put right by x' = x + vx y, y' = (1 + vy) y. Half the difference between such
scans as their drift: Rahe, Bechstein, Kuehnle, J. Vac. Sci. Technol. B 28, C4E31 (2010); Salmons,
Katz, Trawick, Ultramicroscopy 110, 339 (2010).

Creep, which bends an image, and drift that changes meanwhile are no such map; `Drift.bent` says
how much of them was seen. Points are (x, y) pixels, y downwards.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import cv2
import numpy as np

from spm.errors import InputError
from spm.geometry import affine

DRAWS = 1000  # of the bootstrap
LEAST_PAIRS = 12  # points that were found in both scans
LEAST_MOLECULES = 20  # recognised in both; with fewer the image's own detail says more
LEAST_LIKENESS = 0.35  # median correlation between patches of both scans
# Share of the drift by which patches may be off: the tip blurs what is seen in the direction of
# the scan and not in that of the molecules. Measured on simulated pairs (docs/many_images.md).
TIP = 0.002
_OUTLIER = 3.5  # robust standard deviations
_ON_LINE = 3.0  # pixels: shifts of strips that agree
_SMALLEST = 0.03  # pixels: residuals below are no outliers
_ROUNDS = 4

Seed = tuple[int, float, np.ndarray]  # number of a strip, how well it was found, its shift (x, y)


@dataclass(frozen=True)
class Drift:
    """Drift between two scans.

    Attributes:
        parameters: (3,) float64 sx, h, sy of the first scan's map: 1, vx, 1 + vy.
        covariance: (3, 3) float64 of them, from a bootstrap over the points.
        points: number of points that it follows from.
        outliers: points that were left out.
        residual: root mean square distance of the points from the map, pixels.
        molecules: whether the points are recognised molecules; False: patches of the images.
        bent: (2,) float64 largest displacement (x, y), pixels, by what is no steady drift: along
            the lines, and curved along the slow axis; 0 where it is within the errors.
    """

    parameters: np.ndarray
    covariance: np.ndarray
    points: int
    outliers: int
    residual: float
    molecules: bool
    bent: np.ndarray


def measure_drift(
    images: tuple[np.ndarray, np.ndarray],
    molecules: tuple[dict[str, np.ndarray], dict[str, np.ndarray]] | None = None,
) -> Drift:
    """Return the drift between two scans of one place.

    Args:
        images: (H, W) or (H, W, 3) uint8 of the first scan and of the second, of one size.
        molecules: class -> (n, 2) float64 centroids of whole molecules in each. Where enough are
            found in both the drift follows from them, else from patches of the images. Defaults to
            None, patches.

    Raises:
        InputError: when the images do not show the same place.
    """
    first, second = (_evened(image) for image in images)
    mine, theirs = _found_in_both(first, second)
    place = _fitted(mine, theirs)[0]
    recognised = False
    if molecules is not None:
        pairs = _same_molecules(*molecules, place)
        if len(pairs[0]) >= LEAST_MOLECULES:
            (mine, theirs), recognised = pairs, True
    return _drift(mine, theirs, recognised)


def _evened(image: np.ndarray) -> np.ndarray:
    """Return grey values without the offsets of the lines: (H, W) float32."""
    grey = image.mean(axis=2) if image.ndim == 3 else np.asarray(image, np.float64)
    return (grey - np.median(grey, axis=1, keepdims=True)).astype(np.float32)


def _found_in_both(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return patches of the first scan and where they lie in the second: two (n, 2).

    A layer lies on itself also some periods away, where less of both scans overlaps: of the places
    to start from the one is taken that leaves most patches.

    Raises:
        InputError: when from none of them enough is found.
    """
    height = len(first)
    lines = max(12, height // 40)
    tops = np.arange(0, height - lines + 1, max(4, lines // 2))
    seeds = [(k, *_anywhere(first, second, tops[k], lines))
             for k in range(len(tops)) if k % 8 == 4 or len(tops) < 8]  # fmt: skip
    found, problems = [], []
    starts = [_most_agreed(seeds), max(seeds, key=lambda seed: seed[1])]
    for number, _, shift in starts[: 1 if starts[0][0] == starts[1][0] else 2]:
        try:
            strips = _tracked_strips(first, second, (tops, lines), number, shift)
            found.append(_patches(first, second, _fitted(*strips)[0]))
        except InputError as error:
            problems.append(error)
    if not found:
        raise problems[0]
    return max(found, key=lambda patches: len(patches[0]))


def _tracked_strips(
    first: np.ndarray,
    second: np.ndarray,
    strips: tuple[np.ndarray, int],
    number: int,
    shift: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return where strips of lines of the first scan lie in the second: two (n, 2).

    From one whose shift is known on, each is looked for where its neighbour was, so that a lattice
    cannot make it jump by a period.
    """
    width = first.shape[1]
    tops, lines = strips
    places = {number: shift}
    for step in (1, -1):
        slope, last, k = np.zeros(2), shift, number + step
        while 0 <= k < len(tops):
            found = _near(first, second, (tops[k], lines), last + slope, 6)
            if found is None:
                break
            slope += 0.3 * (found - last - slope)
            last = places[k] = found
            k += step
    if len(places) < LEAST_PAIRS:
        raise InputError("the two scans do not show the same place, or hardly overlap.")
    centres = np.array([(width / 2, tops[k] + lines / 2) for k in sorted(places)])
    return centres, centres + np.array([places[k] for k in sorted(places)])


def _anywhere(
    first: np.ndarray, second: np.ndarray, top: int, lines: int
) -> tuple[float, np.ndarray]:
    """Return how well the middle of a strip is found in the second scan, and its shift (x, y)."""
    width = first.shape[1]
    left = width // 4
    alike = _correlation(first[top : top + lines, left : width - left], second)
    rows, columns = np.indices(alike.shape)
    far = np.hypot(rows - top, columns - left) / max(first.shape)
    at = np.unravel_index(np.argmax(alike - 0.1 * far), alike.shape)  # near where it may be either
    return float(alike[at]), np.array([at[1] - left, at[0] - top], np.float64)


def _most_agreed(seeds: list[Seed]) -> Seed:
    """Return the best of those seeds whose shifts lie on one line.

    A strip that the second scan does not show is found in it all the same, a few periods of a
    lattice away, and perhaps better than any other; but it agrees with none.
    """
    numbers = np.array([number for number, _, _ in seeds], np.float64)
    shifts = np.array([shift for _, _, shift in seeds])
    best, together = 0, np.ones(len(seeds), bool)
    for i, j in itertools.combinations(range(len(seeds)), 2):
        slope = (shifts[j] - shifts[i]) / (numbers[j] - numbers[i])
        line = shifts[i] + (numbers - numbers[i])[:, None] * slope
        near = np.hypot(*(shifts - line).T) < _ON_LINE
        if near.sum() > max(best, 2):
            best, together = int(near.sum()), near
    agreed = [seed for seed, near in zip(seeds, together, strict=True) if near]
    return max(agreed, key=lambda seed: seed[1])


def _near(
    first: np.ndarray, second: np.ndarray, strip: tuple[int, int], shift: np.ndarray, reach: int
) -> np.ndarray | None:
    """Return the shift (x, y) of a strip near a foretold one; None outside, or where unlike."""
    (top, lines), (dx, dy) = strip, np.round(shift).astype(int)
    height, width = second.shape
    left, right = max(0, reach - dx), min(width, width - reach - dx)
    upper = top + dy - reach
    if upper < 0 or upper + lines + 2 * reach > height or right - left < width // 4:
        return None
    window = second[upper : upper + lines + 2 * reach, left + dx - reach : right + dx + reach]
    peak = _peak(first[top : top + lines, left:right], window)
    if peak is None or peak[0] < LEAST_LIKENESS:
        return None
    return peak[1] - reach + (dx, dy)


def _correlation(part: np.ndarray, window: np.ndarray) -> np.ndarray:
    if part.std() == 0:
        return np.zeros([a - b + 1 for a, b in zip(window.shape, part.shape, strict=True)])
    return np.nan_to_num(cv2.matchTemplate(window, part, cv2.TM_CCOEFF_NORMED), posinf=0.0)


def _peak(part: np.ndarray, window: np.ndarray) -> tuple[float, np.ndarray] | None:
    """Return the highest correlation and its place (x, y) to a fraction of a pixel, by a parabola;
    None for one at the rim."""
    alike = _correlation(part, window)
    row, column = np.unravel_index(np.argmax(alike), alike.shape)
    if not (0 < row < alike.shape[0] - 1 and 0 < column < alike.shape[1] - 1):
        return None
    best, place = float(alike[row, column]), []
    for low, high, k in (
        (alike[row, column - 1], alike[row, column + 1], column),
        (alike[row - 1, column], alike[row + 1, column], row),
    ):
        bend = low + high - 2 * best
        place.append(k + (0.5 * (low - high) / bend if bend < 0 else 0.0))
    return best, np.array(place)


def _patches(
    first: np.ndarray, second: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return patches of the first scan and where they lie in the second: two (n, 2).

    The second is laid on the first by the map so far, and what is left is looked for; so a patch is
    compared with one of its own shape, and the fraction of a pixel that is left goes to zero.

    Raises:
        InputError: when they are not alike.
    """
    height, width = first.shape
    place = start
    for reach in (6, 3, 3):
        back = cv2.invertAffineTransform(place)
        laid = affine.warp(second, back, height, width)
        inside = affine.warp(np.ones_like(second), back, height, width) > 0.99
        found = [_left_over(first, laid, inside, patch, reach)
                 for patch in _grid(height, width, reach)]  # fmt: skip
        seen = np.array([f for f in found if f is not None]).reshape(-1, 5)
        if len(seen) < LEAST_PAIRS or np.median(seen[:, 4]) < LEAST_LIKENESS:
            raise InputError("the two scans do not show the same place, or it changed too much.")
        mine = seen[:, :2]
        theirs = affine.apply_to_points(place, mine + seen[:, 2:4])
        place = _fitted(mine, theirs)[0]
    return mine, theirs


def _grid(height: int, width: int, reach: int) -> list[tuple[int, int, int, int]]:
    """Return the patches (top, left, lines, columns), a rim of `reach` left free."""
    lines, columns = max(16, height // 20), max(16, width // 5)
    return [
        (top, left, lines, columns)
        for top in range(reach, height - lines - reach + 1, lines)
        for left in range(reach, width - columns - reach + 1, columns)
    ]


def _left_over(
    first: np.ndarray, laid: np.ndarray, inside: np.ndarray, patch: tuple[int, ...], reach: int
) -> tuple[float, ...] | None:
    """Return a patch's centre (x, y), shift (x, y) and likeness; None where it is not found."""
    top, left, lines, columns = patch
    around = np.s_[top - reach : top + lines + reach, left - reach : left + columns + reach]
    if not inside[around].all():
        return None
    peak = _peak(first[top : top + lines, left : left + columns], laid[around])
    if peak is None:
        return None
    (dx, dy), alike = peak[1] - reach, peak[0]
    return left + columns / 2, top + lines / 2, dx, dy, alike


def _same_molecules(
    first: dict[str, np.ndarray], second: dict[str, np.ndarray], place: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the molecules of one class that are each other's nearest: two (n, 2)."""
    from scipy.spatial import cKDTree

    everything = np.concatenate([*second.values(), np.empty((0, 2))])
    if len(everything) < 2:
        return np.empty((0, 2)), np.empty((0, 2))
    reach = 0.3 * float(np.median(cKDTree(everything).query(everything, k=2)[0][:, 1]))
    mine, theirs = [np.empty((0, 2))], [np.empty((0, 2))]
    for name in first.keys() & second.keys():
        if not len(first[name]) or not len(second[name]):
            continue
        moved = affine.apply_to_points(place, first[name])
        distance, there = cKDTree(second[name]).query(moved)
        _, back = cKDTree(moved).query(second[name])
        both = (distance < reach) & (back[there] == np.arange(len(moved)))
        mine.append(first[name][both])
        theirs.append(second[name][there[both]])
    return np.concatenate(mine), np.concatenate(theirs)


def _fitted(mine: np.ndarray, theirs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the map of steady drift between points, (2, 3), and which points were kept."""
    shift, kept = theirs - mine, np.ones(len(mine), bool)
    for _ in range(_ROUNDS):
        columns = np.column_stack([np.ones(len(mine)), mine[:, 1]])
        found = np.linalg.lstsq(columns[kept], shift[kept], rcond=None)[0]
        away = np.hypot(*(shift - columns @ found).T)
        sigma = np.median(away[kept]) / 1.1774  # of a Rayleigh distribution
        kept = away <= max(_SMALLEST, _OUTLIER * sigma)
    (cx, cy), (by_x, by_y) = found
    return np.array([[1.0, by_x, cx], [0.0, 1.0 + by_y, cy]]), kept


def _drift(mine: np.ndarray, theirs: np.ndarray, recognised: bool) -> Drift:
    place, kept = _fitted(mine, theirs)
    if kept.sum() < LEAST_PAIRS:
        raise InputError("too few points agree between the two scans; is it the same place?")
    mine, theirs = mine[kept], theirs[kept]
    away = theirs - affine.apply_to_points(place, mine)
    h, sy = halved(place[0, 1], place[1, 1])
    draws = _bootstrap(mine[:, 1], theirs - mine)
    covariance = np.zeros((3, 3))
    covariance[1:, 1:] = np.cov(halved(draws[:, 0], 1 + draws[:, 1]))
    if not recognised:
        covariance[1:, 1:] += np.diag(np.square(TIP * np.array([h, sy - 1])))
    return Drift(
        np.array([1.0, h, sy]), covariance, int(kept.sum()), int((~kept).sum()),
        float(np.sqrt((away**2).sum(axis=1).mean())), recognised, _bent(mine, away),
    )  # fmt: skip


def halved(mxy: float, myy: float) -> tuple[float, float]:
    """Return h and sy of the first scan's map from the map between both scans."""
    return mxy / (myy + 1), 2 * myy / (myy + 1)


def _bootstrap(y: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Return slopes (DRAWS, 2) of the shifts over y, the points drawn again and again."""
    rng = np.random.default_rng(0)
    weights = rng.multinomial(len(y), np.full(len(y), 1 / len(y)), size=DRAWS) / len(y)
    mean_y, mean = weights @ y, weights @ shift
    spread = weights @ y**2 - mean_y**2
    return (weights @ (y[:, None] * shift) - mean_y[:, None] * mean) / spread[:, None]


def _bent(mine: np.ndarray, away: np.ndarray) -> np.ndarray:
    """Return how far (x, y) the points lie from a steady drift by what is no chance, pixels."""
    x, y = (mine - mine.mean(axis=0)).T
    columns = np.column_stack([np.ones(len(x)), y, x, y**2])
    scale = np.abs(columns).max(axis=0)
    columns = columns / scale
    found = np.linalg.lstsq(columns, away, rcond=None)[0]
    left = away - columns @ found
    variance = (left**2).sum(axis=0) / max(1, len(x) - 4)
    inverse = np.diag(np.linalg.pinv(columns.T @ columns))
    errors = np.sqrt(inverse[:, None] * variance)
    sure = np.where(np.abs(found) > 4 * errors, np.abs(found), 0.0)
    return sure[2:].max(axis=0)
