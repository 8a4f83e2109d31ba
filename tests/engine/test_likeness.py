"""The outlined molecules kept with the weights, and what looks like none of them."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from checkout import ROOT

from engine.likeness import appearance_record, compare_with_outlined
from engine.predict_image import Plan, predict_image
from spm.dataset.annotated_images import outlined_sources
from spm.errors import InputError
from spm.geometry.cropped_mask import CroppedMask
from spm.geometry.polygons import polygon_centroid
from spm.inference.detector import Detections, Detector
from spm.inference.predict import Settings, find_molecules
from spm.instruments.inputs import open_image
from spm.io.images import read_image, write_image
from spm.report.remarks import remark
from spm.simulate import simulate
from spm.simulate.near_identical import near_identical_drawings, near_identical_system
from spm.structures.annotation import read_annotation, write_annotation
from spm.structures.molecule import annotation_to_molecules

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


def test_the_look_names_what_the_network_cannot_tell_apart(tmp_path):
    """A network that sees no difference between near-identical classes shares its score among them,
    so that none reaches the threshold."""
    names, system = ["bright", "dim", "even", "long"], near_identical_system()
    drawings = near_identical_drawings()
    image, truth = simulate(system, 640, 0, drawings=drawings, image_name="crop.png")
    shapes, kept = [s for s in truth.shapes if not s.flags["edge"]], []
    for name in names:
        kept += [s for s in shapes if s.label.startswith(name) and "brighter" not in s.label][:8]
    write_image(tmp_path / "crop.png", image)
    write_annotation(tmp_path / "crop.json", replace(truth, shapes=kept))
    record = appearance_record(outlined_sources(tmp_path), names, True)
    image, truth = simulate(system, 640, 1, drawings=drawings)
    shapes = [s for s in truth.shapes if s.label.rstrip("0123456789") in names]
    masks = [CroppedMask.of_polygon(s.points, 640, 640) for s in shapes]
    seen = Detections(
        np.array([mask.box for mask in masks], float),
        np.full((len(masks), 4), (0.3, 0.2, 0.25, 0.22), np.float32), masks,
    )  # fmt: skip
    detector = Detector(names, 1.0, 640, 0.5, lambda images: [seen], appearance=record)
    write_image(tmp_path / "new.png", image)
    path, plan = tmp_path / "new.png", Plan(Settings(), tmp_path / "out", tile_images=False)
    plan.out_dir.mkdir()
    found, _ = predict_image(path, "new", open_image(path), detector, plan)
    assert len(found) == len(shapes) and all(m.score < 0.5 < m.objectness for m in found)
    whole = [m for m in found if not m.edge]
    assert len(whole) > 30 and all(m.uncertain for m in whole)
    places = {polygon_centroid(s.points): s.label.rstrip("0123456789") for s in shapes}
    for name in ("dim", "long"):  # both are told from `bright`, which the network says
        own = [m for m in whole if _nearest(m.centroid, places) == name]
        right = [m for m in own if m.class_name == name]
        assert len(own) > 5 and len(right) > 0.9 * len(own)
        assert {m.second_class for m in right} == {"bright"} == {m.doubtful_name for m in right}
    others = [m for m in whole if _nearest(m.centroid, places) in ("bright", "even")]
    assert {m.class_name for m in others} == {"bright"}  # these are not told apart
    again = annotation_to_molecules(
        read_annotation(plan.out_dir / "new_predicted.json").classified(names)
    )
    assert [m.class_name for m in again] == [m.class_name for m in found]


def test_a_molecule_of_another_name_gets_the_outline_of_that_class(record):
    """The network's mask is that of the class that it took the molecule for."""
    image = read_image(ROOT / "images" / "00.png")
    detector = knows_the_truth(record)
    (seen,) = detector.detect([image])
    inner = (seen.boxes > 300).all(axis=1) & (seen.boxes < 800).all(axis=1)
    chosen = np.flatnonzero(inner & (seen.class_scores[:, 1] > 0.5))[:6]
    masks, scores = list(seen.masks), seen.class_scores.copy()
    angles = np.linspace(0, 2 * np.pi, 20)
    for k in chosen:
        true = masks[k]
        y, x = np.argwhere(true.pixels).mean(axis=0) + (true.top + 0.5, true.left + 0.5)
        circle = np.stack([x + 28 * np.cos(angles), y + 28 * np.sin(angles)], axis=1)
        masks[k], scores[k] = CroppedMask.of_polygon(circle, 1024, 1024), (0.5, 0.45)
        assert masks[k].iou(true) < 0.75
    wrong = Detections(seen.boxes, scores, masks)
    detector = replace(detector, detect=lambda images: [wrong])
    found = find_molecules(detector, image)
    found = compare_with_outlined(found, image, detector, Settings())
    again = [m for m in found if m.uncertain and m.class_name == "020a"]
    assert len(again) == len(chosen) > 3
    for molecule in again:
        laid = CroppedMask.of_polygon(molecule.outline, 1024, 1024)
        assert max(laid.iou(seen.masks[k]) for k in chosen) > 0.85
        assert molecule.area == pytest.approx(laid.area, rel=0.05)
        assert molecule.box[2] - molecule.box[0] < 75 and molecule.symmetry == 3


def _nearest(place: tuple[float, float], places: dict) -> str:
    return places[min(places, key=lambda p: np.hypot(p[0] - place[0], p[1] - place[1]))]


def test_weights_that_keep_nothing_and_damaged_ones(record):
    image = read_image(ROOT / "images" / "00.png")
    detector = knows_the_truth({})
    molecules = find_molecules(detector, image)
    assert compare_with_outlined(molecules, image, detector, Settings()) is molecules
    detector.appearance = {"references": record["references"] | {"values": "!"}}
    with pytest.raises(InputError, match="outlined molecules is damaged"):
        compare_with_outlined(molecules, image, detector, Settings())


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
