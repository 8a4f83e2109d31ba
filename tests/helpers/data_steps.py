"""The data steps as scripts: their command lines, and a small disk to fill."""

from __future__ import annotations

import subprocess

import pytest

import fast_json_to_dataset
import pre_draw_mask
import re_write_mask
from Images_Augmentation import color_aug_img_json, geo_aug_img_json
from spm.dataset.index import read_index
from spm.run import command_line


def run(main, *argv):
    """Run a script's main like its command line; return the exit status."""
    with pytest.raises(SystemExit) as left:
        command_line.run(main, [str(argument) for argument in argv])
    return left.value.code


# Each: arguments for a folder of input and one of output, and whether `good` came through.


def geo(folder, out):
    argv = ["--in-dir", folder, "--angles", "90", "--flips", "--workers", "1"]
    return geo_aug_img_json.main, argv, lambda: (folder / "good(90).json").exists()


def colour(folder, out):
    argv = ["--in-dir", folder, "--out-dir", out, "--aug-times", "1", "--workers", "1"]
    return color_aug_img_json.main, argv, lambda: (out / "good_000.json").exists()


def pre_draw(folder, out):
    argv = ["--in-dir", folder, "--out-dir", out, "--class-names", "A", "B", "--workers", "1"]
    return pre_draw_mask.main, argv, lambda: "good" in [e.source for e in read_index(out)]


def re_write(folder, out):
    argv = ["--copies-dir", folder, "--cache-dir", out / "none", "--out-dir", out, "--workers", "1"]
    return re_write_mask.main, argv, lambda: len(list((out / "rw_mask").glob("*.npz"))) == 1


def fast_json(folder, out):
    argv = ["--in-dir", folder, "--cache-dir", out / "none", "--out-dir", out]
    argv += ["--class-names", "A", "B", "--workers", "1"]
    return fast_json_to_dataset.main, argv, lambda: "good" in [e.source for e in read_index(out)]


DATA_STEPS = [geo, colour, pre_draw, re_write, fast_json]


def mount(folder, options):
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True)
    except FileNotFoundError:
        done = None
    if done is None or done.returncode:
        pytest.skip("no right to mount a small file system")
