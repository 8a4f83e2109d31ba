"""Prediction of whole images with a detector that reads colours, and the script around it."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from colour_detector import CLASSES, blobs, fake, read_colours
from detectors import detections
from PIL import Image

import predict_big_pic
from engine import predict_image
from engine.checkpoints import newest_weights
from spm.errors import InputError
from spm.geometry.cropped_mask import CroppedMask
from spm.geometry.polygon_filling import polygon_mask
from spm.geometry.polygons import polygon_centroid
from spm.inference import predict
from spm.inference.detector import Detections
from spm.inference.nms import Detection
from spm.inference.predict import Settings, find_molecules
from spm.io.images import read_image, write_image
from spm.report.drawing import SMALL
from spm.report.result_files import find_images, output_names, remove_tiles
from spm.structures.annotation import read_annotation
from spm.structures.molecule import annotation_to_molecules


def assert_found(molecules, truth, tolerance=0.5):
    assert len(molecules) == len(truth)
    left = list(molecules)
    for x, y, name in truth:
        best = min(left, key=lambda m: np.hypot(m.centroid[0] - x, m.centroid[1] - y))
        assert np.hypot(best.centroid[0] - x, best.centroid[1] - y) < tolerance
        assert best.class_name == name
        left.remove(best)


@pytest.mark.parametrize("height, width", [(200, 320), (97, 96), (331, 150)])
@pytest.mark.parametrize("scale", [0.8, 1.0, 1.37])
def test_every_molecule_once_whole_and_in_place(height, width, scale):
    """Guards pitfall 14: seams double, cut or move nothing, on images that are not square."""
    image, truth = blobs(height, width)
    molecules = find_molecules(fake(scale=scale), image)
    assert_found(molecules, truth)
    area = (image[:28, :28].max(axis=2) > 128).sum()
    for molecule in molecules:
        assert molecule.area == pytest.approx(area, rel=0.12)
        assert not molecule.edge and not molecule.uncertain
        assert polygon_centroid(molecule.outline) == pytest.approx(molecule.centroid, abs=0.5)
        y1, x1, y2, x2 = molecule.box
        assert (y2 - y1, x2 - x1) == pytest.approx((19, 19), abs=1.5)


@pytest.mark.parametrize("views", [2, 4, 8])
def test_views_agree_with_one_view(views):
    image, truth = blobs(150, 210)
    voted = find_molecules(fake(), image, Settings(views=views))
    assert_found(voted, truth, 0.01 + 0.5)
    single = find_molecules(fake(), image)
    for a, b in zip(voted, single, strict=True):
        assert a.score == pytest.approx(b.score) and a.box == pytest.approx(b.box)
        assert np.array_equal(a.outline, b.outline)


def test_a_network_that_knows_mirror_images_apart_is_shown_none():
    image, truth = blobs(100, 100)
    chiral = fake(mirror=False)
    assert_found(find_molecules(chiral, image, Settings(views=4)), truth, 0.01 + 0.5)
    with pytest.raises(InputError, match="views = 8 mirrors"):
        find_molecules(chiral, image, Settings(views=8))


def test_the_vote_corrects_a_view_that_names_the_class_wrong():
    def detect(images):
        # Wrong in the first image of each four, which is the upright view.
        return [read_colours([p], *[lambda _: 1][: k % 4 == 0])[0] for k, p in enumerate(images)]

    image, truth = blobs(90, 90)
    voted = find_molecules(fake(detect, batch_size=4), image, Settings(views=4))
    assert_found(voted, truth)
    # The red ones: 3 of 4 views are right, 1 of 4 says blue: not close enough to be a doubt.
    red = [m for m in voted if m.class_name == "red"]
    assert red and all(m.second_class == "blue" and not m.uncertain for m in red)


def test_batches_go_across_tiles_and_are_never_larger_than_allowed():
    sizes = []

    def detect(images):
        sizes.append(len(images))
        assert all(p.shape == (96, 96, 3) and p.dtype == np.uint8 for p in images)
        return read_colours(images)

    image, truth = blobs(200, 320)
    assert_found(find_molecules(fake(detect, batch_size=4), image, Settings(views=2)), truth)
    tiles = predict.image_grid(fake(), 200, 320, Settings()).tiles()
    assert sum(sizes) == 2 * len(tiles) and set(sizes[:-1]) == {4}


def test_molecules_at_the_border_are_flagged():
    image, _ = blobs(150, 150)
    cv2.circle(image, (149, 75), 9, (255, 255, 0), -1)
    cv2.rectangle(image, (140, 66), (149, 84), (255, 0, 0), -1)
    edge = [m for m in find_molecules(fake(), image) if m.edge]
    assert len(edge) >= 1 and all(m.box[3] == 150 for m in edge)


def test_small_images_are_padded_and_the_padding_reports_nothing():
    """The edge repeated beyond the image makes no molecules of its own."""
    image = np.zeros((40, 30, 3), np.uint8)
    cv2.circle(image, (12, 20), 7, (255, 0, 0), -1)
    [molecule] = find_molecules(fake(), image)
    assert molecule.centroid == pytest.approx((12.5, 20.5), abs=0.2) and not molecule.edge

    def in_the_padding(images):
        return [detections([(2, 2, 20, 20)], [0], [0.9])]

    assert find_molecules(fake(in_the_padding), image) == []


def test_outlines_are_clipped_to_the_image():
    image = np.full((40, 30, 3), (255, 0, 0), np.uint8)
    [molecule] = find_molecules(fake(), image) or [None]
    assert molecule is None or molecule.box.tolist() == [0, 0, 40, 30]

    def half_outside(images):
        return [detections([(20, 40, 50, 60)], [0], [0.9])]  # the image starts at (28, 33)

    [molecule] = find_molecules(fake(half_outside), image)
    assert molecule.box.tolist() == [0, 7, 22, 27] and molecule.edge
    assert molecule.area == pytest.approx(22 * 20, rel=0.01)
    assert polygon_mask(molecule.outline, 40, 30).sum() == 440


def test_a_molecule_larger_than_the_overlap_is_not_lost():
    image = np.zeros((96, 180, 3), np.uint8)
    image[40:50, 20:160] = (255, 0, 0)
    molecules = find_molecules(fake(), image)
    assert molecules and all(m.class_name == "red" for m in molecules)


def test_pieces_at_an_inner_border_give_way_even_when_they_score_higher():
    def piece_lovers(images):
        return [
            replace(r, class_scores=np.where(r.class_scores > 0, 1 - 0.5 * r.class_scores, 0))
            for r in read_colours(images)
        ]

    image, truth = blobs(200, 320)
    assert_found(find_molecules(fake(piece_lovers, score_threshold=0.1), image), truth)


def test_second_class_from_the_networks_class_scores():
    def detect(images):
        return [
            replace(r, class_scores=np.where(r.class_scores > 0, 0.6, 0.35))
            for r in read_colours(images)
        ]

    image, truth = blobs(60, 90)
    molecules = find_molecules(fake(detect), image)
    assert_found(molecules, truth)
    assert all(m.uncertain and m.second_class != m.class_name for m in molecules)
    assert all(m.second_score == pytest.approx(0.35) for m in molecules)
    molecules = find_molecules(fake(detect), image, Settings(uncertain_ratio=0.7))
    assert not any(m.uncertain for m in molecules)


def test_two_answers_of_different_class_leave_one_uncertain_molecule():
    def detect(images):
        return [
            Detections(
                np.concatenate([r.boxes, r.boxes]),
                np.concatenate([r.class_scores, 0.8 * r.class_scores[:, ::-1]]),
                r.masks * 2,
            )
            for r in read_colours(images)
        ]

    image, truth = blobs(60, 90)
    molecules = find_molecules(fake(detect), image)
    assert_found(molecules, truth)
    assert all(m.uncertain and m.second_class in CLASSES for m in molecules)


@pytest.mark.parametrize("views", [1, 4])
def test_no_molecule_and_a_single_pixel(views):
    for shape in ((50, 60, 3), (1, 1, 3), (300, 20, 3)):
        assert find_molecules(fake(), np.zeros(shape, np.uint8), Settings(views=views)) == []


@pytest.mark.parametrize(
    ("height", "width", "tiles"), [(1024, 1024, 4), (640, 640, 4), (500, 1000, 2), (61, 60, 4)]
)
def test_without_a_scale_four_tiles_of_three_fifths_of_the_side(height, width, tiles):
    detector = fake(scale=None, input_size=1024)
    grid = predict.image_grid(detector, height, width, Settings())
    assert grid.size / grid.scale == pytest.approx(0.6 * max(height, width))
    assert len(grid.tiles()) == tiles
    own = predict.image_grid(detector, height, width, Settings(tile_scale=1.0))
    assert own.scale == 1.0


def test_threshold_and_molecule_size():
    image, truth = blobs(60, 90)
    assert find_molecules(fake(), image, Settings(score_threshold=0.99)) == []
    low = Settings(score_threshold=0.1)
    assert_found(find_molecules(fake(score_threshold=0.99), image, low), truth)
    wide = predict.image_grid(fake(molecule_size=30), 200, 400, Settings())
    narrow = predict.image_grid(fake(molecule_size=5), 200, 400, Settings())
    assert len(wide.columns) > len(narrow.columns)


def test_memory_is_bounded_by_a_tile():
    """An image that lives on disk only: no part larger than a tile's surroundings is copied."""
    largest = 0

    class Watched(np.ndarray):
        def __getitem__(self, key):
            nonlocal largest
            part = super().__getitem__(key)
            largest = max(largest, getattr(part, "size", 0))
            return np.asarray(part)

    image, truth = blobs(300, 400)
    assert_found(find_molecules(fake(), image.view(Watched)), truth)
    assert 0 < largest <= 3 * (96 + 6) ** 2


