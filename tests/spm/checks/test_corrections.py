"""A corrected prediction among the training images, and what the second prediction changes."""

import base64
import csv
import functools
import json
import os
import shutil
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from annotated import SQUARE, TRIANGLE, contents, put, textured
from detectors import detections

import predict_big_pic
import train_test
import workflow
from engine.checkpoints import last_finished
from engine.initial_weights import find_start
from engine.recipes import make_config
from engine.train import plan_stages
from mrcnn.weights import save_weights
from spm.checks.corrections import ANSWER_KEYS, examine, store
from spm.checks.predictions import mark_prediction
from spm.dataset.annotated_images import outlined_sources
from spm.errors import InputError
from spm.evaluation import comparison
from spm.evaluation.comparison import Answers
from spm.evaluation.instances import Instance
from spm.evaluation.reading import read_truths
from spm.inference.detector import Detector
from spm.io.images import encode_png, read_image, write_image
from spm.run import command_line
from spm.similarity.outlined_crops import cut_crops
from spm.structures.annotation import Annotation, read_annotation, write_annotation
from spm.structures.classes import ClassChoice
from spm.structures.instance_masks import instance_masks
from spm.structures.molecule import Molecule, molecules_to_annotation
from spm.structures.shape import Shape

CLASSES = ["A", "B"]


def predicted(base, name="scan", image=None, shapes=None, folder="img_cache"):
    """images/NAME.png and the prediction of it, as predict_big_pic.py leaves them; the JSON."""
    image = textured(96, 96, 5) if image is None else image
    for part in ("images", "in", folder):
        (base / part).mkdir(parents=True, exist_ok=True)
    write_image(base / "images" / f"{name}.png", image)
    answer = {"score": 0.9, "box": [5, 6, 27, 30], "second_class": "B", "second_score": 0.4}
    shapes = shapes or [
        Shape("A1", TRIANGLE, flags={"edge": True, "uncertain": True}, extra=answer,
              description="score 0.90, perhaps B (0.40)"),
        Shape("B1", SQUARE, flags={"edge": False, "uncertain": False}, extra=dict(answer)),
    ]  # fmt: skip
    annotation = Annotation(shapes, *image.shape[:2], f"../images/{name}.png")
    mark_prediction(annotation, image)
    path = base / folder / f"{name}_predicted.json"
    write_annotation(path, annotation)
    return path


def correct(path, label="B", shape=0):
    """What labelme does when a user changes one label."""
    data = json.loads(path.read_text())
    data["shapes"][shape]["label"] = label
    path.write_text(json.dumps(data, indent=2))
    return path


def add(base, *paths):
    corrections = examine(paths, base / "in", base / "images", ClassChoice(CLASSES))
    store(corrections, base / "in")
    return corrections


def message(base, *paths):
    """The error of adding files, which leaves the training images as they were."""
    before = contents(base / "in")
    with pytest.raises(InputError) as error:
        add(base, *paths)
    assert contents(base / "in") == before
    return str(error.value)


def test_a_correction_becomes_a_training_image_without_the_answers(tmp_path):
    path = correct(predicted(tmp_path))
    before = path.read_bytes()
    (correction,) = add(tmp_path, path)
    assert sorted(contents(tmp_path / "in")) == ["scan.json", "scan.png"]
    original = (tmp_path / "images/scan.png").read_bytes()
    assert (tmp_path / "in/scan.png").read_bytes() == original
    assert path.read_bytes() == before
    stored = read_annotation(tmp_path / "in/scan.json")
    assert [s.label for s in stored.shapes] == ["B", "B1"]
    np.testing.assert_array_equal(stored.shapes[0].points, TRIANGLE)
    assert stored.shapes[0].extra == {} and stored.shapes[0].description == ""
    assert stored.shapes[0].flags == {"edge": True}
    assert stored.derived is None and stored.image_name == "scan.png"
    assert "copied to" in correction.said(tmp_path / "in")


