"""The simulator's parts: drift, clipping, placing, tip and noise."""

from __future__ import annotations

import numpy as np
import pytest

from spm.geometry.polygons import clip_polygon, polygon_area
from spm.simulate.distortion import Distortion
from spm.simulate.frame import Frame
from spm.simulate.lattice import Placement, gas_arrangement, rotation, without_patches
from spm.simulate.molecules import builtin_drawings
from spm.simulate.recording import flicker_noise
from spm.simulate.scanning import _lagging, stamp
from spm.simulate.systems import System


def test_drift_there_and_back():
    distortion = Distortion((200, 300), drift=(0.1, -0.05), creep=(0.01, 0.02))
    points = np.random.default_rng(0).uniform(-50, 250, (100, 2))
    assert np.allclose(distortion.to_image(distortion.to_surface(points)), points, atol=1e-3)


def test_drift_shifts_each_row_by_its_time():
    """Drift of 0.1 over 200 rows: 20 pixels, none at the middle row, +5 at three quarters."""
    distortion = Distortion((200, 300), drift=(0.1, 0.0))
    surface = distortion.to_surface(np.array([(50.0, 100.0), (50.0, 150.0)]))
    assert np.allclose(surface, [(50.0, 100.0), (55.0, 150.0)])


def test_drift_moves_pixels_and_points_alike():
    """pitfall 7: a small blob is found where to_image puts its centre."""
    shape, margin = (120, 160), 40
    distortion = Distortion(shape, drift=(0.2, 0.1), creep=(0.02, 0.03))
    for x, y in ((30.5, 20.5), (80.5, 60.5), (120.5, 100.5)):
        surface = np.zeros((shape[0] + 2 * margin, shape[1] + 2 * margin), np.float32)
        surface[int(y) + margin - 2 : int(y) + margin + 3,
                int(x) + margin - 2 : int(x) + margin + 3] = 1  # fmt: skip
        seen = distortion.apply(surface, shape, margin, pad=0)
        rows, cols = np.mgrid[: shape[0], : shape[1]] + 0.5
        found = ((seen * cols).sum() / seen.sum(), (seen * rows).sum() / seen.sum())
        assert np.allclose(found, distortion.to_image(np.array([(x, y)]))[0], atol=0.1)


def test_clip_polygon_by_hand():
    square = np.array([(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)])
    clipped = clip_polygon(square, 10, 10)
    assert polygon_area(clipped) == pytest.approx(1.0)
    assert sorted(map(tuple, clipped.tolist())) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert np.array_equal(clip_polygon(square + 5, 10, 10), square + 5)
    assert clip_polygon(square + 20, 10, 10).shape == (0, 2)
    assert polygon_area(np.zeros((0, 2))) == 0.0


def test_rotation_is_clockwise_on_the_screen():
    assert np.allclose(rotation(90) @ (1, 0), (0, 1))  # right turns down, as y runs down


def test_a_stamped_molecule_lies_where_it_is_put_at_any_angle():
    drawings = builtin_drawings()
    for angle in (0.0, 33.0, 180.0):
        placed = [Placement("rod", 60.3, 41.7, angle)]
        surface = stamp(placed, Frame((80, 120), 1.0, drawings), 10, {})
        rows, cols = np.mgrid[:100, :140] + 0.5 - 10
        total = surface.sum()
        centre = ((surface * cols).sum() / total, (surface * rows).sum() / total)
        assert np.allclose(centre, (60.3, 41.7), atol=0.05)
        dx, dy = cols - 60.3, rows - 41.7
        axis = 0.5 * np.arctan2(2 * (surface * dx * dy).sum(), (surface * (dx**2 - dy**2)).sum())
        assert np.degrees(axis) % 180 == pytest.approx(angle % 180, abs=0.5) or np.isclose(
            np.degrees(axis) % 180, 180, atol=0.5
        )


def test_builtin_outlines_have_the_points_a_person_clicks():
    drawings = builtin_drawings()
    assert len(drawings["003a"].outline) == 6
    assert len(drawings["020a"].outline) == 12
    for drawing in drawings.values():
        assert np.allclose(drawing.outline.mean(axis=0), 0, atol=1e-9)
        assert len(np.unique(drawing.outline.round(6), axis=0)) == len(drawing.outline)


def test_the_feedback_lag_moves_nothing_on_average():
    line = np.zeros((3, 101), np.float32)
    line[:, 50] = 1
    for length in (0.3, 1.2, 2.0, 3.0):
        smeared = _lagging(line, length)[1]
        assert smeared.sum() == pytest.approx(1, abs=1e-4)
        assert (smeared * np.arange(101)).sum() == pytest.approx(50, abs=0.01)


def test_flicker_noise_is_stronger_at_low_frequency():
    noise = flicker_noise(64, 256, np.random.default_rng(0))
    assert noise.std() == pytest.approx(1, abs=1e-3)
    power = np.abs(np.fft.rfft(noise.ravel())) ** 2
    low, high = power[64:640].mean(), power[4000:8000].mean()
    assert low > 5 * high


def test_a_jammed_gas_stops():
    system = System("crowd", shares={"003a": 1.0}, coverage=2.0)
    frame = Frame((100, 100), 1.0, builtin_drawings())
    arrangement = gas_arrangement(system, frame, np.random.default_rng(0))
    assert 1 < len(arrangement.placements) < 20


def test_no_patch_takes_nothing_and_a_large_one_everything():
    placements = [Placement("003a", 50.0, 50.0, 0.0)]
    rng = np.random.default_rng(0)
    assert without_patches(placements, (100, 100), rng, patches=0, radius=500) == placements
    assert without_patches(placements, (100, 100), rng, patches=1, radius=5000) == []
