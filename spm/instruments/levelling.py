"""From measured heights to a level surface: plane and line-wise levelling that survive steps.

A least-squares plane through an image with an atomic step is tilted by the step, and the median
of a scan line jumps where the line crosses from one terrace to the other. The plane here is fitted
within the terraces; the lines are set by what is ground on many of them
(`spm.instruments.line_offsets`).
"""

from __future__ import annotations

import numpy as np

from spm.instruments import order_statistics

HUGE = 1e100  # heights that only a damaged file has
BLOCK = 256  # lines that are changed at a time: they stay in the processor's cache

METHODS = ("none", "plane", "lines", "both")


def level(heights: np.ndarray, method: str = "both") -> np.ndarray:
    """Return the heights with tilt and line offsets removed, their median at zero.

    Args:
        heights: (H, W) float in any unit; not finite values are ignored and stay as they are.
        method: "none", "plane" (tilt only), "lines" (offset of each scan line) or "both" (the
            two in turn, twice, and a last plane). Defaults to "both".

    Returns:
        (H, W) float64 in the same unit.

    Raises:
        ValueError: for an unknown method or an array that is not an image.
    """
    heights = np.array(heights, dtype=np.float64)
    if heights.ndim != 2 or heights.size == 0:
        raise ValueError(f"Expected heights of shape (H, W). Received: {heights.shape}.")
    if method not in METHODS:
        raise ValueError(f"Expected a method among {', '.join(METHODS)}. Received: {method!r}.")
    known = _finite(heights)
    if not known.size:
        return heights
    largest = max(known.max(), -known.min())
    if largest > HUGE:  # their squares would be too large for any number
        return level(heights / largest, method) * largest
    if method == "plane":
        _take_off(heights, slopes(heights))
    if method == "lines":
        heights -= line_offsets(heights)[:, None]
    if method == "both":
        from spm.instruments.line_offsets import fitted_offsets  # scipy: see `line_offsets`

        # Tilt along the lines is seen well only once the offsets are gone, and the other way round.
        for _ in range(2):
            _take_off(heights, slopes(heights))
            heights -= fitted_offsets(heights)[:, None]
        _take_off(heights, slopes(heights))
    heights -= order_statistics.median(_finite(heights))
    return heights


def _finite(values: np.ndarray) -> np.ndarray:
    """Return the finite values; all of them, in their shape, without a copy."""
    finite = np.isfinite(values)
    return values if finite.all() else values[finite]


def _take_off(heights: np.ndarray, found: tuple[float, float]) -> None:
    """Subtract a tilt from heights in their place."""
    for first in range(0, len(heights), BLOCK):
        heights[first : first + BLOCK] -= _plane(heights.shape, found, first, first + BLOCK)


def _plane(
    shape: tuple[int, int], found: tuple[float, float], first: int = 0, last: int | None = None
) -> np.ndarray:
    """Return lines `first` to `last` of a tilt, zero at the image's centre."""
    (h, w), (slope_x, slope_y) = shape, found
    y = (np.arange(h)[first:last] - (h - 1) / 2)[:, None]
    x = (np.arange(w) - (w - 1) / 2)[None, :]
    return slope_x * x + slope_y * y


def line_offsets(heights: np.ndarray) -> np.ndarray:
    """Return the height offset of each scan line, the tilt across the lines included.

    What is ground on many lines tells an offset from molecules that lie along the lines (see
    `spm.instruments.line_offsets`). A step that crosses the lines stays; one that runs along them
    is levelled away.

    Args:
        heights: (H, W) float64; not finite values are ignored.

    Returns:
        (H,) float64.
    """
    # It takes a third of a second to import, for which images without heights need not wait.
    from spm.instruments.line_offsets import fitted_offsets

    tilt = plane(heights)
    return fitted_offsets(heights - tilt) + tilt.mean(axis=1)


def plane(heights: np.ndarray) -> np.ndarray:
    """Return the tilt of the surface as a plane, robust against steps and adsorbates.

    Args:
        heights: (H, W) float64; not finite values are ignored.

    Returns:
        (H, W) float64, zero at the image's centre.
    """
    return _plane(heights.shape, slopes(heights))


def slopes(heights: np.ndarray, rounds: int = 12) -> tuple[float, float]:
    """Return the tilt of the surface as its slopes (x, y) a pixel.

    They start from the most frequent local slope; then a plane is fitted by least squares to
    the heights, terrace by terrace (common slopes, one offset for each level), with weights that
    fade for pixels far from every level.

    Args:
        heights: (H, W) float64; not finite values are ignored.
        rounds: number of re-weighted fits.
    """
    h, w = heights.shape
    slope_y, slope_x = _common_slope(heights, axis=0), _common_slope(heights, axis=1)
    y = (np.arange(h) - (h - 1) / 2)[:, None]
    x = (np.arange(w) - (w - 1) / 2)[None, :]
    # A quarter of a million pixels determine three numbers well enough.
    step = max(1, int(np.sqrt(h * w / 250_000)))
    sample = heights[::step, ::step]
    xs, ys = np.broadcast_arrays(x[:, ::step], y[::step])
    finite = np.isfinite(sample)
    z, xs, ys = sample[finite], xs[finite], ys[finite]
    for _ in range(rounds if len(z) > 10 else 0):
        change_x, change_y = _terrace_fit(z - slope_x * xs - slope_y * ys, xs, ys)
        slope_x, slope_y = slope_x + change_x, slope_y + change_y
    return slope_x, slope_y


