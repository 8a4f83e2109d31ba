"""Levelling: exact planes, steps, line offsets, empty cases."""

import numpy as np
import pytest

from spm.instruments import levelling


def tilted(h=120, w=160, slope_x=0.02, slope_y=-0.013):
    y, x = np.mgrid[:h, :w]
    return slope_x * x + slope_y * y


def texture(h=120, w=160, period=14.0):
    y, x = np.mgrid[:h, :w]
    return 0.3 * np.clip(np.sin(2 * np.pi * x / period) * np.sin(2 * np.pi * y / period), 0, None)


def slopes(plane):
    return plane[0, 1] - plane[0, 0], plane[1, 0] - plane[0, 0]


def test_plane_is_found_exactly():
    assert slopes(levelling.plane(tilted() + 5)) == pytest.approx((0.02, -0.013), abs=1e-9)
    assert np.abs(levelling.level(tilted(), "plane")).max() < 1e-9


@pytest.mark.parametrize("share", [0.2, 0.5, 0.7])
def test_plane_is_robust_against_a_step(share):
    """A least-squares plane is tilted by the step; ours keeps the terraces flat."""
    rng = np.random.default_rng(0)
    h, w = 120, 160
    step = 2.0 * (np.arange(w)[None, :] + 0.4 * np.arange(h)[:, None] > share * w)
    heights = tilted() + texture() + step + rng.normal(0, 0.05, (h, w))
    found = slopes(levelling.plane(heights))
    y, x = np.mgrid[:h, :w]
    columns = np.stack([x.ravel(), y.ravel(), np.ones(h * w)], axis=1)
    naive = np.linalg.lstsq(columns, heights.ravel(), rcond=None)[0]
    error = abs(found[0] - 0.02) * w
    assert error < 0.1, "a tilt of a tenth of the adsorbates' height over the whole picture"
    assert error < 0.2 * abs(naive[0] - 0.02) * w


def test_line_offsets_are_removed_across_a_step():
    rng = np.random.default_rng(1)
    h, w = 100, 128
    step = 2.0 * (np.arange(w)[None, :] > np.linspace(20, 100, h)[:, None])
    surface = texture(h, w) + step
    measured = surface + rng.normal(0, 0.5, h)[:, None] + rng.normal(0, 0.02, (h, w))
    levelled = levelling.level(measured, "both")
    error = levelled - surface
    assert (error - error.mean()).std() < 0.06
    # The median of each line, the usual method, is pulled by the step.
    by_median = measured - np.median(measured, axis=1)[:, None] - surface
    assert (by_median - by_median.mean()).std() > 0.5


def test_not_finite_pixels_are_ignored_and_kept():
    heights = tilted()
    heights[30:40] = np.nan
    heights[5, 7] = np.inf
    levelled = levelling.level(heights, "both")
    finite = np.isfinite(levelled)
    assert not finite[30:40].any() and not finite[5, 7]
    assert np.abs(levelled[finite]).max() < 0.4, "lines on both sides of a gap stay near"
    assert np.isnan(levelling.level(np.full((4, 5), np.nan))).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2)])
def test_tiny_pictures(shape):
    for method in levelling.METHODS:
        assert np.isfinite(levelling.level(np.ones(shape), method)).all()


def test_contrast_by_percentiles():
    values, low, high = levelling.contrast(np.arange(101.0)[None], 10, 90)
    assert (low, high) == (10.0, 90.0)
    assert values[0, [0, 10, 50, 90, 100]].tolist() == [0, 0, 0.5, 1, 1]
    flat, low, high = levelling.contrast(np.full((3, 3), 7.0))
    assert flat.max() == 0 and low == high == 7.0
    assert levelling.contrast(np.full((2, 2), np.nan))[0].tolist() == [[0, 0], [0, 0]]


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="Received: 'planes'"):
        levelling.level(np.zeros((3, 3)), "planes")
    with pytest.raises(ValueError, match="shape"):
        levelling.level(np.zeros(3))
    with pytest.raises(ValueError, match="Received: 60 and 40"):
        levelling.contrast(np.zeros((3, 3)), 60, 40)
