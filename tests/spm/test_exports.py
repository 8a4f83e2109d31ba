"""Exports, each read back by the library of its own program."""

import contextlib
import io
import json

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spm import exports
from spm.errors import InputError
from spm.geometry.polygon_filling import polygon_mask
from spm.io import pixel_size
from spm.structures.annotation import Annotation, read_annotation, write_annotation
from spm.structures.classes import Classes
from spm.structures.instance_masks import shape_masks
from spm.structures.shape import Shape

HEIGHT, WIDTH = 60, 90


def ellipse(x, y, a, b, n=24):
    angle = np.arange(n) * 2 * np.pi / n
    return np.stack([x + a * np.cos(angle), y + b * np.sin(angle)], axis=1)


def annotation():
    shapes = [
        Shape("003a1", ellipse(20, 30, 12, 8), extra={"score": 0.75}),
        Shape("020a1", ellipse(60.3, 25.7, 9, 15)),
        Shape("003a2", np.array([(80.0, 50.0), (90.0, 50.0), (90.0, 60.0), (80.0, 60.0)])),
        Shape("020a2", np.array([(2.0, 2.0), (12.0, 7.0)]), shape_type="rectangle"),
    ]
    return Annotation(shapes, HEIGHT, WIDTH, "图 [1].png")


def iou(first, second):
    return (first & second).sum() / (first | second).sum()


def test_coco_is_what_pycocotools_reads(tmp_path):
    coco_module = pytest.importorskip("pycocotools.coco")
    one = annotation()
    exports.write_coco(tmp_path / "coco.json", [one, one])
    with contextlib.redirect_stdout(io.StringIO()):
        coco = coco_module.COCO(str(tmp_path / "coco.json"))
    assert [c["name"] for c in coco.loadCats(coco.getCatIds())] == ["003a", "020a"]
    assert len(coco.getImgIds()) == 2
    entries = coco.loadAnns(coco.getAnnIds(imgIds=[2]))
    assert [e["category_id"] for e in entries] == [1, 2, 1, 2]
    assert [e["id"] for e in entries] == [5, 6, 7, 8]
    assert entries[0]["score"] == 0.75 and "score" not in entries[1]
    assert entries[2]["bbox"] == [80, 50, 10, 10] and entries[2]["area"] == 100
    for entry, shape in zip(entries, one.shapes, strict=True):
        mask = coco.annToMask(entry).astype(bool)
        assert iou(mask, polygon_mask(exports.outline(shape), HEIGHT, WIDTH)) > 0.9
    last = coco.annToMask(entries[2])
    assert last[-1, -1] == 1, "the image's last row and column belong to it (pitfall 9)"


def test_imagej_rois_keep_their_corners(tmp_path):
    roifile = pytest.importorskip("roifile")
    exports.write_imagej_rois(tmp_path / "a.zip", annotation())
    exports.write_imagej_rois(tmp_path / "a.zip", annotation())  # replaces, does not append
    rois = roifile.roiread(tmp_path / "a.zip")
    assert [r.name for r in rois] == ["0001-003a1", "0002-020a1", "0003-003a2", "0004-020a2"]
    assert all(r.roitype == roifile.ROI_TYPE.POLYGON for r in rois)
    for roi, shape in zip(rois, annotation().shapes, strict=True):
        assert roi.coordinates() == pytest.approx(exports.outline(shape), abs=1e-4)
    assert rois[0].stroke_color == rois[2].stroke_color != rois[1].stroke_color


