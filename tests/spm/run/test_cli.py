"""The command line made of the settings of a script."""

from __future__ import annotations

import errno
import subprocess
import sys
from dataclasses import field
from pathlib import Path
from typing import Literal

import pytest
from checkout import ROOT

from spm.errors import InputError
from spm.run import command_line
from spm.run.setting_kinds import Positional, Share
from spm.run.settings import Settings, takes

seen = {}


class Inner(Settings):
    """Settings of another script."""

    ratio: Share = 0.5
    """Share of the pixels, 0 to 1."""


class Script(Settings):
    """Settings of a script."""

    aug_times: int = 56
    """Copies of each image, 100 % lossless
    and a second line."""
    force: bool = False
    """Do it again."""
    angles: list[float] = [15, 30]
    """Degrees."""
    out_dir: Path = Path("here")
    """Folder."""
    name: str | None = None
    """Name. None: there is none."""
    add: list[Path] | None = None
    """What to add."""
    way: Literal["fast", "slow"] = "fast"
    """How."""
    files: Positional[list[Path]] = []
    """Images."""
    inner: Inner = field(default_factory=Inner)


@takes(Script)
def script(settings: Script) -> int:
    """Do something."""
    seen.clear()
    seen.update(settings.values())
    return 0


def status(main, *argv):
    with pytest.raises(SystemExit) as left:
        command_line.run(main, list(argv))
    return left.value.code


def test_without_flags_the_defaults_of_main_hold():
    assert status(script) == 0
    assert seen == {
        "aug_times": 56, "ratio": 0.5, "force": False, "angles": [15, 30],
        "out_dir": Path("here"), "name": None, "files": [], "add": None, "way": "fast",
    }  # fmt: skip


def test_flags_are_converted_to_the_kind_of_the_parameter():
    argv = ["a b.png", "c.png", "--aug-times", "3", "--force", "--angles", "90", "7.5"]
    assert status(script, *argv, "--out_dir", "x y", "--ratio", "1", "--name", "n") == 0
    assert seen["aug_times"] == 3 and seen["force"] is True and seen["angles"] == [90.0, 7.5]
    assert seen["out_dir"] == Path("x y") and seen["ratio"] == 1.0 and seen["name"] == "n"
    assert seen["files"] == [Path("a b.png"), Path("c.png")]


def test_a_bool_can_be_switched_off_and_a_list_emptied():
    assert status(script, "--no-force", "--angles") == 0
    assert seen["force"] is False and seen["angles"] == []


def test_wrong_flag_or_value_is_status_2(capsys):
    assert status(script, "--aug-times", "many") == 2
    assert "many" in capsys.readouterr().err
    assert status(script, "--aug", "3") == 2  # no abbreviations: they change meaning later


def test_a_list_that_may_be_none_needs_a_value(capsys):
    assert status(script, "--add") == 2
    assert "--add needs a value" in capsys.readouterr().err
    assert status(script, "--add", "a", "b") == 0 and seen["add"] == [Path("a"), Path("b")]


@pytest.mark.parametrize(
    ("argv", "name", "value"),
    [
        (["--aug_times", "3"], "aug_times", 3),
        (["--aug-times=3"], "aug_times", 3),
        (["--aug-times", "-3"], "aug_times", -3),
        (["--no_force"], "force", False),
        (["--force", "a.png"], "files", [Path("a.png")]),
        (["a.png", "--angles", "15", "-30"], "angles", [15, -30]),
        (["--way", "slow"], "way", "slow"),
        (["--ratio", "1e-3"], "ratio", 0.001),
        (["--name", "None"], "name", None),
    ],
)
def test_spellings(argv, name, value):
    assert status(script, *argv) == 0 and seen[name] == value


def help_text(main, capsys):
    """What --help says, as one line."""
    assert status(main, "--help") == 0
    return " ".join(capsys.readouterr().out.replace("│", " ").split())


def test_help_says_each_flag_once_with_its_choices_and_default(capsys):
    text = help_text(script, capsys)
    assert "Copies of each image, 100 % lossless and a second line. (default: 56)" in text
    assert "--way {fast,slow}" in text and "Share of the pixels, 0 to 1. (default: 0.5)" in text
    assert "--angles FLOAT ... Degrees. (default: 15 30)" in text
    assert "--name TEXT Name. (default: there is none)" in text  # what None means
    assert "--add PATH ... What to add." in text and "None" not in text
    for name in ("--aug-times", "--force", "--angles", "--ratio", "--debug", "--add", "--name"):
        assert text.count(f"{name} ") == 1, name
    assert "--no-force" not in text and "[PATH ...]" in text


class Switches(Settings):
    """Settings of a script."""

    report: bool = True
    """Write the report."""
    truth: Path | None = None
    """Folder of the truth; must be given."""
    rate: float | None = None
    """Rate. None takes the best."""

    @classmethod
    def defaults_in_words(cls):
        """What the script knows better."""
        return {"rate": "0.5 (cpu)"}


