"""Several workers that share a step take the steps of one on the whole batch."""

import importlib.util
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
from checkout import ROOT
from toys import TinyConfig

from mrcnn import distributed

WORKER = ROOT / "tests" / "helpers" / "shared_training.py"
needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed"
)


def start(folder, *arguments, launcher=(), **variables):
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, "KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1", **variables}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "tests" / "helpers"), str(ROOT)])
    command = [sys.executable, *launcher, str(WORKER), str(folder), *map(str, arguments)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(*processes):
    for process in processes:
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, output


def start_workers(folder, *arguments):
    """Two processes on loopback, as torchrun starts them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [start(folder, *arguments, **common, RANK=str(k), LOCAL_RANK=str(k)) for k in range(2)]


def weights(folder, rank=0):
    with np.load(folder / f"weights_{rank}.npz") as file:
        return dict(file)


def largest_difference(one, two):
    """Over all arrays, the greatest difference as a share of the array's greatest value.

    Biases before a trained BatchNorm change nothing: theirs is rounding, and weighed as such.
    """
    assert one.keys() == two.keys()
    return max(np.abs(one[key] - two[key]).max() / max(np.abs(one[key]).max(), 0.01) for key in one)


@needs_torch
def test_two_processes_train_to_the_weights_of_one(tmp_path):
    """Two steps of 2 x 1 images and of 1 x 2: losses, weights and BatchNorm's statistics agree.

    The toys of the images differ in number and size, so that means over each worker's own
    anchors and RoIs would not do.
    """
    shared = start_workers(tmp_path / "shared", 2, 1, 2)
    finish(*shared, start(tmp_path / "alone", 1, 2, 2), start(tmp_path / "before", 1, 2, 1))
    alone, before = weights(tmp_path / "alone"), weights(tmp_path / "before")
    assert largest_difference(before, alone) > 1e-2
    for rank in range(2):
        assert largest_difference(alone, weights(tmp_path / "shared", rank)) < 1e-4
    assert not (tmp_path / "shared" / "losses.csv").exists()
    [run] = [path for path in (tmp_path / "shared").iterdir() if path.is_dir()]
    assert sorted(path.name for path in run.glob("*.h5")) == [
        "mask_rcnn_tiny_0001.h5",
        "mask_rcnn_tiny_0002.h5",
    ]


@needs_torch
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_killed_worker_costs_time_only(tmp_path):
    """torchrun starts all anew; they go on after the last epoch, to the weights of a whole run."""
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    whole = start_workers(tmp_path / "whole", 2, 1, 2)
    killed = start(tmp_path / "killed", 2, 1, 2, "kill", launcher=(*torchrun, "--max-restarts=1"))
    finish(*whole, killed)
    assert (tmp_path / "killed" / "killed").exists()
    assert largest_difference(weights(tmp_path / "whole"), weights(tmp_path / "killed")) < 1e-6


# --- without PyTorch ---------------------------------------------------------------------------


def tiny(**changes):
    return type("Changed", (TinyConfig,), changes)()


def test_one_process_has_the_whole_batch():
    config = tiny(GPU_COUNT=3, IMAGES_PER_GPU=2)
    assert distributed.own_share(config.BATCH_SIZE) == (0, 6)
    assert distributed.from_first(lambda: 7) == 7
    assert (distributed.rank(), distributed.processes()) == (0, 1)


def test_shares_are_a_partition_of_the_batch(monkeypatch):
    config = tiny(GPU_COUNT=3, IMAGES_PER_GPU=2)
    monkeypatch.setattr(distributed, "_processes", 3)
    places = []
    for rank in range(3):
        monkeypatch.setattr(distributed, "_rank", rank)
        first, count = distributed.own_share(config.BATCH_SIZE)
        places += range(first, first + count)
    assert places == list(range(6))


def test_processes_on_another_backend(monkeypatch):
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "127.0.0.1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    with pytest.raises(ValueError, match=r"2 processes.*KERAS_BACKEND=torch.*tensorflow"):
        distributed.join()
    monkeypatch.delenv("MASTER_ADDR")  # a variable of another program
    assert distributed.launched() == 1
    distributed.join()


def test_more_cards_than_processes(monkeypatch):
    distributed.check(tiny())
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    with pytest.raises(ValueError, match=r"GPU_COUNT=4.*torchrun --nproc-per-node=4"):
        distributed.check(tiny(GPU_COUNT=4))
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(ValueError, match=r"GPU_COUNT=4.*KERAS_BACKEND=torch.*jax"):
        distributed.check(tiny(GPU_COUNT=4))
