"""Six molecules that differ in one lobe, and what a screening says of eight outlines of each."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from spm.errors import InputError
from spm.io.images import write_image
from spm.simulate import near_identical_drawings, near_identical_system, simulate
from spm.simulate.__main__ import main
from spm.simulate.near_identical import FIRST_LOBES
from spm.structures.annotation import read_annotation, write_annotation
from tsne_analysis import main as screen

CLASSES = ["even", "twin", "long"]


def test_the_drawings_differ_in_the_first_lobe_alone():
    drawings = near_identical_drawings()
    grids = {name: drawing.grid(1.0) for name, drawing in drawings.items()}
    side = min(len(grid) for grid in grids.values())

    def middle(grid):
        margin = (len(grid) - side) // 2
        return grid[margin : margin + side, margin : margin + side]

    x = np.arange(side) - side // 2
    for name in set(FIRST_LOBES) - {"even"}:
        apart = np.abs(middle(grids[name]) - middle(grids["even"]))
        assert apart[:, x > 10].max() > 0.1
        assert apart[:, x < -10].max() < 0.02


def test_the_command_writes_all_six(tmp_path):
    assert main(near_identical=True, size=500, out=tmp_path) == 0
    truth = read_annotation(tmp_path / "near_identical_0000.json")
    assert sorted(truth.extra["simulation"]["class_names"]) == sorted(FIRST_LOBES)
    with pytest.raises(InputError):
        main(near_identical=True, invented=3, out=tmp_path)


def test_screening_tells_which_pairs_cannot_be_told_apart(tmp_path):
    drawings = near_identical_drawings()
    drawings["twin"] = replace(drawings["even"], class_name="twin")
    system = near_identical_system()
    equal = dict.fromkeys(CLASSES, 1.0)
    look = replace(system.appearance, class_heights=equal)
    system = replace(system, shares=equal, appearance=look)
    image, truth = simulate(system, 540, 3, drawings=drawings)
    counts, kept = Counter(), []
    for shape in truth.shapes:
        name = next(name for name in CLASSES if shape.label.startswith(name))
        if not shape.flags["edge"] and counts[name] < 8:
            counts[name] += 1
            kept.append(shape)
    assert set(counts.values()) == {8}
    truth.shapes = kept
    write_image(tmp_path / truth.image_name, image)
    write_annotation(tmp_path / "simulated.json", truth)
    result = screen(
        folders=[tmp_path], out=tmp_path / "out", classes=CLASSES, repeats=1, iterations=250, jobs=1
    )
    flagged = {(p.first, p.second) for p in result.pairs if p.conclusion == "not separable"}
    assert flagged == {("even", "twin")}
    assert len(result.pairs) == 3
    said = (tmp_path / "out" / "conclusion.txt").read_text(encoding="utf-8")
    assert "even and twin: not separable" in said and "even and long: separable" in said
