"""Watching a folder into which a program writes images, slowly and in parts."""

import _thread
import csv
import json
import threading
import time

import numpy as np
import pytest

import predict_big_pic
from engine import watch
from engine.predict_image import Plan
from spm.errors import InputError
from spm.geometry.cropped_mask import CroppedMask
from spm.inference.detector import Detections, Detector
from spm.inference.predict import Settings
from spm.io.images import encode_png

QUICK = watch.Timing(poll=0.02, quiet=0.1, patience=0.6, index=0.5)
SIDE = 64


def bright_squares(images):
    """Finds the bright squares of 8 x 8 pixels on a grid of 16."""
    found = []
    for image in images:
        tops = [(y, x) for y in range(0, SIDE, 16) for x in range(0, SIDE, 16)
                if image[y + 4, x + 4, 0] > 128]  # fmt: skip
        boxes = np.array([(y, x, y + 8, x + 8) for y, x in tops], np.float64).reshape(-1, 4)
        masks = [CroppedMask(np.ones((8, 8), bool), y, x) for y, x in tops]
        found.append(Detections(boxes, np.full((len(tops), 1), 0.9, np.float32), masks))
    return found


def plan_for(folder, **more):
    def load(*_):
        return Detector(["A"], 1.0, SIDE, 0.5, bright_squares)

    return Plan(Settings(), folder, tile_images=False, load=load, **more)


def image_bytes(count):
    """A PNG with `count` squares and some noise, so that it has a length."""
    image = np.random.default_rng(count).integers(0, 60, (SIDE, SIDE, 3)).astype(np.uint8)
    for k in range(count):
        y, x = 16 * (k // 4), 16 * (k % 4)
        image[y : y + 8, x : x + 8] = 220
    return encode_png(image)


def counted(results, name):
    with (results / f"{name}_molecules.csv").open(encoding="utf-8") as file:
        return len(list(csv.DictReader(file)))


@pytest.fixture
def folders(tmp_path):
    images, results = tmp_path / "images", tmp_path / "results"
    images.mkdir()
    return images, results


def test_thirty_images_written_slowly_and_in_parts(folders, capsys):
    """Some pause in the middle for longer than a file must be quiet."""
    images, results = folders

    def write():
        for k in range(30):
            data = image_bytes(k % 15 + 1)
            with (images / f"scan {k}.png").open("wb") as file:
                for part in range(3):
                    file.write(data[part * len(data) // 3 : (part + 1) * len(data) // 3])
                    file.flush()
                    if k % 5 == 0:
                        time.sleep(0.02 if k % 10 else 0.2)

    writer = threading.Thread(target=write)
    writer.start()
    start = time.monotonic()
    status = watch.watch_folder(
        plan_for(results), images, QUICK,
        lambda w: w.recognised == 30 or time.monotonic() - start > 120,
    )  # fmt: skip
    writer.join()
    assert status == 0
    for k in range(30):
        assert counted(results, f"scan {k}") == k % 15 + 1
        drawn = results / f"scan {k}_predicted.png"
        assert drawn.stat().st_mtime >= (images / f"scan {k}.png").stat().st_mtime
        annotation = json.loads((results / f"scan {k}_predicted.json").read_text("utf-8"))
        assert len(annotation["shapes"]) == k % 15 + 1
    said = capsys.readouterr()
    assert "stopped; 30 images recognised" in said.out and "error" not in said.err


def test_results_that_are_there_are_kept_and_changed_images_are_redone(folders, capsys):
    images, results = folders
    for k in range(3):
        (images / f"{k}.png").write_bytes(image_bytes(k + 1))
    plan = plan_for(results)
    watch.watch_folder(plan, images, QUICK, lambda w: w.recognised == 3)
    stamp = (results / "0_molecules.csv").stat().st_mtime_ns
    (images / "1.png").write_bytes(image_bytes(9))
    assert watch.watch_folder(plan, images, QUICK, lambda w: w.recognised == 1) == 0
    assert counted(results, "1") == 9
    assert (results / "0_molecules.csv").stat().st_mtime_ns == stamp
    assert "2 images with results already" in capsys.readouterr().out


def test_a_damaged_file_is_told_once_and_the_others_go_on(folders, capsys):
    images, results = folders
    (images / "half.png").write_bytes(image_bytes(3)[:300])
    (images / "whole.png").write_bytes(image_bytes(3))
    (images / "strange.xyz").write_bytes(b"?")
    status = watch.watch_folder(
        plan_for(results), images, QUICK, lambda w: w.failed == 1 and w.recognised == 1
    )
    said = capsys.readouterr().err
    assert status == 1 and said.count("half.png") == 1 and said.count("strange.xyz") == 1
    assert counted(results, "whole") == 3
    (images / "half.png").write_bytes(image_bytes(3))
    assert watch.watch_folder(plan_for(results), images, QUICK, lambda w: w.recognised == 1) == 0
    assert counted(results, "half") == 3


def test_ctrl_c_ends_it_cleanly(folders, capsys):
    images, results = folders
    (images / "a 1.png").write_bytes(image_bytes(5))

    def interrupt():
        while not (results / "index.html").exists():
            time.sleep(0.05)
        _thread.interrupt_main()

    thread = threading.Thread(target=interrupt)
    thread.start()
    assert watch.watch_folder(plan_for(results, report=True), images, QUICK) == 0
    thread.join()
    assert "stopped; 1 image recognised" in capsys.readouterr().out
    assert "a%201_report.html" in (results / "index.html").read_text("utf-8")
    assert not [p.name for p in results.iterdir() if p.name.startswith(".")], "no lock, no part"


def test_a_folder_that_vanishes_for_a_while(folders, capsys):
    images, results = folders
    (images / "a.png").write_bytes(image_bytes(2))
    away = images.with_name("away")

    def enough(w):
        if w.recognised == 1 and images.exists() and not away.exists() and not w.told:
            images.rename(away)
        elif w.told and away.exists():
            away.rename(images)
            (images / "b.png").write_bytes(image_bytes(4))
        return w.recognised == 2

    assert watch.watch_folder(plan_for(results), images, QUICK, enough) == 0
    assert counted(results, "b") == 4
    assert "cannot be read just now" in capsys.readouterr().err


def test_what_does_not_go_together(folders):
    images, results = folders
    with pytest.raises(InputError, match="goes without files"):
        predict_big_pic.main(watch=images, files=[images / "a.png"])
    with pytest.raises(InputError, match="would recognise this one's results"):
        predict_big_pic.main(watch=images, out_dir=images)
    with pytest.raises(InputError, match="no such folder to watch"):
        watch.watch_folder(plan_for(results), images / "none")
