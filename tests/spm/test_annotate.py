"""Our way into labelme, with the real labelme driven by clicks where it is installed."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from annotated import SQUARE, TRIANGLE, textured
from detectors import detections
from real_labelme import by_hand, run_driven

from engine.predict_image import predict_file
from spm import annotate
from spm.checks.corrections import examine
from spm.errors import InputError
from spm.inference.detector import Detector
from spm.inference.predict import Settings
from spm.io.class_colours import class_colours
from spm.io.images import read_image, write_image
from spm.run import labelme_program
from spm.structures.annotation import Annotation, read_annotation, write_annotation
from spm.structures.classes import ClassChoice
from spm.structures.shape import Shape

CLASSES = ["C60", "C70"]
BOXES = [(5, 6, 27, 30), (40, 40, 60, 60), (65, 20, 85, 45)]


def detect(images):
    return [detections(BOXES, [0, 1, 0], [0.9, 0.8, 0.7]) for _ in images]


DETECTOR = Detector(CLASSES, 1.0, 96, 0.5, detect)


def predict(base, name="scan 1.png"):
    """images/NAME and its results, as predict_big_pic.py makes them; the JSON."""
    for folder in ("images", "img_cache", "aug_test_in"):
        (base / folder).mkdir(exist_ok=True)
    path = base / "images" / name
    if not path.exists():
        write_image(path, textured(96, 96, 5))
    predict_file(path, path.stem, base / "img_cache", DETECTOR, Settings(), tile_images=False)
    return base / "img_cache" / f"{path.stem}_predicted.json"


def labels(path):
    return [shape.label for shape in read_annotation(path).shapes]


def door(base, image, steps):
    """python -m spm.annotate IMAGE in a folder, with labelme driven."""
    return run_driven(["-m", "spm.annotate", image], steps, base, cwd=base)


@pytest.fixture
def base(tmp_path, monkeypatch):
    """A folder with spaces and Chinese letters, from which the project is found."""
    from checkout import ROOT

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    folder = tmp_path / "STM \u6570\u636e"
    folder.mkdir()
    return folder


def opened(base, image, **settings):
    folders = {"out_dir": base / "img_cache", "source_dir": base / "aug_test_in"}
    return annotate.to_open(annotate.Annotating(image=image, **folders, **settings))


def test_who_starts_labelme_himself_finds_his_corrections_the_next_day(base):
    result = predict(base)
    seen = by_hand(result, [["rename", 0, "C70"]], base)
    assert seen["labels"] == CLASSES, "the list of labels is the list of classes"
    assert seen["shapes"] == ["C60", "C70", "C60"]
    assert seen["colours"][0] == seen["colours"][2] != seen["colours"][1]
    assert labels(result) == ["C70", "C70", "C60"]
    assert not list((base / "images").glob("*.json"))
    seen = by_hand(result, [["rename", 2, "C70"]], base)
    assert seen["shapes"] == ["C70", "C70", "C60"], "yesterday's correction is there"
    # Also who opens the drawing, which has the JSON's name.
    seen = by_hand(result.with_suffix(".png"), [["tick", "partial"]], base, "--flags", "partial")
    assert seen["shapes"] == labels(result) == ["C70", "C70", "C70"]
    assert read_annotation(result).partial


def test_outlined_saved_predicted_opened_corrected_and_opened_again(base):
    result = predict(base)
    write_image(base / "aug_test_in" / "cut.png", textured(80, 90, 3))
    seen = door(base, "aug_test_in/cut.png", [["draw", [[10, 10], [60, 12], [40, 55]], "C70"]])
    assert seen["labels"] == CLASSES and seen["flags"] == ["partial"] and not seen["opencv"]
    assert "no outlines yet; labels: C60, C70" in seen["printed"]
    assert "saved, 1 outline: C70 (1)" in seen["printed"]
    (shape,) = read_annotation(base / "aug_test_in" / "cut.json").shapes
    np.testing.assert_allclose(shape.points, [[10, 10], [60, 12], [40, 55]], atol=1)

    seen = door(base, "images/scan 1.png", [["rename", 1, "C60"]])
    assert seen["shapes"] == ["C60", "C70", "C60"] and "the prediction" in seen["printed"]
    assert "python workflow.py --add img_cache" in seen["printed"]
    seen = door(base, "images/scan 1.png", [])
    assert seen["shapes"] == ["C60", "C60", "C60"]
    assert "your correction" in seen["printed"] and "nothing was changed" in seen["printed"]
    # Predicted again: the correction is kept, opened, and saved where it is kept.
    predict(base)
    assert labels(result) == ["C60", "C70", "C60"]
    kept = base / "img_cache" / "scan 1_corrected.json"
    seen = door(base, "images/scan 1.png", [["rename", 2, "C70"]])
    assert seen["shapes"] == ["C60", "C60", "C60"]
    assert labels(kept) == ["C60", "C60", "C70"] and labels(result) == ["C60", "C70", "C60"]
    (found,) = examine([result], base / "aug_test_in", base / "images", ClassChoice(CLASSES))
    assert found.annotation.path == kept


def test_a_prediction_of_an_older_version_is_found_where_labelme_saves_it(base):
    """It named the image itself: labelme saves into the folder of the image."""
    result = predict(base)
    data = json.loads(result.read_text(encoding="utf-8")) | {"imagePath": "../images/scan 1.png"}
    data["prediction"] = {k: data["prediction"][k] for k in ("image", "outlines")}
    result.write_text(json.dumps(data), encoding="utf-8")
    seen = door(base, "images/scan 1.png", [["rename", 0, "C70"]])
    saved = base / "images" / "scan 1.json"
    assert labels(saved) == ["C70", "C70", "C60"] and labels(result) == ["C60", "C70", "C60"]
    assert "scan 1.json: saved, 3 outlines: C60 (1), C70 (2)" in seen["printed"]
    assert door(base, result, [])["shapes"] == ["C70", "C70", "C60"]
    (found,) = examine([result], base / "aug_test_in", base / "images", ClassChoice(CLASSES))
    assert found.annotation.path == saved


def test_an_instrument_file_and_a_deep_image_are_opened_as_copies(base):
    deep = np.arange(60 * 70, dtype=np.uint16).reshape(60, 70) * 15
    for folder in ("images", "aug_test_in", "img_cache"):
        (base / folder).mkdir()
    write_image(base / "images" / "deep.png", deep)
    write_image(base / "aug_test_in" / "deep.png", deep)
    first = opened(base, base / "images" / "deep.png")
    second = opened(base, base / "aug_test_in" / "deep.png")
    assert first.path == base / "img_cache" / "deep.png"
    assert second.path == base / "aug_test_in" / "deep_8bit.png"
    for copy in (first.path, second.path):
        assert (read_image(copy) == read_image(base / "images" / "deep.png")).all()
    assert read_image(base / "aug_test_in" / "deep.png").shape == (60, 70, 3)
    draw = [["draw", [[10, 10], [60, 12], [40, 55]], "C70"]]
    run_driven(
        ["-m", "spm.annotate", "images/deep.png", "--class-names", *CLASSES], draw, base, cwd=base
    )
    assert labels(base / "img_cache" / "deep.json") == ["C70"]
    again = opened(base, base / "images" / "deep.png")
    assert again.path == base / "img_cache" / "deep.json" and again.what == "your outlines"
    write_image(base / "images" / "deep.png", deep[::-1])
    with pytest.raises(InputError, match="is another image, and the 8-bit copy of"):
        opened(base, base / "images" / "deep.png")


def test_what_is_opened(base):
    result = predict(base)
    image = base / "images" / "scan 1.png"
    assert opened(base, image).path == result
    # What labelme 6 saved beside the image, of a prediction of before.
    annotation = read_annotation(result)
    annotation.shapes[0].label = "C70"
    annotation.image_name = image.name
    write_annotation(image.with_suffix(".json"), annotation)
    assert opened(base, image).path == image.with_suffix(".json")
    named = opened(base, result, images_dir=base / "images")
    assert named.path == image.with_suffix(".json") and named.what == "your correction"
    image.with_suffix(".json").unlink()
    # One's own outlines.
    own = Annotation([Shape("C84-1", TRIANGLE)], 96, 96, image.name)
    write_annotation(image.with_suffix(".json"), own)
    found = opened(base, image)
    assert found.path == image.with_suffix(".json") and found.what == "your outlines"
    assert opened(base, result).path == result
    settings = annotate.Annotating(image=image, out_dir=result.parent, source_dir=base / "none")
    assert annotate.offered(found.annotation, settings) == ["C84"]
    prediction = read_annotation(result)
    assert annotate.offered(prediction, settings) == ["C60", "C70", "C84"]
    assert annotate.offered(None, settings) == ["C84"]
    image.with_suffix(".json").unlink()
    assert annotate.offered(None, settings) == ["C60", "C70"]
    # The drawing, for the prediction; and no copy of a step.
    assert opened(base, result.with_suffix(".png")).path == result
    own.extra["derived"] = {"step": "geo"}
    write_image(base / "aug_test_in" / "cut(15).png", textured(96, 96, 5))
    write_annotation(base / "aug_test_in" / "cut(15).json", own)
    with pytest.raises(InputError, match="is a copy that a step made; open the image"):
        opened(base, base / "aug_test_in" / "cut(15).png")
    # The prediction of another image of this name.
    write_image(image, textured(96, 96, 6))
    assert opened(base, image).path == image
    with pytest.raises(InputError, match="there is no such file"):
        annotate.main(image=base / "images" / "none.png")


def test_labelme_shows_the_class_in_the_colours_of_the_report(base, monkeypatch):
    """Also of labels with numbers; the user's own settings of labelme stay, and win."""
    image = base / "aug_test_in" / "own.png"
    image.parent.mkdir()
    write_image(image, textured(80, 90, 3))
    places = [SQUARE, SQUARE + [25, 0], SQUARE + [0, 25]]
    shapes = [Shape(label, p) for label, p in zip(["A1", "B1", "A2"], places, strict=True)]
    write_annotation(image.with_suffix(".json"), Annotation(shapes, 80, 90, image.name))
    first, second, third = (list(colour) for colour in class_colours(3))
    settings = base / "home" / ".labelmerc"
    settings.parent.mkdir()
    settings.write_text("auto_save: true\nlabel_dock:\n  show: true\n", encoding="utf-8")
    seen = door(base, "aug_test_in/own.png", [])
    assert seen["colours"] == [first, second, first]
    if sys.platform == "linux":  # what Qt keeps of the window is not lost at the end
        assert (base / "home" / "labelme" / "labelme.conf").is_file()
    assert seen["labels"][:2] == ["A", "B"]
    assert annotate.label_colours(["A", "B"], None)[""] == tuple(third)
    monkeypatch.setattr(labelme_program, "OWN_SETTINGS", settings)
    colours = {"A": (1, 2, 3), "C\u2086\u2080": (4, 5, 6)}
    assert labelme_program.settings_with(colours).startswith(b"auto_save: true\nlabel_dock:")
    for mine in ("# mine\nshape_color:\n", "{auto_save: false}"):
        settings.write_text(mine, encoding="utf-8")
        assert labelme_program.settings_with(colours) == b""


