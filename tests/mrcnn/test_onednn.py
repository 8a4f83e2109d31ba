"""TensorFlow takes oneDNN's kernels on every PC, unless the user says otherwise."""

import os
import platform
import subprocess
import sys

import pytest
from checkout import ROOT

from mrcnn import onednn

CODE = """
import mrcnn, tensorflow as tf
from tensorflow.python.framework import test_util
print(test_util.IsMklEnabled())
"""


def taken(**variables):
    """What TensorFlow says in a new process."""
    environment = {k: v for k, v in os.environ.items() if k != onednn.SETTING}
    return subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, env={**environment, **variables},
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="TensorFlow on a PC")
def test_tensorflow_takes_the_kernels_that_were_asked_for():
    pytest.importorskip("tensorflow")
    assert taken() == "True"
    assert taken(**{onednn.SETTING: "0"}) == "False"


@pytest.mark.parametrize("machine, own, expected", [
    ("x86_64", None, "1"), ("AMD64", None, "1"), ("x86_64", "0", "0"), ("arm64", None, None),
])  # fmt: skip
def test_only_pcs_are_asked_and_the_user_wins(monkeypatch, machine, own, expected):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setenv(onednn.SETTING, own or "")  # so that it is put back, too
    if own is None:
        monkeypatch.delenv(onednn.SETTING)
    onednn.use_onednn()
    assert os.environ.get(onednn.SETTING) == expected
