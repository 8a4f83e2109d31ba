"""Annotations as labelme 5 and 6, AnyLabeling and people's keyboards write them."""

import base64
import json

import numpy as np
import pytest
from annotated import SQUARE, TRIANGLE, textured

from spm.errors import InputError
from spm.io.images import encode_png, write_image
from spm.structures.annotation import (
    check_annotation,
    iter_annotations,
    read_annotation,
    write_annotation,
)
from spm.structures.classes import Classes
from spm.structures.instance_masks import instance_masks, shape_masks
from spm.structures.labels_together import without_number
from spm.structures.shape import outline, region, region_area

CLASSES = ["003a", "020a", "C₆₀"]


def item(points=TRIANGLE, label="A1", kind="polygon", **more):
    """A shape as labelme 6.3 writes it."""
    return {
        "label": label, "points": np.asarray(points, float).tolist(), "group_id": None,
        "description": "", "shape_type": kind, "flags": {}, "mask": None,
    } | more  # fmt: skip


def mask_item(mask, left=0, top=0, label="A1", **more):
    height, width = np.shape(mask)
    png = base64.b64encode(encode_png(np.asarray(mask, np.uint8) * 255)).decode()
    corners = [(left, top), (left + width - 1, top + height - 1)]
    return item(corners, label, "mask", mask=png, **more)


def read(folder, *shapes, **changes):
    data = {
        "version": "6.3.1", "flags": {}, "shapes": list(shapes), "imagePath": "a.png",
        "imageData": None, "imageHeight": 40, "imageWidth": 64,
    } | changes  # fmt: skip
    (folder / "a.json").write_text(json.dumps(data), encoding="utf-8")
    return read_annotation(folder / "a.json")


# --- types of shapes ---------------------------------------------------------------------------

TURNED = np.array([(20.0, 5.0), (30.0, 15.0), (20.0, 25.0), (10.0, 15.0)])


@pytest.mark.parametrize(
    ("kind", "points"),
    [
        ("oriented_rectangle", TURNED),  # labelme 6.3
        ("rotation", TURNED),  # AnyLabeling, with its key `direction`
        ("quadrilateral", TURNED),
        ("rectangle", TURNED),  # AnyLabeling: four corners instead of two
        ("linestrip", np.vstack([TURNED, TURNED[:1]])),
        ("linestrip", np.vstack([TURNED, TURNED[:1] + 0.7])),
    ],
)
def test_four_corners_are_a_polygon(tmp_path, kind, points):
    annotation = read(tmp_path, item(points, kind=kind, direction=0.7))
    assert check_annotation(annotation.classified(["A"])) == []
    assert region_area(annotation.shapes[0]) == pytest.approx(200, abs=8)
    write_annotation(tmp_path / "again.json", annotation)
    (written,) = json.loads((tmp_path / "again.json").read_text("utf-8"))["shapes"]
    assert written["shape_type"] == "polygon"  # every version of labelme opens it


def test_two_corners_are_a_rectangle_and_an_open_line_is_named(tmp_path):
    annotation = read(tmp_path, item([(4, 5), (10, 9)], kind="rectangle"))
    assert region_area(annotation.shapes[0]) == 24
    for kind, problem in {
        "linestrip": "is an open line", "line": "is a line", "point": "is a point",
        "points": "is a set of points", "cuboid": "the unknown type 'cuboid'",
    }.items():  # fmt: skip
        annotation = read(tmp_path, item(kind=kind))
        assert problem in "".join(check_annotation(annotation))


# --- molecules in several parts ----------------------------------------------------------------


def test_outlines_of_one_label_and_group_are_one_molecule(tmp_path):
    small = TRIANGLE / 4 + 40
    annotation = read(
        tmp_path,
        item(small, "A1", group_id=1), item(SQUARE, "B1", group_id=1),
        item(TRIANGLE, "A1", group_id=1),
        item(SQUARE - 10, "A2", group_id=2), item(SQUARE + 5, "A2"),
    )  # fmt: skip
    assert [shape.label for shape in annotation.shapes] == ["A1", "B1", "A2", "A2"]
    molecule = annotation.shapes[0]
    assert np.array_equal(outline(molecule), TRIANGLE) and len(molecule.parts) == 1
    alone = read(tmp_path, item(small), item(TRIANGLE))
    first, second = (mask.full(40, 64) for mask in shape_masks(alone))
    assert (shape_masks(annotation)[0].full(40, 64) == first | second).all()
    assert region_area(molecule) == pytest.approx(sum(map(region_area, alone.shapes)))