def test_parts_masks_and_turned_rectangles_come_along(tmp_path):
    """What labelme 6.3 lets a user draw into a prediction: the same masks among the others."""
    path = predicted(tmp_path)
    data = json.loads(path.read_text())
    mask = np.zeros((9, 20), np.uint8)
    mask[:4, :4] = mask[5:, 12:] = 255
    data["shapes"][0]["group_id"] = 2
    data["shapes"] += [
        {"label": "A1", "points": (TRIANGLE + (30, 40)).tolist(), "group_id": 2, "flags": {},
         "shape_type": "polygon"},
        {"label": "B\u00a02", "points": [[10, 60], [20, 70], [10, 80], [0, 70]], "flags": {},
         "shape_type": "oriented_rectangle"},
        {"label": "A3", "points": [[70, 40], [89, 48]], "flags": {}, "shape_type": "mask",
         "mask": base64.b64encode(encode_png(mask)).decode()},
    ]  # fmt: skip
    path.write_text(json.dumps(data))
    (correction,) = add(tmp_path, path)
    stored = read_annotation(tmp_path / "in" / "scan.json")
    assert [shape.label for shape in stored.shapes] == ["A1", "B1", "B 2", "A3"]
    masks = instance_masks(stored)
    assert np.array_equal(masks, instance_masks(correction.annotation))
    assert masks[:, :, 3].sum() == (mask > 0).sum() and masks[:, :, 2].sum() > 190
    (source,) = outlined_sources(tmp_path / "in")
    assert np.array_equal(source.read_masks(), masks)


def test_a_second_correction_replaces_the_first(tmp_path):
    path = predicted(tmp_path)
    add(tmp_path, correct(path, "B"))
    (correction,) = add(tmp_path, correct(path, "A7"))
    assert correction.replaces and "earlier version" in correction.said(tmp_path / "in")
    assert sorted(contents(tmp_path / "in")) == ["scan.json", "scan.png"]
    assert read_annotation(tmp_path / "in/scan.json").shapes[0].label == "A7"
    # Also under another name: the image counts.
    other = correct(predicted(tmp_path, "renamed"), "A8")
    add(tmp_path, other)
    assert sorted(contents(tmp_path / "in")) == ["scan.json", "scan.png"]
    assert read_annotation(tmp_path / "in/scan.json").shapes[0].label == "A8"


def test_files_of_the_user_are_never_replaced(tmp_path):
    path = correct(predicted(tmp_path))
    put(tmp_path / "in", "Scan")
    write_image(tmp_path / "in/scan_2.png", textured(9, 9))
    before = contents(tmp_path / "in")
    add(tmp_path, path)
    after = contents(tmp_path / "in")
    assert set(after) - set(before) == {"scan_3.png", "scan_3.json"}
    assert {name: after[name] for name in before} == before


def test_a_killed_run_left_the_image_alone(tmp_path):
    path = correct(predicted(tmp_path))
    (tmp_path / "in/scan.png").write_bytes((tmp_path / "images/scan.png").read_bytes())
    add(tmp_path, path)
    assert sorted(contents(tmp_path / "in")) == ["scan.json", "scan.png"]


def test_the_users_own_annotation_of_the_image_is_named(tmp_path):
    path = correct(predicted(tmp_path, image=textured(40, 64)))
    put(tmp_path / "in", "mine")
    assert "mine.json is your own annotation of the same image" in message(tmp_path, path)


def test_an_uncorrected_prediction_is_not_taken_for_the_truth(tmp_path):
    path = predicted(tmp_path)
    assert "no outline was changed" in message(tmp_path, path)
    add(tmp_path, correct(path))
    predicted(tmp_path)  # the second prediction takes the corrected file's place
    text = message(tmp_path, path)
    assert "no outline was changed" in text and "in/scan.json again" in text
    (correction,) = add(tmp_path, tmp_path / "in/scan.json")
    assert correction.in_place and correction.annotation.shapes[0].label == "B"


def test_what_labelme_saved_beside_the_image_is_found(tmp_path):
    """labelme 6 saves on its own, as images/scan.json, whichever file was opened."""
    path = predicted(tmp_path)
    saved = tmp_path / "images/scan.json"
    data = json.loads(path.read_text())
    data["imagePath"] = "scan.png"
    saved.write_text(json.dumps(data))
    assert "no outline was changed" in message(tmp_path, path)
    correct(saved, "B5")
    (correction,) = add(tmp_path, path)
    assert correction.annotation.path == saved and correction.results == {"scan"}
    assert read_annotation(tmp_path / "in/scan.json").shapes[0].label == "B5"
    # The later of two corrections counts.
    correct(path, "B6")
    os.utime(saved, (1, 1))
    add(tmp_path, path)
    assert read_annotation(tmp_path / "in/scan.json").shapes[0].label == "B6"
    # That of an earlier prediction does not.
    predicted(tmp_path, shapes=[Shape("A1", SQUARE)])
    assert "no outline was changed" in message(tmp_path, path)