def test_an_empty_mask_from_the_network_keeps_its_box():
    def detect(images):
        return [detections([(30, 40, 50, 60)], [1], [0.9], np.zeros((1, 96, 96), bool))]

    [molecule] = find_molecules(fake(detect), np.zeros((96, 96, 3), np.uint8))
    assert molecule.area == pytest.approx(400, rel=0.01) and molecule.class_name == "blue"


def test_detection_masks_are_packed():
    detection = Detection.from_mask((0, 0, 80, 80), [1.0], CroppedMask(np.ones((80, 80), bool)))
    assert detection.packed.bits.nbytes == 800


# --- the script --------------------------------------------------------------------------------


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A folder with one run's weights file, two images and the colour reader as network."""
    loads = []

    def load(weights, batch_size=None, settings=None, class_names=None):
        loads.append(Path(weights).name)
        return fake()

    monkeypatch.setattr("engine.predict.load_detector", load)
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "logs" / "shapes20240101T1200"
    run.mkdir(parents=True)
    (run / "mask_rcnn_shapes_0001.h5").write_bytes(b"")
    (tmp_path / "images").mkdir()
    write_image(tmp_path / "images" / "a b.png", blobs(150, 210)[0])
    write_image(tmp_path / "images" / "图[2].png", blobs(80, 60)[0])
    return tmp_path, loads


