"""The height offset of each scan line, told apart from molecules that lie along the lines.

A row of molecules along the scan lines raises many lines together, as an offset does. What tells
them apart is the ground: it has the same few heights in every line. Two steps follow from that:

1. Every line is shifted to where its heights are most likely under the histogram of the whole
   image, again and again while that histogram becomes sharper (expectation maximisation). Pixels
   below the ground are unlikely, so that a line full of molecules is not pulled down to it.
2. The ground is the lowest peak of the sharp histogram, in areas rather than single pixels. Lines
   that show it are set by it alone; how far they then move says how much the first step can be
   trusted on the lines that do not show it.

Both are joined with the differences of neighbouring lines in one least-squares fit along the image,
in which each has the weight that its measured spread gives it. Heights that stand on several
terraces have several peaks and need no special care.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.linalg import solveh_banded
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from spm.instruments.order_statistics import row_medians, row_quantiles

BINS = 256  # of the height histogram
BLOCK = 32  # lines that are worked on at a time
COLUMNS = 1024  # at most so many pixels of a line are looked at
SMOOTHING = (0.04, 0.02, 0.01, 0.01, 0.01)  # of the histogram, round by round, share of its range
REACH, PULL = 0.25, 0.15  # how far a line may move in a round, and usually does; share of range
GROUND_ROUNDS = 3
WIDEST_GROUND = 0.1  # standard deviation of the ground's peak, share of the range of heights
LEAST_GROUND = 0.02  # share of a line's pixels that must be ground
SMALLEST = -500  # exponent of two; smaller ranges of heights count as flat
FLAT = 1e-12  # share of the range of all heights; what is left of offsets taken off is rounding


@dataclass(frozen=True)
class _Lines:
    """What stays the same while the offsets are fitted.

    Attributes:
        heights: (H, W) float64 without tilt, as shares of about their range; NaN where missing.
        jumps: (H-1,) float64 median difference of neighbouring lines, 0 where unknown.
        known: (H-1,) bool, where the jump is known.
        grain: length over which neighbouring pixels are alike, (along the line, across), pixels.
    """

    heights: np.ndarray
    jumps: np.ndarray
    known: np.ndarray
    grain: tuple[int, int]


def fitted_offsets(heights: np.ndarray) -> np.ndarray:
    """Return the offset of each scan line of an image without tilt.

    Args:
        heights: (H, W) float64; not finite values are ignored.

    Returns:
        (H,) float64 in the unit of the heights; lines without two finite pixels lie between their
        neighbours. Zeros where all heights are the same or fewer than two lines are known.
    """
    step = -(-heights.shape[1] // COLUMNS)
    sample = np.where(np.isfinite(heights[:, ::step]), heights[:, ::step], np.nan)
    seen = np.flatnonzero(np.isfinite(sample).sum(axis=1) >= min(2, sample.shape[1]))
    if len(seen) < 2:
        return np.zeros(len(heights))
    lines = _lines(sample[seen], step)
    low, high = _range(lines.heights)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        return np.zeros(len(heights))
    # By a power of two, which rounds nothing: a damaged file's tiny heights have no squares.
    exponent = max(int(np.frexp(high - low)[1]), SMALLEST)
    lines = replace(
        lines, heights=np.ldexp(lines.heights, -exponent), jumps=np.ldexp(lines.jumps, -exponent)
    )
    floor = row_quantiles(lines.heights, 0.05)
    best = _by_ground(lines, _by_histogram(lines, floor))
    if not _ground_everywhere(lines, best):
        best = _without_ground(lines, floor)
    return np.interp(np.arange(len(heights)), seen, np.ldexp(best, exponent))


def _ground_everywhere(lines: _Lines, offsets: np.ndarray) -> bool:
    """Return whether nearly all lines show ground and none jumps from one terrace to another."""
    _, weight = _ground_shift(lines, offsets)
    low, high = _range(lines.heights - offsets[:, None])
    against = np.abs(np.diff(offsets) - lines.jumps)[lines.known]
    return bool((weight > 0).mean() > 0.95 and against.max(initial=0) < 0.25 * (high - low))


def _without_ground(lines: _Lines, floor: np.ndarray) -> np.ndarray:
    """Return the better of two fits that do not count on ground in every line."""
    # The starts differ in what they take a slow change for: molecules, or drift of the offsets.
    found = [_by_ground(lines, _by_histogram(lines, start)) for start in _starts(lines)]
    return min(found, key=lambda offsets: _variance(floor - offsets))


def _lines(heights: np.ndarray, step: int) -> _Lines:
    jumps = np.zeros(len(heights) - 1)
    difference = np.diff(heights, axis=0)
    known = np.isfinite(difference).any(axis=1)
    jumps[known] = row_medians(difference[known])
    grain = _grain(heights)
    return _Lines(heights, jumps, known, (grain, grain * step))


def _grain(heights: np.ndarray) -> int:
    """Return the lag in pixels at which heights along a line are half as alike as at lag 0."""
    some = heights[:: max(1, len(heights) // 200)]
    some = some - row_medians(some)[:, None]
    variance = np.nanmean(some**2)
    for lag in range(1, some.shape[1] // 2):
        product = some[:, lag:] * some[:, :-lag]
        if not np.isfinite(product).any() or np.nanmean(product) < 0.5 * variance:
            return lag
    return max(1, some.shape[1] // 2)


def _starts(lines: _Lines) -> tuple[np.ndarray, np.ndarray]:
    """Return two first guesses of the offsets: only their fast part, and all but slow drift."""
    summed = np.concatenate([[0.0], np.cumsum(lines.jumps)])
    middle = row_medians(lines.heights)
    fast = summed - gaussian_filter1d(summed, 3)
    return fast, summed - gaussian_filter1d(summed - middle, 5 * lines.grain[1])


def _by_histogram(lines: _Lines, offsets: np.ndarray) -> np.ndarray:
    """Return the offsets at which each line's heights fit the histogram of all lines best."""
    for smoothing in SMOOTHING:
        found = _likeliest(lines, offsets, smoothing)
        if found is None:
            return offsets
        shift, weight, bin_width = found
        target = offsets + shift
        smallest = 1e-4 * bin_width**2
        jump_variance = max(_variance((lines.jumps - np.diff(target))[lines.known]), smallest)
        step_variance = max(_variance(np.diff(target)), smallest)
        offsets = _joined(lines, target, weight, jump_variance, step_variance)
    return offsets


