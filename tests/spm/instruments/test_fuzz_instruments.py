"""Fuzzing: instrument files with changed bytes and cut-off ends, and the files beside images.

Run it longer:
`FUZZ_EXAMPLES=1500 python -m pytest tests/spm/instruments/test_fuzz_instruments.py`.
"""

import contextlib
import io
import json
import logging
import os
import signal
import warnings

import h5py
import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from instrument_kinds import KINDS, write

from mrcnn.weights import WeightsError, read_groups, read_metadata
from spm.errors import InputError
from spm.instruments.inputs import open_image
from spm.io.images import write_image

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "40"))
fuzz = settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
SECONDS = 20  # a file of a few kilobytes is read in milliseconds
ROOM = 3_000_000_000  # bytes, far more than it needs


class TooLong(BaseException):
    """Raised in the reader; not an Exception, which a reader might catch."""


@contextlib.contextmanager
def limits():
    """Ends what reads for ever, and refuses memory that no such file can need."""
    if os.name == "nt":  # has neither
        yield
        return
    import resource

    def stop(*_):
        raise TooLong

    before = resource.getrlimit(resource.RLIMIT_AS)
    used = psutil.Process().memory_info().vms
    old = signal.signal(signal.SIGALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, before[1]))
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)
        resource.setrlimit(resource.RLIMIT_AS, before)


class Refuse(logging.Handler):
    """Whatever a reader logs would be printed among a user's sentences."""

    def emit(self, record):
        raise AssertionError(f"logged: {record.getMessage()[:200]}")


@contextlib.contextmanager
def silence(named=""):
    """Nothing may be logged or printed but whole lines about that file."""
    handler = Refuse(logging.WARNING)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            yield
    finally:
        root.removeHandler(handler)
    lines = out.getvalue().splitlines()
    assert all(named and line.startswith(f"{named}: ") and len(line) < 400 for line in lines)


def open_or_refuse(path, named=""):
    """Open a file as prediction does; an image or one sentence that names it (or the file
    beside it) are the only ways out."""
    with limits(), silence(path.name), warnings.catch_warnings():
        warnings.simplefilter("error")  # a warning would be printed among a user's sentences
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            opened = open_image(path)
        except InputError as error:
            assert (named or path.name) in str(error) and len(str(error).splitlines()) == 1
            assert len(str(error)) < 700
            return
    assert opened.image.ndim == 3 and opened.image.dtype == np.uint8
    assert opened.nm_per_pixel is None or 0 < opened.nm_per_pixel < np.inf


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """kind -> the files of a scan with their bytes, the one to be opened first."""
    found = {}

    def get(kind):
        if kind not in found:
            folder = tmp_path_factory.mktemp(kind)
            path = write(kind, folder)
            others = [p for p in folder.iterdir() if p != path]
            found[kind] = [(p, p.read_bytes()) for p in [path, *others]]
        return found[kind]

    return get


changes = st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=4)), min_size=1, max_size=6)


def changed(data, places, length):
    """Bytes with some replaced, removed or put in, and perhaps cut off."""
    new = bytearray(data)
    for place, value in places:
        start = int(place * (len(new) - 1))
        new[start : start + (len(value) or 1)] = value
    return bytes(new[: int(length * len(new))])


def npz():
    buffer = io.BytesIO()
    np.savez_compressed(buffer, heights_nm=np.zeros((4, 6), np.float32))
    return buffer.getvalue()


def weights():
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["class_names"] = json.dumps(["A", "B"])
        file.attrs["layer_names"] = np.array([b"conv1"])
        group = file.create_group("conv1")
        group.create_dataset("conv1/kernel:0", data=np.ones((3, 3), np.float32))
        group.attrs["weight_names"] = np.array([b"conv1/kernel:0"])
    return buffer.getvalue()


HEIGHTS, WEIGHTS = npz(), weights()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("beside")
    for name in "ab":
        write_image(folder / f"{name}.png", np.full((4, 6, 3), 90, np.uint8))
    return folder


@pytest.mark.parametrize("kind", [*KINDS, "mtrx parameters", "par numbers"])
def test_an_instrument_file_with_changed_bytes(kind, files):
    kind, _, second = kind.partition(" ")
    scan = files(kind)

    @fuzz
    @given(changes, st.floats(0.05, 1.5))
    def change(places, length):
        path, data = scan[1 if second else 0]
        path.write_bytes(changed(data, places, length))
        open_or_refuse(scan[0][0])

    try:
        change()
    finally:
        for path, data in scan:
            path.write_bytes(data)
    assert open_image(scan[0][0]).image.shape == (4, 6, 3)


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
convert_settings = st.dictionaries(
    st.sampled_from(["source", "nm_per_pixel", "channel", "pixels", "levelling"]), anything
)


@fuzz
@given(convert_settings | anything)
def test_any_settings_beside_an_image(folder, stored):
    (folder / "a_convert.json").write_text(json.dumps(stored), encoding="utf-8")
    open_or_refuse(folder / "a.png", "a_convert.json")


@fuzz
@given(changes, st.floats(0.05, 1.2))
def test_changed_bytes_of_the_heights_beside_an_image(folder, places, length):
    (folder / "b_heights.npz").write_bytes(changed(HEIGHTS, places, length))
    open_or_refuse(folder / "b.png", "b_heights.npz")


@fuzz
@given(changes, st.floats(0.05, 1.2))
def test_a_weights_file_with_changed_bytes(folder, places, length):
    path = folder / "w.h5"
    path.write_bytes(changed(WEIGHTS, places, length))
    with limits(), silence():
        try:
            names = read_metadata(path)["class_names"]
            layers = read_groups(path)
        except WeightsError as error:
            assert "w.h5" in str(error)
        else:
            assert all(a.nbytes < 1e6 for layer in layers.values() for a in layer.values()), names
