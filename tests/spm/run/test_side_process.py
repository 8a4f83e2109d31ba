import math
import os

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


def test_it_ends_with_its_context():
    with SideProcess() as side:
        process = side._process
        assert process.poll() is None
    assert process.returncode is not None