def test_label_tiff_with_scale(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    exports.write_label_tiff(tmp_path / "a.tif", annotation(), 0.25)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        labels = file.asarray()
        assert file.imagej_metadata["unit"] == "nm"
        above, below = file.pages[0].tags["XResolution"].value
    assert labels.dtype == np.uint16 and labels.shape == (HEIGHT, WIDTH)
    assert above / below == pytest.approx(4)
    assert sorted(np.unique(labels)) == [0, 1, 2, 3, 4]
    for number, shape in enumerate(annotation().shapes, start=1):
        mask = polygon_mask(exports.outline(shape), HEIGHT, WIDTH)
        assert np.array_equal(labels == number, mask)
    exports.write_label_tiff(tmp_path / "b.tif", annotation())
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert "unit" not in file.imagej_metadata, "no unit is invented"


def test_the_scale_of_a_prediction_goes_along(tmp_path, capsys):
    tifffile = pytest.importorskip("tifffile")
    drawn = annotation()
    drawn.extra[pixel_size.KEY] = 0.05
    write_annotation(tmp_path / "a_predicted.json", drawn)
    exports.main(files=[tmp_path / "a_predicted.json"], formats=["tiff"])
    with tifffile.TiffFile(tmp_path / "a_predicted_labels.tif") as file:
        above, below = file.pages[0].tags["XResolution"].value
    assert above / below == pytest.approx(20)


def mask_shape(label, mask, left, top):
    height, width = mask.shape
    corners = np.array([(left, top), (left + width - 1, top + height - 1)], float)
    return Shape(label, corners, "mask", mask=mask)


def masks():
    """Two pieces of 61 pixels, a ring of 220, a full 16 x 16, one pixel, and a group of two."""
    pieces = np.zeros((8, 20), bool)
    pieces[:6, :6] = True
    pieces[3:8, 12:17] = True
    ring = np.ones((16, 16), bool)
    ring[5:11, 5:11] = False
    square = np.array([(0.0, 0.0), (6.0, 0.0), (6.0, 6.0), (0.0, 6.0)])
    group = Shape("A5", square + (50, 30), group_id=1, parts=(Shape("A5", square + (60, 40)),))
    return Annotation(
        [
            mask_shape("A1", pieces, 2, 3),
            mask_shape("A2", ring, 30, 3),
            mask_shape("A3", np.ones((16, 16), bool), 60, 3),
            mask_shape("A4", np.ones((1, 1), bool), 89, 59),
            group,
        ],
        HEIGHT, WIDTH, "a.png",
    )  # fmt: skip


AREAS = [61, 220, 256, 1, 72]


def test_masks_with_parts_and_holes_keep_every_pixel(tmp_path):
    """In COCO as pycocotools reads it, in the label TIFF, and in ImageJ's ROIs."""
    coco_module = pytest.importorskip("pycocotools.coco")
    roifile, tifffile = pytest.importorskip("roifile"), pytest.importorskip("tifffile")
    made = masks()
    expected = [mask.full(HEIGHT, WIDTH) for mask in shape_masks(made)]
    assert [int(mask.sum()) for mask in expected] == AREAS
    exports.write_coco(tmp_path / "coco.json", [made])
    with contextlib.redirect_stdout(io.StringIO()):
        coco = coco_module.COCO(str(tmp_path / "coco.json"))
    entries = coco.loadAnns(coco.getAnnIds())
    assert [e["area"] for e in entries] == AREAS
    assert [len(e["segmentation"]) for e in entries] == [2, 1, 1, 1, 2]
    for entry, mask in zip(entries, expected, strict=True):
        assert np.array_equal(coco.annToMask(entry), mask)
        assert (
            len(entry["segmentation"][0]) > 4 if isinstance(entry["segmentation"], list) else True
        )
    exports.write_label_tiff(tmp_path / "a.tif", made)
    labels = tifffile.imread(tmp_path / "a.tif")
    assert all(np.array_equal(labels == k, mask) for k, mask in enumerate(expected, start=1))
    exports.write_imagej_rois(tmp_path / "a.zip", made)
    for roi, mask in zip(roifile.roiread(tmp_path / "a.zip"), expected, strict=True):
        assert np.array_equal(polygon_mask(roi.coordinates(), HEIGHT, WIDTH), mask)


@given(hnp.arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14))))
def test_any_mask_is_read_by_pycocotools_pixel_by_pixel(mask):
    coco = pytest.importorskip("pycocotools.mask")
    assume(mask.any())
    height, width = mask.shape
    made = Annotation([mask_shape("A1", mask, 0, 0)], height, width, "a.png")
    (entry,) = exports.coco_dataset([made])["annotations"]
    runs = coco.merge(coco.frPyObjects(entry["segmentation"], height, width))
    assert entry["area"] == mask.sum() and np.array_equal(coco.decode(runs), mask)


def test_rois_of_one_label_have_names_of_their_own(tmp_path):
    roifile = pytest.importorskip("roifile")
    square = np.array([(0.0, 0.0), (6.0, 0.0), (6.0, 6.0)])
    exports.write_imagej_rois(
        tmp_path / "a.zip", Annotation([Shape("A", square + k) for k in range(3)], 20, 20, "a.png")
    )
    rois = roifile.roiread(tmp_path / "a.zip")
    assert len({roi.name for roi in rois}) == 3
    assert [roi.coordinates()[0, 0] for roi in rois] == [0, 1, 2]


def test_more_than_255_molecules():
    places = [(x, y) for y in range(20) for x in range(20)]
    shapes = [
        Shape(f"A{k}", np.array([(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)], float))
        for k, (x, y) in enumerate(places)
    ]
    labels = exports.label_array(Annotation(shapes, 20, 20, "a.png"))
    assert np.array_equal(labels, np.arange(1, 401).reshape(20, 20))
    with pytest.raises(InputError, match="16-bit"):
        exports.label_array(Annotation(shapes * 200, 20, 20, "a.png"))