def _likeliest(
    lines: _Lines, offsets: np.ndarray, smoothing: float
) -> tuple[np.ndarray, np.ndarray, float] | None:
    """Return how each line should move: (shift (H,), weight (H,) = 1 / variance, bin width); None
    where nothing but offsets was there."""
    levelled = lines.heights - offsets[:, None]
    low, high = _range(levelled, 0.3)
    if high - low <= FLAT:
        return None
    counts = _histograms(levelled, low, high)
    density = gaussian_filter1d(counts.sum(axis=0), smoothing * BINS, mode="constant")
    logarithm = np.log(density / density.sum() + 1e-5)
    reach = int(REACH * BINS)
    moves = np.arange(-reach, reach + 1)
    padded = np.pad(logarithm, reach, mode="edge")
    moved = np.stack([padded[reach - k : reach - k + BINS] for k in moves], axis=1)
    # Pixels of one molecule are not independent: divided by the grain, they count as one.
    score = counts @ moved / lines.grain[0] - (moves / (PULL * BINS)) ** 2 / 2
    best = np.clip(score.argmax(axis=1), 1, len(moves) - 2)
    rows = np.arange(len(score))
    before, here, after = (score[rows, best + k] for k in (-1, 0, 1))
    bend = np.maximum(2 * here - before - after, 1e-6)
    between = np.clip((after - before) / 2 / bend, -0.5, 0.5)
    bin_width = (high - low) / BINS
    weight = 1 / (bin_width**2 * (1 / bend + 1 / 12))
    return (moves[best] + between) * bin_width, weight, bin_width


def _by_ground(lines: _Lines, offsets: np.ndarray) -> np.ndarray:
    """Return the offsets after lines that show the ground have been set by it.

    Args:
        lines: the image.
        offsets: (H,) of the first step, kept as they are where too little ground is seen.
    """
    first = offsets
    for _ in range(GROUND_ROUNDS):
        shift, weight = _ground_shift(lines, offsets)
        shown = weight > 0
        pairs = shown[1:] & shown[:-1] & lines.known
        if pairs.sum() < 10:
            return offsets
        target = offsets + shift
        moved = (target - first)[shown]
        tiny = 1e-6 / weight.max()
        first_weight = 1 / max(_variance(moved), tiny)
        step_variance = max(_variance(np.diff(target)[pairs]), tiny)
        errors = (lines.jumps - np.diff(target))[pairs]
        jump_variance = max(
            _variance(errors), _variance((lines.jumps - np.diff(first))[lines.known]), tiny
        )
        both = weight * target + first_weight * (first + np.median(moved))
        total = weight + first_weight
        # Errors of the jumps go on over a whole molecule; they do not average out line by line.
        jump_variance *= lines.grain[1]
        offsets = _joined(lines, both / total, total, jump_variance, step_variance)
    return offsets


