import math
import os
import sys
import time
import warnings
from pathlib import Path

import pytest

from spm.geometry.polygons import polygon_area
from spm.run.side_process import SideProcess


def test_answers_and_exceptions_come_back_in_order():
    with SideProcess("spm.geometry.polygons") as side:
        assert side.start(os.getpid)() != os.getpid()
        assert side.start(polygon_area, [(0, 0), (4, 0), (4, 3)])() == 6
        with pytest.raises(ValueError):
            side.start(math.sqrt, -1)()
        assert side.start(math.sqrt, 9)() == 3


def test_what_is_printed_there_does_not_mix_with_answers(capfd):
    with SideProcess() as side:
        assert side.start(print, "drawn")() is None
        assert side.start(math.sqrt, 4)() == 2
    assert "drawn" in capfd.readouterr().err


def test_a_process_that_dies_is_done_without():
    with SideProcess() as side:
        process = side._process
        answer = side.start(os.getpid)
        assert answer() == process.pid
        process.kill()
        process.wait()
        assert side.start(os.getpid)() == os.getpid()
        assert side.start(math.sqrt, 4)() == 2


def test_an_answer_that_nobody_asked_for_is_not_the_next_ones():
    with SideProcess() as side:
        side.start(math.sqrt, 4)
        assert side.start(math.sqrt, 9)() == 3


def slow_file(path):
    """Writes a file in a second, and answers more than a pipe holds."""
    with path.open("w") as file:
        for _ in range(10):
            file.write("line\n")
            file.flush()
            time.sleep(0.1)
    return bytes(1 << 20)


class OddError(Exception):
    """One that cannot be read back: it asks for more than its words."""

    def __init__(self, what, where):
        super().__init__(f"{what} at {where}")


def raise_odd():
    raise OddError("wrong", "here")


def lambda_of():
    return lambda: None


def warn():
    warnings.warn("a library's", RuntimeWarning, stacklevel=1)


@pytest.fixture
def own(monkeypatch):
    """This module as one that the other process can import."""
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parent), *sys.path])
    name = Path(__file__).stem
    return __import__(name)


def test_what_it_writes_at_the_end_is_whole(own, tmp_path):
    with SideProcess() as side:
        side.start(own.slow_file, tmp_path / "a.txt")
        time.sleep(0.5)
    assert len((tmp_path / "a.txt").read_text().splitlines()) == 10


def test_a_forgotten_answer_costs_nothing(own, tmp_path):
    with SideProcess() as side:
        process = side._process
        side.start(own.slow_file, tmp_path / "a.txt")
        assert side.start(os.getpid)() == process.pid


def test_what_cannot_be_sent_is_an_error_and_no_traceback(own, capfd):
    with SideProcess() as side:
        with pytest.raises(RuntimeError, match="cannot be sent"):
            side.start(own.lambda_of)()
        with pytest.raises(own.OddError, match="wrong at here"):
            side.start(own.raise_odd)()
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("quiet", [True, False])
def test_libraries_are_as_quiet_there_as_here(own, quiet, monkeypatch, capfd):
    monkeypatch.setattr("spm.run.side_process.are_quiet", lambda: quiet)
    with SideProcess() as side:
        side.start(own.warn)()
    assert ("a library's" in capfd.readouterr().err) != quiet


def test_its_environment_gives_way_to_this_ones(monkeypatch):
    monkeypatch.setenv("SPM_TEST_ONE", "mine")
    with SideProcess(environment={"SPM_TEST_ONE": "its", "SPM_TEST_TWO": "its"}) as side:
        assert side.start(os.getenv, "SPM_TEST_ONE")() == "mine"
        assert side.start(os.getenv, "SPM_TEST_TWO")() == "its"


def test_it_ends_with_its_context():
    with SideProcess() as side:
        process = side._process
        assert process.poll() is None
    assert process.returncode is not None
