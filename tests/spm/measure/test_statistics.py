"""Counts, densities, neighbours and figures on molecules whose numbers are known."""

import json
import math
import re

import numpy as np
import pytest

from spm.errors import InputError
from spm.io.figure_sheet import without_titles
from spm.measure import figures, statistics
from spm.measure.uncertainty import Recognition, class_intervals
from spm.structures.molecule import Molecule


def square(x, y, side=10.0, name="A", height=100, width=200, **more):
    """A square molecule with its centre at (x, y), cut at the image's border."""
    half = side / 2
    corners = [
        (x - half, y - half),
        (x + half, y - half),
        (x + half, y + half),
        (x - half, y + half),
    ]
    outline = np.clip(np.array(corners, float), 0, (width, height))
    left, top = outline.min(axis=0)
    right, bottom = outline.max(axis=0)
    cut = (right - left) * (bottom - top) < side * side - 1e-9
    more = {"orientation": 20.0, "symmetry": 4} | more
    return Molecule(
        class_name=name,
        score=0.9,
        box=np.array([top, left, bottom, right]),
        outline=outline,
        area=float((right - left) * (bottom - top)),
        centroid=(float(left + right) / 2, float(top + bottom) / 2),
        edge=cut,
        **more,
    )


def test_counts_densities_and_coverage_by_hand():
    molecules = [square(50, 50), square(100, 50), square(0, 50), square(150, 30, name="B", side=20)]
    found = statistics.measure(molecules, 100, 200, nm_per_pixel=0.5).summary
    assert found["image"]["area"] == pytest.approx(100 * 50)
    a, b = found["classes"]["A"], found["classes"]["B"]
    assert (a["count"], a["cut_by_border"], b["count"]) == (3, 1, 1)
    assert a["density"] == pytest.approx(2.5 / 5000), "the cut one is half visible"
    assert a["density_unit"] == "1/nm^2"
    assert a["coverage"] == pytest.approx((100 + 100 + 50) / 20000)
    assert found["total"]["coverage"] == pytest.approx((250 + 400) / 20000)
    assert a["area"]["n"] == 2 and a["area"]["mean"] == pytest.approx(25)
    assert a["area"]["unit"] == "nm^2" and a["area"]["sd"] == pytest.approx(0)
    assert b["area"]["sd"] is None


def test_intervals_of_one_image():
    """Those of counting alone (test_uncertainty.py holds them), on the image's area."""
    molecules = [square(50, 50), square(100, 50), square(0, 50), square(150, 30, name="B", side=20)]
    known = {"A": Recognition(80, 0, 20)}
    found = statistics.measure(molecules, 100, 200, 0.5, recognition=known).summary["classes"]
    expected = class_intervals([[2.5, 1]], [5000.0], [known["A"], None])
    for k, name in enumerate("AB"):
        mine = found[name]["confidence"]
        for key, interval in (("density", expected.densities[k]), ("share", expected.shares[k])):
            assert [mine[key][end] for end in ("value", "low", "high")] == pytest.approx(
                [interval.value, interval.low, interval.high]
            )
        assert mine["molecules"]["high"] == pytest.approx(5000 * expected.densities[k].high)
        assert mine["corrected_by_precision_and_recall"] is (name == "A")
    assert found["A"]["confidence"]["molecules"]["value"] == pytest.approx(2.5 / 0.8)


def test_no_scale_no_nanometres():
    found = statistics.measure([square(50, 50), square(80, 50)], 100, 200).summary
    assert re.search(r"\bnm\b", json.dumps(found)) is None
    assert found["image"]["nm_per_pixel"] is None
    assert found["total"]["density"] == pytest.approx(2 / 20000)
    assert found["total"]["density_unit"] == "1/px^2"


def test_overlaps_are_covered_once():
    found = statistics.measure([square(50, 50), square(55, 50, name="B")], 100, 200).summary
    assert found["total"]["coverage"] == pytest.approx(150 / 20000)


def test_nearest_neighbours_and_directions():
    molecules = [square(100, 50), square(130, 50), square(100, 38, name="B")]
    pairs = {(p.first, p.second): p for p in statistics.measure(molecules, 100, 200).pairs}
    assert pairs["A", "A"].distances.tolist() == [30, 30]
    assert pairs["A", "A"].directions.tolist() == [0, 180]
    first = pairs["A", "B"]
    assert first.distances[0] == pytest.approx(12)
    assert first.directions[0] == pytest.approx(90), "up on the image is 90 degrees"
    assert pairs["B", "A"].directions.tolist() == [270]
    assert ("B", "B") not in pairs


def test_neighbours_that_may_lie_outside_are_left_out():
    molecules = [square(20, 50), square(60, 50)]
    (pair,) = statistics.measure(molecules, 100, 200).pairs
    assert pair.distances.tolist() == [40], "the left one is nearer to the border than to the right"


