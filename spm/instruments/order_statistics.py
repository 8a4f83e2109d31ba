"""Medians and percentiles of large images, the same numbers as NumPy's in a fraction of its time.

What is far from the wanted rank is only counted: two heights of a sample enclose it, and only the
few values between them are sorted.
"""

from __future__ import annotations

import numpy as np

SAMPLE = 20_000  # values by which the two heights are chosen
MARGIN = 0.02  # share of the values on either side of the wanted one that is looked at, as a rule


def median(values: np.ndarray) -> float:
    """Return `np.median` of finite values of any shape, at least one."""
    flat = values.ravel()
    low, high = _ranked(flat, (flat.size - 1) // 2, flat.size // 2)
    return float((low + high) / 2)


def percentiles(values: np.ndarray, percents: tuple[float, ...]) -> list[float]:
    """Return `np.percentile` of finite values of any shape, at least one.

    Args:
        values: float64.
        percents: 0 to 100 each.
    """
    flat = values.ravel()
    found = []
    for percent in percents:
        place = percent / 100 * (flat.size - 1)
        rank = int(place)
        low, high = _ranked(flat, rank, min(rank + 1, flat.size - 1))
        found.append(float(_between(low, high, place - rank)))
    return found


def row_medians(values: np.ndarray) -> np.ndarray:
    """Return `np.nanmedian` of each row, (H,) float64; every row has a value that is not NaN."""
    found = np.median(values, axis=1)
    some_missing = np.isnan(found)
    if some_missing.any():
        found[some_missing] = np.nanmedian(values[some_missing], axis=1)
    return found


def row_quantiles(values: np.ndarray, share: float) -> np.ndarray:
    """Return `np.nanquantile` of each row, (H,) float64; every row has a value that is not NaN."""
    place = share * (values.shape[1] - 1)
    rank = int(place)
    after = min(rank + 1, values.shape[1] - 1)
    ordered = np.partition(values, (rank, after), axis=1)
    found = _between(ordered[:, rank], ordered[:, after], place - rank)
    some_missing = np.isnan(values).any(axis=1)
    if some_missing.any():
        found[some_missing] = np.nanquantile(values[some_missing], share, axis=1)
    return found


def _ranked(flat: np.ndarray, first: int, last: int) -> tuple[float, float]:
    """Return the values at two neighbouring ranks, from 0."""
    step = flat.size // SAMPLE
    if step > 1:
        shares = np.clip((first / flat.size - MARGIN, last / flat.size + MARGIN), 0, 1)
        low, high = np.quantile(flat[::step], shares)
        # Nothing may be left out beyond the sample's own ends.
        low, high = (low if shares[0] > 0 else -np.inf), (high if shares[1] < 1 else np.inf)
        below = int(np.count_nonzero(flat < low))
        inside = flat[(flat >= low) & (flat <= high)]
        if below <= first and last < below + inside.size:
            flat, first, last = inside, first - below, last - below
    ordered = np.partition(flat, (first, last))
    return ordered[first], ordered[last]


def _between(low, high, share: float):
    """Return a place between two values, with NumPy's own rounding."""
    return low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share)