def _ground_shift(lines: _Lines, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how far each line's ground lies above that of the image, and the weight of that.

    Returns:
        shift (H,) float64, weight (H,) = 1 / variance, 0 where too little ground is seen.
    """
    levelled = lines.heights - offsets[:, None]
    nothing = np.zeros(len(levelled)), np.zeros(len(levelled))
    peak = _lowest_peak(levelled)
    if peak is None:
        return nothing
    level, spread = peak
    above = levelled - level
    # Gaps between molecules pass through the ground's heights, but in spots, not in areas.
    area = tuple(min(max(3, grain // 2), 15) for grain in lines.grain[::-1])
    ground = opened(np.abs(above) < 3 * spread, area)
    wanted = max(2 * lines.grain[0], LEAST_GROUND * levelled.shape[1])
    shift, count = np.zeros(len(above)), np.zeros(len(above), np.int64)
    for rows in _blocks(len(above)):
        shift[rows], count[rows] = _ground_of_rows(above[rows], ground[rows], spread)
    weight = np.where(count >= wanted, count / lines.grain[0] / spread**2, 0.0)
    return shift, weight


def _ground_of_rows(
    above: np.ndarray, ground: np.ndarray, spread: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean height of each line's ground, and of how many pixels it is the mean."""
    shift = _row_means(above, ground)
    for width in (2.5, 2.0, 2.0):
        near = ground & (np.abs(above - shift[:, None]) < width * spread)
        shift = _row_means(above, near)
    return shift, near.sum(axis=1)


def opened(mask: np.ndarray, area: tuple[int, int]) -> np.ndarray:
    """Return the pixels of a mask that lie in a rectangle (rows, columns) of its pixels alone."""
    kernel = np.ones(area, np.uint8)
    # Mirrored on the way back, as an even number of pixels has no middle.
    there = (area[1] // 2, area[0] // 2)
    back = (area[1] - 1 - there[0], area[0] - 1 - there[1])
    outside = {"borderType": cv2.BORDER_CONSTANT, "borderValue": 0}
    inner = cv2.erode(mask.view(np.uint8), kernel, anchor=there, **outside)
    return cv2.dilate(inner, kernel, anchor=back, **outside).view(bool)


def _lowest_peak(levelled: np.ndarray) -> tuple[float, float] | None:
    """Return the (height, standard deviation) of the histogram's lowest peak, None if too wide."""
    low, high = _range(levelled, 0.1)
    if high - low <= FLAT:
        return None
    bins = 2 * BINS
    counts = _histograms(levelled, low, high, bins).sum(axis=0)
    smooth = gaussian_filter1d(counts, 3, mode="constant")
    peaks = (smooth == maximum_filter1d(smooth, 31)) & (smooth > 0.1 * smooth.max())
    peak = int(np.flatnonzero(peaks)[0])
    under = np.flatnonzero(smooth[: peak + 1] < smooth[peak] / 2)
    # Molecules may stand at the upper side of the peak; its lower side is the ground's own.
    half_width = peak - (int(under[-1]) if len(under) else -1)
    spread = half_width / np.sqrt(2 * np.log(2))
    bin_width = (high - low) / bins
    if spread > WIDEST_GROUND * bins:
        return None
    return low + (peak + 0.5) * bin_width, spread * bin_width


def _joined(
    lines: _Lines,
    target: np.ndarray,
    weight: np.ndarray,
    jump_variance: float,
    step_variance: float,
) -> np.ndarray:
    """Return the offsets (H,) that are nearest to targets, jumps and small steps together.

    Minimises sum(weight (o - target)^2) + sum((step - jump)^2 / jump_variance + step^2 /
    step_variance) over the steps of o from line to line: a tridiagonal system.
    """
    from_jump = lines.known / jump_variance
    stiffness = from_jump + 1 / step_variance
    pull = from_jump * lines.jumps
    matrix = np.zeros((2, len(target)))
    matrix[0, 1:] = -stiffness
    matrix[1] = weight + 1e-12 * weight.max()
    matrix[1, 1:] += stiffness
    matrix[1, :-1] += stiffness
    right = weight * target
    right[1:] += pull
    right[:-1] -= pull
    return solveh_banded(matrix, right)


def _histograms(values: np.ndarray, low: float, high: float, bins: int = BINS) -> np.ndarray:
    """Return the histogram of each row, (H, bins) float64; values outside are left out."""
    counts = np.zeros((len(values), bins))
    for rows in _blocks(len(values)):
        scaled = (values[rows] - low) * (bins / (high - low))
        inside = (scaled >= 0) & (scaled < bins)
        index = np.where(inside, scaled, 0).astype(np.int64)
        index += np.arange(len(index))[:, None] * bins
        counts[rows].flat = np.bincount(index[inside], minlength=len(index) * bins)
    return counts


def _blocks(rows: int) -> Iterator[slice]:
    """Yield slices of a few lines: what is made of them stays in the processor's cache."""
    return (slice(first, first + BLOCK) for first in range(0, rows, BLOCK))


def _range(values: np.ndarray, margin: float = 0.0) -> tuple[float, float]:
    """Return where nearly all finite heights lie, grown by a share of itself on both sides."""
    some = values[:: max(1, len(values) // 512)]
    low, high = np.percentile(some[np.isfinite(some)], [0.5, 99.5])
    room = margin * (high - low)
    return float(low - room), float(high + room)


def _row_means(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.where(mask, values, 0).sum(axis=1) / np.maximum(mask.sum(axis=1), 1)


def _variance(values: np.ndarray) -> float:
    """Return the variance from the median absolute deviation, which outliers do not move."""
    return float((1.4826 * np.median(np.abs(values - np.median(values)))) ** 2)