def test_script_writes_everything(room, capsys):
    folder, loads = room
    assert predict_big_pic.main() == 0
    assert loads == ["mask_rcnn_shapes_0001.h5"], "one build for all images"
    out = folder / "img_cache"
    for name, count in (("a b", 35), ("图[2]", 4)):
        annotation = read_annotation(out / f"{name}_predicted.json")
        size = read_image(folder / "images" / f"{name}.png").shape[:2]
        assert (annotation.height, annotation.width) == size
        assert len(annotation.shapes) == count
        assert len(annotation_to_molecules(annotation.classified(CLASSES))) == count
        lines = (out / f"{name}_molecules.csv").read_text(encoding="utf-8").splitlines()
        assert len(lines) == count + 1
        drawn = read_image(out / f"{name}_predicted.png")
        assert drawn.shape == (2 * size[0], 2 * size[1], 3), "small images are drawn enlarged"
    # labelme saves the JSON where it lies: the image is beside it and differs by its ending alone.
    raw = json.loads((out / "a b_predicted.json").read_text(encoding="utf-8"))
    assert raw["imagePath"] == "a b_predicted.tif" and raw["imageData"] is None
    shown = read_image(out / "a b_predicted.tif")
    np.testing.assert_array_equal(shown, read_image(folder / "images" / "a b.png"))
    assert {shape["label"] for shape in raw["shapes"]} == set(CLASSES) == set(raw["class_names"])
    assert [shape["number"] for shape in raw["shapes"]] == list(range(1, 36))
    tiles = sorted(p.name for p in (out / "pre_predict").iterdir())
    assert len([t for t in tiles if t.startswith("a b_r")]) == 6
    assert tiles == sorted(p.name for p in (out / "post_predict").iterdir())
    before, after = (read_image(out / d / tiles[0]) for d in ("pre_predict", "post_predict"))
    assert before.shape == after.shape == (96, 96, 3) and (before != after).any()
    printed = capsys.readouterr().out
    assert "a b.png: 18 red, 17 blue" in printed and "2 of 2 images" in printed


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.gif", "a.tif"])
def test_an_image_of_any_kind_too_large_to_be_enlarged_is_drawn(room, name):
    """Pixels that Pillow has read cannot be written to, and nothing but an enlarged copy could be
    drawn into."""
    folder, _ = room
    image = Image.fromarray(blobs(90, SMALL + 40)[0])
    image = image.convert("L") if name == "a.png" else image
    image.save(folder / "images" / name)
    assert predict_big_pic.main(files=[folder / "images" / name]) == 0
    drawn, shown = (
        read_image(folder / "img_cache" / "a_predicted.png"),
        read_image(folder / "images" / name),
    )
    assert drawn.shape == shown.shape == (90, SMALL + 40, 3)
    assert (drawn != shown).any() == (name != "a.png")  # nothing is red or blue in grey