def test_overlapping_parts_are_joined(tmp_path):
    annotation = read(tmp_path, item(SQUARE, group_id=3), item(SQUARE - (8, 0), group_id=3))
    (molecule,) = annotation.shapes
    assert shape_masks(annotation)[0].area == 24 * 16
    assert region_area(molecule) == 24 * 16


def test_parts_come_back_as_they_were_and_each_is_checked(tmp_path):
    annotation = read(
        tmp_path, item(TRIANGLE / 4 + 40, group_id=1), item(group_id=1), item(SQUARE, "B1")
    )
    write_annotation(tmp_path / "again.json", annotation)
    again = read_annotation(tmp_path / "again.json")
    assert np.array_equal(instance_masks(again), instance_masks(annotation))
    assert [s["group_id"] for s in json.loads((tmp_path / "again.json").read_text())["shapes"]] == [
        1, 1, None,
    ]  # fmt: skip
    annotation = read(
        tmp_path, item(group_id=1), item(SQUARE, "B1"), item(TRIANGLE + 90, group_id=1)
    )
    (problem,) = check_annotation(annotation.classified(["A", "B"]))
    assert "shape 3 ('A1') reaches" in problem  # the number that labelme's list shows


def test_a_group_number_for_everything_is_no_molecule(tmp_path):
    """Some converters write group_id 0 for every shape."""
    shapes = [item(TRIANGLE / 4 + (k * 5, 2), "A", group_id=0) for k in range(9)]
    (problem,) = check_annotation(read(tmp_path, *shapes).classified(["A"]))
    assert "joins 9 outlines 'A' into one molecule" in problem


def test_a_mask_in_pieces_with_a_hole(tmp_path):
    mask = np.zeros((20, 30), bool)
    mask[:11, :20] = True
    mask[3:6, 3:6] = False
    mask[14:, 24:] = True
    annotation = read(tmp_path, mask_item(mask, 5, 7))
    (shape,) = annotation.shapes
    assert check_annotation(annotation.classified(["A"])) == []
    assert (shape_masks(annotation)[0].full(40, 64)[7:27, 5:35] == mask).all()
    assert region_area(shape) == mask.sum()
    assert region(shape).min(axis=0).tolist() == [5, 7]


# --- flags -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["partial", "Partial", " PARTIAL"])
def test_partial_in_any_case_of_the_image_or_of_an_outline(tmp_path, name):
    assert read(tmp_path, item(), flags={name: True}).partial
    assert not read(tmp_path, item(), flags={name: False}).partial
    assert read(tmp_path, item(), item(SQUARE, flags={name: True})).partial
    assert read(tmp_path, item(group_id=1), item(SQUARE, group_id=1, flags={name: True})).partial
    assert read(tmp_path, item(), **{name: True}).partial


# --- labels ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "label",
    [
        "003a\u00a012", "003a１２", "\u200b003a12", "003a\u200b 12", "００３ａ12", "003a\u201112",
        "003a\u3000\u200d12", " 003a_12\u00a0", "\ufeff003a12",
    ],
)  # fmt: skip
def test_labels_that_look_the_same_are_the_same(tmp_path, label):
    annotation = read(tmp_path, item(label=label))
    assert check_annotation(annotation.classified(CLASSES)) == []
    assert (
        Classes.of(CLASSES).class_of(annotation.shapes[0].label)
        == Classes.of(CLASSES).class_of(label)
        == "003a"
    )


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("003\u043012", r"it has '\u0430' \(CYRILLIC SMALL LETTER A\); did you mean 003a\?"),
        ("003A12", r"did you mean 003a\?"),
        ("O03a1", r"did you mean 003a\?"),
        ("003a\u0661", r"it has '\u0661' \(ARABIC-INDIC DIGIT ONE\); did you mean 003a\?"),
        ("molecule", "; correct the label or add its class"),
    ],
)
def test_what_an_unknown_label_may_mean(label, said):
    with pytest.raises(ValueError, match=said):
        Classes.of(CLASSES).class_of(label)