def test_the_image_is_only_looked_for_in_folders_that_the_user_knows(tmp_path):
    path = correct(predicted(tmp_path))
    image = (tmp_path / "images/scan.png").read_bytes()
    (tmp_path / "images/scan.png").rename(tmp_path / "scan.png")
    data = json.loads(path.read_text())
    data["imagePath"] = "../scan.png"
    path.write_text(json.dumps(data))
    # The drawn result of the same stem is no image to train on either.
    write_image(path.with_suffix(".png"), textured(96, 96, 6))
    assert "'scan.png' is neither beside it nor in" in message(tmp_path, path)
    (path.parent / "scan.png").write_bytes(image)
    add(tmp_path, path)
    assert (tmp_path / "in/scan.png").read_bytes() == image


def test_another_image_of_the_same_name_is_noticed(tmp_path):
    path = correct(predicted(tmp_path))
    write_image(tmp_path / "images/scan.png", textured(96, 96, 6))
    assert "is not the image that was predicted" in message(tmp_path, path)
    write_image(tmp_path / "images/scan.png", textured(90, 96, 6))
    assert "96 x 90 pixels, but the annotation is for 96 x 96" in message(tmp_path, path)


def test_an_embedded_image_is_taken_and_an_image_of_one_s_own_too(tmp_path):
    own = put(tmp_path / "elsewhere", "own")
    data = json.loads(own.path.read_text())
    png = (tmp_path / "elsewhere/own.png").read_bytes()
    data["imageData"] = base64.b64encode(png).decode()
    (tmp_path / "elsewhere/other.json").write_text(json.dumps(data))
    (tmp_path / "in").mkdir()
    (first,) = add(tmp_path, own.path)
    assert sorted(contents(tmp_path / "in")) == ["own.json", "own.png"]
    (tmp_path / "elsewhere/own.png").unlink()
    (second,) = add(tmp_path, tmp_path / "elsewhere/other.json")
    assert second.replaces and first.image == second.image
    assert read_image(tmp_path / "in/own.png").shape == (40, 64, 3)


@pytest.mark.parametrize("where", ["beside it", "in images"])
def test_an_embedded_image_that_differs_is_said_at_every_door(tmp_path, where, capsys):
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "images"
    path = put(elsewhere, "own").path
    folder.mkdir()
    if where == "in images":
        (elsewhere / "own.png").rename(folder / "own.png")
    data = json.loads(path.read_text())
    data["imageData"] = base64.b64encode(encode_png(255 - textured(40, 64))).decode()
    path.write_text(json.dumps(data))
    (correction,) = add(tmp_path, path)
    said = capsys.readouterr().err
    assert "own.json: the image embedded in it is taken, but own.png" in said
    assert "other colours" in said and where in said.replace(str(tmp_path) + os.sep, "")
    # What is trained on is what was said.
    stored = read_annotation(tmp_path / "in/own.json").read_image()
    np.testing.assert_array_equal(stored, 255 - textured(40, 64))
    if where == "beside it":
        for look in (read_truths, outlined_sources, lambda folder: cut_crops([path])):
            look(elsewhere)
            assert said in capsys.readouterr().err
    path.write_text(
        json.dumps(data | {"imageData": base64.b64encode(encode_png(textured(40, 64))).decode()})
    )
    add(tmp_path, path)
    assert capsys.readouterr().err == ""


def test_everything_wrong_is_said_at_once_and_nothing_is_done(tmp_path):
    bow = np.array([(6.0, 5.0), (30.0, 27.0), (30.0, 5.0), (6.0, 27.0)])
    first = predicted(tmp_path, "a", textured(96, 96, 1), [Shape("A1", bow), Shape("C1", SQUARE)])
    second = predicted(tmp_path, "b", textured(96, 96, 2))
    good = correct(predicted(tmp_path, "c", textured(96, 96, 3)))
    missing = tmp_path / "none.json"
    lines = message(tmp_path, first, second, good, missing).splitlines()
    assert [line.split("img_cache/")[-1].split(":")[0] for line in lines[:3]] == [
        "a_predicted.json", "a_predicted.json", "b_predicted.json"
    ]  # fmt: skip
    assert "crosses itself" in lines[0] and "'C1' belongs to no known class" in lines[1]
    assert "no outline was changed" in lines[2] and "no such annotation file" in lines[3]


