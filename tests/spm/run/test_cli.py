"""The command line made from the keyword arguments of a main()."""

import errno
from pathlib import Path

import pytest

from spm.errors import InputError
from spm.run import command_line

seen = {}


def script(
    *,
    aug_times: int = 56,
    ratio: float = 0.5,
    force: bool = False,
    angles: tuple[float, ...] = (15, 30),
    out_dir: Path = Path("here"),
    name: str | None = None,
    files: list[Path] | None = None,
) -> int:
    """Do something.

    Args:
        aug_times: copies of each picture, 100 % lossless
            and a second line.
        files: pictures.

    Returns:
        0.
    """
    seen.clear()
    seen.update(
        aug_times=aug_times, ratio=ratio, force=force, angles=angles, out_dir=out_dir, name=name,
        files=files,
    )  # fmt: skip
    return 0


def status(main, *argv):
    with pytest.raises(SystemExit) as left:
        command_line.run(main, list(argv))
    return left.value.code


def test_without_flags_the_defaults_of_main_hold():
    assert status(script) == 0
    assert seen == {
        "aug_times": 56, "ratio": 0.5, "force": False, "angles": (15, 30),
        "out_dir": Path("here"), "name": None, "files": None,
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


def test_help_comes_from_the_docstring(capsys):
    assert status(script, "--help") == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "copies of each picture, 100 % lossless and a second line" in text
    assert "--debug" in text


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
