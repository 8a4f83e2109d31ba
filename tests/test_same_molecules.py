"""Whatever the annotation: the molecules that `--check` counts are those that the L1 step moves,
that are drawn, trained on, evaluated and exported; or every one of these refuses it.

Run it longer with `FUZZ_EXAMPLES=1000 python -m pytest tests/test_same_molecules.py`.
"""

import base64
import json
import os
from collections import Counter

import numpy as np
import pytest
from annotated import textured
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

import pre_draw_mask
from Images_Augmentation import geo_aug_img_json
from Images_Augmentation.online_aug import Scene
from spm import exports
from spm.checks import preflight
from spm.dataset.annotated_images import digest_of, outlined_sources
from spm.dataset.index import load_masks, read_index
from spm.errors import InputError
from spm.evaluation.instances import from_annotation, from_prediction
from spm.io.images import encode_png, write_image
from spm.similarity.outlined_crops import cut_crops
from spm.structures.annotation import read_annotation
from spm.structures.classes import ClassChoice, Classes

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "40"))
HEIGHT, WIDTH = 40, 64
CLASSES = ["A", "B"]
UNMOVED = np.array([[1.0, 0, 0], [0, 1, 0]])

x, y = st.integers(2, WIDTH - 3), st.integers(2, HEIGHT - 3)
side = st.floats(0.5, 14)
label = st.sampled_from(["A1", "A1", "A2", "B1", "B1", "Ａ３", "A\u00a04"])
group = st.sampled_from([None, None, 1, 2])


@st.composite
def drawn(draw):
    """A shape as labelme 6 or AnyLabeling writes it, most of them sensible."""
    kind = draw(
        st.sampled_from(
            ["polygon", "polygon", "rectangle", "circle", "mask", "oriented_rectangle", "rotation",
             "linestrip", "line"]
        )
    )  # fmt: skip
    left, top = draw(x), draw(y)
    corner = np.array([left, top], float)
    item = {"label": draw(label), "group_id": draw(group), "flags": {}, "shape_type": kind}
    if kind == "mask":
        mask = np.array(draw(st.lists(st.lists(st.booleans(), min_size=6, max_size=6),
                                      min_size=1, max_size=6)))  # fmt: skip
        item["mask"] = base64.b64encode(encode_png(mask.astype(np.uint8) * 255)).decode()
        points = [corner, corner + (mask.shape[1] - 1, mask.shape[0] - 1)]
    elif kind in ("rectangle", "circle", "line"):
        points = [corner, corner + (draw(side), draw(side))]
    else:
        angles = np.sort([draw(st.floats(0, 1)) + k * np.pi / 2 for k in range(4)])
        points = corner + np.stack([np.cos(angles), np.sin(angles)], 1) * draw(side)
        if kind == "linestrip":
            points = np.vstack([points, points[:1]])
    return item | {"points": np.asarray(points, float).tolist()}


def refused(call):
    """Return what a call gives, None when it refuses the annotation with a sentence."""
    try:
        return call()
    except InputError as error:
        assert str(error)
        return None


@pytest.fixture(scope="module")
def image():
    return textured(HEIGHT, WIDTH)


@settings(max_examples=EXAMPLES,
          suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
@given(st.lists(drawn(), max_size=5))
def test_every_door_sees_the_same_molecules(tmp_path_factory, shapes):
    image = textured(HEIGHT, WIDTH)
    base = tmp_path_factory.mktemp("doors")
    folder = base / "in"
    folder.mkdir()
    write_image(folder / "a.png", image)
    data = {
        "version": "6.3.1", "flags": {}, "shapes": shapes, "imagePath": "a.png",
        "imageData": None, "imageHeight": HEIGHT, "imageWidth": WIDTH,
    }  # fmt: skip
    (folder / "a.json").write_text(json.dumps(data), encoding="utf-8")

    findings = preflight.look(folder, folder, ClassChoice(CLASSES))
    counted = findings.counts
    bad = bool(findings.problems) and "no molecule is outlined" not in findings.problems[0]

    annotation = read_annotation(folder / "a.json")
    sources = refused(lambda: outlined_sources(folder))
    truths = refused(lambda: from_annotation(annotation.classified(CLASSES)))
    crops = refused(lambda: cut_crops([folder / "a.json"], ClassChoice(CLASSES)))
    settings_of = {"in_dir": folder, "workers": 1}
    moved = refused(lambda: geo_aug_img_json.main(**settings_of, angles=[90], flips=[]))
    cache = base / "cache"
    masks = refused(lambda: pre_draw_mask.main(**settings_of, out_dir=cache, class_names=CLASSES))
    doors = {"training": sources, "evaluation": truths, "t-SNE": crops, "L1": moved, "masks": masks}
    assert {name for name, found in doors.items() if found is None} == (
        set(doors) if bad else set()
    )
    event("refused" if bad else f"taken, {sum(counted.values())} molecules")
    if bad:
        return

    (source,) = sources
    names = [Classes.of(CLASSES).class_of(one) for one in source.labels]
    assert dict(Counter(names)) == {name: n for name, n in counted.items() if n}
    planes = source.read_masks()
    assert planes.any(axis=(0, 1)).all()  # no molecule without a pixel

    entries = {entry.file: entry for entry in read_index(cache)}
    assert [entry.labels for entry in entries.values()] == [source.labels] * 2
    assert np.array_equal(load_masks(entries["a.json"].masks), planes)
    turned = load_masks(next(e for name, e in entries.items() if name != "a.json").masks)
    assert np.allclose(turned.sum(axis=(0, 1)), planes.sum(axis=(0, 1)), rtol=0.25, atol=9)

    scene = Scene(image, source.read_outlines(), np.ones(len(names), int))
    seen = dict(scene.moved_masks(UNMOVED, 64))
    assert list(seen) == list(range(len(names)))
    for k, mask in seen.items():
        wrong = np.count_nonzero(mask[:HEIGHT, :WIDTH] != planes[:, :, k])
        assert wrong <= (0.2 * planes[:, :, k].sum() + 9 if annotation.shapes[k].parts else 0)
    assert digest_of(sources)

    assert [truth.class_name for truth in truths] == names
    for found in (truths, from_prediction(annotation.classified(CLASSES))):
        full = [instance.mask.full(HEIGHT, WIDTH) for instance in found]
        assert all(np.array_equal(m, planes[:, :, k]) for k, m in enumerate(full))
    assert [crop.class_name for crop in crops] == names

    coco = exports.coco_dataset([annotation], CLASSES)
    assert [CLASSES[e["category_id"] - 1] for e in coco["annotations"]] == names
    labels = exports.label_array(annotation)
    for k in range(len(names)):  # where molecules overlap the later one wins
        on_top = planes[:, :, k] & ~planes[:, :, k + 1 :].any(axis=2)
        assert np.array_equal(labels == k + 1, on_top)


def test_a_bad_outline_stops_a_training_that_nobody_checked(tmp_path, image):
    """train_test.py alone, AUGMENT = "online": no traceback of an outline that is a point."""
    write_image(tmp_path / "a.png", image)
    shape = {"label": "A1", "points": [[3, 3]], "shape_type": "point"}
    data = {"shapes": [shape], "imagePath": "a.png", "imageHeight": HEIGHT, "imageWidth": WIDTH}
    (tmp_path / "a.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match="is a point, which encloses no area"):
        outlined_sources(tmp_path)
