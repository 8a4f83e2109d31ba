"""labelme's JSON: what is read, what is written, what is refused."""

import base64
import json
from dataclasses import replace

import numpy as np
import pytest
from annotated import SQUARE, TRIANGLE, put, textured
from hypothesis import given, settings
from hypothesis import strategies as st

from spm.errors import InputError
from spm.geometry.polygons import polygon_area
from spm.io.images import encode_png, write_image
from spm.structures.annotation import (
    Annotation,
    check_annotation,
    iter_annotations,
    read_annotation,
    write_annotation,
)
from spm.structures.classes import Classes
from spm.structures.shape import Shape, check_shape, outline, titles


def save(path, **changes):
    """Write a version 5 annotation with changed top-level keys; None as a value stays."""
    data = {
        "version": "5.0.1", "flags": {}, "imagePath": "a.png", "imageData": None,
        "imageHeight": 40, "imageWidth": 64,
        "shapes": [
            {"label": "A1", "points": TRIANGLE.tolist(), "group_id": None,
             "shape_type": "polygon", "flags": {}}
        ],
    }  # fmt: skip
    data = {k: v for k, v in (data | changes).items() if v != "drop"}
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def shape(**changes):
    return {"label": "A1", "points": TRIANGLE.tolist(), "shape_type": "polygon"} | changes


def test_round_trip_keeps_everything(tmp_path):
    mask = np.eye(3, 4) > 0
    shapes = [
        Shape("A1", TRIANGLE, flags={"edge": True}, description="d", extra={"score": 0.5}),
        Shape("B1", np.array([(2.0, 3.0), (5.0, 5.0)]), "mask", group_id=4, mask=mask),
    ]
    made = Annotation(shapes, 40, 64, "分子.png", {"partial": True}, extra={"k": [1]})
    write_annotation(tmp_path / "分子 (1).json", made)
    read = read_annotation(tmp_path / "分子 (1).json")
    assert (read.height, read.width, read.image_name) == (40, 64, "分子.png")
    assert read.partial and read.extra == {"k": [1]} and read.derived is None
    first, second = read.shapes
    assert np.array_equal(first.points, TRIANGLE) and first.points.dtype == np.float64
    assert (first.flags, first.description, first.extra) == ({"edge": True}, "d", {"score": 0.5})
    assert second.group_id == 4 and np.array_equal(second.mask, mask)


def test_written_json_is_what_labelme_opens(tmp_path):
    """labelme 6 wants bool flags in shapes, text labels, lists of numbers, and both sizes."""
    put(tmp_path, flags={"derived": True})
    data = json.loads((tmp_path / "cut.json").read_text(encoding="utf-8"))
    assert data["imageData"] is None and data["imagePath"] == "cut.png"
    assert (data["imageHeight"], data["imageWidth"]) == (40, 64)
    for item in data["shapes"]:
        assert {"label", "points", "shape_type", "flags", "group_id"} <= set(item)
        assert all(isinstance(flag, bool) for flag in item["flags"].values())


def test_version_3_without_sizes_types_and_flags(tmp_path):
    write_image(tmp_path / "a.png", textured(40, 64))
    item = {"label": "A1", "points": TRIANGLE.tolist(), "line_color": None, "fill_color": None}
    changes = {"flags": "drop", "imageHeight": "drop", "imageWidth": "drop", "shapes": [item]}
    read = read_annotation(save(tmp_path / "a.json", version="3.4.1", lineColor=[1], **changes))
    assert (read.height, read.width, read.version) == (40, 64, "3.4.1")
    assert read.shapes[0].shape_type == "polygon" and read.extra == {"lineColor": [1]}
    assert read.read_image().shape == (40, 64, 3)


def test_embedded_image_comes_first(tmp_path):
    write_image(tmp_path / "a.png", np.zeros((40, 64, 3), np.uint8))
    inside = textured(40, 64)
    data = base64.b64encode(encode_png(inside)).decode()
    read = read_annotation(save(tmp_path / "a.json", imageData=data))
    assert np.array_equal(read.read_image(), inside)


def test_image_beside_is_found_by_path_or_stem(tmp_path):
    write_image(tmp_path / "a.png", textured(40, 64))
    for name in ("a.png", "gone.png", "", r"..\images\a.png", "C:\\x\\a.png"):
        read = read_annotation(save(tmp_path / "a.json", imagePath=name))
        assert read.read_image().shape == (40, 64, 3)