def _common_slope(heights: np.ndarray, axis: int) -> float:
    """Return the median height change a pixel along `axis`, over a few pixels to beat the noise."""
    gap = min(4, heights.shape[axis] - 1)
    if gap < 1:
        return 0.0
    if axis == 1:
        change = heights[:, gap:] - heights[:, :-gap]
    else:
        change = heights[gap:] - heights[:-gap]
    change = _finite(change)
    return order_statistics.median(change) / gap if change.size else 0.0


def _terrace_fit(residual: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return the slopes (x, y) that remain in `residual`, fitted within its height levels.

    The levels are the peaks of the smoothed height histogram; a pixel belongs to the nearest one.
    """
    levels = _levels(residual)
    nearest = _nearest(residual, levels)
    deviation = residual - levels[nearest]
    spread = 1.4826 * order_statistics.median(np.abs(deviation))
    spread = max(spread, 1e-9 * np.ptp(residual), 1e-150)  # an exact plane has none
    # Tukey's biweight: what lies more than 4.7 spreads from its level has no say.
    weight = np.clip(1 - (deviation / (4.685 * spread)) ** 2, 0, None) ** 2
    x, y, target = x.copy(), y.copy(), residual.copy()
    for k in range(len(levels)):
        mine = np.flatnonzero(nearest == k)
        said = weight[mine]
        total = said.sum()
        if total > 0:
            for values in (x, y):
                values[mine] -= _sum_in_order(said * values[mine]) / total
            target[mine] -= (said * target[mine]).sum() / total
    root = np.sqrt(weight)
    columns = np.stack([x * root, y * root], axis=1)
    slopes, *_ = np.linalg.lstsq(columns, target * root, rcond=None)
    return float(slopes[0]), float(slopes[1])


def _sum_in_order(values: np.ndarray) -> float:
    """Return the sum, added up one by one, so that images come out to the digit as they always
    have; `values.sum()` adds in another order."""
    return np.cumsum(values)[-1]


def _nearest(values: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return the number of the level that is nearest to each value, the lower one of two."""
    nearest = np.zeros(len(values), np.int64)
    least = np.abs(values - levels[0])
    for k, level in enumerate(levels[1:], start=1):
        distance = np.abs(values - level)
        nearer = distance < least
        nearest[nearer] = k
        np.minimum(least, distance, out=least)
    return nearest


def _levels(values: np.ndarray) -> np.ndarray:
    """Return the heights at which the histogram of `values` peaks: (K,) float64, at least one."""
    from scipy.ndimage import gaussian_filter1d, maximum_filter1d

    low, high = order_statistics.percentiles(values, (0.5, 99.5))
    if high - low <= 1e-9 * max(abs(high), abs(low)):  # flat: no room for 200 bins
        return np.array([np.median(values)])
    counts, edges = np.histogram(values, bins=200, range=(low, high))
    smooth = gaussian_filter1d(counts.astype(np.float64), 6, mode="constant")
    peak = (smooth == maximum_filter1d(smooth, 31)) & (smooth > 0.1 * smooth.max())
    centres = (edges[:-1] + edges[1:]) / 2
    return centres[peak]


def contrast(
    heights: np.ndarray, low_percent: float = 0.5, high_percent: float = 99.5
) -> tuple[np.ndarray, float, float]:
    """Return the heights scaled to 0..1 between two percentiles, and the two heights.

    Args:
        heights: (H, W) float; not finite values become 0.
        low_percent: percentile drawn as the darkest colour, 0 to 100.
        high_percent: percentile drawn as the brightest colour, above `low_percent`.

    Returns:
        (values (H, W) float64 in [0, 1], low, high); a flat image is 0 everywhere.

    Raises:
        ValueError: when the percentiles are not in order.
    """
    if not 0 <= low_percent < high_percent <= 100:
        raise ValueError(
            "Expected percentiles 0 <= low < high <= 100. "
            f"Received: {low_percent:g} and {high_percent:g}."
        )
    finite = np.isfinite(heights)
    if not finite.any():
        return np.zeros(heights.shape), 0.0, 0.0
    low, high = order_statistics.percentiles(_finite(heights), (low_percent, high_percent))
    if not high > low:
        return np.zeros(heights.shape), low, high
    values = heights - low
    values /= high - low
    values = np.clip(values, 0, 1, out=values)
    if not finite.all():
        values[~finite] = 0
    return values, low, high
