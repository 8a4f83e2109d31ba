"""Lattices, domains and vacancies on point sets whose cell is known."""

import numpy as np
import pytest

from spm.measure import domains, lattice, statistics
from spm.simulate import simulate
from spm.structures.molecule import annotation_to_molecules, set_orientations

HEIGHT, WIDTH = 800, 1000


def layer(a, b, basis, rng, *, angle=0.0, jitter=1.0, vacancies=0.0, left=0, right=WIDTH, drop=()):
    """Return (points, class names, true vectors) of a layer; basis: list of (class, (u, v))."""
    turn = np.radians(angle)
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    vectors = np.array([a, b], float) @ matrix
    cells = np.stack(np.meshgrid(*[np.arange(-60, 60)] * 2), -1).reshape(-1, 2)
    points, names = [], []
    for name, offset in basis:
        points.append((cells + np.array(offset)) @ vectors + (WIDTH / 2, HEIGHT / 2))
        names += [name] * len(cells)
    points, names = np.concatenate(points), np.array(names)
    x, y = points.T
    keep = (x > left + 5) & (x < right - 5) & (y > 5) & (y < HEIGHT - 5)
    keep &= rng.random(len(points)) >= vacancies
    for place in drop:
        keep &= np.hypot(*(points - place).T) > 5
    points = points[keep] + rng.normal(0, jitter, (int(keep.sum()), 2))
    return points, names[keep].tolist(), vectors


def check(found, true, tolerance=0.01):
    """Compare lengths, angle and area with the truth, and the errors with what they promise."""
    a, b = lattice.reduce_basis(true)[0]
    area = abs(a[0] * b[1] - a[1] * b[0])
    angle = np.degrees(np.arccos(a @ b / np.hypot(*a) / np.hypot(*b)))
    for (value, error), truth in (
        *zip(found.lengths, (np.hypot(*a), np.hypot(*b)), strict=True),
        (found.angle, angle),
        (found.area, area),
    ):
        assert value == pytest.approx(truth, rel=tolerance)
        assert abs(value - truth) < 5 * error + 1e-9


HEXAGONAL = (40, 0), (-20, 34.641)
CELLS = {
    "hexagonal": (*HEXAGONAL, [("A", (0, 0))]),
    "oblique, two classes": (
        (90, 5),
        (-30, 70),
        [("A", (0.1, 0.1)), ("A", (0.4, 0.45)), ("B", (0.75, 0.2)), ("B", (0.7, 0.75))],
    ),
    "honeycomb": ((50, 0), (-25, 43.3), [("A", (1 / 3, 2 / 3)), ("A", (2 / 3, 1 / 3))]),
    "kagome": ((80, 0), (-40, 69.3), [("A", (0.5, 0)), ("A", (0, 0.5)), ("A", (0.5, 0.5))]),
    "nearly half the cell": ((60, 0), (5, 70), [("A", (0, 0)), ("A", (0.55, 0.03))]),
}


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("angle", [0, 33])
def test_known_lattice_to_one_per_cent(name, angle, rng):
    a, b, basis = CELLS[name]
    points, names, true = layer(a, b, basis, rng, angle=angle, vacancies=0.04)
    order = domains.analyse(points, names, HEIGHT, WIDTH)
    assert len(order.domains) == 1
    found = order.domains[0].lattice
    check(found, true)
    for class_name in {name for name, _ in basis}:
        expected = sum(name == class_name for name, _ in basis)
        value, error = found.per_cell[class_name]
        assert value == pytest.approx(0.96 * expected, abs=0.05 * expected)
        assert 0 < error < 0.1 * expected
    assert (order.domain_of == 0).mean() > 0.98


def test_herringbone_has_twice_the_cell_of_its_centroids(rng):
    basis = [("A", (0, 0)), ("A", (0.5, 0.5))]
    points, names, true = layer((60, 0), (0, 90), basis, rng, vacancies=0.04)
    centred = domains.analyse(points, names, HEIGHT, WIDTH).domains[0].lattice
    assert centred.area[0] == pytest.approx(2700, rel=0.01), "centroids alone repeat earlier"
    row = np.rint((points[:, 1] - HEIGHT / 2) / 45).astype(int) % 2
    directions = np.where(row, 30.0, 120.0) + rng.normal(0, 5, len(points))
    turns = np.exp(2j * np.radians(directions))
    order = domains.analyse(points, names, HEIGHT, WIDTH, turns=turns)
    check(order.domains[0].lattice, true)
    assert order.domains[0].lattice.per_cell["A"][0] == pytest.approx(1.92, abs=0.1)


SYSTEMS = {
    "network": {"020a": 8, "003a": 4},
    "A": {"003a": 2},
    "B": {"020a": 1},
    "biphenyl": {"biphenyl": 2},
}


@pytest.mark.parametrize("system", SYSTEMS)
def test_simulated_images_to_one_per_cent(system):
    """Drift bends the simulated layer; the truth is its lattice in the middle of the image."""
    _, truth = simulate(system, size=1024, seed=3, domains=1, vacancies=0.03)
    facts = truth.extra["simulation"]
    molecules = set_orientations(annotation_to_molecules(truth.classified(facts["class_names"])))
    for molecule, shape in zip(molecules, truth.shapes, strict=True):
        molecule.edge = shape.extra["visible"] < 0.999
    found = statistics.measure(molecules, 1024, 1024)
    true = lattice.reduce_basis(np.array(facts["lattice_vectors"][0]))[0]
    fitted = found.order.domains[0].lattice
    lengths = [value for value, _ in fitted.lengths]
    assert lengths == pytest.approx(np.hypot(*true.T), rel=0.01)
    assert fitted.area[0] == pytest.approx(abs(np.linalg.det(true)), rel=0.01)
    for name, expected in SYSTEMS[system].items():
        assert fitted.per_cell[name][0] == pytest.approx(expected, rel=0.08)