def test_means_are_those_of_the_image_and_not_of_the_drawing(room, monkeypatch):
    """Into an image that nobody needs any more is drawn, wherever its figures are made."""
    folder, _ = room
    path = folder / "images" / "a.png"
    write_image(path, blobs(SMALL + 20, 150)[0])

    def means(name):
        with np.load(folder / "img_cache" / f"{name}_averages.npz") as stored:
            return {key: stored[key] for key in stored.files if key.endswith("_mean")}

    assert predict_big_pic.main(files=[path]) == 0
    expected = means("a")
    assert {"molecule_red_mean", "molecule_blue_mean"} <= set(expected)
    for name, most_copied in (("copied", 10**9), ("not", 0)):
        monkeypatch.setattr(predict_image, "MOST_COPIED", most_copied)
        out = folder / "img_cache"
        predict_image.predict_file(path, name, out, fake(), Settings(), report=True)
        assert (read_image(out / f"{name}_predicted.png") != read_image(path)).any()
        for key, mean in means(name).items():
            np.testing.assert_array_equal(mean, expected[key])


@pytest.mark.parametrize("most_copied", [0, 10**9])
def test_the_drawing_is_the_last_file(room, monkeypatch, most_copied):
    """`engine.watch` takes an image that has it for done."""
    folder, _ = room

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(predict_image, "_draw", interrupted)
    monkeypatch.setattr(predict_image, "MOST_COPIED", most_copied)
    path, out = folder / "images" / "a b.png", folder / "img_cache"
    with pytest.raises(KeyboardInterrupt):
        predict_image.predict_file(path, "a", out, fake(), Settings(), report=True)
    assert (out / "a_molecules.csv").exists() and not (out / "a_predicted.png").exists()


def test_second_run_replaces_the_tiles_of_its_images_only(room):
    folder, _ = room
    predict_big_pic.main(report=False)
    stale = folder / "img_cache" / "pre_predict" / "a b_r07_c09.png"
    other = folder / "img_cache" / "pre_predict" / "a b_r07_c09_r00_c00.png"
    for path in (stale, other):
        write_image(path, np.zeros((2, 2, 3), np.uint8))
    assert predict_big_pic.main(files=[folder / "images" / "a b.png"], report=False) == 0
    assert not stale.exists() and other.exists()
    assert (folder / "img_cache" / "pre_predict" / "图[2]_r00_c00.png").exists()


def test_a_bad_image_does_not_stop_the_others(room, capsys):
    folder, _ = room
    (folder / "images" / "broken.png").write_bytes(b"no image")
    assert predict_big_pic.main(tile_images=False, report=False) == 1
    assert (folder / "img_cache" / "a b_predicted.json").exists()
    assert not (folder / "img_cache" / "broken_predicted.json").exists()
    assert not (folder / "img_cache" / "pre_predict").exists()
    printed = capsys.readouterr()
    assert "2 of 3 images" in printed.out
    assert printed.err.startswith("error: ") and "broken.png" in printed.err