def test_an_image_without_a_molecule_does_not_stand_in_the_way_of_others(tmp_path):
    pytest.importorskip("roifile")
    bare = Annotation([], HEIGHT, WIDTH, "bare.png")
    for name, one in (("a", annotation()), ("bare", bare), ("empty", bare)):
        write_annotation(tmp_path / f"{name}.json", one)
    files = [tmp_path / "a.json", tmp_path / "bare.json"]
    assert exports.export(files=files, formats=["imagej"]) == [tmp_path / "a_rois.zip"]
    with pytest.raises(InputError, match="no molecule"):
        exports.export(files=[files[1], tmp_path / "empty.json"], formats=["imagej"])


def test_command_writes_all_formats(tmp_path, capsys):
    pytest.importorskip("roifile")
    folder = tmp_path / "Ordner 扫描 [2]"
    folder.mkdir()
    pixel_size.write_scaled_png(folder / "图 [1].png", np.zeros((HEIGHT, WIDTH, 3), np.uint8), 0.5)
    write_annotation(folder / "a_predicted.json", annotation())
    write_annotation(folder / "b.json", annotation())
    with pytest.raises(SystemExit) as left:
        exports.command_line.run(exports.main, [str(folder / "a_predicted.json")])
    assert left.value.code == 0
    names = [line.rpartition("a_predicted_")[2] for line in capsys.readouterr().out.splitlines()]
    assert names == ["rois.zip", "labels.tif", "coco.json"]
    import tifffile

    with tifffile.TiffFile(folder / "a_predicted_labels.tif") as file:
        assert file.imagej_metadata["unit"] == "nm", "the scale of the PNG beside the JSON"
    files = [folder / "a_predicted.json", folder / "b.json"]
    exports.main(files=files, formats=["coco"], out=tmp_path / "out")
    stored = json.loads((tmp_path / "out" / "coco.json").read_text(encoding="utf-8"))
    assert len(stored["images"]) == 2
    assert stored["images"][0]["file_name"] == "图 [1].png"


def test_real_annotation(shared_data, tmp_path):
    coco_module = pytest.importorskip("pycocotools.coco")
    real = read_annotation(shared_data / "stm" / "00-cut.json")
    exports.write_coco(tmp_path / "a.json", [real])
    with contextlib.redirect_stdout(io.StringIO()):
        coco = coco_module.COCO(str(tmp_path / "a.json"))
    counts = {c["name"]: len(coco.getAnnIds(catIds=[c["id"]])) for c in coco.dataset["categories"]}
    assert counts == {"003a": 8, "020a": 14}


def test_classes_from_labels():
    assert list(Classes.from_labels(["003a1", "003a12", "molecule A 3", "13-2", "7"])) == [
        "003a",
        "7",
        "13",
        "molecule A",
    ]


def test_classes_of_a_prediction_are_those_that_it_states(tmp_path):
    """`C60` is a class of its own, not number 60 of a class C; what a user adds is one too."""
    square = np.array([(2.0, 2.0), (9.0, 2.0), (9.0, 9.0), (2.0, 9.0)])
    shapes = [Shape(label, square) for label in ("C60", "C70", "C60-3", "rod 2")]
    stated = Annotation(shapes, 20, 20, "a.png", extra={"class_names": ["C60", "C70", "C84"]})
    write_annotation(tmp_path / "a.json", stated)
    read = read_annotation(tmp_path / "a.json")
    dataset = exports.coco_dataset([read])
    names = {c["id"]: c["name"] for c in dataset["categories"]}
    assert list(names.values()) == ["C60", "C70", "rod"]
    found = [names[a["category_id"]] for a in dataset["annotations"]]
    assert found == ["C60", "C70", "C60", "rod"]
    assert list(Classes.from_labels(["C60", "C70"])) == ["C"], "without being told"
    for wrong in ("C60", [1, 2], [""], None):
        stated.extra["class_names"] = wrong
        assert stated.class_names == []


def test_wrong_input_is_refused(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="name the JSON files"):
        exports.main(files=[])
    with pytest.raises(InputError, match="formats must be .*'coco', 'imagej' or 'tiff'"):
        exports.main(files=[tmp_path / "a.json"], formats=["svg"])
    with pytest.raises(InputError, match="no known class"):
        exports.coco_dataset([annotation()], ["003a"])
    with pytest.raises(InputError, match="no ROI to write"):
        pytest.importorskip("roifile")
        exports.write_imagej_rois(tmp_path / "a.zip", Annotation([], 5, 5, "a.png"))
    monkeypatch.setitem(__import__("sys").modules, "roifile", None)
    with pytest.raises(InputError, match="python -m pip install roifile$"):
        exports.write_imagej_rois(tmp_path / "a.zip", annotation())
    assert list(tmp_path.iterdir()) == []