def test_qt_is_not_led_to_the_plugins_of_opencv(monkeypatch):
    """What `import cv2` of the wheel with windows leaves behind, in our own process."""
    monkeypatch.setenv("QT_QPA_PLATFORM_PLUGIN_PATH", "/x/site-packages/cv2/qt/plugins")
    monkeypatch.setenv("QT_QPA_FONTDIR", "/home/me/fonts")
    values = labelme_program.environment()
    assert "QT_QPA_PLATFORM_PLUGIN_PATH" not in values
    assert values["QT_QPA_FONTDIR"] == "/home/me/fonts"


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("qt.qpa.xcb: could not connect to display", "there is no screen here"),
        ('Could not load the Qt platform plugin "xcb"', "sudo apt install libxcb-icccm4"),
        ("ValueError: Unexpected key in config: x", "Unexpected key in config: x"),
    ],
)
def test_a_labelme_that_does_not_start_is_one_sentence(monkeypatch, tmp_path, said, answer):
    script = f"import sys; print({said!r}, file=sys.stderr); sys.exit(3)"
    monkeypatch.setattr(labelme_program, "program", lambda: [sys.executable, "-c", script])
    with pytest.raises(InputError, match="labelme ended with status 3") as error:
        labelme_program.run_labelme(tmp_path / "a.png", ["a, b"], ["partial"])
    assert answer in str(error.value) and len(str(error.value).splitlines()) == 1


def test_without_labelme_it_is_one_sentence(monkeypatch):
    monkeypatch.setattr(labelme_program.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="labelme is not installed"):
        labelme_program.program()


def test_the_real_labelme_takes_class_names_with_commas(base):
    write_image(base / "a.png", textured(50, 60))
    names = ["1,3-diol", "C\u2086\u2080"]
    command = ["-m", "spm.annotate", "a.png", "--class-names", *names]
    seen = run_driven(command, [["draw", SQUARE.tolist(), names[0]]], base, cwd=base)
    assert seen["labels"] == names and labels(base / "a.json") == [names[0]]


def test_a_labelme_that_meets_no_screen(base, monkeypatch):
    """The real one: Qt's own words."""
    pytest.importorskip("importlib.util").find_spec("labelme") or pytest.skip("no labelme")
    if sys.platform != "linux":
        pytest.skip("Qt's screens under Linux")
    write_image(base / "a.png", textured(50, 60))
    without = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run(
        [sys.executable, "-m", "spm.annotate", "a.png"], cwd=base, capture_output=True, text=True,
        env=without | {"HOME": str(base), "QT_QPA_PLATFORM": "xcb"}, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: a.png: labelme ended with status"), json.dumps(line)