def test_one_image_or_one_name_twice_is_refused(tmp_path):
    first = correct(predicted(tmp_path, "a"))
    second = correct(predicted(tmp_path, "b"))
    assert "its image is that of another file named" in message(tmp_path, first, second)
    third = correct(predicted(tmp_path, "a", textured(96, 96, 7), folder="later"))
    write_image(first.parent / "a.png", textured(96, 96, 5))
    assert "is called like another file named" in message(tmp_path, first, third)


def test_a_copy_that_a_step_made_is_no_correction(tmp_path):
    path = correct(predicted(tmp_path))
    annotation = read_annotation(path)
    write_annotation(path, replace(annotation, flags={"derived": True}))
    assert "is a copy that a step made" in message(tmp_path, path)


# --- the comparison ----------------------------------------------------------------------------


def square(name, left, score=0.9, **more):
    """An instance of 10 x 10 pixels in the first rows."""
    points = np.array([(left, 0), (left + 10, 0), (left + 10, 10), (left, 10)], float)
    return Instance.from_polygon(name, points, 96, 96, score=score, **more)


def test_changes_are_counted_molecule_by_molecule():
    before = Answers([square("A", 0), square("A", 20), square("A", 40), square("B", 60, 0.3)], 0.5)
    after = Answers([square("A", 1), square("B", 20), square("B", 80), square("B", 70, 0.1)], 0.5)
    assert comparison.count_changes(before, after) == {
        "molecules_before": 3, "molecules_after": 3, "same_class": 1, "other_class": 1, "new": 1,
        "gone": 1,
    }  # fmt: skip
    none = Answers([], 0.5)
    assert list(comparison.count_changes(none, none).values()) == [0] * 6
    assert comparison.count_changes(before, none)["gone"] == 3


def outlined(*squares, flags=None, **more):
    shapes = [
        Shape(f"{s.class_name}{k}", s.outline, flags=(flags or {}).get(k, {}))
        for k, s in enumerate(squares)
    ]
    return Annotation(shapes, 96, 96, "scan.png", **more)


def test_both_predictions_are_measured_against_the_correction():
    truth = outlined(
        square("A", 0), square("A", 20), square("B", 40), square("B", 60), flags={3: {"edge": True}}
    )
    # One right, one of the wrong class, one on an ignored border molecule, one low but right.
    answers = Answers(
        [square("A", 0), square("B", 20), square("B", 60), square("B", 40, 0.2)], threshold=0.5
    )
    numbers = comparison.measure([truth.classified(CLASSES)], [answers])
    assert numbers["precision"] == pytest.approx(1 / 2)
    assert numbers["recall"] == pytest.approx(1 / 3)
    # A: one of two found first, 51 of 101 points. B: a false one, then the right one: 1/2.
    assert numbers["ap50"] == pytest.approx((51 / 101 + 0.5) / 2)
    truth.flags["partial"] = True
    numbers = comparison.measure([truth.classified(CLASSES)], [answers])
    assert numbers["recall"] == pytest.approx(1 / 3) and np.isnan(numbers["precision"])
    line = comparison.row("scan", answers, answers, truth.classified(CLASSES))
    assert "recall 0.333 -> 0.333" in comparison.sentences([line])[1]
    assert "precision" not in comparison.sentences([line])[1]


# --- the whole way, without a network ----------------------------------------------------------