def test_orientation_modulo_symmetry():
    angles = [5.0, 85.0, 89.0, 1.0]
    molecules = [square(30 * i + 20, 50, orientation=a) for i, a in enumerate(angles)]
    molecules.append(square(150, 50, orientation=math.nan))
    entry = statistics.orientation_summary(molecules)
    assert (entry["symmetry"], entry["n"], entry["period_deg"]) == (4, 4, 90)
    assert min(entry["mean_deg"], 90 - entry["mean_deg"]) < 1e-6, "85 and 5 average to 0"
    assert entry["alignment"] > 0.95
    assert sum(entry["histogram"]) == 4
    spread = [square(20, 20, orientation=a) for a in (0.0, 45.0)]
    assert statistics.orientation_summary(spread)["alignment"] == pytest.approx(0, abs=1e-9)
    round_ones = [square(20, 20, orientation=math.nan, symmetry=0)]
    assert statistics.orientation_summary(round_ones) == {"symmetry": 0, "n": 0}


def test_heights_above_the_surface():
    heights = np.zeros((100, 200))
    heights[45:55, 45:55] = 0.3
    found = statistics.measure([square(50, 50)], 100, 200, 0.1, heights_nm=heights + 7)
    assert found.heights_nm.tolist() == [pytest.approx(0.3)]
    assert found.summary["classes"]["A"]["height"]["mean"] == pytest.approx(0.3)
    with pytest.raises(InputError, match="convert the instrument file again"):
        statistics.measure([], 100, 200, heights_nm=heights[:-1])


def crystal(columns=9, rows=7):
    return [
        square(25 + 20 * i, 15 + 12 * j, side=8, height=100, width=200)
        for j in range(rows)
        for i in range(columns)
        if (i, j) != (4, 3)
    ]


def test_lattice_of_a_crystal_in_nanometres(tmp_path):
    found = statistics.write_statistics(tmp_path / "a [1] 图", crystal(), 100, 200, 0.5)
    stored = json.loads((tmp_path / "a [1] 图_summary.json").read_text(encoding="utf-8"))
    assert stored == found.summary
    (domain,) = stored["domains"]
    assert domain["a"]["value"] == pytest.approx(6) and domain["b"]["value"] == pytest.approx(10)
    assert domain["angle"]["value"] == pytest.approx(90)
    assert domain["cell_area"]["value"] == pytest.approx(60)
    assert domain["molecules_per_cell"]["A"]["value"] == pytest.approx(62 / 63)
    (hole,) = stored["vacancies"]
    assert (hole["x_px"], hole["y_px"], hole["class"]) == (105, 51, "A")
    assert (tmp_path / "a [1] 图_statistics.png").stat().st_size > 10_000


def test_figures_of_a_full_and_of_an_empty_image():
    heights = np.random.default_rng(0).normal(size=(100, 200))
    found = statistics.measure(crystal(), 100, 200, 0.5, heights_nm=heights)
    drawn = figures.figures(found)
    assert list(drawn) == [
        "Areas",
        "Heights",
        "Orientations",
        "Distances to the nearest neighbour",
        "Directions to the nearest neighbour",
        "Lattice and domains",
    ]
    # What is drawn once stands on the sheet, two side by side, and without titles in the report.
    sheet, (height, width, _) = figures.sheet(drawn), drawn["Areas"].shape
    assert sheet.shape == (3 * height, 2 * width, 3)
    assert (sheet[height : 2 * height, width:] == drawn["Distances to the nearest neighbour"]).all()
    below = without_titles(drawn, figures.DPI)["Areas"]
    assert below.shape[:2] == tuple(round(side * figures.DPI) for side in figures.SIZE[::-1])
    title = drawn["Areas"][: height - len(below)]
    assert title.min() < 60  # its letters
    empty = statistics.measure([], 100, 200, class_names=["A"])
    assert figures.figures(empty) == {}
    assert figures.sheet({}).min() < 255  # "no molecules"
    assert empty.summary["total"]["count"] == 0
    assert empty.summary["classes"]["A"]["area"] == {"n": 0, "unit": "px^2"}
    assert "no_lattice" in empty.summary


def test_a_legend_of_many_pairs_is_cut():
    names = [chr(65 + k) for k in range(8)]
    molecules = [
        square(14 * i, 14 * j, name=names[(i + j) % 8], height=450, width=450)
        for i in range(1, 30)
        for j in range(1, 30)
    ]
    found = statistics.measure(molecules, 450, 450, class_names=names)
    drawn = figures.figures(found)
    panel = drawn["Directions to the nearest neighbour"]
    below = without_titles(drawn, figures.DPI)["Directions to the nearest neighbour"]
    used = below.min(axis=2) < 200
    assert used[:, : below.shape[1] // 2].mean() > 0.005, "the axes are there"
    assert not used[-8:].any() and not used[:8, below.shape[1] // 2 :].any()
    assert panel.shape == drawn["Areas"].shape


def test_one_molecule_at_the_border():
    found = statistics.measure([square(0, 0)], 100, 200)
    assert found.summary["total"]["density"] == pytest.approx(1 / 20000)
    assert list(figures.figures(found)) == ["Lattice and domains"]
