"""Ctrl-C, a reader that goes away, a disk that is full in training, two trainings at once."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from annotated import contents, put, textured
from checkout import ROOT
from data_steps import DATA_STEPS, mount, run
from detectors import detections

import predict_big_pic
import train_test
from engine import callbacks
from mrcnn.weights import whole_file
from spm.inference.detector import Detector
from spm.io.images import write_image
from spm.run import command_line
from spm.run.files import folder_lock


class InterruptAfter:
    """Ctrl-C in the middle of a file, after so many whole ones."""

    def __init__(self, monkeypatch, count):
        write = Path.write_bytes

        def write_bytes(path, data):
            nonlocal count
            count -= 1
            if count < 0:
                write(path, data[: len(data) // 2])
                raise KeyboardInterrupt
            return write(path, data)

        monkeypatch.setattr(Path, "write_bytes", write_bytes)


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("step", DATA_STEPS)
def test_ctrl_c_in_a_data_step(step, count, tmp_path, monkeypatch, capsys):
    """One line, status 130, no half file and no lock; the next run gives the undisturbed files."""
    bases = tmp_path / "a", tmp_path / "b"
    for base in bases:
        for name in ("good", "x"):
            put(base / "in", name)
    calls = [step(base / "in", base / "out")[:2] for base in bases]
    assert run(*_flat(calls[0])) == 0
    capsys.readouterr()
    with monkeypatch.context() as patch:
        InterruptAfter(patch, count)
        assert run(*_flat(calls[1])) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "stopped."
    assert not list(bases[1].rglob(".~*")) and not list(bases[1].rglob(".lock"))
    assert run(*_flat(calls[1])) == 0
    assert contents(bases[1]) == contents(bases[0])


def _flat(call):
    return call[0], *call[1]


def test_ctrl_c_in_a_prediction(tmp_path, monkeypatch, capsys):
    """The image before is whole, of the interrupted one there is nothing half."""
    looked = []

    def detect(images):
        looked.append(1)
        if len(looked) == 2:
            raise KeyboardInterrupt
        return [detections() for _ in images]

    detector = Detector(["A"], 1.0, 64, 0.5, detect)
    monkeypatch.setattr("engine.predict.load_detector", lambda *_: detector)
    (tmp_path / "in").mkdir()
    for name in "ab":
        write_image(tmp_path / "in" / f"{name}.png", textured(50, 60))
    out = tmp_path / "out"
    argv = ["--in-dir", tmp_path / "in", "--out-dir", out, "--weights", "w.h5", "--no-report"]
    assert run(predict_big_pic.main, *argv) == 130
    assert capsys.readouterr().err == "stopped.\n"
    assert {p.name for p in out.glob("*.*") if not p.name.startswith(".")} == {
        "a_molecules.csv", "a_predicted.json", "a_predicted.png", "a_predicted.tif",
    }  # fmt: skip
    assert not list(out.rglob(".~*")) and not (out / ".lock").exists()


@pytest.mark.skipif(os.name == "nt", reason="process groups")
def test_ctrl_c_of_a_terminal_with_two_workers(tmp_path):
    """A terminal interrupts all processes of a script: only one of them says so."""
    for name in "abcd":
        put(tmp_path / "in", name, 200, 200)
    script = "Images_Augmentation/color_aug_img_json.py"
    argv = ["--in-dir", tmp_path / "in", "--out-dir", tmp_path / "out", "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, script, *map(str, argv), "--aug-times", "2000"], cwd=ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        # As in a terminal, also when these tests run in a shell's background, which ignores Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    while process.poll() is None and not list((tmp_path / "out").glob("*.json")):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate()[1]
    assert process.returncode == 130 and said == "stopped.\n", said
    assert not (tmp_path / "out" / ".lock").exists()


@pytest.mark.skipif(os.name == "nt", reason="pipes")
def test_a_reader_that_goes_away(tmp_path):
    """`python script.py | head`: no traceback and no complaint of Python's at exit."""
    put(tmp_path / "in")
    read, write = os.pipe()
    os.close(read)
    argv = ["Images_Augmentation/geo_aug_img_json.py", "--in-dir", str(tmp_path / "in")]
    done = subprocess.run(
        [sys.executable, *argv, "--workers", "1"], cwd=ROOT, stdout=write, stderr=subprocess.PIPE
    )
    os.close(write)
    assert done.stderr == b"" and done.returncode == 1


# --- training ----------------------------------------------------------------------------------


@pytest.fixture
def training(tmp_path, monkeypatch):
    """train_main with all but the network; `training.fail` is raised in the first epoch."""
    put(tmp_path / "in")
    folder = tmp_path / "logs" / "shapes20260101T0000"
    said = SimpleNamespace(fail=None, argv=None, folder=folder)

    def train(*_, **__):
        raise said.fail

    def build(*_):
        config = SimpleNamespace(STEPS_PER_EPOCH=2)
        return SimpleNamespace(
            log_dir=str(folder), epoch=0, metadata={}, train=train, config=config
        )

    monkeypatch.setattr("engine.train.build", build)
    monkeypatch.setattr(callbacks, "device_name", lambda: "none")  # would load TensorFlow
    said.argv = ["--augment", "online", "--source-dir", tmp_path / "in", "--class-names", "A", "B"]
    said.argv += ["--log-dir", tmp_path / "logs", "--init-with", "none", "--recipe", "cpu"]
    return said


def test_ctrl_c_in_training(training, capsys):
    training.folder.mkdir(parents=True)
    (training.folder / ".~01234567~.tmp").write_bytes(b"of a killed run")
    training.fail = KeyboardInterrupt()
    assert run(train_test.train_main, *training.argv) == 130
    assert capsys.readouterr().err == "stopped.\n"
    assert [p.name for p in training.folder.iterdir()] == ["settings.json"]


def test_two_trainings_in_one_run_folder(training, capsys):
    """Started in one minute, or the second goes on with what the first is still writing."""
    with folder_lock(training.folder):
        assert run(train_test.train_main, *training.argv) == 1
    told = capsys.readouterr().err
    assert "another run is working in this folder" in told and str(training.folder) in told
    assert not (training.folder / "settings.json").exists()


class ResourceExhaustedError(Exception):
    """Bears TensorFlow's name for a full disk too."""


def test_a_disk_that_is_full_for_tensorboard_is_no_full_graphics_card(training, capsys):
    training.fail = ResourceExhaustedError("/logs/events.v2; No space left on device\nFailed")
    assert run(train_test.train_main, *training.argv) == 1
    told = capsys.readouterr().err
    assert told == f"error: {command_line.DISK_IS_FULL}\n" and "disk" in told


def test_weights_on_a_really_full_disk(tmp_path):
    """HDF5's page of text becomes the name of the file; what was there before stays."""
    import h5py

    small = tmp_path / "small"
    mount(small, "size=100k")
    try:
        path = small / "mask_rcnn_shapes_0002.h5"
        path.write_bytes(b"old")
        with (
            pytest.raises(OSError, match="No space left") as error,
            whole_file(path) as temporary,
            h5py.File(temporary, "w") as file,
        ):
            file.create_dataset("w", data=np.random.default_rng(0).random(100_000))
        assert error.value.filename == str(path) and len(str(error.value)) < 200
        assert path.read_bytes() == b"old" and len(list(small.iterdir())) == 1
    finally:
        subprocess.run(["umount", str(small)], check=True)
