"""Molecules: geometry by hand, orientation, labels, the table, and labelme's JSON."""

import csv
import math
from dataclasses import replace

import numpy as np
import pytest

from spm.errors import InputError
from spm.structures.annotation import Annotation, read_annotation, write_annotation
from spm.structures.classes import Classes
from spm.structures.molecule import (
    TABLE_HEADER,
    Molecule,
    annotation_to_molecules,
    labels_of,
    molecules_to_annotation,
    polygon_area,
    polygon_centroid,
    set_orientations,
    typical_size,
    write_table,
)
from spm.structures.shape import Shape


def make(points, class_name="003a", **fields):
    points = np.asarray(points, float)
    (x1, y1), (x2, y2) = points.min(axis=0), points.max(axis=0)
    area, centroid = polygon_area(points), polygon_centroid(points)
    fields.setdefault("score", 0.9)
    return Molecule(
        class_name,
        box=np.array([y1, x1, y2, x2]),
        outline=points,
        area=area,
        centroid=centroid,
        **fields,
    )


def lobes(count, degrees, centre=(50, 50), radius=20, depth=0.3, points=90, dent=0.0):
    """An outline with `count` lobes, one at `degrees` anticlockwise (y upwards) from the right."""
    theta = np.linspace(0, 2 * np.pi, points, endpoint=False)
    r = radius * (1 + depth * np.cos(count * (theta - np.radians(degrees))))
    r = r * (1 - dent * (np.abs(theta - 1) < 0.3))
    return np.stack([centre[0] + r * np.cos(theta), centre[1] - r * np.sin(theta)], axis=1)


def test_area_and_centroid_by_hand():
    triangle = [(1000, 1000), (1006, 1000), (1000, 1003)]
    assert polygon_area(triangle) == 9
    assert polygon_centroid(triangle) == pytest.approx((1002, 1001))
    assert polygon_centroid(triangle[::-1]) == pytest.approx((1002, 1001))
    assert polygon_centroid([(0, 0), (2, 2), (4, 4)]) == (2, 2), "no area: mean of the points"


@pytest.mark.parametrize("count", [2, 3, 4, 6])
@pytest.mark.parametrize("degrees", [0.0, 13.0, 50.0])
def test_orientation_of_shapes_of_known_symmetry(count, degrees):
    [molecule] = set_orientations([make(lobes(count, degrees))])
    assert molecule.symmetry == count
    period = 360 / count
    error = (molecule.orientation - degrees + period / 2) % period - period / 2
    assert 0 <= molecule.orientation < period
    assert abs(error) < 1.5


def test_orientation_of_a_triangle_by_hand():
    """A triangle that points up on the image has a lobe at 90 degrees: 90 modulo 120."""
    up = make([(0, 30), (40, 30), (20, 30 - 20 * math.sqrt(3))])
    [turned] = set_orientations([up])
    assert turned.symmetry == 3
    assert turned.orientation == pytest.approx(90, abs=0.5)


def test_symmetry_belongs_to_the_class_not_to_the_molecule():
    """One dented outline among threefold ones keeps the threefold meaning of its angle."""
    molecules = [make(lobes(3, 20)) for _ in range(4)]
    molecules += [make(lobes(2, 20, depth=0.5), edge=True) for _ in range(6)]
    turned = set_orientations(molecules)
    assert {m.symmetry for m in turned} == {3}
    assert turned[0].orientation == pytest.approx(20, abs=1)


def test_round_molecules_have_no_orientation():
    [molecule] = set_orientations([make(lobes(3, 0, depth=0))])
    assert molecule.symmetry == 0 and math.isnan(molecule.orientation)
    assert set_orientations([]) == []


def test_labels_count_per_class_and_read_back_as_their_class():
    """Guards pitfall 10: class 1 number 31 must not read as class 13."""
    square = [(0, 0), (4, 0), (4, 4)]
    names = ["1", "13", "003a", "rod"]
    molecules = [make(square, name) for name in names for _ in range(40)]
    labels = labels_of(molecules)
    assert labels[80] == "003a1" and labels[119] == "003a40"
    assert len(set(labels)) == 160
    assert [Classes.of(names).class_of(label) for label in labels] == [
        m.class_name for m in molecules
    ]


def test_round_trip_through_labelme_json(tmp_path):
    molecules = set_orientations(
        [
            make(lobes(3, 33), score=0.87, uncertain=True, second_class="020a", second_score=0.6),
            make([(0, 0), (9, 0), (9, 5), (0, 5)], "020a", edge=True),
        ]
    )
    annotation = molecules_to_annotation(molecules, 100, 120, "../images/图 1.png")
    write_annotation(tmp_path / "p.json", annotation)
    again = annotation_to_molecules(
        read_annotation(tmp_path / "p.json").classified(["003a", "020a"])
    )
    for before, after in zip(molecules, again, strict=True):
        for name in ("class_name", "edge", "uncertain", "second_class", "symmetry"):
            assert getattr(after, name) == getattr(before, name)
        assert after.score == pytest.approx(before.score, abs=1e-5)
        assert after.second_score == pytest.approx(before.second_score, abs=1e-5)
        assert after.orientation == pytest.approx(before.orientation, abs=0.06)
        assert after.area == pytest.approx(before.area, rel=1e-3)
        assert after.box == pytest.approx(before.box, abs=0.01)
        assert np.abs(after.outline - before.outline).max() <= 0.006
    assert again[0].score == 0.87