def test_two_rotational_domains(rng):
    left, names_left, true_left = layer(*HEXAGONAL, [("A", (0, 0))], rng, right=490)
    right, names_right, true_right = layer(*HEXAGONAL, [("A", (0, 0))], rng, angle=20, left=510)
    points = np.concatenate([left, right])
    order = domains.analyse(points, names_left + names_right, HEIGHT, WIDTH)
    assert len(order.domains) == 2
    for domain in order.domains:
        check(domain.lattice, true_left)
    of_left, of_right = order.domain_of[: len(left)], order.domain_of[len(left) :]
    assert np.mean(of_left == np.bincount(of_left + 1).argmax() - 1) > 0.95
    assert np.mean(of_right == np.bincount(of_right + 1).argmax() - 1) > 0.95
    directions = sorted(d.lattice.direction[0] % 60 for d in order.domains)
    assert directions[1] - directions[0] == pytest.approx(20, abs=0.5)


def test_antiphase_domains_share_no_number(rng):
    left, names_left, _ = layer(*HEXAGONAL, [("A", (0, 0))], rng, right=490)
    right, names_right, _ = layer(*HEXAGONAL, [("A", (0.5, 0.5))], rng, left=510)
    order = domains.analyse(np.concatenate([left, right]), names_left + names_right, HEIGHT, WIDTH)
    assert len(order.domains) == 2
    assert order.vacancies == []


def test_vacancies_and_strangers_are_marked_where_they_are(rng):
    centre = np.array([WIDTH / 2, HEIGHT / 2])
    holes = [centre, centre + (120, 0), centre + (160, 0), centre + (-120, 4 * 34.641)]
    points, names, _ = layer(*HEXAGONAL, [("A", (0, 0))], rng, jitter=0.5, drop=holes)
    names, stranger = list(names), centre + (-200, 0)
    names[int(np.hypot(*(points - stranger).T).argmin())] = "B"
    order = domains.analyse(points, names, HEIGHT, WIDTH)
    empty = [(v.x, v.y) for v in order.vacancies if not v.taken_by]
    assert len(empty) == len(holes)
    for hole in holes:
        assert min(np.hypot(*(np.array(empty) - hole).T)) < 1.5
    (taken,) = [v for v in order.vacancies if v.taken_by]
    assert (taken.class_name, taken.taken_by) == ("A", "B")
    assert np.hypot(taken.x - stranger[0], taken.y - stranger[1]) < 1.5


def test_molecules_at_the_border_are_no_vacancies(rng):
    points, names, true = layer(*HEXAGONAL, [("A", (0, 0))], rng)
    whole = (points > 20).all(axis=1) & (points < (WIDTH - 20, HEIGHT - 20)).all(axis=1)
    points[~whole] += rng.normal(0, 6, (int((~whole).sum()), 2))
    order = domains.analyse(points, names, HEIGHT, WIDTH, whole)
    assert order.vacancies == []
    check(order.domains[0].lattice, true)
    assert (order.domain_of[~whole] == -1).all()


def test_disorder_and_few_molecules_have_no_lattice(rng):
    gas = rng.uniform(0, 1, (300, 2)) * (WIDTH, HEIGHT)
    for points in (gas, gas[:5], gas[:1], gas[:0]):
        order = domains.analyse(points, ["A"] * len(points), HEIGHT, WIDTH)
        assert order.domains == [] and order.vacancies == []
        assert order.domain_of.tolist() == [-1] * len(points)
    row = np.stack([np.arange(20) * 40.0, np.full(20, 100.0)], axis=1)
    assert domains.analyse(row, ["A"] * 20, HEIGHT, WIDTH).domains == [], "a row is no lattice"


def test_rows_beside_a_crystal_are_no_second_domain(rng):
    """A single row left over has one repeat distance only."""
    points, names, _ = layer(*HEXAGONAL, [("A", (0, 0))], rng, right=500)
    rows = np.array([(x, y) for y in (200.0, 500.0) for x in range(600, 960, 40)])
    everything = np.concatenate([points, rows + rng.normal(0, 1, rows.shape)])
    order = domains.analyse(everything, names + ["A"] * len(rows), HEIGHT, WIDTH)
    assert len(order.domains) == 1
    assert (order.domain_of[-len(rows) :] == -1).all()


def test_reduced_basis():
    basis, change = lattice.reduce_basis(np.array([[7.0, 2.0], [3.0, 1.0]]))
    assert np.abs(basis).sum(axis=1).tolist() == [1.0, 1.0]
    assert abs(np.linalg.det(basis)) == pytest.approx(1)
    assert np.allclose(change @ [[7.0, 2.0], [3.0, 1.0]], basis)
    a, b = lattice.reduce_basis(np.array([[40.0, 0.0], [20.0, 34.641]]))[0]
    assert a @ b == pytest.approx(-800, rel=1e-3), "60 degrees are given as 120"


def test_standard_errors_by_hand():
    """Orthogonal vectors of lengths 3 and 4, a variance of 0.01 in each component."""
    fitted = lattice.Lattice(np.diag([3.0, 4.0]), 0.01 * np.eye(2), 0.1, 50)
    assert fitted.lengths == ((3.0, pytest.approx(0.1)), (4.0, pytest.approx(0.1)))
    assert fitted.area == (12.0, pytest.approx(0.1 * 5))
    assert fitted.angle[0] == pytest.approx(90)
    assert fitted.angle[1] == pytest.approx(np.degrees(np.hypot(0.1 / 3, 0.1 / 4)))
    assert fitted.direction == (0.0, pytest.approx(np.degrees(0.1 / 3)))