@pytest.mark.skipif(os.name == "nt", reason="the limits of file systems under Linux")
def test_a_name_too_long_and_a_file_that_cannot_be_read_do_not_stop_the_others(
    room, capsys, monkeypatch
):
    folder, _ = room
    write_image(folder / "images" / f"{'a' * 236}.png", blobs(80, 60)[0])
    write_image(folder / "images" / f"{'分' * 79}b.png", blobs(80, 60)[0])  # 238 bytes
    (folder / "images" / "a b_convert.json").write_bytes(b"{damaged")
    real, shown = predict_image.draw_molecules, []

    def fails_once(*arguments, **more):
        shown.append(1)
        if len(shown) == 1:
            raise OSError(errno.EIO, "Input/output error", "a.png")
        return real(*arguments, **more)

    monkeypatch.setattr(predict_image, "draw_molecules", fails_once)
    write_image(folder / "images" / "z.png", blobs(80, 60)[0])
    assert predict_big_pic.main(tile_images=False, report=False) == 1
    printed = capsys.readouterr()
    assert "2 of 5 images" in printed.out
    lines = printed.err.splitlines()
    assert len(lines) == 3 and all(line.startswith("error: ") for line in lines)
    assert "a b_convert.json: is not valid JSON" in printed.err
    assert "bbbb" not in printed.err and "b.png: the name is 1 bytes too long" in printed.err
    assert "Input/output error" in printed.err
    assert not list((folder / "img_cache").glob("分*"))


def test_a_full_disk_ends_the_run(room, monkeypatch):
    def full(*_, **more):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(predict_image, "draw_molecules", full)
    with pytest.raises(OSError, match="No space"):
        predict_big_pic.main(tile_images=False, report=False)


@pytest.mark.parametrize(
    ("zoom", "size", "said"),
    [
        (None, None, "nothing was recognised; are colours, contrast and scale"),
        (1, 18, ""),
        (1, 40, "the molecules are 18 pixels wide in the median, those trained on were 40"),
        (1, None, ""),
    ],
)
def test_a_result_that_is_hardly_meant_is_told(room, monkeypatch, capsys, zoom, size, said):
    folder, _ = room
    monkeypatch.setattr("engine.predict.load_detector", lambda *a: fake(molecule_size=size))
    if zoom is None:
        write_image(folder / "images" / "a b.png", np.zeros((150, 210, 3), np.uint8) + 9)
    assert (
        predict_big_pic.main(files=[folder / "images" / "a b.png"], tile_images=False, report=False)
        == 0
    )
    printed = capsys.readouterr().out
    assert ("note: " in printed) == bool(said) and said in printed


def test_a_file_that_nothing_reads_is_named_and_the_others_are_predicted(room, capsys):
    folder, _ = room
    for name in ("scan.dat", "scan.002"):
        (folder / "images" / name).write_bytes(b"of another program")
    assert predict_big_pic.main(tile_images=False, report=False) == 1
    assert (folder / "img_cache" / "a b_predicted.json").exists()
    said = capsys.readouterr().err
    assert "scan.dat: no reader here" in said and "scan.002: not a NanoScope file" in said
    assert predict_big_pic.main(files=[folder / "images" / "a b.png"], report=False) == 0


def test_a_prediction_ends_with_all_images_together(room, capsys):
    folder, _ = room
    (folder / "img_cache").mkdir(exist_ok=True)
    (folder / "img_cache" / "conditions.csv").write_text("image,dose\na b.png,3\n", "utf-8")
    assert predict_big_pic.main(files=[folder / "images" / "a b.png"], tile_images=False) == 0
    assert "index.html" in capsys.readouterr().out
    line = (folder / "img_cache" / "all_images.csv").read_text("utf-8").splitlines()[1]
    assert line.startswith("a b,3,")
    single = (folder / "img_cache" / "a b_molecules.csv").read_text("utf-8").splitlines()
    together = (folder / "img_cache" / "all_molecules.csv").read_text("utf-8").splitlines()
    assert together == ["image,dose," + single[0], *("a b,3," + row for row in single[1:])]


def test_nothing_to_do_is_one_sentence(room):
    folder, _ = room
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match="empty.*no image"):
        predict_big_pic.main(in_dir=folder / "empty")
    with pytest.raises(InputError, match="no trained weights"):
        predict_big_pic.main(log_dir=folder / "empty")
    for bad in ({"views": 3}, {"nms_iou": 1.5}, {"score_threshold": -1}):
        with pytest.raises(InputError, match="(?i)" + next(iter(bad))):
            predict_big_pic.main(**bad)


def test_newest_weights_by_time_in_the_name_and_epoch_number(tmp_path):
    for run, epochs in (
        ("zeta20230501T0900", (1, 2)),
        ("alpha20240102T1000", (2, 10)),
        ("alpha20240301T1000", ()),
        ("notes", (99,)),
    ):
        (tmp_path / run).mkdir()
        for epoch in epochs:
            (tmp_path / run / f"mask_rcnn_{run[:-13]}_{epoch:04}.h5").write_bytes(b"")
    (tmp_path / "alpha20240102T1000" / "other.h5").write_bytes(b"")
    assert newest_weights(tmp_path).name == "mask_rcnn_alpha_0010.h5"


