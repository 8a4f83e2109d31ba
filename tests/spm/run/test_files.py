"""Atomic writing, natural order, locks and links."""

import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from mrcnn.weights import whole_file
from spm.errors import InputError
from spm.io.images import write_image
from spm.run.files import (
    atomic_path,
    file_lock,
    folder_lock,
    link_or_copy,
    natural_sorted,
    remove_leftovers,
    write_csv,
    write_json,
)
from spm.structures.annotation import Annotation, write_annotation


def test_atomic_path_replaces_only_when_all_went_well(tmp_path):
    target = tmp_path / "表 [1].txt"
    target.write_text("old", encoding="utf-8")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text(encoding="utf-8") == "old"
    with atomic_path(target) as temporary:
        assert temporary.suffix == ".txt" and temporary.parent == tmp_path
        temporary.write_text("new")
    assert target.read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["表 [1].txt"]


def test_results_are_on_the_disk_before_they_get_their_name(tmp_path, monkeypatch):
    """A loss of power after the renaming leaves no empty file; copies are not waited for."""
    flushed, flush = [], os.fsync

    def fsync(number):
        assert not [p for p in tmp_path.iterdir() if not p.name.startswith(".~")]
        flushed.append(os.fstat(number).st_ino)
        flush(number)

    monkeypatch.setattr(os, "fsync", fsync)
    for write in (
        lambda path: write_json(path, [1]),
        lambda path: write_csv(path, ["a"], []),
        lambda path: write_image(path, np.zeros((2, 2, 3), np.uint8), durable=True),
        lambda path: write_annotation(path, Annotation([], 2, 2, "a.png")),
    ):
        write(tmp_path / "x.png")
        assert (tmp_path / "x.png").stat().st_ino == flushed.pop()
        (tmp_path / "x.png").unlink()
    with whole_file(tmp_path / "w.h5") as temporary:
        temporary.write_bytes(b"weights")
    assert len(flushed) == 1
    write_image(tmp_path / "copy.png", np.zeros((2, 2, 3), np.uint8))
    write_annotation(tmp_path / "copy.json", Annotation([], 2, 2, "a.png"), durable=False)
    assert len(flushed) == 1


def test_what_training_leaves_when_killed_is_removed_by_the_next(tmp_path):
    """mrcnn knows nothing of spm, but names its temporary files alike."""
    with pytest.raises(RuntimeError), whole_file(tmp_path / "w.h5") as temporary:
        temporary.write_bytes(b"half")
        killed = temporary.with_name(temporary.name.replace(temporary.name[2:10], "0123abcd"))
        killed.write_bytes(b"half, of a killed run")
        raise RuntimeError
    assert remove_leftovers(tmp_path) == 1 and not list(tmp_path.iterdir())


def test_leftovers_of_killed_runs_are_removed_and_nothing_else(tmp_path):
    (tmp_path / ".~0123abcd~.png").write_bytes(b"half")
    (tmp_path / ".hidden").write_bytes(b"mine")
    assert remove_leftovers(tmp_path) == 1
    assert [path.name for path in tmp_path.iterdir()] == [".hidden"]


def test_natural_order():
    assert natural_sorted(["b1", "a10", "a9", "A2", "a"]) == ["a", "A2", "a9", "a10", "b1"]
    # Digits of other scripts are no reason to fail.
    assert natural_sorted(["a²", "a٣", "a1"])[0] == "a1"


def test_json_without_nan_and_csv_with_quotes(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / "x.json", float("nan"))
    assert not list(tmp_path.iterdir())
    write_json(tmp_path / "x.json", {"ключ": [1]})
    assert json.loads((tmp_path / "x.json").read_text(encoding="utf-8")) == {"ключ": [1]}
    write_csv(tmp_path / "x.csv", ["a", "b"], [["1,2", 'q"']])
    assert (tmp_path / "x.csv").read_bytes() == b'a,b\n"1,2","q"""\n'


def test_second_run_in_a_folder_is_refused_with_its_name(tmp_path):
    folder = tmp_path / "out"
    with folder_lock(folder), pytest.raises(InputError, match="out"), folder_lock(folder):
        pass
    assert not (folder / ".lock").exists()


LOCK = "import sys,time;from spm.run.files import folder_lock;l=folder_lock(sys.argv[1]);"


def test_lock_of_a_dead_process_is_taken_over(tmp_path):
    code = LOCK + "l.__enter__();import os;os._exit(9)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert (tmp_path / ".lock").exists()
    with folder_lock(tmp_path):
        assert (tmp_path / ".lock").read_text().startswith(f"{os.getpid()}\n")
    assert not list(tmp_path.iterdir())


def test_lock_of_another_machine_is_respected(tmp_path):
    """Nobody can tell whether its owner lives; the user may delete it, as the sentence says."""
    (tmp_path / ".lock").write_text("1\nanother-machine\n")
    with pytest.raises(InputError, match=r"delete \.lock"), folder_lock(tmp_path):
        pass
    (tmp_path / ".lock").unlink()
    with folder_lock(tmp_path):
        pass


def test_of_processes_that_start_at_once_one_gets_the_folder(tmp_path):
    code = LOCK + "l.__enter__();print('mine',flush=True);time.sleep(60)"
    command = [sys.executable, "-c", code, str(tmp_path)]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    try:
        refused = []
        while len(refused) < 3:
            time.sleep(0.05)
            refused = [process for process in running if process.poll() is not None]
            assert len(refused) < 4
        assert all("another run" in process.communicate()[1] for process in refused)
        (holder,) = set(running) - set(refused)
        assert holder.stdout.readline() == "mine\n"
    finally:
        for process in running:
            process.kill()
            process.communicate()


def test_a_lock_or_folder_that_is_deleted_meanwhile(tmp_path):
    with folder_lock(tmp_path / "a"):
        (tmp_path / "a" / ".lock").unlink()
    with folder_lock(tmp_path / "a"):
        shutil.rmtree(tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_a_file_where_a_folder_is_needed(tmp_path):
    (tmp_path / "x").write_bytes(b"")
    with pytest.raises(InputError, match="folder is needed"), folder_lock(tmp_path / "x"):
        pass


def test_links_share_space_and_replacing_one_keeps_the_other(tmp_path):
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(b"1")
    link_or_copy(source, target)
    link_or_copy(source, target)  # again: nothing is left behind
    assert target.read_bytes() == b"1"
    with atomic_path(source) as temporary:
        temporary.write_bytes(b"2")
    assert target.read_bytes() == b"1"
    assert len(list(tmp_path.iterdir())) == 2


def test_of_two_writers_of_a_file_one_waits(tmp_path):
    path = tmp_path / "a b.json"
    with file_lock(path):
        with pytest.raises(InputError, match="a b.json"), file_lock(path, seconds=0.05):
            pass
        with file_lock(tmp_path / "other.json"):
            pass
    with file_lock(path, seconds=0.05):
        assert not path.exists()
    assert not list(tmp_path.iterdir())


def test_the_lock_of_a_killed_writer_is_taken_over(tmp_path):
    path = tmp_path / "a.json"
    code = (
        "import os, sys; from spm.run.files import file_lock\n"
        f"with file_lock({str(path)!r}): os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert list(tmp_path.iterdir()), "it is still there"
    with file_lock(path, seconds=5):
        pass
    assert not list(tmp_path.iterdir())