def test_flags_are_what_labelme_accepts():
    annotation = molecules_to_annotation([make(lobes(3, 0))], 9, 9, "a.png")
    flags = annotation.shapes[0].flags
    assert flags == {"edge": False, "uncertain": False, "unfamiliar": False}
    assert all(type(value) is bool for value in flags.values())


def test_no_molecules(tmp_path):
    annotation = molecules_to_annotation([], 5, 6, "a.png")
    assert annotation.shapes == [] and annotation_to_molecules(annotation.classified([])) == []
    write_table(tmp_path / "t.csv", [])
    assert (tmp_path / "t.csv").read_text(encoding="utf-8").splitlines() == [",".join(TABLE_HEADER)]
    assert typical_size([]) == 0


def test_outline_corrected_by_hand_wins_over_the_stored_box():
    annotation = molecules_to_annotation([make([(0, 0), (9, 0), (9, 5), (0, 5)])], 99, 99, "a.png")
    annotation.shapes[0].points = annotation.shapes[0].points + 50
    [molecule] = annotation_to_molecules(annotation.classified(["003a"]))
    assert molecule.box.tolist() == [50, 50, 55, 59]


def test_hand_drawn_and_damaged_shapes():
    damaged = {"score": "high", "box": [1, 2], "orientation": None, "symmetry": float("nan")}
    shapes = [
        Shape("003a1", np.array([[0, 0], [4, 2.0]]), "rectangle"),
        Shape("003a2", np.array([[0, 0], [4, 0], [0, 2.0]]), extra=damaged),
    ]
    first, second = annotation_to_molecules(Annotation(shapes, 9, 9, "a.png").classified(["003a"]))
    assert (first.score, first.area, second.area, second.score) == (1, 8, 4, 1)
    assert math.isnan(second.orientation) and second.box.tolist() == [0, 0, 2, 4]


def test_unknown_label_is_named():
    shapes = [Shape("013a1", np.array([[0, 0], [4, 0], [0, 2.0]]))]
    with pytest.raises(InputError, match="a.png.*013a1"):
        annotation_to_molecules(Annotation(shapes, 9, 9, "a.png").classified(["003a"]))


def test_table(tmp_path):
    molecules = [
        make([(0, 0), (9, 0), (9, 5), (0, 5)], "020a", edge=True, score=0.98765),
        make([(0, 0), (9, 0), (9, 5)], uncertain=True, second_class="020a", second_score=0.5),
    ]
    write_table(tmp_path / "t.csv", molecules)
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert first["number"] == "1" and first["label"] == "020a1" and first["class"] == "020a"
    assert (first["y1"], first["x1"], first["y2"], first["x2"]) == ("0.00", "0.00", "5.00", "9.00")
    assert (first["area"], first["score"], first["edge"]) == ("45.0", "0.9877", "1")
    assert (first["centroid_x"], first["centroid_y"]) == ("4.50", "2.50")
    assert (first["orientation"], first["second_class"], first["second_score"]) == ("", "", "")
    assert (second["uncertain"], second["second_score"]) == ("1", "0.5000")


def test_a_name_in_doubt_by_its_look_goes_through_both_files(tmp_path):
    """What an uncertain molecule may be: the class that it is more like, else the second one."""
    square = [(10, 10), (30, 10), (30, 30), (10, 30)]
    doubt = {"uncertain": True, "second_class": "020a", "second_score": 0.4, "likeness": 0.8}
    molecules = [make(square, alike=alike, **doubt) for alike in ("C60", "020a", "003a", "")]
    molecules[0] = replace(molecules[0], score=0.45, objectness=0.95)
    assert [m.objectness for m in molecules[:2]] == [0.95, molecules[1].score]
    assert [m.doubtful_name for m in molecules] == ["C60", "020a", "020a", "020a"]
    write_annotation(tmp_path / "a.json", molecules_to_annotation(molecules, 40, 40, "a.png"))
    read = read_annotation(tmp_path / "a.json").classified(["003a", "020a", "C60"])
    said = [shape.description for shape in read.shapes]
    assert "perhaps C60" in said[0] and "C60 (" not in said[0]
    assert all("perhaps 020a (0.40)" in words for words in said[1:])
    again = annotation_to_molecules(read)
    assert [m.alike for m in again] == ["C60", "020a", "003a", ""]
    assert [m.objectness for m in again] == [m.objectness for m in molecules]
    write_table(tmp_path / "a.csv", molecules)
    with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["alike"] for row in rows] == ["C60", "020a", "003a", ""]
    assert [float(row["objectness"]) for row in rows] == [m.objectness for m in molecules]
