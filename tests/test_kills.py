"""A small sample of studies/kills.py: runs that are killed, and the same command again.

`python studies/kills.py --kills 50` kills each part fifty times. The data steps are killed in
test_data_chain.py, training in engine/test_training_interrupted.py.
"""

import os
import subprocess
import sys

import pytest
from checkout import ROOT


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_killed_runs_end_with_the_files_of_undisturbed_ones():
    parts = ["prediction", "export", "threshold", "add"]
    command = [sys.executable, "studies/kills.py", "--kills", "2", "--seed", "7", "--parts", *parts]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    for part in parts:
        assert f"{part}: 2 kills" in done.stdout
