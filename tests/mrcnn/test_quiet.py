"""No log line of a library reaches the user; what matters does."""

import os
import subprocess
import sys

import pytest
from checkout import ROOT

from mrcnn import log_filter


def said(code, **variables):
    """What a new process writes to its standard error, and how it ended."""
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**environment, **variables},
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    return result.stderr, result.returncode


def test_tensorflow_is_imported_without_a_word():
    pytest.importorskip("tensorflow")
    code = "import mrcnn, keras, tensorflow as tf; tf.config.list_physical_devices(); tf.zeros(1)"
    assert said(code) == ("", 0)


def test_the_users_own_level_wins():
    tf = pytest.importorskip("tensorflow")
    words, status = said("import mrcnn, tensorflow", TF_CPP_MIN_LOG_LEVEL="0")
    assert status == 0 and ("oneDNN" in words or not tf.__version__.startswith("2.21"))


def test_errors_of_an_import_arrive():
    """Also those written by C++ shortly before the system ends the process."""
    code = (
        "import os; from mrcnn.quiet import filtered_stderr\n"
        "with filtered_stderr():\n"
        "    os.write(2, b'I0000 00:00:1795891509.1 1 port.cc:153] noise\\n')\n"
        "    os.write(2, b'The TensorFlow library was compiled to use AVX instructions\\n')\n"
        "    os.abort()"
    )
    words, status = said(code)
    assert status != 0 and "port.cc" not in words and "compiled to use AVX" in words


def test_what_is_written_before_and_after_is_untouched():
    code = (
        "import sys; from mrcnn.quiet import filtered_stderr\n"
        "print('one', file=sys.stderr)\n"
        "with filtered_stderr():\n"
        "    print('two', file=sys.stderr)\n"
        "print('I0000 00:00:17 three', file=sys.stderr)"
    )
    assert said(code) == ("one\ntwo\nI0000 00:00:17 three\n", 0)


def test_without_a_standard_error_the_import_works():
    code = "import os, sys; sys.stderr = None; os.close(2); import mrcnn, keras; print(keras.Model)"
    assert said(code)[1] == 0


@pytest.mark.parametrize(
    ("line", "noise"),
    [
        (b"WARNING: All log messages before absl::InitializeLog() is called are written", True),
        (b"I0000 00:00:1795891550.131645 9354 cudart_stub.cc:31] Could not find cuda", True),
        (b"2026-01-31 10:00:00.123456: I tensorflow/core/util/port.cc:153] oneDNN", True),
        (b"E0000 00:00:17 1 cuda_fft.cc:477] Unable to register cuFFT factory: Attempt", True),
        (b"E0000 00:00:17 1 cuda_platform.cc:52] failed call to cuInit: INTERNAL", False),
        (b"Traceback (most recent call last):", False),
        (b"ImportError: DLL load failed while importing _pywrap_tensorflow_internal", False),
        (b"UserWarning: Protobuf gencode version 5.28.3 is exactly one major version", False),
    ],
)
def test_lines(line, noise):
    assert bool(log_filter.NOISE.match(line)) is noise
