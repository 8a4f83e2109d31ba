"""SIGKILL inside a real training: the next run goes on from the last whole epoch, and its weights
are those of a run that nobody disturbed.

`KILLS=20 python -m pytest tests/engine/test_training_interrupted.py` kills at so many random
moments more.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from unittest import mock

import keras
import numpy as np
import pytest
from annotated import put
from checkout import ROOT
from tiny_recipe import TinyLight

import train_test
from engine import callbacks as engine_callbacks
from engine.checkpoints import best_epoch, find_interrupted
from engine.initial_weights import find_start
from mrcnn import training_state, weights
from spm.dataset.annotated_images import digest_of, outlined_sources
from spm.errors import InputError

KILLS = int(os.environ.get("KILLS", "0"))
pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="SIGKILL"),
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="runs eagerly"),
]


class Tiny(TinyLight):
    """In the recipe's own scale, and without steps on validation images: there are none."""

    MOLECULE_PIXELS = train_test.LightConfig.MOLECULE_PIXELS
    VALIDATION_STEPS = 0


def train(base, kill=None, seed=5, keep="best"):
    """A training of three epochs of two steps; returns the last weights file.

    Without its last act, the choice of a threshold by a prediction: it is noted only. The state of
    the optimiser is copied before it goes.
    """
    import tensorflow as tf

    def note(model, path, *_):
        shutil.copy(training_state.state_path(path), copied_state(path))
        model.metadata["score_threshold"] = 0.5
        model.save_weights(path)

    tf.config.run_functions_eagerly(True)  # compiling would take most of the time
    try:
        with (
            mock.patch.object(train_test, "LightConfig", Tiny),
            mock.patch("engine.train.judge", note),
            (kill or no_kill)(),
        ):
            return train_test.train_main(
                class_names=["A", "B"], init_with="none", recipe="cpu", augment="online",
                source_dir=base / "in", log_dir=base / "logs", validation_share=0.0, epochs=3,
                steps_per_epoch=2, seed=seed, keep=keep,
            )  # fmt: skip
    finally:
        tf.config.run_functions_eagerly(False)


def copied_state(weights_path):
    """Where the state of a training is copied at its end."""
    return weights_path.with_name("copied_state.npz")


# --- moments to be killed at --------------------------------------------------------------------


