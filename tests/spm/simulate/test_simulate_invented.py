"""Invented molecules: outlines fit what is drawn, crystals leave room, seeds decide."""

from __future__ import annotations

import numpy as np
import pytest

from spm.geometry.polygon_filling import polygon_mask
from spm.geometry.polygons import polygon_area
from spm.simulate import invented_drawing, invented_drawings, invented_system, simulate
from spm.simulate.__main__ import main
from spm.simulate.frame import Frame
from spm.simulate.invented import invented_cell
from spm.simulate.lattice import lattice_arrangement, rotation
from spm.simulate.systems import System
from spm.structures.annotation import read_annotation


@pytest.mark.parametrize("seed", range(12))
def test_an_outline_follows_its_molecule(seed):
    drawing = invented_drawing("m01", np.random.default_rng(seed))
    assert 20 <= drawing.radius <= 45
    heights = drawing.grid(1.0)
    side = heights.shape[0]
    inside = polygon_mask(drawing.outline * 2 + side / 2, side, side)
    assert heights[inside].mean() > 0.6 and heights[~inside].max() < 0.75
    assert heights[~inside].mean() < 0.08
    # Turned by its symmetry it is the same molecule.
    turned = drawing.outline @ rotation(360 / drawing.symmetry).T
    again = polygon_mask(turned * 2 + side / 2, side, side)
    assert (again & inside).sum() > 0.93 * (again | inside).sum()


@pytest.mark.parametrize("seed", range(6))
def test_molecules_of_a_crystal_do_not_overlap(seed):
    rng = np.random.default_rng(seed)
    drawings = invented_drawings(2, rng)
    cell = invented_cell(list(drawings.values()), rng)
    system = System("crystal", cell=cell, angle=0.0, jitter=0.0, swing=0.0)
    found = lattice_arrangement(system, Frame((300, 300), 1.0, drawings), rng)
    count = np.zeros((300, 300), int)
    for p in found.placements:
        outline = drawings[p.class_name].outline @ rotation(p.angle).T + (p.x, p.y)
        count += polygon_mask(outline, 300, 300)
    assert count.max() > 0 and (count > 1).mean() < 0.005
    assert (count > 0).mean() > 0.3


def test_the_command_writes_images_of_the_same_molecules(tmp_path, capsys):
    for folder in ("a", "b"):
        main(invented=3, count=6, seed=4, size=200, out=tmp_path / folder, random_appearance=True)
    capsys.readouterr()
    names = set()
    for number in range(4, 10):
        path = tmp_path / "a" / f"invented_{number:04d}"
        truth = read_annotation(path.with_suffix(".json"))
        other = tmp_path / "b" / path.name
        assert other.with_suffix(".png").read_bytes() == path.with_suffix(".png").read_bytes()
        names |= {shape.label[:3] for shape in truth.shapes}
    assert names <= {"m01", "m02", "m03"} and len(names) > 1


def test_areas_vary_between_molecules():
    drawings = invented_drawings(10, np.random.default_rng(0))
    areas = [polygon_area(d.outline) for d in drawings.values()]
    assert max(areas) > 1.5 * min(areas)
    system = invented_system(drawings, np.random.default_rng(1))
    image, truth = simulate(system, 200, 0, drawings=drawings)
    assert image.std() > 5 and truth.shapes