@takes(Switches)
def switches(settings: Switches) -> int:
    """Do something."""
    seen.clear()
    seen.update(settings.values())
    return 0


def test_help_of_switches_and_of_what_is_required(capsys):
    text = help_text(switches, capsys)
    assert "--no-report Switches this off: Write the report." in text
    assert "--report" not in text.replace("--no-report", "")
    assert "--truth PATH Folder of the truth. (required)" in text
    assert "--rate FLOAT Rate. (default: 0.5 (cpu))" in text
    # What is not shown works all the same.
    assert status(switches, "--report", "--truth", "a") == 0 and seen["report"] is True
    assert status(switches, "--no_report") == 0 and seen["report"] is False


def test_importing_editing_and_flags_are_three_doors():
    assert script(aug_times=2, ratio=1) == 0 and (seen["aug_times"], seen["ratio"]) == (2, 1.0)
    assert script(Script(way="slow"), aug_times=4) == 0 and seen["way"] == "slow"
    with pytest.raises(TypeError, match="no setting 'aug_time'; did you mean 'aug_times'"):
        script(aug_time=3)


def test_a_value_out_of_range_is_wrong_input(capsys):
    assert status(script, "--ratio", "2") == 1
    said = capsys.readouterr().err
    assert said == "error: ratio must be a number from 0 to 1. Received: 2.0.\n"
    assert status(script, "--ratio", "nan") == 1


def test_without_a_console_nothing_breaks(monkeypatch):
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert status(script) == 0
    assert status(script, "--ratio", "2") == 1


def failing(error):
    def main(*, x: int = 0):
        raise error

    return main


def test_input_error_is_one_line_and_no_traceback(capsys):
    assert status(failing(InputError("a.png: bad; mend it."))) == 1
    assert capsys.readouterr().err == "error: a.png: bad; mend it.\n"


def test_debug_shows_the_traceback(capsys):
    assert status(failing(InputError("bad.")), "--debug") == 1
    assert "Traceback" in capsys.readouterr().err


def test_full_disk_is_a_sentence_that_names_the_file(capsys):
    error = OSError(errno.ENOSPC, "No space left on device", "out.png")
    assert status(failing(error)) == 1
    message = capsys.readouterr().err
    assert "out.png" in message and "free some space" in message and "Traceback" not in message


def test_interrupt_is_status_130(capsys):
    assert status(failing(KeyboardInterrupt())) == 130
    assert "stopped." in capsys.readouterr().err


def test_a_bug_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        command_line.run(failing(ZeroDivisionError()), [])


class ResourceExhaustedError(Exception):
    """Bears TensorFlow's name for a full memory."""


class OutOfMemoryError(RuntimeError):
    """Bears PyTorch's."""


@pytest.mark.parametrize(
    "error",
    [
        ResourceExhaustedError("OOM when allocating tensor with shape[4,256,512,512]"),
        OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 2147483648 bytes."),
    ],
)
def test_a_full_graphics_card_is_a_sentence(error, capsys):
    assert status(failing(error)) == 1
    message = capsys.readouterr().err
    assert "is full" in message and "IMAGES_PER_GPU" in message and "Traceback" not in message


@pytest.mark.parametrize(("result", "code"), [(None, 0), (3, 3), (True, 0), ("text", 0)])
def test_only_an_int_is_an_exit_status(result, code):
    assert status(lambda: result) == code


def test_names_of_before_go_on_working(capsys):
    """As a flag, as a keyword argument of `main` and as a constant of the module."""
    import predict_big_pic
    import workflow

    for argv in (
        ["--second-round", "--no-tile-pictures"],
        ["--second_round", "--no-tile_pictures"],
    ):
        settings, _ = command_line.parse(workflow.main, argv)
        assert settings.self_training and not settings.prediction.tile_images
    same = workflow.Workflow.of(second_round=True, tile_pictures=False)
    assert same.values() == settings.values()
    assert workflow.SECOND_ROUND is False and predict_big_pic.TILE_PICTURES is True
    assert status(workflow.main, "--help") == 0
    assert "--second-round" not in capsys.readouterr().out


NOISY = """
import logging, sys, warnings
from spm.run import command_line
def main():
    warnings.warn("a library's warning")
    logging.getLogger("library").warning("a library's log line")
    logging.getLogger("library").error("an error of a library")
command_line.run(main, sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("before", "behind", "seen"),
    [([], [], 1), ([], ["--debug"], 3), (["-W", "default"], [], 2)],
)
def test_libraries_are_quiet_but_for_errors(before, behind, seen):
    command = [sys.executable, *before, "-c", NOISY, *behind]
    said = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=True).stderr
    assert said.count("a library's") == seen - 1 and "an error of a library" in said
