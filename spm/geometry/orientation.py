"""The direction in which a molecule points, for shapes of any rotational symmetry.

A threefold molecule has no principal axis, and its farthest point hops between three lobes. What
is well defined is the phase of the outline's radial profile r(theta) (distance from the centroid
to the farthest outline point in that direction): its Fourier coefficient of order n is large when
the shape repeats after 360 / n degrees, and its phase says where the n lobes lie. The profile is
taken with theta anticlockwise as seen on the image (y upwards), 0 to the right.

The order n (1 to 6) belongs to the class, not to the molecule: it is the one whose amplitude has
the largest median over the class's molecules, so that one dented outline does not change the
meaning of its angle. The orientation is the direction of a lobe, in [0, 360 / n): a triangle
pointing right has 0, pointing up 90 (also -30), pointing left 60.
"""

from __future__ import annotations

import numpy as np

from spm.geometry.polygons import following

BINS = 72  # directions of the profile, 5 degrees each
ORDERS = 6  # highest symmetry looked for
# Below this amplitude (share of the mean radius) the outline is as good as round: a circle on
# pixels has about 0.005, a square 0.1, a triangle 0.2.
ROUND = 0.015


def radial_harmonics(outline: np.ndarray, centroid) -> np.ndarray:
    """Returns the Fourier coefficients of the radial profile relative to the mean radius.

    Args:
        outline: (n, 2) float polygon (x, y).
        centroid: (x, y) of its area.

    Returns:
        (ORDERS,) complex, coefficient of order 1, 2, ...; zeros for an outline without extent.
    """
    offsets = _dense(np.asarray(outline, np.float64)) - np.asarray(centroid, np.float64)
    radius = np.hypot(offsets[:, 0], offsets[:, 1])
    angle = np.arctan2(-offsets[:, 1], offsets[:, 0])
    index = np.round(angle / (2 * np.pi) * BINS).astype(int) % BINS
    profile = np.full(BINS, np.nan)
    np.fmax.at(profile, index, radius)
    seen = np.flatnonzero(~np.isnan(profile))
    if seen.size == 0 or np.nanmax(profile) <= 0:
        return np.zeros(ORDERS, complex)
    # A centroid outside the shape leaves directions without outline; bridge them.
    profile = np.interp(np.arange(BINS), seen, profile[seen], period=BINS)
    coefficients = np.fft.fft(profile)
    return coefficients[1 : ORDERS + 1] / abs(coefficients[0])


def class_order(harmonics: np.ndarray) -> int:
    """Returns the rotational order of a class, 0 when its molecules are round.

    Args:
        harmonics: (N, ORDERS) complex, `radial_harmonics` of its molecules.
    """
    if len(harmonics) == 0:
        return 0
    amplitudes = np.median(np.abs(harmonics), axis=0)
    best = int(np.argmax(amplitudes))
    return best + 1 if amplitudes[best] > ROUND else 0


def direction(harmonics: np.ndarray, order: int) -> float:
    """Returns the direction of a lobe in degrees, in [0, 360 / order).

    Args:
        harmonics: (ORDERS,) complex of one molecule.
        order: of its class; 0 or a round outline gives nan.
    """
    if order == 0 or abs(harmonics[order - 1]) < ROUND / 2:
        return float("nan")
    period = 360 / order
    # r = ... + cos(n (theta - theta0)) has the coefficient exp(-i n theta0).
    degrees = -np.degrees(np.angle(harmonics[order - 1])) / order
    return float(degrees % period % period)


def _dense(outline: np.ndarray) -> np.ndarray:
    """Returns points along the closed outline, several for each direction of the profile."""
    ends = following(outline)
    lengths = np.hypot(*(ends - outline).T)
    total = lengths.sum()
    if total == 0:
        return outline
    counts = np.maximum(1, np.ceil(lengths / total * 10 * BINS)).astype(int)
    side = np.repeat(np.arange(len(outline)), counts)
    within = np.arange(len(side)) - (np.cumsum(counts) - counts)[side]
    return outline[side] + ((ends - outline) / counts[:, None])[side] * within[:, None]
