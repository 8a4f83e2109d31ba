"""Mean cells and molecules against layers whose cell is known."""

import numpy as np
import pytest

from spm.measure import domains
from spm.measure.averages import mean_cell, mean_molecule
from spm.structures.molecule import Molecule

SIDE = 480
VECTORS = np.array([(40.0, 3.0), (-15.0, 36.0)])
CORNER = np.array([7.0, 11.0])


def pattern(fractions):
    """What a cell looks like; (…, 2) fractions of a and b. No symmetry at all."""
    s, t = np.moveaxis(2 * np.pi * fractions, -1, 0)
    return np.cos(s) + 0.7 * np.cos(t + 0.4) + 0.5 * np.cos(s - t + 1) + 0.3 * np.sin(2 * s + t)


def bend(points, strength):
    """Where the layer's points lie when it is bent, and about the inverse."""
    x, y = np.moveaxis(points, -1, 0)
    shift = np.stack([np.sin(2 * np.pi * y / SIDE), np.cos(2 * np.pi * x / SIDE)], axis=-1)
    return points + strength * shift


def layer(rng, noise=0.0, bent=0.0, missing=0.05, scatter=0.0):
    """An image and its molecules, one a cell, at the fractions (0.3, 0.6)."""
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    pixels = np.stack([x, y], axis=-1)
    straight = bend(pixels, -bent)
    for _ in range(20):  # until bend(straight) is the pixel
        straight += pixels - bend(straight, bent)
    inverse = np.linalg.inv(VECTORS)
    image = pattern((straight - CORNER) @ inverse) + rng.normal(0, noise, x.shape)
    places = np.stack(np.meshgrid(range(-20, 40), range(-20, 40)), -1).reshape(-1, 2) + (0.3, 0.6)
    points = bend(places @ VECTORS + CORNER, bent)
    points = points[(points > 12).all(axis=1) & (points < SIDE - 12).all(axis=1)]
    points = points[rng.random(len(points)) > missing]
    points = points + rng.normal(0, scatter, points.shape)
    return image, [molecule(p) for p in points]


def molecule(place, name="A", orientation=np.nan, symmetry=0, **more):
    x, y = place
    outline = np.array([(x - 6, y - 6), (x + 6, y - 6), (x + 6, y + 6), (x - 6, y + 6)])
    box = np.array([y - 6, x - 6, y + 6, x + 6])
    return Molecule(name, 0.9, box, outline, 144.0, (float(x), float(y)),
                    orientation=orientation, symmetry=symmetry, **more)  # fmt: skip


def cell_of(image, molecules):
    points = np.array([m.centroid for m in molecules])
    order = domains.analyse(points, ["A"] * len(points), SIDE, SIDE)
    return mean_cell(image, order.domains[0], 1, molecules)


def error(cell):
    """Root mean square difference to the pattern, wherever the cell's corner is."""
    average = cell.average.mean
    height, width = average.shape
    s, t = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    # The molecule stands at (0.3, 0.6) of the pattern's cell; the bases may differ too.
    change = np.linalg.solve(VECTORS.T, cell.places.vectors.T).T
    fractions = (np.stack([s, t], -1) - cell.places.sites[0]) @ np.rint(change) + (0.3, 0.6)
    return float(np.sqrt(np.mean((average - pattern(fractions)) ** 2)))


def test_a_layer_without_noise_gives_its_cell(rng):
    image, molecules = layer(rng)
    cell = cell_of(image, molecules)
    assert cell.average.count > 60 and not cell.places.followed
    assert error(cell) < 0.01 and cell.average.sd.max() < 0.05
    tile, corner = cell.tiled(1.0)
    assert np.ptp(tile) == pytest.approx(np.ptp(cell.average.mean), rel=0.05)
    middle = corner + cell.places.vectors.sum(axis=0) / 2
    assert middle == pytest.approx(np.array(tile.shape[::-1]) / 2, abs=1)


def test_noise_falls_with_the_square_root_of_the_cells(rng):
    """Of pixel noise 1, cubic splines leave a part that is the same for all numbers of cells."""
    image, molecules = layer(rng, noise=1.0)
    cell = cell_of(image, molecules)
    count, noise = cell.average.noise.T
    assert count[-1] >= 32
    slope = np.polyfit(np.log(count), np.log(noise), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.03)
    expected = noise[0] / np.sqrt(cell.average.count)
    # Vacancies leave some cells without a say near them: up to a tenth fewer.
    assert error(cell) == pytest.approx(expected, rel=0.15)
    assert np.median(cell.average.sd) == pytest.approx(noise[0], rel=0.1)


def test_a_bent_layer_is_followed(rng, monkeypatch):
    image, molecules = layer(rng, bent=4.0, scatter=0.3)
    cell = cell_of(image, molecules)
    assert cell.places.followed and error(cell) < 0.1
    monkeypatch.setattr("spm.measure.cell_places.FOLLOWED_BELOW", 0.0)
    stiff = cell_of(image, molecules)
    assert not stiff.places.followed and error(stiff) > 3 * error(cell)


def test_scatter_of_single_molecules_is_no_bending(rng):
    image, molecules = layer(rng, scatter=1.0)
    assert not cell_of(image, molecules).places.followed


def lobes(points, order, turn):
    """A molecule with `order` lobes, one of them larger when `order` is 1, turned by degrees."""
    x, y = np.moveaxis(points, -1, 0)
    radius, angle = np.hypot(x, y), np.arctan2(-y, x)
    return np.exp(-((radius / (7 + 2 * np.cos(order * (angle - np.radians(turn))))) ** 4))


@pytest.mark.parametrize("order", [1, 2, 3])
def test_mean_molecule_is_aligned(order, rng):
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    image, molecules = rng.normal(0, 0.3, (SIDE, SIDE)), []
    for row in range(30, SIDE - 20, 40):
        for column in range(30, SIDE - 20, 40):
            place = np.array([column, row]) + rng.uniform(0, 1, 2)
            turn = rng.uniform(0, 360)
            image += lobes(np.stack([x, y], -1) - place, order, turn)
            molecules.append(molecule(place, orientation=turn % (360 / order), symmetry=order))
    found = mean_molecule(image, molecules, "A")
    half = (len(found.average.mean) - 1) // 2
    steps = np.arange(-half, half + 1)
    truth = lobes(np.stack(np.meshgrid(steps, steps), -1), order, 0)
    count = found.average.count
    assert count == len(molecules) > 100 and found.symmetry == order
    rms = np.sqrt(np.mean((found.average.mean - truth) ** 2))
    assert rms < 1.2 * 0.3 / np.sqrt(count)
    better = np.sqrt(np.mean((found.symmetrised - truth) ** 2))
    assert better < rms if order > 1 else np.allclose(found.symmetrised, found.average.mean)
    assert found.likeness["mirror"] > 0.98
    if order > 1:
        assert found.likeness[str(order)] > 0.98 > found.likeness[str(5 - order)]


def test_too_few_have_no_mean(rng):
    image = rng.normal(size=(SIDE, SIDE))
    few = [molecule((100 + 40 * k, 100)) for k in range(3)]
    flagged = [molecule((100 + 40 * k, 200), uncertain=True) for k in range(9)]
    at_rim = [molecule((3, 20 + 40 * k)) for k in range(9)]
    assert mean_molecule(image, few + flagged + at_rim, "A") is None
    assert mean_molecule(image, few, "B") is None