def test_image_path_never_leads_out_of_the_folder(tmp_path):
    write_image(tmp_path / "secret.png", textured(40, 64))
    inner = tmp_path / "in"
    inner.mkdir()
    for name in ("../secret.png", str(tmp_path / "secret.png"), r"..\secret.png"):
        with pytest.raises(InputError, match="copy the image there"):
            read_annotation(save(inner / "a.json", imagePath=name)).read_image()


def test_other_size_than_the_image_is_refused(tmp_path):
    write_image(tmp_path / "a.png", textured(41, 64))
    with pytest.raises(InputError, match="64 x 41 pixels but the annotation says 64 x 40"):
        read_annotation(save(tmp_path / "a.json")).read_image()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("   \n", "is empty"),
        ("{", "not valid JSON"),
        ("[]", "not a labelme annotation"),
        ("{}", "not a labelme annotation"),
        ('{"shapes": {}}', "not a labelme annotation"),
        ("[" * 100_000, "nested too deeply"),
        ('{"shapes": [5]}', "shape 1 is not an object"),
        ('{"shapes": [{"points": [[1, 2]]}]}', "no label"),
        ('{"shapes": [{"label": "a"}]}', "no points"),
        ('{"shapes": [{"label": "a", "points": []}]}', "no points"),
        ('{"shapes": [{"label": "a", "points": [[1]]}]}', "not pairs of numbers"),
        ('{"shapes": [{"label": "a", "points": [["1", 2]]}]}', "not pairs of numbers"),
        ('{"shapes": [{"label": "a", "points": [[NaN, 2]]}]}', "NaN"),
        ('{"shapes": [{"label": "a", "points": [[1e999, 2]]}]}', "NaN or infinite"),
        ('{"shapes": [], "imageHeight": -1, "imageWidth": 5}', "above 0"),
        ('{"shapes": [], "imageHeight": 4.5, "imageWidth": 5}', "above 0"),
        ('{"shapes": [], "imageHeight": 4, "imageWidth": 5, "imageData": "%"}', "damaged"),
        ('{"shapes": [], "imageHeight": 4, "imageWidth": 5, "imagePath": 7}', "imagePath"),
        ('{"shapes": [], "imagePath": "gone.png"}', "not beside it"),
    ],
)
def test_each_defect_is_a_sentence_with_the_file(tmp_path, text, problem):
    path = tmp_path / "坏 (1).json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=problem) as error:
        read_annotation(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_files_that_are_no_text(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InputError, match="UTF-8"):
        read_annotation(tmp_path / "a.json")
    with pytest.raises(InputError, match="no such annotation"):
        read_annotation(tmp_path / "b.json")


def test_a_byte_order_mark_does_no_harm(tmp_path):
    path = save(tmp_path / "a.json")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_annotation(path).shapes[0].label == "A1"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["label", "points", "shape_type", "mask", "flags", "x"]), inner
        )
    ),
    max_leaves=12,
)
top_keys = ["shapes", "imageData", "imagePath", "imageHeight", "imageWidth", "flags", "version"]


@settings(max_examples=150)
@given(st.dictionaries(st.sampled_from(top_keys), json_values))
def test_any_json_is_read_or_refused_with_a_sentence(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "fuzz.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    try:
        read = read_annotation(path)
    except InputError as error:
        assert str(path) in str(error)
    else:
        assert isinstance(check_annotation(read), list)


def test_outlines_of_all_area_types():
    corners = np.array([(7.0, 9.0), (2.0, 4.0)])
    rectangle = outline(Shape("a", corners, "rectangle"))
    assert rectangle.tolist() == [[2, 4], [7, 4], [7, 9], [2, 9]]
    circle = outline(Shape("a", np.array([(10.0, 10.0), (13.0, 14.0)]), "circle"))
    assert circle.shape == (64, 2)
    assert polygon_area(circle) == pytest.approx(np.pi * 25)
    assert outline(Shape("a", TRIANGLE)) is TRIANGLE
    mask = Shape("a", np.array([(4.0, 2.0), (7.0, 4.0)]), "mask", mask=np.ones((3, 4), bool))
    assert outline(mask).min(axis=0).tolist() == [4, 2]
    assert outline(mask).max(axis=0).tolist() == [8, 5]
    with pytest.raises(ValueError, match="line"):
        outline(Shape("a", corners, "line"))


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("003a1", "003a"), ("003a", "003a"), ("020a14", "020a"), ("molecule A 1", "molecule A"),
        ("molecule A_12", "molecule A"), ("molecule A-3", "molecule A"), ("13", "13"), ("3", "3"),
        ("3 7", "3"), ("27", None), ("130", "13"), ("003a1b", None), ("003a  1", "003a"),
        ("x003a1", None), ("", None), ("003A1", None), ("003a١", None),
    ],
)  # fmt: skip
def test_pitfall_10_labels_match_whole_class_names(label, expected):
    """Pitfall 10: 13 is not class 3 and 27 is not class 7; an unknown label is an error."""
    names = ["3", "7 b", "13", "003a", "020a", "molecule A"]
    if expected is None:
        with pytest.raises(ValueError, match="no known class"):
            Classes.of(names).class_of(label)
    else:
        assert Classes.of(names).class_of(label) == expected


