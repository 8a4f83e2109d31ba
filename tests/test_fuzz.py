"""Fuzzing: arbitrary values in every field of an annotation, arbitrary bytes, arbitrary geometry.

Run it longer with `FUZZ_EXAMPLES=20000 python -m pytest tests/test_fuzz.py`.
"""

import json
import os
import warnings

import numpy as np
import pytest
from annotated import SQUARE, TRIANGLE, textured
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from Images_Augmentation import geo_aug_img_json
from spm.errors import InputError
from spm.geometry import affine
from spm.geometry.mask_outline import mask_outline
from spm.geometry.polygon_filling import polygon_mask
from spm.geometry.polygons import polygon_area
from spm.io.images import decode_image, encode_png, write_image
from spm.run.manifest import Manifest
from spm.structures.annotation import (
    check_annotation,
    check_copy,
    read_annotation,
    write_annotation,
)
from spm.structures.classes import Classes
from spm.structures.instance_masks import shape_masks
from spm.structures.shape import outline

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "100"))
fuzz = settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**320), 10**320)
    | st.floats()
    | st.sampled_from(["", "A1", "polygon", "circle", "mask", "\ud800", "../x", "\x00", "iVBORw0K"])
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
number = st.floats(-1e3, 1e3) | st.floats() | st.integers(-(10**30), 10**30)
points = st.lists(st.lists(number, min_size=2, max_size=2), max_size=6) | anything
shape = st.fixed_dictionaries(
    {},
    optional={
        "label": st.sampled_from(["A1", "B2"]) | anything,
        "points": points,
        "shape_type": st.sampled_from(["polygon", "rectangle", "circle", "mask", "line"])
        | anything,
        "group_id": anything,
        "flags": anything,
        "description": anything,
        "mask": anything,
        "score": anything,
    },
)
document = st.fixed_dictionaries(
    {"shapes": st.lists(shape, max_size=4) | anything},
    optional={
        "version": anything,
        "flags": anything,
        "imagePath": st.just("a.png") | anything,
        "imageData": anything,
        "imageHeight": st.just(40) | anything,
        "imageWidth": st.just(64) | anything,
        "derived": st.dictionaries(
            st.sampled_from(["step", "source", "valid", "origin", "moved"]), anything
        )
        | anything,
        "more": anything,
    },
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    write_image(folder / "a.png", textured(40, 64))
    return folder


def take(path):
    """Read an annotation and do with it what the steps do; InputError is the only way out."""
    annotation = read_annotation(path)
    check = check_annotation if annotation.derived is None else check_copy
    if problems := check(annotation):
        raise InputError.joined(problems)
    annotation.check_size()
    image = annotation.read_image()
    assert image.shape[:2] == (annotation.height, annotation.width)
    masks = shape_masks(annotation)
    assert len(masks) == len(annotation.shapes)
    for each in annotation.shapes:
        assert outline(each).shape[1] == 2
        try:
            Classes.of(["A", "B"]).class_of(each.label)
        except ValueError as error:
            assert "belongs to no known class" in str(error)
    # What was read can be written, and is read again as the same.
    again = path.with_name("again.json")
    write_annotation(again, annotation)
    if annotation.image_bytes is None:
        second = read_annotation(again)
        assert [s.label for s in second.shapes] == [s.label for s in annotation.shapes]
        assert second.extra == annotation.extra


@fuzz
@given(document)
def test_any_value_in_any_field(folder, data):
    path = folder / "a.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a warning would be printed among a user's sentences
        try:
            take(path)
        except InputError as error:
            assert str(path) in str(error) or "a.png" in str(error)


GOOD = json.dumps(
    {
        "version": "5.0.1",
        "flags": {},
        "shapes": [
            {"label": "A1", "points": TRIANGLE.tolist(), "shape_type": "polygon", "flags": {}},
            {"label": "B2", "points": SQUARE[::2].tolist(), "shape_type": "rectangle"},
        ],
        "imagePath": "a.png",
        "imageData": None,
        "imageHeight": 40,
        "imageWidth": 64,
    }
).encode()


@fuzz
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.binary(max_size=3)), max_size=6))
def test_an_annotation_with_changed_bytes(folder, changes):
    data = bytearray(GOOD)
    for place, new in changes:
        data[place : place + 1] = new
    path = folder / "bytes.json"
    path.write_bytes(bytes(data))
    try:
        take(path)
    except InputError as error:
        assert "bytes.json" in str(error) or "a.png" in str(error)


PNG = encode_png(textured(12, 17))


@fuzz
@given(st.lists(st.tuples(st.integers(0, len(PNG) - 1), st.binary(max_size=3)), max_size=4))
def test_an_image_with_changed_bytes(changes):
    data = bytearray(PNG)
    for place, new in changes:
        data[place : place + 1] = new
    try:
        image = decode_image(bytes(data), "name.png")
    except InputError as error:
        assert "name.png" in str(error)
    else:
        assert image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8


@fuzz
@given(st.lists(anything | st.dictionaries(st.sampled_from(["name", "digest", "files", "planned"]),
                                           anything), max_size=4))  # fmt: skip
def test_any_manifest(folder, records):
    text = "\n".join(json.dumps(record) for record in records)
    (folder / ".manifest_x.jsonl").write_text(text, encoding="utf-8")
    manifest = Manifest(folder, "x")
    for name in [*manifest.items, *manifest.owned_files()]:
        assert (folder / name).resolve().is_relative_to(folder.resolve())
        assert manifest.untouched(name) in (True, False)


copies = st.lists(
    st.one_of(
        st.floats(0, 360).map(lambda angle: geo_aug_img_json.Copy(angle=angle)),
        st.sampled_from(["lr", "tb"]).map(lambda flip: geo_aug_img_json.Copy(flip=flip)),
        st.floats(0.2, 0.99).map(lambda ratio: geo_aug_img_json.Copy(ratio=ratio)),
    ),
    max_size=4,
)


@fuzz
@given(
    height=st.integers(1, 5000),
    width=st.integers(1, 5000),
    corners=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=12),
    chain=copies,
)
def test_any_polygon_through_any_chain_stays_inside_and_keeps_its_area(
    height, width, corners, chain
):
    polygon = np.array(corners) * (width, height)
    area = polygon_area(polygon)
    for copy in chain:
        matrix, height, width = geo_aug_img_json.map_of(copy, height, width)
        polygon = affine.apply_to_points(matrix, polygon)
        area *= copy.ratio**2
        assert (polygon > -1e-6).all() and (polygon < (width + 1e-6, height + 1e-6)).all()
    assert polygon_area(polygon) == pytest.approx(area, rel=0.02, abs=1e-5)


@fuzz
@given(
    corners=st.lists(st.tuples(st.floats(-90, 160), st.floats(-90, 160)), min_size=3, max_size=12)
)
def test_any_polygon_as_mask_and_back(corners):
    mask = polygon_mask(np.array(corners), 70, 70)
    traced = mask_outline(mask)
    if not mask.any():
        return
    again = polygon_mask(traced, 70, 70)
    assert again.any() and not (again & ~_grown(mask)).any()


def _grown(mask):
    """The mask with its holes filled and one pixel more all round."""
    from scipy import ndimage

    return ndimage.binary_dilation(ndimage.binary_fill_holes(mask), np.ones((3, 3)))
