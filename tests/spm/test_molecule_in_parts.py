"""A predicted molecule with several parts and holes: the same area in every file."""

import csv
import json

import numpy as np
import pytest
from detectors import detections

from spm.evaluation.instances import from_molecules, from_prediction
from spm.exports import coco_dataset, label_array
from spm.geometry.cropped_mask import CroppedMask
from spm.geometry.polygons import polygon_area
from spm.inference.detector import Detector
from spm.inference.predict import find_molecules
from spm.measure.statistics import coverage_masks
from spm.report.drawing import draw_molecules
from spm.structures.annotation import check_annotation, read_annotation, write_annotation
from spm.structures.molecule import (
    Molecule,
    annotation_to_molecules,
    molecules_to_annotation,
    write_table,
)


def in_parts():
    """A mask in two large parts, of which one has a hole, with a speck and a pinhole."""
    mask = np.zeros((96, 96), bool)
    mask[10:40, 10:40] = True
    mask[20:30, 20:30] = False  # 100 of 900 pixels: a hole
    mask[12, 12] = False  # a pinhole
    mask[10:40, 50:70] = True
    mask[60, 60] = True  # a speck
    return mask


def test_parts_and_holes_are_in_every_file(tmp_path):
    """CSV, JSON, exports, statistics and the drawing agree about the area."""
    wanted = in_parts()
    wanted[12, 12], wanted[60, 60] = True, False
    detector = Detector(
        ["A"], 1.0, 96, 0.5,
        lambda images: [
            detections([(10, 10, 61, 70)], [0], [0.9], [in_parts()], class_count=1)
            for _ in images
        ],
    )  # fmt: skip
    image = np.full((96, 96, 3), 40, np.uint8)
    (molecule,) = find_molecules(detector, image)
    assert molecule.area == pytest.approx(wanted.sum(), rel=0.01)
    assert len(molecule.part_regions) == 2 and len(molecule.further) == 2

    write_table(tmp_path / "a.csv", [molecule])
    with (tmp_path / "a.csv").open(newline="") as file:
        (line,) = csv.DictReader(file)
    path = tmp_path / "a_predicted.json"
    write_annotation(path, molecules_to_annotation([molecule], 96, 96, "a.png"))
    shapes = json.loads(path.read_text())["shapes"]
    assert [s["group_id"] for s in shapes] == [1, 1]  # two outlines of one molecule in labelme
    annotation = read_annotation(path)
    annotation = annotation.classified(["A"])
    assert check_annotation(annotation) == []  # a user may correct it and give it to --add
    (again,) = annotation_to_molecules(annotation)
    assert float(line["area"]) == pytest.approx(again.area, abs=0.1)
    assert again.score == pytest.approx(0.9) and again.centroid == pytest.approx(
        molecule.centroid, abs=0.1
    )

    (coco,) = coco_dataset([annotation])["annotations"]
    assert coco["area"] == pytest.approx(again.area, abs=0.1)
    masks = [label_array(annotation) == 1, coverage_masks([molecule], 96, 96)["A"]]
    masks += [i.mask.full(96, 96) for i in from_molecules([molecule], 96, 96)]
    masks += [i.mask.full(96, 96) for i in from_prediction(annotation)]
    for mask in masks:
        assert (mask & wanted).sum() / (mask | wanted).sum() > 0.98
    drawn = draw_molecules(image, [molecule], ["A"], zoom=1)
    tinted = (drawn != image).any(axis=2)
    assert tinted[15, 15] and tinted[25, 60] and not tinted[25, 25] and not tinted[60, 60]


def test_a_whole_molecule_is_one_outline():
    mask = np.zeros((60, 60), bool)
    mask[10:40, 10:40] = True
    assert CroppedMask.of_mask(mask).without_specks(0.05).area == 900
    (border,) = CroppedMask.of_mask(mask).borders()
    assert polygon_area(border) == pytest.approx(900, rel=0.01)
    whole = Molecule("A", 0.9, np.array([10, 10, 40, 40.0]), border, 900.0, (25.0, 25.0))
    assert molecules_to_annotation([whole], 60, 60, "a.png").shapes[0].group_id is None