def weights_file(path, config=None, **metadata):
    """A weights file of no layers with what train_test.py says in its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    config = {"BACKBONE": "resnet18", "IMAGE_MAX_DIM": 128, "RPN_ANCHOR_SCALES": [20, 40, 80, 160],
              "TRAIN_BN": True, **(config or {})}  # fmt: skip
    said = {"class_names": CLASSES, "scale": 0.75, "score_threshold": 0.5, "config": config,
            "extra": {"molecule_size": 20.0}}  # fmt: skip
    save_weights(path, [], {**said, **metadata})
    return path


def see(right, images):
    """Stands for the network: a square and a triangle, one of which has a wrong name at first."""
    boxes = [(12, 40, 28, 56), (10, 10, 20, 20)]
    return [detections(boxes, [1 if right else 0, 0], [0.9, 0.8]) for _ in images]


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A house with one training image, weights and their prediction; the network is faked."""
    calls = []

    def load(weights, *_, settings=None):
        right = "0002" in weights.name
        return Detector(CLASSES, 1.0, 96, 0.5, functools.partial(see, right))

    def train(**settings):
        calls.append(settings)
        return weights_file(tmp_path / "logs/shapes20260102T0000/mask_rcnn_shapes_0002.h5")

    quick = functools.partial(predict_big_pic.main, report=False, tile_images=False)
    monkeypatch.setattr(predict_big_pic, "main", quick)
    monkeypatch.setattr("engine.predict.load_detector", load)
    monkeypatch.setattr("engine.retrain.load_detector", load)
    monkeypatch.setattr(train_test, "train_main", train)
    weights_file(tmp_path / "logs/shapes20260101T0000/mask_rcnn_shapes_0001.h5")
    put(tmp_path / "in", "cut")
    for name, seed in (("scan", 5), ("other", 6)):
        predicted(tmp_path, name, textured(96, 96, seed))
    predict_big_pic.main(
        in_dir=tmp_path / "images", out_dir=tmp_path / "img_cache",
        weights=tmp_path / "logs/shapes20260101T0000/mask_rcnn_shapes_0001.h5",
    )  # fmt: skip
    return tmp_path, calls


def run(base, *paths, class_names=CLASSES, **more):
    folders = {
        key: base / key for key in ("copies_dir", "cache_dir", "dataset_dir")
    }  # nothing may be written there
    return workflow.main(
        add=list(paths), source_dir=base / "in", images_dir=base / "images",
        out_dir=base / "img_cache", log_dir=base / "logs", class_names=class_names, recipe="cpu",
        **folders, **more,
    )  # fmt: skip