def test_same_stems_get_different_names(tmp_path):
    for name in ("a.png", "A.jpg", "b.png", "a_png.png"):
        (tmp_path / name).write_bytes(b"")
    paths = [tmp_path / name for name in ("a.png", "A.jpg", "b.png", "a_png.png")]
    names = output_names(paths)
    assert len({name.casefold() for name in names}) == 4
    assert names[1:] == ["A_jpg", "b", "a_png"]
    assert output_names(paths[1:2]) == ["A_jpg"], "the same name when predicted alone"
    assert output_names([]) == []


def test_same_name_in_two_folders(tmp_path):
    names = output_names([tmp_path / "one" / "a.png", tmp_path / "two" / "a.png"])
    assert len(set(names)) == 2


def test_named_files_and_folders(tmp_path):
    for name in ("b10.png", "b2.png", "note.txt"):
        (tmp_path / name).write_bytes(b"")
    names = [p.name for p in find_images([tmp_path / "b10.png", tmp_path], tmp_path)]
    assert names == ["b10.png", "b2.png"]
    missing = [tmp_path / "missing.png", tmp_path / "xxx.png"]
    assert find_images([*missing, tmp_path / "b2.png"], tmp_path) == [*missing, tmp_path / "b2.png"]
    with pytest.raises(InputError, match=r"missing\.png: no such file.*\n.*xxx\.png: no such file"):
        find_images(missing, tmp_path)


def test_remove_tiles_in_a_folder_that_is_not_there(tmp_path):
    remove_tiles(tmp_path, "a")
    assert os.listdir(tmp_path) == []  # noqa: PTH208


def test_missing_weights_file(tmp_path):
    with pytest.raises(InputError, match="none.h5"):
        predict_big_pic.load_detector(tmp_path / "none.h5")
    (tmp_path / "broken.h5").write_bytes(b"not HDF5")
    with pytest.raises(InputError, match="broken.h5"):
        predict_big_pic.load_detector(tmp_path / "broken.h5")


def test_load_detector_builds_the_network_of_the_file(tmp_path):
    """Real weights, untrained: the file alone says network, classes, scale and threshold."""
    from mrcnn.config import Config
    from mrcnn.model import MaskRCNN
    from mrcnn.weights import save_weights

    class Tiny(Config):
        NAME = "tiny"
        NUM_CLASSES = 3
        BACKBONE = "resnet18"
        IMAGE_MIN_DIM = IMAGE_MAX_DIM = 64
        IMAGES_PER_GPU = 2
        TOP_DOWN_PYRAMID_SIZE = RPN_CHANNELS = MASK_HEAD_CHANNELS = 16
        FPN_CLASSIF_FC_LAYERS_SIZE = 16
        PRE_NMS_LIMIT, POST_NMS_ROIS_INFERENCE, DETECTION_MAX_INSTANCES = 100, 20, 10

    network = MaskRCNN("inference", Tiny(), str(tmp_path))
    network.metadata = {
        "class_names": CLASSES,
        "scale": 0.7,
        "score_threshold": 0.4,
        "extra": {"molecule_size": 20},
    }
    path = tmp_path / "good.h5"
    network.save_weights(str(path))
    detector = predict_big_pic.load_detector(path)
    assert detector.class_names == CLASSES and detector.input_size == 64
    assert (detector.scale, detector.score_threshold, detector.molecule_size) == (0.7, 0.4, 20)
    assert detector.batch_size == 2
    molecules = find_molecules(detector, blobs(90, 120)[0], Settings(score_threshold=0.0))
    assert all(m.class_name in CLASSES for m in molecules)

    metadata = {**network.metadata, "config": network.config.to_dict()}
    short = tmp_path / "short.h5"
    save_weights(short, list(network.bank.layers.values())[:-3], metadata)
    with pytest.raises(InputError, match="short.h5"):
        predict_big_pic.load_detector(short)
    nameless = tmp_path / "nameless.h5"
    save_weights(nameless, network.bank.layers.values(), {"config": network.config.to_dict()})
    with pytest.raises(InputError, match=r"nameless.h5: .* knows 2 classes .*--class-names"):
        predict_big_pic.load_detector(nameless)
    assert predict_big_pic.load_detector(nameless, class_names=CLASSES).scale is None
