"""A dask cluster of two local workers does what one process does."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager

import cluster_detector
import numpy as np
import pytest
from annotated import contents
from checkout import ROOT
from colour_detector import blobs

import predict_big_pic
from spm.errors import InputError
from spm.io.images import write_image
from spm.run import cluster
from spm.run.parallel import run_jobs


@contextmanager
def running(*arguments, **variables):
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests" / "helpers"), **variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A scheduler's address."""
    distributed = pytest.importorskip("distributed")
    file = tmp_path_factory.mktemp("dask") / "scheduler.json"
    settings = ("--host", "127.0.0.1", "--port", 0, "--no-dashboard", "--scheduler-file", file)
    with running("scheduler", *settings):
        until = time.monotonic() + 60
        while not file.exists() or not file.read_text(encoding="utf-8").endswith("}"):
            assert time.monotonic() < until, "the scheduler did not start"
            time.sleep(0.05)
        with distributed.Client(scheduler_file=str(file), set_as_default=False) as client:
            address = client.scheduler.address
        yield address


def worker(address):
    return running("worker", address, "--no-nanny", "--nthreads", 1, "--no-dashboard")


def put_images(folder):
    (folder / "images").mkdir()
    for number, name in enumerate(("a b", "图", "c", "d", "e")):
        write_image(folder / "images" / f"{name}.png", blobs(120 + 20 * number, 150)[0])
    (folder / "images" / "broken.png").write_bytes(b"no image")
    (folder / "w.h5").write_bytes(b"")


def predict(load, out_dir, monkeypatch, **settings):
    monkeypatch.setattr("engine.predict.load_detector", load)
    return predict_big_pic.main(weights="w.h5", out_dir=out_dir, **settings)


def results(folder):
    """All files but the reports, which tell the time."""
    return {name: data for name, data in contents(folder).items() if not name.endswith(".html")}


def test_two_workers_and_one_that_dies(address, tmp_path, monkeypatch, capsys):
    """The files of one process; the network is built once a worker; a worker killed in the middle
    of its image costs nothing but time."""
    monkeypatch.chdir(tmp_path)
    put_images(tmp_path)
    assert predict(cluster_detector.load, "alone", monkeypatch) == 1  # one image is broken
    (tmp_path / "loads.txt").unlink()
    alone = capsys.readouterr()
    assert "5 of 6 images" in alone.out
    with worker(address), worker(address):
        wait_for_workers(address, 2)
        assert predict(cluster_detector.load, "cluster", monkeypatch, scheduler=address) == 1
        printed = capsys.readouterr()
        assert "5 of 6 images" in printed.out and "c.png: " in printed.out
        assert "broken.png" in printed.err
        assert results(tmp_path / "cluster") == results(tmp_path / "alone")
        assert (tmp_path / "cluster" / "c_report.html").exists()
        builders = (tmp_path / "loads.txt").read_text().split()
        assert 1 <= len(builders) <= 2 and len(set(builders)) == len(builders)
        assert str(os.getpid()) not in builders

        assert predict(cluster_detector.load_and_die, "killed", monkeypatch, scheduler=address)
        assert (tmp_path / "killed.txt").is_file()
        assert results(tmp_path / "killed") == results(tmp_path / "alone")


def wait_for_workers(address, count):
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=60)


def test_the_functions_of_the_client_alone(address, tmp_path, monkeypatch):
    """A job that scheduler and workers cannot import ends the run; it is not waited for."""
    (tmp_path / "only_here.py").write_text("def double(n):\n    return 2 * n\n")
    monkeypatch.syspath_prepend(tmp_path)
    import only_here

    with worker(address), cluster.on_cluster(address):
        assert cluster.in_use()
        with pytest.raises(InputError, match="cannot import this program.*python -m dask"):
            list(run_jobs(only_here.double, [1, 2], None, "test"))
    assert not cluster.in_use()


def test_other_errors_end_the_run(address):
    with (
        worker(address),
        cluster.on_cluster(address),
        pytest.raises(TypeError, match="negative|abs"),
    ):
        list(run_jobs(abs, ["text"], None, "test"))


# --- without a cluster -------------------------------------------------------------------------


def test_no_scheduler(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.2)
    with (
        pytest.raises(InputError, match=r"tcp://127.0.0.1:9.*no dask scheduler"),
        cluster.on_cluster("tcp://127.0.0.1:9"),
    ):
        pass


def test_dask_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(InputError, match=r"requirements-cluster\.txt"),
        cluster.on_cluster("tcp://127.0.0.1:9"),
    ):
        pass


def test_a_folder_that_the_worker_does_not_see(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: the worker on .* does not see this folder"):
        cluster._work(str(tmp_path / "nowhere"), np.abs, -1)


def test_without_a_scheduler_nothing_changes():
    with cluster.on_cluster(None):
        assert not cluster.in_use()
