"""Levelling: exact planes, steps, line offsets, empty cases."""

import numpy as np
import pytest

from spm.instruments import levelling
from spm.instruments.heights import convert_file
from spm.simulate import simulate


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
    assert error < 0.1, "a tilt of a tenth of the adsorbates' height over the whole image"
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


def bumps(direction=0.0, size=128, period=16.0):
    """Bumps of height 1 in rows, bare ground from column 102 on."""
    y, x = np.mgrid[:size, :size].astype(float)
    turn = np.radians(direction)
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    u, v = ((k + period / 2) % period - period / 2 for k in (along, across))
    heights = np.exp(-(u**2 + v**2) / (2 * (period / 4.5) ** 2))
    heights[:, 102:] = 0
    return heights


@pytest.mark.parametrize("offsets", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("direction", [0, 5, 10])
def test_ground_beside_rows_along_the_lines_is_flat(direction, offsets):
    """Median differences alone turn the ground into bars of half a bump's height."""
    rng = np.random.default_rng(2)
    truth = bumps(direction)
    measured = truth + tilted(*truth.shape) + rng.normal(0, 0.01, truth.shape)
    measured += rng.normal(0, offsets, len(truth))[:, None]
    levelled = levelling.level(measured, "both")
    assert np.ptp(levelled[:, 106:].mean(axis=1)) < 0.1
    assert np.std(levelled - truth) < 0.1


@pytest.mark.parametrize("offsets", [0.0, 0.3])
def test_simulated_network_with_rows_along_the_lines(offsets):
    clean = {
        "noise": 0, "flicker": 0, "line_offsets": 0, "line_levelling": 0, "line_jitter": 0,
        "scars": 0, "background": 0, "colour_map": "grey", "floor": 0, "ceiling": 1.275,
    }  # fmt: skip
    image, _ = simulate("network", 256, 0, pixels_per_molecule=24, angle=-37.8, **clean)
    truth = image[..., 0] / 200.0
    rng = np.random.default_rng(3)
    measured = truth + tilted(256, 256) + rng.normal(0, 0.01, truth.shape)
    measured += rng.normal(0, offsets, 256)[:, None]
    error = levelling.level(measured, "both") - truth
    assert error[truth < 0.05].std() < 0.1


def test_errors_of_many_lines_do_not_add_up():
    """A random walk of line offsets on bare ground: 1500 lines, each levelled by itself."""
    rng = np.random.default_rng(4)
    walk = np.cumsum(rng.normal(0, 0.1, 1500))
    levelled = levelling.level(walk[:, None] + rng.normal(0, 0.1, (1500, 100)), "both")
    # The mean of 100 pixels scatters by 0.01; that of summed medians by 0.08.
    assert levelled.mean(axis=1).std() < 0.02


def test_a_closed_layer_keeps_its_relief():
    """No ground is seen: rows that a line does not tell from offsets stay as they are."""
    y, x = np.mgrid[:192, :192]
    truth = np.sin(2 * np.pi * (x + 0.3 * y) / 19) * np.sin(2 * np.pi * (y - 0.3 * x) / 19)
    error = levelling.level(truth + tilted(192, 192), "both") - truth
    assert error.std() < 0.05


def test_a_terrace_that_ends_within_the_image_stays_level():
    """Where the lower terrace ends, the lines that show only the upper one do not jump."""
    rng = np.random.default_rng(5)
    edge = np.linspace(150, -60, 120)[:, None]  # from line 86 on only the upper terrace is seen
    truth = 1.0 * (np.arange(150)[None, :] > edge)
    measured = truth + rng.normal(0, 0.3, 120)[:, None] + rng.normal(0, 0.02, truth.shape)
    levelled = levelling.level(measured, "both")
    assert (levelled - truth).std() < 0.05


def test_rows_of_the_example_file(shared_data):
    heights = convert_file(shared_data / "cases" / "01-rows-along-scan" / "rows.sxm").heights_nm
    assert np.ptp(heights[:, 106:].mean(axis=1)) < 0.01, "of bumps of 0.2 nm"


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
def test_tiny_images(shape):
    for method in levelling.METHODS:
        assert np.isfinite(levelling.level(np.ones(shape), method)).all()


@pytest.mark.parametrize("width", [1, 40])
def test_nothing_is_left_of_lines_that_are_level_but_for_their_offsets(width):
    offsets = np.random.default_rng(0).normal(0, 1, (50, 1))
    for method in ("lines", "both"):
        levelled = levelling.level(np.tile(offsets, (1, width)), method)
        assert np.abs(levelled).max() < 1e-9


@pytest.mark.parametrize("factor", [1e200, 1e-80, 1e-140])
def test_heights_of_a_damaged_file_overflow_nowhere(factor):
    heights = np.random.default_rng(0).normal(0, 1, (60, 60))
    with np.errstate(all="raise", under="ignore"):
        levelled = levelling.level(heights * factor, "both")
    np.testing.assert_allclose(levelled / factor, levelling.level(heights, "both"), atol=1e-9)


@pytest.mark.parametrize("method", ["lines", "both"])
@pytest.mark.parametrize("tiny", [1e-160, 1e-200, 1e-310])
def test_a_damaged_file_of_tiny_heights_and_a_few_others_is_levelled(method, tiny):
    heights = np.random.default_rng(0).normal(0, 1, (60, 60)) * tiny
    heights[30, 7:12] = 2.0
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        assert np.isfinite(levelling.level(heights, method)).all()


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