def test_formulas_stay_what_they_are():
    assert Classes.of(CLASSES).class_of("C₆₀ 4") == "C₆₀"
    assert without_number("C₆₀") == without_number("C₆₀-4") == "C₆₀"
    assert "twice" in Classes(["A", "Ａ"]).problems()[0]


def test_a_label_that_is_a_number(tmp_path):
    assert Classes(["3"]).class_of(read(tmp_path, item(label=3)).shapes[0].label) == "3"
    with pytest.raises(InputError, match=r"has the label 3\.5, which is no text"):
        read(tmp_path, item(label=3.5))


# --- files -------------------------------------------------------------------------------------


def test_line_breaks_in_base64(tmp_path):
    image = textured(40, 64)
    text = base64.encodebytes(encode_png(image)).decode()
    assert "\n" in text
    mask = base64.encodebytes(encode_png(np.full((40, 64), 255, np.uint8))).decode()
    shape = item([(0, 0), (63, 39)], kind="mask", mask=mask)
    annotation = read(tmp_path, shape, imageData=text)
    assert np.array_equal(annotation.read_image(), image)
    assert shape_masks(annotation)[0].area == 40 * 64


def test_an_image_whose_name_differs_by_case(tmp_path):
    write_image(tmp_path / "a.tif", textured(40, 64))
    (tmp_path / "a.tif").rename(tmp_path / "A.Tif")
    for name in ("a.tif", "A.TIF"):
        assert read(tmp_path, item(), imagePath=name).image_path().name == "A.Tif"
    (tmp_path / "A.Tif").rename(tmp_path / "a.Tif")
    assert read(tmp_path, item(), imagePath="gone.png").image_path().name == "a.Tif"


def test_the_notes_of_our_converter_are_no_annotation(tmp_path):
    read(tmp_path, item())
    note = {"source": "a.sxm", "channel": "Z", "levelling": "both", "colour_map": "hot"}
    (tmp_path / "a_convert.json").write_text(json.dumps(note))
    write_image(tmp_path / "b.png", textured(4, 4))
    (tmp_path / "b_convert.json").write_bytes(b"{damaged")
    (tmp_path / "c_convert.json").write_text((tmp_path / "a.json").read_text())
    (tmp_path / "d_convert.json").write_bytes(b"{damaged")  # of no image: said
    names = [path.name for path in iter_annotations(tmp_path)]
    assert names == ["a.json", "c_convert.json", "d_convert.json"]


OTHERS = {
    "COCO": (
        {"images": [], "annotations": [], "categories": []},
        r"COCO file.*import_coco a\.json",
    ),
    "VIA 2": ({"_via_settings": {}, "_via_img_metadata": {}}, r"\(VIA\); export.*import_coco"),
    "VIA 2, annotations": ({"a.png9": {"filename": "a.png", "regions": []}}, r"\(VIA\)"),
    "QuPath": ({"type": "FeatureCollection", "features": []}, "QuPath"),
    "QuPath, a list": ([{"type": "Feature", "geometry": {}}], "QuPath"),
    "VIA 3": ({"project": {}, "config": {}, "file": {}, "metadata": {}, "view": {}}, "VIA. 3; ex"),
    "V7 Darwin": ({"version": "2.0", "item": {}, "annotations": []}, "Darwin; export"),
    "Roboflow, answers": ({"predictions": [], "image": {}}, "a model at Roboflow; upload"),
    "Label Studio, short": ([{"id": 1, "image": "a.png", "label": []}], "JSON_MIN.*; export"),
    "Labelbox": ([{"data_row": {}, "projects": {}}], "Labelbox; export"),
    "COCO, results": ([{"image_id": 1, "category_id": 1, "score": 0.9}], "results in COCO's form"),
    "Label Studio": ([{"id": 1, "data": {}, "annotations": []}], "Label Studio; export"),
    "Datumaro": ({"info": {}, "categories": {}, "items": []}, "CVAT"),
    "CreateML": ([{"image": "a.png", "annotations": []}], "Roboflow"),
    "Supervisely": ({"description": "", "size": {}, "objects": []}, "Supervisely"),
    "unknown": ({"a": 1}, "no list of shapes.*take it out of the folder"),
}


@pytest.mark.parametrize(("data", "said"), OTHERS.values(), ids=OTHERS)
def test_files_of_other_programs_are_named_with_the_way(tmp_path, data, said):
    (tmp_path / "a.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match=said):
        read_annotation(tmp_path / "a.json")
