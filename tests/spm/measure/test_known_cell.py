"""Distorted lattices whose true cell is known are put right."""

import numpy as np
import pytest

from spm.errors import InputError
from spm.measure import domains
from spm.measure.known_cell import CellMap, KnownCell, cell_values, fit_map, matrix_of
from spm.measure.lattice import reduce_basis

SIDE = 900
NM = 0.05
CELLS = {
    "oblique": KnownCell(2.1, 2.9, 101.0),
    "oblique, acute": KnownCell(2.9, 2.1, 79.0),
    "hexagonal": KnownCell(2.46, 2.46, 60.0),
    "square": KnownCell(2.2, 2.2, 90.0),
    "long": KnownCell(2.5, 4.9, 97.0),
}


def lattice_of(known, turn, distortion, rng, jitter=0.6):
    """The lattice that is measured on a layer of the known cell, turned and distorted."""
    angle = np.radians(known.angle)
    rows = np.array([(known.a, 0), (known.b * np.cos(angle), known.b * np.sin(angle))]) / NM
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    seen = rows @ np.array([[c, s], [-s, c]]) @ np.linalg.inv(distortion).T
    seen, _ = reduce_basis(seen)
    places = np.stack(np.meshgrid(range(-60, 60), range(-60, 60)), -1).reshape(-1, 2)
    points = places @ seen + SIDE / 2
    points = points[((points > 5) & (points < SIDE - 5)).all(axis=1)]
    points += rng.normal(0, jitter, points.shape)
    return domains.analyse(points, ["A"] * len(points), SIDE, SIDE).domains[0].lattice


TRUE = np.array([1.06, -0.04, 0.97])  # sx, h, sy


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("turn", [0, 23, 71])
def test_the_map_is_found_within_its_errors(name, turn, rng):
    known = CELLS[name]
    found = fit_map([lattice_of(known, turn, matrix_of(TRUE), rng)], known, NM)
    assert found.parameters == pytest.approx(TRUE, abs=0.002), "0.2 % of the lengths"
    assert (np.abs(found.parameters - TRUE) < 5 * found.errors).all()
    assert np.isnan(found.misfit)


def test_another_domain_is_put_right_within_two_per_mille(rng):
    known = CELLS["oblique"]
    one, other = (lattice_of(known, turn, matrix_of(TRUE), rng) for turn in (10, 75))
    before = cell_values(other.vectors * NM)
    assert abs(before[0] / known.a - 1) > 0.02, "it is measured wrong"
    found = fit_map([one], known, NM).corrected(other, NM)
    for key, truth in (("a", known.a), ("b", known.b), ("angle", known.angle)):
        value, error = found[key]
        assert value == pytest.approx(truth, rel=0.002)
        assert abs(value - truth) < 5 * error


def test_domains_together_and_one_of_another_cell(rng):
    known = CELLS["oblique"]
    lattices = [lattice_of(known, turn, matrix_of(TRUE), rng) for turn in (10, 75, 130)]
    strange = lattice_of(KnownCell(2.6, 3.6, 95), 33, matrix_of(TRUE), rng)
    found = fit_map([*lattices, strange], known, NM)
    assert found.domains == [0, 1, 2] and 0.05 < found.misfit < 3.5
    assert found.parameters == pytest.approx(TRUE, abs=0.001)
    single = fit_map(lattices[:1], known, NM)
    assert (found.errors < single.errors * max(1, found.misfit) ** 0.5).all()


def test_errors_mean_what_they_say(rng):
    """60 layers: the mean square of three normalised deviations is 1 with a deviation of 0.105."""
    known, squares = CELLS["hexagonal"], []
    for _ in range(60):
        found = fit_map([lattice_of(known, rng.uniform(0, 60), matrix_of(TRUE), rng)], known, NM)
        squares += (((found.parameters - TRUE) / found.errors) ** 2).tolist()
    assert 0.6 < np.mean(squares) < 1.6


def test_without_a_scale_the_cell_gives_it(rng):
    known = CELLS["oblique"]
    found = fit_map([lattice_of(known, 10, matrix_of(TRUE), rng)], known, 1.0, scaled=False)
    assert found.parameters == pytest.approx(TRUE * NM, rel=0.002, abs=0.002 * NM)


def test_errors_of_the_known_cell_join_in(rng):
    lattice = lattice_of(CELLS["square"], 5, matrix_of(TRUE), rng)
    exact = fit_map([lattice], CELLS["square"], NM)
    rough = fit_map([lattice], KnownCell(2.2, 2.2, 90, 0.022, 0.022, 0.5), NM)
    assert isinstance(rough, CellMap) and (rough.errors > 3 * exact.errors).all()


def test_a_cell_that_fits_in_two_ways_is_told(rng):
    """Sheared by 9 %, a long cell looks like another basis of itself sheared the other way."""
    known = KnownCell(1.4, 4.9, 95.0)
    assert fit_map([lattice_of(known, 23, matrix_of(TRUE), rng)], known, NM).doubtful
    square = CELLS["square"]
    assert not fit_map([lattice_of(square, 23, matrix_of(TRUE), rng)], square, NM).doubtful


def test_another_cell_is_refused(rng):
    lattice = lattice_of(CELLS["square"], 0, matrix_of(TRUE), rng)
    with pytest.raises(InputError, match="no domain's cell is like"):
        fit_map([lattice], KnownCell(1.0, 5.3, 90), NM)
    with pytest.raises(InputError, match="no lattice"):
        fit_map([], CELLS["square"], NM)
