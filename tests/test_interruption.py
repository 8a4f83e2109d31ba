"""SIGKILL at random moments of prediction and of the workflow: the next run finishes the work.

The data steps alone are killed in test_data_chain.py.
"""

import functools
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from unittest import mock

import numpy as np
import pytest
from annotated import contents, put, textured
from checkout import ROOT
from detectors import detections

import predict_big_pic
import train_test
import workflow
from Images_Augmentation import geo_aug_img_json
from spm.dataset.index import load_masks, read_index
from spm.inference.detector import Detector
from spm.io.images import read_image, write_image

pytestmark = pytest.mark.skipif(os.name == "nt", reason="SIGKILL")

KILLS = 3


def see_bright_places(images):
    """Stands for the network: one molecule in each tile."""
    return [detections([(30, 40, 50, 60)], [0], [0.9], class_count=1) for _ in images]


def load(*_):
    return Detector(["A"], 1.0, 96, 0.5, see_bright_places)


def predict(base):
    """The prediction script without TensorFlow; a child process runs it too."""
    folders = {"in_dir": base / "images", "out_dir": base / "out"}
    with mock.patch("engine.predict.load_detector", load):
        return predict_big_pic.main(weights=base / "w.h5", **folders)


def work(base):
    """The workflow with real data steps, a few copies, and a training that only leaves a file."""

    def train(*, dataset_dir, log_dir, **_):
        entries = read_index(dataset_dir)  # raises when the dataset is not whole
        for entry in entries:
            assert load_masks(entry.masks).shape[2] == len(entry.labels)
            read_image(entry.image)
        log_dir.mkdir(exist_ok=True)
        (log_dir / "w.h5").write_text(str(len(entries)))
        return log_dir / "w.h5"

    make_copies = functools.partial(geo_aug_img_json.main, angles=[40, 90], flips=["lr"])
    folders = {
        key: base / key for key in ("copies_dir", "cache_dir", "dataset_dir", "log_dir", "out_dir")
    }
    with (
        mock.patch.object(train_test, "train_main", train),
        mock.patch("engine.predict.load_detector", load),
        mock.patch.object(geo_aug_img_json, "main", make_copies),
    ):
        return workflow.main(
            source_dir=base / "in", images_dir=base / "images", class_names=["A", "B"],
            aug_times=2, recipe="cpu", init_with="none", workers=1, **folders,
        )  # fmt: skip


def run_and_kill(function, base, seconds):
    """Run `function(base)` in a process of its own and kill it after so many seconds."""
    code = "import sys; sys.path[:0] = ['tests', 'tests/helpers', '.']\n"
    code += "from pathlib import Path; import test_interruption as t; print('go', flush=True)\n"
    code += f"t.{function.__name__}(Path(sys.argv[1])); print('end', flush=True)"
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(base)], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert child.stdout.readline() == b"go\n"
    time.sleep(seconds)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()


def assert_every_file_is_whole(folder):
    for path in folder.rglob("*"):
        if path.name.startswith(".") or not path.is_file():
            continue
        if path.suffix == ".png":
            read_image(path)
        elif path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".csv":
            assert path.read_bytes().endswith(b"\n")
        elif path.name.endswith("_averages.npz"):
            with np.load(path) as arrays:
                assert all(arrays[name] is not None for name in arrays)
        elif path.suffix == ".npz":
            load_masks(path)


DATE = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


def differing(first, second):
    """The names of the files that differ in two folders in more than in what tells the time."""
    one, two = contents(first), contents(second)
    assert one.keys() == two.keys()
    differ = [name for name in one if DATE.sub(b"", one[name]) != DATE.sub(b"", two[name])]
    return [name for name in differ if not name.endswith(".html")]


def put_images(base):
    for name in ("a", "b 一"):
        write_image(base / "images" / f"{name}.png", textured(150, 210, len(name)))


def test_prediction_killed_at_random_moments(tmp_path):
    for name in ("undisturbed", "killed"):
        (tmp_path / name / "images").mkdir(parents=True)
        put_images(tmp_path / name)
    start = time.perf_counter()
    assert predict(tmp_path / "undisturbed") == 0
    whole = time.perf_counter() - start
    draw = random.Random(7)
    killed = tmp_path / "killed"
    for _ in range(KILLS):
        run_and_kill(predict, killed, draw.uniform(0, whole))
        assert_every_file_is_whole(killed)
    assert predict(killed) == 0
    assert differing(tmp_path / "undisturbed" / "out", killed / "out") == []
    assert not list(killed.rglob(".~*"))


def test_the_workflow_killed_at_random_moments(tmp_path):
    for name in ("undisturbed", "killed"):
        put(tmp_path / name / "in", "a")
        (tmp_path / name / "images").mkdir()
        put_images(tmp_path / name)
    start = time.perf_counter()
    assert work(tmp_path / "undisturbed") == 0
    whole = time.perf_counter() - start
    draw = random.Random(8)
    killed = tmp_path / "killed"
    for _ in range(KILLS):
        run_and_kill(work, killed, draw.uniform(0, whole))
        assert_every_file_is_whole(killed)
    assert work(killed) == 0
    assert differing(tmp_path / "undisturbed", killed) == []
    assert not list(killed.rglob(".~*"))