def test_the_workflow_trains_on_and_compares(house, capsys):
    base, calls = house
    path = correct(base / "img_cache/scan_predicted.json", "B", shape=0)
    assert read_annotation(path).shapes[1].label == "A"
    corrected = [s.label for s in read_annotation(path).shapes]
    assert run(base, path) == 0
    (settings,) = calls
    old = base / "logs/shapes20260101T0000/mask_rcnn_shapes_0001.h5"
    assert settings["init_with"] == str(old)
    assert settings["augment"] == "online" and settings["validation_share"] == 0
    assert settings["epochs"] is None
    assert [s.label for s in read_annotation(base / "in/scan.json").shapes] == corrected
    assert not any((base / k).exists() for k in ("copies_dir", "cache_dir", "dataset_dir"))
    with (base / "img_cache/corrections.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert tuple(lines[0]) == comparison.HEADER
    assert [line["image"] for line in lines] == ["scan", "other"]
    for line in lines:
        assert [line[key] for key in comparison.COUNTS] == ["2", "2", "1", "1", "0", "0"]
    # The user took the triangle for the B: before, neither was right; now neither is.
    assert lines[0]["corrected"] == "2" and lines[1]["precision_after"] == ""
    said = capsys.readouterr().out
    assert "scan: 2 molecules before, 2 after; 1 the same, 1 with another class" in said
    assert "shapes20260101T0000/mask_rcnn_shapes_0001.h5 and shapes20260102T0000" in said
    # The result is the second prediction's; the corrections are kept with the training images,
    # and beside the result.
    assert {s.label for s in read_annotation(path).shapes} == {"A", "B"}
    kept = base / "img_cache/scan_corrected.json"
    assert [s.label for s in read_annotation(kept).shapes] == corrected
    assert f"kept: {kept}" in said
    assert "no outline was changed since the prediction" in message(base, path)


def test_the_comparison_says_when_corrections_helped(house):
    base, _ = house
    path = base / "img_cache/scan_predicted.json"
    truth = read_annotation(path)
    square = next(k for k, s in enumerate(truth.shapes) if s.points.max() > 40)
    run(base, correct(path, "B1", square))
    with (base / "img_cache/corrections.csv").open(newline="") as file:
        line = next(csv.DictReader(file))
    assert (line["precision_before"], line["precision_after"]) == ("0.5000", "1.0000")
    assert (line["recall_before"], line["recall_after"]) == ("0.5000", "1.0000")
    assert line["ap50_after"] == "1.0000"


def test_check_looks_and_leaves_everything(house, capsys):
    base, calls = house
    path = correct(base / "img_cache/scan_predicted.json")
    before = contents(base)
    assert run(base, path, check=True) == 0
    assert contents(base) == before and calls == []
    correct(path, "nonsense")
    with pytest.raises(InputError, match="'nonsense' belongs to no known class"):
        run(base, path, check=True)


def test_the_weights_say_the_classes_where_nobody_names_them(house, capsys):
    """Their order too, and a slip in a correction is no new class: it would cost the heads."""
    base, calls = house
    path = correct(base / "img_cache/scan_predicted.json", "B1", shape=0)
    assert run(base, path, class_names=None) == 0
    assert calls[0]["class_names"] == CLASSES
    assert "Classes of the weights: A (" in capsys.readouterr().out
    correct(path, "Bx1", shape=0)
    with pytest.raises(InputError, match=r"'Bx1' belongs to no known class \(A, B\)"):
        run(base, path, class_names=None)


def test_a_class_that_the_old_network_did_not_know(house, capsys):
    base, calls = house
    path = correct(base / "img_cache/scan_predicted.json", "C1", shape=0)
    for file in (base / "in").iterdir():
        file.unlink()  # there are molecules of class B
    assert run(base, path, class_names=["A", "C"]) == 0
    assert calls[0]["class_names"] == ["A", "C"]
    assert "against your 2 outlines" in capsys.readouterr().out


def test_without_weights_nothing_is_added(house):
    base, calls = house
    path = correct(base / "img_cache/scan_predicted.json")
    (base / "logs/shapes20260101T0000/mask_rcnn_shapes_0001.h5").unlink()
    before = contents(base / "in")
    with pytest.raises(InputError, match="there are no trained weights; run train_test.py first"):
        run(base, path)
    assert contents(base / "in") == before and calls == []


def test_a_run_that_was_cut_off_is_given_again(house, monkeypatch):
    base, calls = house
    path = correct(base / "img_cache/scan_predicted.json")
    whole = train_test.train_main

    def cut_off(**settings):
        whole(**settings).unlink()
        begun = base / "logs/shapes20260102T0000/mask_rcnn_shapes_0001.h5"
        weights_file(begun, score_threshold=None)
        starts_from = {"settings": {"starts_from": settings["init_with"]}}
        begun.with_name("settings.json").write_text(json.dumps(starts_from))
        raise KeyboardInterrupt

    monkeypatch.setattr(train_test, "train_main", cut_off)
    with pytest.raises(KeyboardInterrupt):
        run(base, path)
    stored = contents(base / "in")
    monkeypatch.setattr(train_test, "train_main", whole)
    assert run(base, path) == 0
    first, second = calls
    assert first == second  # the same start, so that train_test finds its unfinished run
    assert contents(base / "in") == stored
    assert (base / "img_cache/corrections.csv").is_file()


def test_a_run_that_was_cut_off_while_it_predicted_is_given_again(house, monkeypatch):
    """The corrected file was replaced by the new prediction: its corrections are not lost, and the
    comparison is that of an undisturbed run."""
    base, calls = house
    path = correct(base / "img_cache/scan_predicted.json", "B1", shape=0)
    undisturbed = base.with_name("undisturbed")
    shutil.copytree(base, undisturbed)
    predict = workflow.predict

    def cut_off(*arguments):
        predict(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(workflow, "predict", cut_off)
    with pytest.raises(KeyboardInterrupt):
        run(base, path)
    assert {s.label for s in read_annotation(path).shapes} == {"A", "B"}  # the network's own
    monkeypatch.setattr(workflow, "predict", predict)
    assert run(base, path) == 0
    assert calls[0]["init_with"] == calls[1]["init_with"]  # not the weights of the first attempt
    run(undisturbed, undisturbed / "img_cache/scan_predicted.json")
    for name in ("img_cache/corrections.csv", "img_cache/scan_molecules.csv", "in/scan.json"):
        assert (base / name).read_bytes() == (undisturbed / name).read_bytes()
    assert not list(base.rglob(".unfinished"))
    # Done; and what is asked next is another run.
    with pytest.raises(InputError, match="no outline was changed since the prediction"):
        run(base, path)


def test_a_file_corrected_further_after_a_cut_off_run_is_taken_anew(house, monkeypatch):
    base, _ = house
    path = correct(base / "img_cache/scan_predicted.json", "B1", shape=0)
    whole = train_test.train_main
    monkeypatch.setattr(train_test, "train_main", mock.Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(base, path)
    monkeypatch.setattr(train_test, "train_main", whole)
    correct(path, "A9", shape=1)
    assert run(base, path) == 0
    assert [s.label for s in read_annotation(base / "in/scan.json").shapes] == ["B1", "A9"]


def test_the_flag_needs_a_file(capsys):
    with pytest.raises(SystemExit) as end:
        command_line.run(workflow.main, ["--add"])
    assert end.value.code == 2 and "--add" in capsys.readouterr().err


# --- going on from weights of one's own --------------------------------------------------------


def test_going_on_keeps_what_the_network_was_trained_for(tmp_path):
    weights = weights_file(tmp_path / "w.h5")
    put(tmp_path / "in")
    sources = outlined_sources(tmp_path / "in")
    start = find_start(str(weights), train_test.LightConfig, tmp_path, CLASSES)
    config = make_config(train_test.recipes(), True, start, CLASSES, sources, STEPS_PER_EPOCH=3)
    assert config.SCALE == 0.75 and list(config.RPN_ANCHOR_SCALES) == [20, 40, 80, 160]
    assert config.MOLECULE_SIZE == 20 and config.STEPS_PER_EPOCH == 3
    assert isinstance(config, train_test.LightConfig) and config.TRAIN_BN
    # Files of before these settings know only the other way.
    assert not (config.EXACT_ROI_ALIGN or config.EXACT_MASKS or config.MASK_FINE_FEATURES)
    assert plan_stages(config, start, None, None) == [
        ("all", train_test.LightConfig.RETRAIN_EPOCHS, train_test.LightConfig.RETRAIN_RATE)
    ]
    assert plan_stages(config, start, None, 7)[0][1] == 7
    # The recipe is the file's, not the machine's.
    large = weights_file(
        tmp_path / "large.h5", {"BACKBONE": "resnet50", "IMAGE_MAX_DIM": 512, "TRAIN_BN": False}
    )
    start = find_start(str(large), train_test.LightConfig, tmp_path, CLASSES)
    config = make_config(train_test.recipes(), True, start, CLASSES, sources)
    # Anchors that do not fit the levels are not taken over.
    assert config.RPN_ANCHOR_SCALES == train_test.ShapesConfig.RPN_ANCHOR_SCALES
    assert config.IMAGE_MAX_DIM == 512 and not config.TRAIN_BN
    with pytest.raises(InputError, match=r"was trained for A, B, but class_names are A, B, C"):
        make_config(train_test.recipes(), True, start, ["A", "B", "C"], sources)


def test_a_retraining_that_was_cut_off_starts_from_the_same_weights_again(tmp_path):
    first = weights_file(tmp_path / "shapes20260101T0000/mask_rcnn_shapes_0008.h5")
    assert last_finished(tmp_path) == first
    cut = tmp_path / "shapes20260102T0000/mask_rcnn_shapes_0001.h5"
    weights_file(cut, score_threshold=None)
    record = cut.with_name("settings.json")
    record.write_text(json.dumps({"settings": {"starts_from": str(first)}}))
    assert last_finished(tmp_path) == first
    # A first training that was cut off is what the user predicted with.
    record.write_text(json.dumps({"settings": {"starts_from": "nothing"}}))
    assert last_finished(tmp_path) == cut
    weights_file(cut, score_threshold=0.4)
    assert last_finished(tmp_path) == cut


def test_all_that_a_prediction_says_of_a_molecule_is_known_as_its_answer():
    """What is not is kept in the correction, and trained on as if the user had said it."""
    square = np.array([(10, 10), (30, 10), (30, 30), (10, 30)], float)
    molecule = Molecule("A", 0.9, np.array([10, 10, 30, 30.0]), square, 400.0, (20.0, 20.0))
    (shape,) = molecules_to_annotation([molecule], 40, 40, "a.png").shapes
    assert set(shape.extra) == ANSWER_KEYS
