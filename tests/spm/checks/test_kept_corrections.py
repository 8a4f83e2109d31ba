"""What a user corrected is neither written over nor forgotten."""

import json
import os

import numpy as np
import pytest
from annotated import SQUARE, TRIANGLE, textured

from spm.checks.corrections import examine, latest, store
from spm.checks.kept_corrections import keep_correction, kept_files, kept_names
from spm.checks.predictions import is_corrected, mark_prediction, result_name
from spm.io.images import read_image, write_image
from spm.report.labelme_image import image_for_labelme
from spm.structures.annotation import Annotation, read_annotation, write_annotation
from spm.structures.classes import ClassChoice
from spm.structures.shape import Shape


def predict(base, label="A", image=None, name="scan [1]"):
    """What a prediction writes for labelme, and keeps before; the JSON."""
    for folder in ("images", "out"):
        (base / folder).mkdir(exist_ok=True)
    image = textured(96, 96, 5) if image is None else image
    write_image(base / "images" / f"{name}.png", image)
    result = base / "out" / f"{name}_predicted.json"
    keep_correction(result)
    shapes = [Shape(label, TRIANGLE, extra={"score": 0.9}), Shape("B", SQUARE)]
    annotation = Annotation(shapes, 96, 96, image_for_labelme(image, result))
    mark_prediction(annotation, image, f"../images/{name}.png")
    write_annotation(result, annotation)
    return result


def change(path, **shape):
    data = json.loads(path.read_text())
    data["shapes"][0] |= shape
    path.write_text(json.dumps(data, indent=2))
    return path


def kept(base):
    return sorted(p.name for p in (base / "out").iterdir() if "_corrected" in p.name)


def test_predicting_again_keeps_every_correction_and_nothing_else(tmp_path):
    result = predict(tmp_path)
    predict(tmp_path)
    assert kept(tmp_path) == [], "nobody had corrected anything"
    change(result, label="B")
    os.utime(result, (1000, 1000))
    predict(tmp_path, "C", textured(96, 96, 6))
    assert kept(tmp_path) == ["scan [1]_corrected.json", "scan [1]_corrected.tif"]
    first = read_annotation(tmp_path / "out/scan [1]_corrected.json")
    assert first.shapes[0].label == "B" and first.image_name == "scan [1]_corrected.tif"
    np.testing.assert_array_equal(first.read_image(), textured(96, 96, 5))
    assert first.path.stat().st_mtime == 1000, "when the user changed it"
    assert read_annotation(result).shapes[0].label == "C"
    np.testing.assert_array_equal(read_annotation(result).read_image(), textured(96, 96, 6))
    before = first.path.read_bytes()
    change(result, label="D")
    predict(tmp_path, "E")
    assert kept_files(result) == [first.path, tmp_path / "out/scan [1]_corrected_2.json"]
    assert kept_names(tmp_path / "out") == {"scan [1]"} and kept_names(tmp_path / "none") == set()
    assert first.path.read_bytes() == before
    # A run that was killed after it had kept them finds them kept.
    change(result, label="F")
    third = keep_correction(result)
    assert keep_correction(result) == third and len(kept_files(result)) == 3


@pytest.mark.parametrize(
    "change_",
    [
        {"label": "B"},
        {"points": [[6, 5], [30, 9], [14, 28]]},
        {"group_id": 3},
        {"description": "two of them?"},
        {"flags": {"ignore": True}},
    ],
)
def test_whatever_labelme_lets_a_user_change_is_a_correction(tmp_path, change_):
    result = predict(tmp_path)
    assert not is_corrected(read_annotation(result))
    # What labelme adds by itself is none.
    data = json.loads(result.read_text())
    data |= {"version": "6.3.1", "flags": {"partial": False}}
    result.write_text(json.dumps(data, indent=2))
    change(result, flags={"ignore": False})
    assert not is_corrected(read_annotation(result))
    assert is_corrected(read_annotation(change(result, **change_)))


def test_a_file_of_unknown_origin_or_a_damaged_one_is_kept_as_it_is(tmp_path):
    result = predict(tmp_path)
    result.write_text('{"shapes": [')
    predict(tmp_path)
    assert (tmp_path / "out/scan [1]_corrected.json").read_text() == '{"shapes": ['
    data = json.loads(result.read_text())
    del data["prediction"]
    result.write_text(json.dumps(data))
    predict(tmp_path)
    assert "prediction" not in json.loads((tmp_path / "out/scan [1]_corrected_2.json").read_text())


def test_adding_the_prediction_finds_what_was_kept_until_it_is_trained_on(tmp_path):
    source, images = tmp_path / "in", tmp_path / "images"
    result = change(predict(tmp_path), label="B")
    predict(tmp_path)
    corrections = examine([result], source, images, ClassChoice(["A", "B"]))
    assert corrections[0].annotation.path.name == "scan [1]_corrected.json"
    assert corrections[0].results == {"scan [1]"}
    store(corrections, source)
    assert sorted(p.name for p in source.iterdir()) == ["scan [1].json", "scan [1].png"]
    assert (source / "scan [1].png").read_bytes() == (images / "scan [1].png").read_bytes()
    now = read_annotation(result)
    assert latest(now, source, images).path == result, "that one is trained on"
    # Corrected once more, the kept one is found again.
    later = change(tmp_path / "out/scan [1]_corrected.json", points=[[6, 5], [30, 9], [14, 28]])
    trained = (source / "scan [1].json").stat().st_mtime
    os.utime(later, (trained + 5, trained + 5))
    assert latest(now, source, images).path == later


def test_without_the_predicted_file_the_image_beside_the_prediction_is_trained_on(tmp_path):
    result = change(predict(tmp_path), label="B")
    (tmp_path / "images/scan [1].png").unlink()
    store(
        examine([result], tmp_path / "in", tmp_path / "images", ClassChoice(["A", "B"])),
        tmp_path / "in",
    )
    np.testing.assert_array_equal(read_image(tmp_path / "in/scan [1].png"), textured(96, 96, 5))


@pytest.mark.parametrize(
    ("stem", "name"),
    [("a_predicted", "a"), ("a_corrected", "a"), ("a_corrected_12", "a"), ("a_2", "a_2"),
     ("a_corrected_predicted", "a_corrected"), ("a_predicted_b", "a_predicted_b")],
)  # fmt: skip
def test_result_name(tmp_path, stem, name):
    assert result_name(tmp_path / f"{stem}.json") == name
