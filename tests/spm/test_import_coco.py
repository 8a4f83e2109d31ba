"""COCO files of pycocotools, of our own export, and as CVAT and Roboflow write them."""

import json

import numpy as np
import pytest
from annotated import put, textured
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spm import exports, import_coco
from spm.errors import InputError
from spm.io.images import write_image
from spm.structures.annotation import (
    Annotation,
    check_annotation,
    read_annotation,
    write_annotation,
)
from spm.structures.instance_masks import instance_masks
from spm.structures.shape import Shape, region_area

SIZE = (40, 64)


def save(path, entries, **image):
    data = {
        "images": [{"id": 7, "file_name": "a.png", "height": 40, "width": 64} | image],
        "categories": [
            {"id": 0, "name": "molecules", "supercategory": "none"},  # as Roboflow writes first
            {"id": 1, "name": "003a", "supercategory": "molecules"},
            {"id": 3, "name": "13", "supercategory": "molecules"},
        ],
        "annotations": [
            {"id": k, "image_id": 7, "category_id": 1, "iscrowd": 0} | entry
            for k, entry in enumerate(entries)
        ],
    }  # fmt: skip
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


SQUARE = [4, 4, 14, 4, 14, 14, 4, 14]


def test_polygons_parts_boxes_and_masks(tmp_path, capsys):
    counts = [0] * 5
    counts = [40 * 10 + 5, 6, 34, 6, 40 * 64 - 40 * 10 - 51]  # two columns of six pixels
    path = save(
        tmp_path / "instances.json",
        [
            {"segmentation": [SQUARE], "bbox": [4, 4, 10, 10]},
            {"segmentation": [SQUARE, [20, 20, 30, 20, 30, 30]], "score": 0.5},
            {"segmentation": [], "bbox": [40, 3.5, 6, 5], "category_id": 3},
            # CVAT writes what was painted as an uncompressed mask with iscrowd 1.
            {"segmentation": {"size": [40, 64], "counts": counts}, "iscrowd": 1, "category_id": 3},
        ],
        file_name="sub/folder\\a.png",
    )
    write_image(tmp_path / "a.png", textured(*SIZE))
    assert import_coco.main(files=[path], out=tmp_path) == 0
    assert "1 annotations are marked iscrowd" in capsys.readouterr().err
    annotation = read_annotation(tmp_path / "a.json")
    assert [s.label for s in annotation.shapes] == ["003a1", "003a2", "13-1", "13-2"]
    assert check_annotation(annotation.classified(["003a", "13"])) == []
    assert [region_area(s) for s in annotation.shapes] == [100, 150, 30, 12]
    assert annotation.read_image().shape == (*SIZE, 3)
    assert annotation.shapes[1].extra == {"score": 0.5}
    mask = instance_masks(annotation)[:, :, 3]
    assert mask[5:11, 10:12].all() and mask.sum() == 12


def test_our_own_export_comes_back(tmp_path):
    put(tmp_path, "cut")
    exports.main(files=[tmp_path / "cut.json"], formats=["coco"])
    before = read_annotation(tmp_path / "cut.json")
    with pytest.raises(InputError, match=r"cut\.json: is there already"):
        import_coco.main(files=[tmp_path / "cut_coco.json"], out=tmp_path)
    import_coco.main(files=[tmp_path / "cut_coco.json"], out=tmp_path, force=True)
    after = read_annotation(tmp_path / "cut.json")
    assert np.array_equal(instance_masks(before), instance_masks(after))
    assert [s.label for s in after.shapes] == ["A1", "B1"]


def test_a_mask_with_holes_and_pieces_comes_back_pixel_by_pixel(tmp_path):
    mask = np.zeros((20, 30), bool)
    mask[:15, :16] = True
    mask[3:6, 3:6] = mask[9:11, 2:12] = False
    mask[18:, 24:] = True
    shape = Shape("A1", np.array([(3.0, 5.0), (32.0, 24.0)]), "mask", mask=mask)
    write_annotation(tmp_path / "a.json", Annotation([shape], *SIZE, "a.png"))
    exports.main(files=[tmp_path / "a.json"], formats=["coco"], out=tmp_path)
    import_coco.main(files=[tmp_path / "a_coco.json"], out=tmp_path / "in")
    back = read_annotation(tmp_path / "in" / "a.json")
    assert check_annotation(back.classified(["A"])) == []
    before = instance_masks(read_annotation(tmp_path / "a.json"))
    assert np.array_equal(instance_masks(back), before)


@given(hnp.arrays(bool, st.tuples(st.integers(1, 30), st.integers(1, 40))))
def test_any_mask_packed_by_pycocotools(mask):
    coco = pytest.importorskip("pycocotools.mask")
    runs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    for counts in (runs["counts"], runs["counts"].decode("ascii")):
        made = {"size": runs["size"], "counts": counts}
        assert np.array_equal(import_coco.decode_runs(made, mask.shape, "a"), mask)


def test_what_does_not_fit_is_one_sentence(tmp_path):
    cases = [
        ([{"segmentation": [SQUARE], "category_id": 9}], r"not a whole COCO file \(KeyError: 9"),
        ([{"segmentation": [SQUARE], "image_id": 9}], "not a whole COCO file"),
        ([{"segmentation": {"size": [9, 9], "counts": [81]}}], "does not fit the image's size"),
        ([{"segmentation": {"size": [40, 64], "counts": [2560]}}], "annotation 0 is empty; delete"),
        ([{"segmentation": [[1, 2, 3]]}], "not a whole COCO file"),
        ([], "nothing to import"),
    ]
    for entries, said in cases:
        with pytest.raises(InputError, match=said):
            import_coco.main(files=[save(tmp_path / "c.json", entries)], out=tmp_path / "out")
    for text, said in {
        "{": "not valid JSON", "[]": "is not a COCO file of instances", "": "not valid JSON",
    }.items():  # fmt: skip
        (tmp_path / "c.json").write_text(text)
        with pytest.raises(InputError, match=said):
            import_coco.main(files=[tmp_path / "c.json"], out=tmp_path / "out")
    with pytest.raises(InputError, match="cannot be read"):
        import_coco.main(files=[tmp_path / "gone.json"], out=tmp_path / "out")
    with pytest.raises(InputError, match="name the COCO files"):
        import_coco.main(files=[])
    first, second = (
        save(tmp_path / name, [{"segmentation": [SQUARE]}]) for name in ("c.json", "d.json")
    )
    with pytest.raises(InputError, match="two images are called a"):
        import_coco.main(files=[first, second], out=tmp_path / "out")
    assert not list(tmp_path.glob("out/*.json"))


def test_missing_images_are_told(tmp_path, capsys):
    path = save(tmp_path / "c.json", [{"segmentation": [SQUARE]}])
    import_coco.main(files=[path], out=tmp_path / "in")
    assert "copy the images into" in capsys.readouterr().err
