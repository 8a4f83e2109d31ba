"""Jobs on several processes, one of which dies."""

import os
import signal
from pathlib import Path

import pytest

from spm.errors import InputError
from spm.run.parallel import run_jobs

pytestmark = pytest.mark.skipif(os.name == "nt", reason="SIGKILL")


def square(job):
    """The square of a number; with 3 the process dies once."""
    number, folder = job
    mark = Path(folder) / "died"
    if number == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 5:
        raise InputError("five")
    return number**2


def test_the_jobs_of_a_dead_worker_are_done_again(tmp_path):
    jobs = [(number, str(tmp_path)) for number in range(8)]
    found = dict(run_jobs(square, jobs, 2, "test"))
    assert (tmp_path / "died").exists()
    assert isinstance(found.pop(5), InputError)
    assert found == {n: n**2 for n in (0, 1, 2, 3, 4, 6, 7)}
