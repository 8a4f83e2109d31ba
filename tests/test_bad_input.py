"""Bad input at every script, as a user meets it: one sentence that names the file, status 1, no
traceback, the other images done, nothing half-written."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from annotated import SQUARE, TRIANGLE, contents, put, textured
from checkout import ROOT
from data_steps import DATA_STEPS, colour, fast_json, geo, mount, pre_draw, re_write, run
from detectors import detections
from PIL import Image

import evaluate
import predict_big_pic
import workflow
from Images_Augmentation import color_aug_img_json
from spm.errors import InputError
from spm.io.images import write_image
from spm.run import files
from spm.run.files import folder_lock
from spm.run.parallel import run_jobs
from spm.structures.annotation import Annotation, write_annotation

BAD = "坏 [1] (x)"


# --- the scripts -------------------------------------------------------------------------------
# Each: arguments for a folder of input and one of output, and whether `good` came through.


def check(folder, out):
    images = out.parent / "images"
    images.mkdir(exist_ok=True)
    write_image(images / "a.png", textured(20, 20))
    argv = ["--check", "--source-dir", folder, "--images-dir", images, "--class-names", "A", "B"]
    return workflow.main, [*argv, "--recipe", "cpu"], lambda: not out.exists()


def whole_workflow(folder, out):
    main, argv, _ = check(folder, out)
    return main, argv[1:], lambda: not list(folder.glob("*(90)*"))


def evaluation(folder, out):
    predicted = out.parent / "predicted"
    predicted.mkdir(exist_ok=True)
    for name in ("good", BAD):
        annotation = Annotation([], 40, 64, f"{name}.png")
        write_annotation(predicted / f"{name}_predicted.json", annotation)
    argv = ["--truth", folder, "--predicted", predicted, "--out", out, "--classes", "A", "B"]
    return evaluate.main, [*argv, "--no-figures"], lambda: not (out / "metrics.json").exists()


READERS = [*DATA_STEPS, check, whole_workflow]
LABEL_READERS = [pre_draw, fast_json, check, whole_workflow, evaluation]


# --- what can be wrong -------------------------------------------------------------------------


def change(folder, **changes):
    path = folder / f"{BAD}.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), encoding="utf-8")


def shape(points, label="A1", **more):
    return {"label": label, "points": np.asarray(points).tolist(), "shape_type": "polygon"} | more


def shapes(*items):
    return lambda folder: change(folder, shapes=list(items))


def text(content):
    return lambda folder: (folder / f"{BAD}.json").write_bytes(content)


def image(make):
    return lambda folder: make(folder / f"{BAD}.png")


def cut_off(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


IN_JSON = {
    "no JSON": (text(b"{"), "not valid JSON"),
    "empty": (text(b""), "is empty"),
    "another program's": (text(b'{"a": 1}'), "not a labelme annotation"),
    "no text": (text(b"\xff\xfe\x00"), "UTF-8"),
    "nested": (text(b"[" * 200_000), "nested too deeply"),
    "NaN": (shapes(shape([(1, 1), (float("nan"), 9), (9, 9)])), "NaN"),
    "infinite": (text(b'{"shapes": [{"label": "A1", "points": [[1e999, 2]]}]}'), "infinite"),
    "no label": (shapes({"points": TRIANGLE.tolist()}), "has no label"),
    "size a text": (lambda f: change(f, imageHeight="40"), "whole numbers"),
    "size of a monster": (lambda f: change(f, imageHeight=10**400), "megapixels"),
    "damaged embedded image": (lambda f: change(f, imageData="%%%"), "damaged"),
    "deep in an unknown key": (
        lambda f: change(f, strange=json.loads("[" * 60 + "]" * 60)),
        "nested too deeply",
    ),
    "damaged copy": (
        lambda f: change(f, derived={"step": "geo", "valid": [["x"]]}),
        "damaged copy",
    ),
}
IN_SHAPES = {
    "two points": (shapes(shape([(1, 1), (9, 9)])), "has 2 point"),
    "outside": (shapes(shape(SQUARE + (60, 0))), "out of the image"),
    "far outside": (shapes(shape(SQUARE * 1e300)), "out of the image"),
    "no area": (shapes(shape([(1, 1), (9, 9), (5, 5)])), "no area"),
    "crossing": (shapes(shape([(5, 5), (25, 25), (25, 5), (5, 25)])), "crosses itself"),
    "tiny": (shapes(shape([(1.1, 1.1), (1.3, 1.1), (1.2, 1.3)])), "covers no pixel"),
    "empty label": (shapes(shape(TRIANGLE, label=" ")), "empty label"),
    "line": (shapes(shape(TRIANGLE, shape_type="line")), "encloses no area"),
    "endless": (shapes(shape(np.tile(TRIANGLE, (4000, 1)))), "12000 points"),
    "damaged mask": (shapes(shape(SQUARE[::2], shape_type="mask", mask="iVBOR")), "damaged mask"),
}
IN_IMAGE = {
    "missing": (image(lambda p: p.unlink()), "not beside it"),
    "truncated": (image(cut_off), "damaged or truncated"),
    "no image": (image(lambda p: p.write_bytes(b"hello")), "not an image"),
    "empty image": (image(lambda p: p.write_bytes(b"")), "is empty"),
    "other size": (image(lambda p: write_image(p, textured(30, 30))), "30 x 30"),
    "one pixel": (image(lambda p: write_image(p, textured(1, 1))), "1 x 1"),
    "leads outside": (
        lambda f: (change(f, imagePath="../secret.png"), (f / f"{BAD}.png").unlink()),
        "not beside it",
    ),
    "endless name": (
        lambda f: (change(f, imagePath="a" * 5000), (f / f"{BAD}.png").unlink()),
        "not beside it",
    ),
}


def assert_refused(step, make, phrase, tmp_path, capsys, bad_name=BAD):
    folder, out = tmp_path / "in 一", tmp_path / "out"
    put(folder, "good")
    put(folder, BAD)
    write_image(tmp_path / "secret.png", textured(40, 64))
    make(folder)
    main, argv, good_is_done = step(folder, out)
    capsys.readouterr()
    assert run(main, *argv) == 1
    told = capsys.readouterr().err
    lines = [line for line in told.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and bad_name in lines[0] and phrase in lines[0], told
    assert lines[0].endswith(".") and ";" in lines[0] and "Traceback" not in told
    assert good_is_done()
    assert not list(tmp_path.rglob(".~*")) and not list(tmp_path.rglob(".lock"))
    assert not [p for p in tmp_path.rglob(f"{BAD}?*") if p.stem not in (BAD, f"{BAD}_predicted")]


@pytest.mark.parametrize("case", [*IN_JSON, *IN_SHAPES])
@pytest.mark.parametrize("step", READERS)
def test_a_bad_annotation(step, case, tmp_path, capsys):
    assert_refused(step, *(IN_JSON | IN_SHAPES)[case], tmp_path, capsys)


@pytest.mark.parametrize("case", IN_JSON)
def test_a_bad_annotation_at_evaluation(case, tmp_path, capsys):
    if case == "damaged embedded image":
        pytest.skip("read like the others")
    assert_refused(evaluation, *IN_JSON[case], tmp_path, capsys)


@pytest.mark.parametrize("case", IN_IMAGE)
@pytest.mark.parametrize("step", READERS)
def test_a_bad_image(step, case, tmp_path, capsys):
    if step is re_write and case in ("truncated",):
        pytest.skip("masks need the image's size only; fast_json_to_dataset.py reports it")
    assert_refused(step, *IN_IMAGE[case], tmp_path, capsys)


@pytest.mark.parametrize("step", LABEL_READERS)
def test_a_label_of_unknown_class(step, tmp_path, capsys):
    assert_refused(step, shapes(shape(TRIANGLE, label="C7")), "'C7'", tmp_path, capsys)


@pytest.mark.parametrize("step", LABEL_READERS)
@pytest.mark.parametrize("names", [["A", "A 1"], ["A", "A"], ["A", " "]])
def test_class_names_that_collide(step, names, tmp_path, capsys):
    folder, out = tmp_path / "in", tmp_path / "out"
    put(folder, "good")
    put(folder, BAD)
    main, argv, _ = step(folder, out)
    flag = "--classes" if step is evaluation else "--class-names"
    argv[argv.index(flag) + 1 : argv.index(flag) + 3] = names
    assert run(main, *argv) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: class name") and "Traceback" not in told


@pytest.mark.parametrize("step", [*READERS, evaluation])
def test_an_empty_and_a_missing_folder(step, tmp_path, capsys):
    for name, phrase in (("empty", "there is no "), ("none", "no such folder")):
        folder = tmp_path / name
        if name == "empty":
            folder.mkdir()
        if step is evaluation and name == "empty":
            phrase = "no labelled image"
        main, argv, _ = step(folder, tmp_path / "out")
        assert run(main, *argv) == 1
        told = capsys.readouterr().err
        assert phrase in told and str(folder) in told and told.count("error: ") == 1


@pytest.mark.parametrize("step", READERS)
def test_many_errors_are_reported_together(step, tmp_path, capsys):
    """One run says all; a hundred images with some bad ones are done but for these."""
    folder = tmp_path / "in"
    put(folder, "good")
    cases = {**IN_JSON, **IN_SHAPES, **IN_IMAGE}
    expected = 0
    for number, case in enumerate(cases):
        if step is re_write and case == "truncated":
            continue
        put(folder, BAD)
        cases[case][0](folder)
        for suffix in (".json", ".png"):
            path = folder / f"{BAD}{suffix}"
            if path.exists():
                path.rename(folder / f"bad{number}{suffix}")
        expected += 1
    main, argv, good_is_done = step(folder, tmp_path / "out")
    assert run(main, *argv) == 1
    told = capsys.readouterr().err.splitlines()
    lines = [line for line in told if line.startswith("error: ")]
    named = {line.split("bad")[1].split(".")[0] for line in lines}
    assert len(named) == expected and good_is_done()


# --- odd images that are no error ------------------------------------------------------------


def save_as(format, mode="RGB", **options):
    def make(path):
        image = Image.fromarray(textured(40, 64)).convert(mode)
        path.unlink()
        image.save(path.with_suffix(options.pop("suffix", ".png")), format=format, **options)

    return image(make)


def sixteen_bit(path):
    Image.fromarray((textured(40, 64)[:, :, 0] * 200).astype(np.uint16)).save(path, format="PNG")


def float_tiff(path):
    path.unlink()
    values = textured(40, 64)[:, :, 0].astype(np.float32) / 7
    values[3, 3] = np.nan
    Image.fromarray(values).save(path.with_suffix(".tif"))


def turned(path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(textured(64, 40)).save(path, exif=exif)


def animated(path):
    frames = [Image.fromarray(textured(40, 64, seed)) for seed in (1, 2)]
    frames[0].save(path, format="GIF", save_all=True, append_images=frames[1:])


ODD = {
    "16-bit grey": image(sixteen_bit),
    "float TIFF": image(float_tiff),
    "RGBA": save_as("PNG", "RGBA"),
    "palette": save_as("PNG", "P"),
    "CMYK": save_as("TIFF", "CMYK"),
    "EXIF-rotated": image(turned),
    "animated": image(animated),
    "BMP called png": save_as("BMP"),
}


@pytest.mark.parametrize("case", ODD)
@pytest.mark.parametrize("step", [*DATA_STEPS, check])
def test_an_odd_image_is_read(step, case, tmp_path, capsys):
    folder = tmp_path / "in"
    put(folder, "good")
    if step is not re_write:
        put(folder, BAD)
        ODD[case](folder)
    else:  # counts its files
        ODD[case](put(folder, BAD).path.parent)
        for suffix in (".json", ".png"):
            (folder / f"good{suffix}").unlink()
    main, argv, good_is_done = step(folder, tmp_path / "out")
    assert run(main, *argv) == 0, capsys.readouterr().err
    assert good_is_done() and "error" not in capsys.readouterr().err


@pytest.mark.parametrize("step", DATA_STEPS)
def test_unknown_keys_with_nan_and_half_characters_are_passed_on(step, tmp_path, capsys):
    """JSON allows both to be read, and neither to be written."""
    folder = tmp_path / "in"
    put(folder, "good")
    path = folder / "good.json"
    data = json.loads(path.read_text("utf-8"))
    data |= {"score": float("nan"), "note": "\ud800", "flags": {"\udfff": True}}
    data["shapes"][0] |= {"label": "A1", "description": "\ud800", "weight": float("inf")}
    data["shapes"][1] |= {"label": "B\ud8002"} if step in (geo, colour, re_write) else {}
    path.write_text(json.dumps(data), encoding="utf-8")
    main, argv, good_is_done = step(folder, tmp_path / "out")
    assert run(main, *argv) == 0, capsys.readouterr().err
    assert good_is_done()


# --- prediction --------------------------------------------------------------------------------


@pytest.fixture
def detector(monkeypatch):
    """Prediction with a detector that sees nothing: the images are what is tested."""
    from spm.inference.detector import Detector

    found = Detector(["A"], 1.0, 64, 0.5, lambda images: [detections()] * len(images))
    monkeypatch.setattr("engine.predict.load_detector", lambda *_: found)
    return found


@pytest.mark.parametrize("case", ["truncated", "no image", "empty image"])
def test_prediction_goes_on_after_a_bad_image(case, detector, tmp_path, capsys):
    put(tmp_path / "in", BAD)
    put(tmp_path / "in", "z good")
    make, phrase = IN_IMAGE[case]
    make(tmp_path / "in")
    out = tmp_path / "out"
    argv = ["--in-dir", tmp_path / "in", "--out-dir", out, "--weights", "any.h5", "--no-report"]
    assert run(predict_big_pic.main, *argv) == 1
    told = capsys.readouterr().err
    assert told.count("error: ") == 1 and BAD in told and phrase in told
    assert (out / "z good_predicted.json").exists() and not list(out.rglob(f"{BAD}*"))
    missing = [*argv, tmp_path / "gone.png", tmp_path / "in" / "z good.png"]
    assert run(predict_big_pic.main, *missing) == 1
    assert "gone.png: there is no such image" in capsys.readouterr().err


@pytest.mark.parametrize("case", ODD)
def test_prediction_of_odd_images(case, detector, tmp_path):
    put(tmp_path / "in", BAD)
    ODD[case](tmp_path / "in")
    argv = [
        "--in-dir",
        tmp_path / "in",
        "--out-dir",
        tmp_path / "out",
        "--weights",
        "any.h5",
        "--no-report",
    ]
    assert run(predict_big_pic.main, *argv) == 0
    size = json.loads((tmp_path / "out" / f"{BAD}_predicted.json").read_text("utf-8"))
    assert (size["imageHeight"], size["imageWidth"]) == (40, 64)


def test_prediction_of_one_pixel_and_of_an_image_beyond_the_limit(
    detector, tmp_path, monkeypatch, capsys
):
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in" / "one.png", textured(1, 1))
    argv = [
        "--in-dir",
        tmp_path / "in",
        "--out-dir",
        tmp_path / "out",
        "--weights",
        "any.h5",
        "--no-report",
    ]
    assert run(predict_big_pic.main, *argv) == 0
    write_image(tmp_path / "in" / "two.png", textured(40, 64))
    monkeypatch.setenv("SPM_MAX_MEGAPIXELS", "0.001")
    assert run(predict_big_pic.main, *argv) == 1
    assert "two.png" in (told := capsys.readouterr().err) and "SPM_MAX_MEGAPIXELS" in told


# --- weights -----------------------------------------------------------------------------------

GOOD = {"class_names": ["A", "B"], "scale": 1.0, "score_threshold": 0.5, "config": {}, "extra": {}}


def weights_file(path, **changes):
    with h5py.File(path, "w") as file:
        for key, value in (GOOD | changes).items():
            file.attrs[key] = value if isinstance(value, bytes) else json.dumps(value)
        file.attrs["layer_names"] = np.array([b"conv1"])
        file.create_dataset("filler", data=np.arange(100_000))
    return path


@pytest.mark.parametrize(
    ("changes", "phrase"),
    [
        ({"class_names": b"{"}, "no JSON"),
        ({"class_names": "AB"}, "damaged"),
        ({"class_names": []}, "conv1"),  # the names must be given, their number is in the layers
        ({"class_names": ["A", 5]}, "damaged"),
        ({"scale": "1"}, "damaged"),
        ({"scale": -1.0}, "damaged"),
        ({"scale": 1e300}, "damaged"),
        ({"score_threshold": 7}, "damaged"),
        ({"config": [1]}, "damaged"),
        ({"extra": "x"}, "damaged"),
    ],
)
def test_weights_with_damaged_settings(changes, phrase, tmp_path, capsys):
    path = weights_file(tmp_path / "权重 [1].h5", **changes)
    write_image(tmp_path / "a.png", textured(20, 20))
    argv = [tmp_path / "a.png", "--weights", path, "--out-dir", tmp_path / "out"]
    assert run(predict_big_pic.main, *argv) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: ") and "权重 [1].h5" in told and phrase in told
    assert told.count("\n") == 1 and not (tmp_path / "out").exists()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.95])
def test_truncated_weights(share, tmp_path, capsys):
    path = weights_file(tmp_path / "w.h5")
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    write_image(tmp_path / "a.png", textured(20, 20))
    assert run(predict_big_pic.main, tmp_path / "a.png", "--weights", path) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "w.h5" in told and "end is missing" in told


def test_weights_of_another_network_and_of_other_classes(tmp_path, capsys):
    """Metadata that promise what the layers do not hold."""
    from mrcnn.config import Config
    from mrcnn.model import MaskRCNN

    class Tiny(Config):
        NAME = "tiny"
        NUM_CLASSES = 3
        BACKBONE = "resnet18"
        IMAGE_MIN_DIM = IMAGE_MAX_DIM = 64
        TOP_DOWN_PYRAMID_SIZE = RPN_CHANNELS = MASK_HEAD_CHANNELS = 16
        FPN_CLASSIF_FC_LAYERS_SIZE = 16

    network = MaskRCNN("inference", Tiny(), str(tmp_path))
    write_image(tmp_path / "a.png", textured(20, 20))
    path = tmp_path / "w.h5"
    for names, config, phrase in (
        (["A", "B", "C"], {}, "trained for 3 classes"),
        (["A", "B"], {"FPN_CLASSIF_FC_LAYERS_SIZE": 24}, "another network"),
        (["A", "B"], {"BACKBONE": "vgg"}, "w.h5"),
        (["A", "B"], {"IMAGE_MIN_DIM": "x", "IMAGE_MAX_DIM": []}, "w.h5"),
    ):
        network.metadata = {"class_names": names, "scale": 1.0}
        network.save_weights(str(path))
        with h5py.File(path, "r+") as file:
            stored = json.loads(file.attrs["config"]) | config
            file.attrs["config"] = json.dumps(stored)
        assert run(predict_big_pic.main, tmp_path / "a.png", "--weights", path) == 1
        told = capsys.readouterr().err
        assert phrase in told and told.count("error: ") == 1 and "Traceback" not in told


# --- disks and folders -------------------------------------------------------------------------


class FullDisk:
    """Lets so many bytes through `Path.write_bytes`, then half a file, then fails."""

    def __init__(self, monkeypatch, room):
        self.room, self.write = room, Path.write_bytes
        monkeypatch.setattr(Path, "write_bytes", self.writer())

    def writer(self):
        def write_bytes(path, data):
            self.room -= len(data)
            if self.room < 0:
                self.write(path, data[: len(data) // 2])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return self.write(path, data)

        return write_bytes


@pytest.mark.parametrize("room", [0, 3000, 9000, 20000])
@pytest.mark.parametrize("step", DATA_STEPS)
def test_a_disk_that_fills_up(step, room, tmp_path, monkeypatch, capsys):
    """Nothing half-written stays; with room again the next run gives the undisturbed files."""
    undisturbed, disturbed = tmp_path / "a", tmp_path / "b"
    results = {}
    for base in (undisturbed, disturbed):
        for name in ("good", "x", "y"):
            put(base / "in", name)
    main, argv, _ = step(undisturbed / "in", undisturbed / "out")
    assert run(main, *argv) == 0
    results["whole"] = contents(undisturbed)
    main, argv, _ = step(disturbed / "in", disturbed / "out")
    with monkeypatch.context() as patch:
        FullDisk(patch, room)
        status = run(main, *argv)
    told = capsys.readouterr().err
    if status:
        assert status == 1 and told.count("error: ") == 1 and "free some space" in told
        assert str(disturbed) in told and ".~" not in told
    assert not list(disturbed.rglob(".~*"))
    for name, data in contents(disturbed).items():
        assert results["whole"].get(name, data) == data, f"{name} is half-written"
    assert run(main, *argv) == 0
    assert contents(disturbed) == results["whole"]


def test_a_really_full_disk_and_a_read_only_one(tmp_path, capsys):
    put(tmp_path / "in", "good", 200, 200)
    for name, options, phrase in (
        ("small", "size=100k", "free some space"),
        ("fixed", "ro", "can be written"),
    ):
        out = tmp_path / name
        mount(out, options)
        try:
            argv = ["--in-dir", tmp_path / "in", "--out-dir", out, "--aug-times", "9"]
            assert run(color_aug_img_json.main, *argv, "--workers", "1") == 1
            told = capsys.readouterr().err
            assert told.count("error: ") == 1 and str(out) in told and phrase in told
            assert not list(out.rglob(".~*"))
        finally:
            subprocess.run(["umount", str(out)], check=True)


@pytest.mark.parametrize("step", DATA_STEPS)
def test_a_folder_that_cannot_be_written_to(step, tmp_path, monkeypatch, capsys):
    put(tmp_path / "in", "good")
    main, argv, _ = step(tmp_path / "in", tmp_path / "out")
    opened = os.open

    def refuse(path, flags, *more, **options):
        if flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, flags, *more, **options)

    monkeypatch.setattr(os, "open", refuse)  # the lock is the first file that is made
    assert run(main, *argv) == 1
    told = capsys.readouterr().err
    assert told.count("error: ") == 1 and "nothing can be written there" in told


@pytest.mark.parametrize("step", DATA_STEPS)
def test_two_runs_at_once_in_one_folder(step, tmp_path, capsys):
    put(tmp_path / "in", "good")
    main, argv, _ = step(tmp_path / "in", tmp_path / "out")
    with folder_lock(tmp_path / ("in" if step is geo else "out")):
        assert run(main, *argv) == 1
    assert "another run is working in this folder" in capsys.readouterr().err


def die(_):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_worker_that_the_system_kills_is_a_sentence():
    with pytest.raises(InputError, match="lack of memory.*--workers 1"):
        list(run_jobs(die, [1, 2], 2, "test"))


# --- files from elsewhere ----------------------------------------------------------------------


def test_a_manifest_from_elsewhere_deletes_nothing_outside(tmp_path):
    put(tmp_path / "in", "good")
    victim = tmp_path / "precious.txt"
    victim.write_text("mine")
    out = tmp_path / "out"
    out.mkdir()
    stamp = [victim.stat().st_size, victim.stat().st_mtime_ns]
    for step, name in (("colour", "../precious"), ("entries", "00099"), ("pre_draw", "00099")):
        files_ = {"../precious.txt": stamp, str(victim): stamp}
        lines = [{"name": name, "digest": "x", "files": files_, "note": None},
                 {"planned": ["../precious.txt", str(victim)]}]  # fmt: skip
        text = "\n".join(json.dumps(line) for line in lines)
        (out / f".manifest_{step}.jsonl").write_text(text)
    for step in (colour, pre_draw, fast_json):
        main, argv, _ = step(tmp_path / "in", out)
        run(main, *argv)
        assert victim.read_text() == "mine"


def test_npz_with_pickle_is_refused(tmp_path):
    from spm.dataset.index import load_masks

    np.savez(tmp_path / "m.npz", arr_0=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match=r"m\.npz"):
        load_masks(tmp_path / "m.npz")


def test_no_module_reads_yaml_or_pickle_unsafely():
    # What a process reads of its own other half's pipe is no file; all else in there is checked.
    own_pipes = "pickle.load(process.stdout)", "pickle.load(calls)"
    for path in ROOT.rglob("*.py"):
        inside = path.relative_to(ROOT).parts
        if inside[0] == "tests" or any(part.startswith(".") for part in inside):
            continue
        code = path.read_text(encoding="utf-8")
        if inside == ("spm", "run", "side_process.py"):
            for own in own_pipes:
                code = code.replace(own, "")
        for word in ("yaml.load(", "allow_pickle=True", "pickle.load", "eval(", "exec("):
            assert word not in code.replace("literal_eval(", ""), f"{path}: {word}"


def test_names_from_labels_are_made_safe():
    assert files.safe_name("../../etc/x") == "_.._etc_x"
    assert files.safe_name('a:b*c?"<>|\x00') == "a_b_c______"
    assert files.safe_name(" .. ") == "_" and files.safe_name("分子 1") == "分子 1"


# --- as a user runs it -------------------------------------------------------------------------


def script(*argv, **environment):
    command = [sys.executable, *map(str, argv)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8",
        env=os.environ | environment,
    )  # fmt: skip
    return done.returncode, done.stderr


def test_from_the_shell(tmp_path):
    put(tmp_path / "in", BAD)
    (tmp_path / "in" / f"{BAD}.json").write_text("{")
    name = "Images_Augmentation/geo_aug_img_json.py"
    status, told = script(name, "--in-dir", tmp_path / "in", PYTHONIOENCODING="utf-8")
    assert status == 1 and told.startswith("error: ") and told.count("\n") == 1 and BAD in told
    # A console or a log file that knows no Chinese (Windows).
    status, told = script(name, "--in-dir", tmp_path / "in", PYTHONIOENCODING="ascii")
    assert status == 1 and told.startswith("error: ") and r"\u574f" in told
    status, told = script(name, "--in-dir", tmp_path / "in", "--debug")
    assert status == 1 and "Traceback" in told
