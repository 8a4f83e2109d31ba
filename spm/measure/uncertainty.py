"""Confidence intervals for counts and shares of classes, over one image or many.

With several images the chance is taken from how they differ (bootstrap over whole images: molecules
of one image are not independent of one another); with few of them from counting alone, as if
molecules had fallen on the surface at random. Where precision and recall have been measured, a
count is corrected by precision / recall, and the chance of those two joins in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

LEVEL = 0.95
LEAST_IMAGES = 5  # below, images say little about how much images differ
LEAST_MOLECULES = 10  # of a class in all images; below, resampling them does not show the chance
DRAWS = 2000


@dataclass(frozen=True)
class Interval:
    """A value with its confidence interval of `LEVEL`."""

    value: float
    low: float
    high: float

    def through(self, function: Callable[[float], float]) -> Interval:
        """Return the interval of a rising function of the value."""
        return Interval(*(float(function(v)) for v in (self.value, self.low, self.high)))


@dataclass(frozen=True)
class Recognition:
    """What an evaluation says of a class, in numbers of molecules.

    Attributes:
        found: truths that were found (true positives).
        false: predictions that are none (false positives).
        missed: truths that were not found.
    """

    found: int
    false: int
    missed: int

    @property
    def factor(self) -> float:
        """Molecules that there are for each that is reported: precision / recall."""
        reported, truths = self.found + self.false, self.found + self.missed
        return truths / reported if reported and self.found else 1.0

    def draws(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Return `count` factors that are possible after the evaluation (Jeffreys' prior)."""
        if not self.found:
            return np.ones(count)
        precision = rng.beta(self.found + 0.5, self.false + 0.5, count)
        return precision / rng.beta(self.found + 0.5, self.missed + 0.5, count)


@dataclass(frozen=True)
class ClassIntervals:
    """Intervals of each class, in the order of the counts' columns.

    Attributes:
        densities: molecules a unit of the exposure (area), corrected where recognition is known.
        shares: of each class among all.
        resampled: whether images were resampled; False is counting statistics.
    """

    densities: list[Interval]
    shares: list[Interval]
    resampled: bool


def class_intervals(
    counts: np.ndarray,
    exposure: np.ndarray,
    recognition: Sequence[Recognition | None] | None = None,
    seed: int = 0,
) -> ClassIntervals:
    """Return densities and shares of classes with their confidence intervals.

    Args:
        counts: (images, classes) number of molecules; fractions are possible.
        exposure: (images,) area of each image, in any unit.
        recognition: of each class, or None where it was not evaluated. Defaults to None for all.
        seed: of the draws.

    Returns:
        Shares are nan where there is no molecule.
    """
    counts = np.atleast_2d(np.asarray(counts, np.float64))
    exposure = np.asarray(exposure, np.float64)
    rng = np.random.default_rng(seed)
    recognition = list(recognition or [None] * counts.shape[1])
    total, area = counts.sum(axis=0), exposure.sum()
    rates, resampled = _rate_draws(counts, exposure, rng)
    factors = np.array([1.0 if r is None else r.factor for r in recognition])
    drawn = rates * np.stack(
        [np.ones(DRAWS) if r is None else r.draws(rng, DRAWS) for r in recognition], axis=1
    )
    density = total * factors / area
    everything = density.sum()
    shares = density / everything if everything else np.full(len(density), np.nan)
    drawn_shares = drawn / np.maximum(drawn.sum(axis=1, keepdims=True), 1e-300)
    return ClassIntervals(
        [_interval(v, d, n > 0, True) for v, d, n in zip(density, drawn.T, total, strict=True)],
        [
            _interval(v, d, n > 0, n < total.sum())
            for v, d, n in zip(shares, drawn_shares.T, total, strict=True)
        ],
        resampled,
    )


def confidence_summary(
    counts: Mapping[str, float],
    area: float,
    unit: str,
    recognition: Mapping[str, Recognition],
) -> dict[str, dict[str, Any]]:
    """Return class -> what NAME_summary.json says of one image: number, density and share with
    their intervals, by chance alone.

    Args:
        counts: class -> molecules, those that the border cuts by their visible part.
        area: of the image.
        unit: of a density.
        recognition: class -> how well it is recognised, where that was evaluated.
    """
    if not counts:
        return {}
    known = [recognition.get(name) for name in counts]
    found = class_intervals([list(counts.values())], [area], known)
    return {
        name: {
            "level": LEVEL,
            "corrected_by_precision_and_recall": name in recognition,
            "molecules": asdict(density.through(lambda value: value * area)),
            "density": asdict(density) | {"unit": unit},
            "share": asdict(share),
        }
        for name, density, share in zip(counts, found.densities, found.shares, strict=True)
    }


def share_interval(part: np.ndarray, whole: np.ndarray, seed: int = 0) -> Interval:
    """Return the share of `part` in `whole`, each (images,) numbers, with its interval."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    both = np.stack([part, whole - part], axis=1)
    return class_intervals(both, np.ones(len(both)), seed=seed).shares[0]


def mean_interval(values: np.ndarray) -> Interval:
    """Return the mean of some images' values with Student's interval; nan for fewer than two."""
    from scipy.stats import t

    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values)]
    if len(values) < 2:
        value = float(values[0]) if len(values) else np.nan
        return Interval(value, np.nan, np.nan)
    mean, error = values.mean(), values.std(ddof=1) / np.sqrt(len(values))
    reach = float(t.ppf((1 + LEVEL) / 2, len(values) - 1)) * error
    return Interval(float(mean), float(mean - reach), float(mean + reach))


def _rate_draws(
    counts: np.ndarray, exposure: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, bool]:
    """Return possible rates of each class: (DRAWS, classes); and whether images were resampled."""
    images, total, area = len(counts), counts.sum(axis=0), exposure.sum()
    by_chance = rng.gamma(total + 0.5, size=(DRAWS, counts.shape[1])) / area
    if images < LEAST_IMAGES:
        return by_chance, False
    chosen = rng.multinomial(images, np.full(images, 1 / images), size=DRAWS)
    rates = (chosen @ counts) / (chosen @ exposure)[:, None]
    # In proportion, so that a rate stays above zero.
    centre = np.maximum(total / area, 1e-300)
    rates = centre * (rates / centre) ** _widening(images)
    rare = total < LEAST_MOLECULES
    rates[:, rare] = by_chance[:, rare]
    return rates, True


def _widening(images: int) -> float:
    """Return by how much a bootstrap of few images is too narrow (Hesterberg, Am. Stat. 69, 2015):
    their spread is divided by n and not by n - 1, and it is itself not well known."""
    from scipy.stats import norm, t

    tail = (1 + LEVEL) / 2
    return float(np.sqrt(images / (images - 1)) * t.ppf(tail, images - 1) / norm.ppf(tail))


def _interval(value: float, draws: np.ndarray, some: bool, not_all: bool) -> Interval:
    """Return the value with the draws' percentiles; open at the end that cannot be left."""
    low, high = np.percentile(draws, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    if not np.isfinite(value):
        return Interval(np.nan, np.nan, np.nan)
    if not some:
        low = 0.0
    if not not_all:
        high = value
    return Interval(float(value), float(min(low, value)), float(max(high, value)))
