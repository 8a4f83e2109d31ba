"""The predicted JSON opens in the real labelme, and shows the pixels that were predicted."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

import predict_big_pic
from spm.checks.corrections import examine, store
from spm.inference.detector import Detector
from spm.inference.predict import Settings
from spm.instruments.inputs import open_image
from spm.io.images import read_image, write_image
from spm.io.labelme_shows import shown_by_labelme
from spm.io.pixel_size import read_scale
from spm.structures.classes import ClassChoice

# labelme in a process of its own: its Qt and OpenCV's do not agree in one.
LABELME = """
import sys
import numpy as np
from PyQt5 import QtGui
from labelme._label_file import read_label_file
for path in sys.argv[1:]:
    image = QtGui.QImage.fromData(read_label_file(path).image_data)
    image = image.convertToFormat(QtGui.QImage.Format_RGB888)
    bits = image.constBits()
    bits.setsize(image.bytesPerLine() * image.height())
    rows = np.frombuffer(bits, np.uint8).reshape(image.height(), -1)[:, : 3 * image.width()]
    np.save(path + ".npy", rows.reshape(image.height(), image.width(), 3))
"""


def in_labelme(paths) -> list[np.ndarray]:
    """What the real labelme shows of JSON files, (H, W, 3) uint8 each."""
    done = subprocess.run(
        [sys.executable, "-c", LABELME, *map(str, paths)],
        env=os.environ | {"QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    if "ImportError: lib" in done.stderr:
        pytest.skip("a library of the system that Qt needs is missing")
    assert done.returncode == 0, done.stderr
    return [np.load(f"{path}.npy") for path in paths]


def write_kinds(folder) -> tuple[set[str], set[str]]:
    """Writes images of many kinds; returns the names labelme shows, and those it does not."""
    rng = np.random.default_rng(1)
    smooth = np.add.outer(np.arange(24), np.arange(36)).astype(float)
    deep = (smooth * 900 + rng.integers(0, 50, smooth.shape)).astype(np.uint16)
    deep[3, 5] = 65535  # a spike of the tip
    colour = np.stack([smooth * 4, 255 - smooth * 4, smooth * 2], axis=2).astype(np.uint8)
    image, grey = Image.fromarray(colour), Image.fromarray(colour[..., 0])
    turned = Image.Exif()
    turned[0x0112] = 6

    image.save(folder / "colour.png")
    grey.save(folder / "grey.png")
    image.convert("P").save(folder / "palette.png")
    grey.convert("1").save(folder / "bits.png")
    image.save(folder / "photo.jpg", quality=95)
    image.save(folder / "a bitmap.png", format="BMP")
    shown = {path.name for path in folder.iterdir()}

    Image.fromarray(deep).save(folder / "deep.png")
    image.convert("CMYK").save(folder / "print.jpg")
    image.save(folder / "turned.jpg", exif=turned)
    image.convert("P").save(folder / "palette bitmap.bmp")
    image.save(folder / "bitmap.bmp")
    image.convert("P").save(folder / "animation.gif")
    image.convert("P").save(folder / "palette.tif")
    image.convert("CMYK").save(folder / "print.tif")
    tifffile.imwrite(folder / "deep.tif", deep)
    tifffile.imwrite(folder / "stack.tif", np.stack([deep] * 5))
    tifffile.imwrite(folder / "height.tiff", deep.astype(np.float32) * 1e-12)
    return shown, {path.name for path in folder.iterdir()} - shown


def nothing(images):
    from detectors import detections

    return [detections([], [], [], []) for _ in images]


def test_labelme_shows_what_was_predicted(tmp_path):
    images, out = tmp_path / "images", tmp_path / "img_cache"
    images.mkdir()
    out.mkdir()
    write_kinds(images)
    detector = Detector(["a"], detect=nothing, scale=1.0, input_size=64, score_threshold=0.5)
    paths = {}
    for path in sorted(images.iterdir()):
        name = path.name.replace(".", "_")
        predict_big_pic.predict_file(path, name, out, detector, Settings(), tile_images=False)
        paths[path.name] = out / f"{name}_predicted.json"
    for name, array in zip(paths, in_labelme(paths.values()), strict=True):
        predicted = read_image(images / name)
        assert array.shape == predicted.shape, name
        assert (array == predicted).all(), name


def test_what_labelme_shows_without_a_copy(tmp_path):
    shown, not_shown = write_kinds(tmp_path)
    assert {name for name in shown | not_shown if shown_by_labelme(tmp_path / name)} == shown


def test_a_correction_of_a_16_bit_image_is_trained_on_as_labelme_shows_it(tmp_path):
    images, out = tmp_path / "images", tmp_path / "img_cache"
    images.mkdir()
    out.mkdir()
    deep = np.arange(30 * 40, dtype=np.uint16).reshape(30, 40) * 50
    write_image(images / "scan.png", deep)
    detector = Detector(["a"], detect=nothing, scale=1.0, input_size=64, score_threshold=0.5)
    result = out / "scan_predicted.json"
    opened = open_image(images / "scan.png", 0.25)
    predict_big_pic.predict_file(
        images / "scan.png", "scan", out, detector, Settings(), opened, tile_images=False
    )
    saved = json.loads(result.read_text())
    square = [[5, 5], [15, 5], [15, 15], [5, 15]]
    saved["shapes"] = [{"label": "a", "points": square, "shape_type": "polygon", "flags": {}}]
    result.write_text(json.dumps(saved))
    corrections = examine([result], tmp_path / "aug_test_in", images, ClassChoice(["a"]))
    store(corrections, tmp_path / "aug_test_in")
    trained = tmp_path / "aug_test_in" / "scan.png"
    assert shown_by_labelme(trained) and read_scale(trained) == 0.25
    assert (read_image(trained) == read_image(images / "scan.png")).all()