def no_kill():
    return nullcontext()


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def in_weights_of_epoch_3():
    """When half of the weights of the third epoch are in the temporary file."""
    save, write = weights.save_weights, weights._write_layers

    def half(file, layers):
        layers = list(layers)
        write(file, layers[: len(layers) // 2])
        file.flush()
        die()

    def save_or_die(path, *more):
        with mock.patch.object(weights, "_write_layers", half if "_0003" in str(path) else write):
            save(path, *more)

    return mock.patch.object(weights, "save_weights", save_or_die)


def in_a_step_of_epoch_2():
    class Kill(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if self.model.optimizer.iterations == 3:
                die()

    callbacks = engine_callbacks.callbacks
    return mock.patch("engine.train.callbacks", lambda *a: [*callbacks(*a), Kill()])


def in_state_of_epoch_3():
    """When half of the optimiser's state of the third epoch is in the temporary file."""
    save = np.savez

    def half(file, **arrays):
        if "_iteration" in "".join(arrays) and arrays["0000_iteration"] == 6:
            file.write(b"PK half")
            file.flush()
            die()
        save(file, **arrays)

    return mock.patch.object(training_state.np, "savez", half)


def child(base, kill):
    """Start a process that trains and is killed."""
    code = "import sys; sys.path[:0] = ['tests/engine', 'tests/helpers', '.']\n"
    code += "from pathlib import Path; import test_training_interrupted as t\n"
    code += f"t.train(Path(sys.argv[1]), t.{kill}); print('end')"
    return subprocess.Popen(
        [sys.executable, "-c", code, str(base)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def killed(process):
    """Wait for its end; return what it had printed."""
    said = process.communicate()[0]
    assert process.returncode == -signal.SIGKILL, said
    return said


# --- tests --------------------------------------------------------------------------------------


def arrays(path):
    """All weights of a file, after looking that every one can be read."""
    layers = weights.read_groups(path)
    return {f"{layer}/{k}": v for layer, group in layers.items() for k, v in group.items()}


def assert_whole(run):
    """Every visible file can be read to its end; a kill leaves hidden ones at most."""
    for path in run.rglob("*"):
        if path.name.startswith((".", "events")):
            continue
        if path.suffix == ".h5":
            assert len(arrays(path)) > 100
        elif path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as state:
                assert all(state[name] is not None for name in state)
        elif path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".csv":
            assert path.read_bytes().endswith(b"\n")


def assert_same(first, second):
    """Weights, optimiser, step count and random state of two runs are equal to the last bit."""
    one, two = arrays(first), arrays(second)
    assert one.keys() == two.keys()
    assert [name for name in one if not np.array_equal(one[name], two[name])] == []
    with (
        np.load(copied_state(first)) as a,
        np.load(copied_state(second)) as b,
    ):
        assert a["0000_iteration"] == 6 and set(a) == set(b)
        assert [name for name in a if not np.array_equal(a[name], b[name])] == []


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The last weights of an undisturbed run that keeps all, and of one that was killed in a
    step and while it wrote weights."""
    whole, cut = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("切 (1)")
    for base in (whole, cut):
        put(base / "in", "a")
    undisturbed = train(whole, keep="all")
    killed(child(cut, "in_a_step_of_epoch_2"))
    (run,) = (cut / "logs").iterdir()
    assert_whole(run)
    assert [p.name for p in run.glob("*.h5")] == ["mask_rcnn_shapes_0001.h5"]
    shutil.copy(run / "mask_rcnn_shapes_0001.h5", run / "first epoch.h5")
    said = killed(child(cut, "in_weights_of_epoch_3"))
    assert f"continuing the interrupted run {run}" in said
    assert_whole(run)
    assert len(list(run.glob("mask*.h5"))) == 2 and len(list(run.glob(".~*"))) == 1
    return undisturbed, train(cut)


def test_a_run_killed_twice_gives_the_undisturbed_weights(runs):
    undisturbed, resumed = runs
    assert_same(undisturbed, resumed)
    assert len(list((resumed.parents[1]).iterdir())) == 1  # always the same run folder
    assert not list(resumed.parent.glob(".*"))  # neither leftovers nor a lock
    rows = (resumed.parent / "losses.csv").read_text(encoding="utf-8").splitlines()
    expected = (undisturbed.parent / "losses.csv").read_text(encoding="utf-8").splitlines()
    assert rows == expected and len(rows) == 4


def test_another_process_with_the_same_seed_has_the_same_weights(runs):
    """The first epoch of the killed run was made by a process of its own."""
    names = ("mask_rcnn_shapes_0001.h5", "first epoch.h5")
    first = [arrays(path.with_name(name)) for path, name in zip(runs, names, strict=True)]
    last = arrays(runs[0])
    assert all(np.array_equal(first[0][name], first[1][name]) for name in first[0])
    assert [name for name in last if not np.array_equal(first[0][name], last[name])]


def test_the_last_and_the_best_weights_stay_and_no_state(runs):
    undisturbed, resumed = runs
    names = [f"mask_rcnn_shapes_000{k}.h5" for k in (1, 2, 3)]
    assert sorted(p.name for p in undisturbed.parent.glob("mask*")) == names  # keep="all"
    best = best_epoch(resumed.parent)
    assert best == best_epoch(undisturbed.parent)
    stay = sorted({names[best - 1], names[2]})
    assert sorted(p.name for p in resumed.parent.glob("mask*")) == stay
    assert (resumed.parent / "first epoch.h5").exists()  # the user's copy


def test_what_made_a_run_is_stored_with_it(runs):
    record = json.loads((runs[0].parent / "settings.json").read_text(encoding="utf-8"))
    assert record["packages"]["keras"] == keras.__version__ and record["python"]
    assert {"date", "command", "machine", "revision"} <= record.keys()
    assert record["settings"]["seed"] == 5 and record["settings"]["class_names"] == ["A", "B"]
    assert record["settings"]["config"]["STEPS_PER_EPOCH"] == 2


def test_a_damaged_last_epoch_is_passed_over(runs, tmp_path, capsys):
    """Cut off by a loss of power: the epoch before is taken; a finished run is left alone."""
    run = tmp_path / runs[0].parent.name
    run.mkdir()
    for path in runs[0].parent.glob("*.*"):
        if path.suffix in (".h5", ".json"):
            (run / path.name).write_bytes(path.read_bytes())
    record = json.loads((run / "settings.json").read_text(encoding="utf-8"))["settings"]
    assert find_interrupted(tmp_path, record, "shapes") is None
    last = run / runs[0].name
    last.write_bytes(last.read_bytes()[:100_000])
    assert find_interrupted(tmp_path, record, "shapes").name == "mask_rcnn_shapes_0002.h5"
    assert "end is missing" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"_0003\.h5.*end is missing.*delete it: then training"):
        find_start("last", train_test.LightConfig, tmp_path, ["A", "B"])
    assert find_interrupted(tmp_path, {**record, "seed": 6}, "shapes") is None
    capsys.readouterr()
    sources = outlined_sources(runs[0].parents[2] / "in")
    assert record["data"] == digest_of(sources)
    sources[0].labels.reverse()  # the user corrects two labels that had been exchanged
    corrected = {**record, "data": digest_of(sources)}
    assert find_interrupted(tmp_path, corrected, "shapes") is None
    assert "other images, outlines or labels" in capsys.readouterr().out


@pytest.mark.skipif(not KILLS, reason="minutes; KILLS=20 runs it")
def test_a_run_killed_at_random_moments(runs, tmp_path):
    put(tmp_path / "in", "a")
    draw = random.Random(11)
    moments = ["in_state_of_epoch_3", *[None] * (KILLS - 1)]
    ended = 0
    for moment in moments:
        process = child(tmp_path, moment or "no_kill")
        process.stdout.readline()  # it has been imported and has begun
        if moment:
            killed(process)
        else:
            time.sleep(draw.uniform(0, 15))
            process.kill()
            process.communicate()
            ended += process.returncode == 0
        for run in (tmp_path / "logs").glob("*"):
            assert_whole(run)
    print(f"{KILLS} kills, {ended} of them after the end")
    (last,) = {train(tmp_path)} if not ended else set((tmp_path / "logs").rglob("*_0003.h5"))
    assert_same(runs[0], last)
