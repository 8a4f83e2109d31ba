"""The outlined molecules kept with the weights, and what looks like none of them."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from checkout import ROOT

from engine.likeness import appearance_record, mark_unfamiliar
from engine.predict_image import Plan, predict_image
from spm.dataset.annotated_images import outlined_sources
from spm.errors import InputError
from spm.geometry.cropped_mask import CroppedMask
from spm.inference.detector import Detections, Detector
from spm.inference.predict import Settings, find_molecules
from spm.instruments.inputs import open_image
from spm.io.images import read_image
from spm.report.remarks import remark
from spm.structures.annotation import read_annotation

NAMES = ["003a", "020a"]
BLOBS = [(262, 201), (273, 235)]  # x, y of the demo's adsorbate, which a network takes for two


@pytest.fixture(scope="module")
def record() -> dict:
    return appearance_record(outlined_sources(ROOT / "aug_test_in"), NAMES, True)


def knows_the_truth(record: dict, scale: float = 1.0) -> Detector:
    """A detector that answers with the demo's true molecules, and takes its adsorbate for two."""
    truth = read_annotation(ROOT / "tests" / "data" / "00_truth.json")
    outlines = [s.points for s in truth.shapes]
    classes = [NAMES.index(s.label[:4]) for s in truth.shapes]
    angles = np.linspace(0, 2 * np.pi, 20)
    for x, y in BLOBS:
        outlines.append(np.stack([x + 20 * np.cos(angles), y + 20 * np.sin(angles)], axis=1))
        classes.append(1)
    masks = [CroppedMask.of_polygon(points, 1024, 1024) for points in outlines]
    boxes = np.array([mask.box for mask in masks], float)
    scores = np.full((len(masks), 2), 0.01, np.float32)
    scores[np.arange(len(masks)), classes] = 0.99
    return Detector(
        NAMES, scale, 1024, 0.5, lambda images: [Detections(boxes, scores, masks)] * len(images),
        appearance=record,
    )  # fmt: skip


def test_the_adsorbate_of_the_demo_is_unfamiliar_and_no_molecule(record, tmp_path):
    detector = knows_the_truth(record)
    path = ROOT / "images" / "00.png"
    plan = Plan(Settings(), tmp_path, tile_images=False, report=True)
    molecules, said = predict_image(path, "00", open_image(path), detector, plan)
    odd = [m for m in molecules if m.unfamiliar]
    assert len(odd) == 2 and "2 unfamiliar" in said
    for x, y in BLOBS:
        assert any(np.hypot(m.centroid[0] - x, m.centroid[1] - y) < 3 for m in odd)
    assert all(np.isnan(m.likeness) == m.edge for m in molecules)
    with (tmp_path / "00_molecules.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(row["unfamiliar"] == "1" for row in rows) == 2
    assert all(float(row["likeness"]) <= 1 for row in rows if row["edge"] == "0")
    total = json.loads((tmp_path / "00_summary.json").read_text(encoding="utf-8"))["total"]
    assert total["count"] == len(molecules) - 2 and total["unfamiliar"] == 2
    page = (tmp_path / "00_report.html").read_text(encoding="utf-8")
    assert page.count('class="m f"') == 2 and "2 more look like no outlined molecule" in page
    shapes = read_annotation(tmp_path / "00_predicted.json").shapes
    assert sum(shape.flags["unfamiliar"] for shape in shapes) == 2
    # Asked for, they are counted.
    plan = Plan(Settings(), tmp_path, tile_images=False, report=True, count_unfamiliar=True)
    predict_image(path, "00", open_image(path), detector, plan)
    total = json.loads((tmp_path / "00_summary.json").read_text(encoding="utf-8"))["total"]
    assert total["count"] == len(molecules) and total["unfamiliar"] == 0


def test_weights_that_keep_nothing_and_damaged_ones(record):
    image = read_image(ROOT / "images" / "00.png")
    detector = knows_the_truth({})
    molecules = find_molecules(detector, image)
    assert mark_unfamiliar(molecules, image, detector, Settings()) is molecules
    detector.appearance = {"references": record["references"] | {"values": "!"}}
    with pytest.raises(InputError, match="outlined molecules is damaged"):
        mark_unfamiliar(molecules, image, detector, Settings())


@pytest.mark.parametrize(
    "colour, words",
    [
        ((90, 90, 90), "the image is grey, those trained on were coloured"),
        ((100, 180, 240), r"mean colour .* is \(100, 180, 240\), that trained on was \(202"),
    ],
)
def test_nothing_found_in_another_colour(record, colour, words):
    import re

    said = remark([], 46.0, False, record["mean_colour"], colour)
    assert re.search(words, said) and "same colour map" in said
    near = np.add(record["mean_colour"], 5)
    assert "colour_map" not in remark([], 46.0, False, record["mean_colour"], near)