def test_class_names_that_collide():
    assert Classes(["003a", "020a"]).problems() == []
    assert "twice" in Classes(["a", "b", "a"]).problems()[0]
    assert "collide" in Classes(["a", "a1"]).problems()[0]
    assert "empty" in Classes([" "]).problems()[0]
    assert "spaces" in Classes(["a "]).problems()[0]


BOW_TIE = np.array([(5.0, 5.0), (25.0, 25.0), (25.0, 5.0), (5.0, 25.0)])


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        (Shape("", TRIANGLE), "empty label"),
        (Shape("a", TRIANGLE[:2]), "at least 3"),
        (Shape("a", TRIANGLE[:1], "circle"), "needs 2"),
        (Shape("a", TRIANGLE, "linestrip"), "encloses no area"),
        (Shape("a", TRIANGLE + 1000), "out of the image"),
        (Shape("a", TRIANGLE - 1000), "out of the image"),
        (Shape("a", np.array([(1.0, 1), (2, 2), (3, 3)])), "no area"),
        (Shape("a", np.full((2, 2), 5.0), "circle"), "no area"),
        (Shape("a", BOW_TIE), "crosses itself"),
        (Shape("a", np.array([(5.1, 5.1), (5.3, 5.1), (5.2, 5.3)])), "no pixel"),
        (Shape("a", np.array([(1.0, np.nan), (2, 2), (3, 5)])), "NaN"),
        (Shape("a", TRIANGLE[:2], "mask", mask=np.zeros((3, 3), bool)), "empty mask"),
    ],
)
def test_each_senseless_outline_is_named(made, problem):
    problems = check_shape(made, 40, 64)
    assert len(problems) == 1 and problem in problems[0]


def test_sensible_outlines_pass():
    touching = np.array([(0.0, 0), (64, 0), (64, 40), (0, 40)])
    slipped = TRIANGLE.copy()
    slipped[0] = (-1.5, 3)  # a hand slipped over the border
    repeated = np.repeat(TRIANGLE, 2, axis=0)
    for points in (TRIANGLE, SQUARE, touching, slipped, repeated):
        assert check_shape(Shape("a", points), 40, 64) == []


def test_problems_name_file_shape_and_class(tmp_path):
    annotation = put(tmp_path)
    assert check_annotation(annotation.classified(["A", "B"])) == []
    (problem,) = check_annotation(annotation.classified(["A"]))
    assert "cut.json: shape 2 ('B2')" in problem and "(A)" in problem


def test_iter_annotations_is_natural_and_skips_hidden(tmp_path):
    for name in ("a10.json", "a9.JSON", ".a.json", "a.png"):
        (tmp_path / name).write_text("{}")
    assert [path.name for path in iter_annotations(tmp_path)] == ["a9.JSON", "a10.json"]


def test_real_annotation(shared_data):
    read = read_annotation(shared_data / "stm" / "00-cut.json")
    assert len(read.shapes) == 22 and read.read_image().shape == (320, 320, 3)
    assert check_annotation(read.classified(["003a", "020a"])) == []


def test_a_drawn_result_is_never_taken_for_the_image(tmp_path):
    """NAME_predicted.png, with outlines in it, lies beside NAME_predicted.json."""
    annotation = put(tmp_path, "scan_predicted")
    write_annotation(annotation.path, replace(annotation, image_name="../images/scan.png"))
    with pytest.raises(InputError, match=r"its image 'scan\.png' is not beside it"):
        read_annotation(annotation.path).read_image()


def test_messages_tell_outlines_of_one_label_apart():
    shapes = [Shape("A", TRIANGLE), Shape("A", SQUARE), Shape("A1", SQUARE)]
    assert titles(shapes) == ["A at 18, 16", "A at 48, 20", "A1"]


def test_a_file_of_gigabytes_is_refused_before_it_is_read(tmp_path):
    put(tmp_path)
    path = tmp_path / "cut.json"
    with path.open("r+b") as file:
        file.truncate(2 * 10**9)  # takes no disk: the rest is a hole
    with pytest.raises(InputError, match=r"is 2000 MB large, and .* up to 537 MB are read"):
        read_annotation(path)
