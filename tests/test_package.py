"""The package, its commands, and the files for Windows."""

import importlib
import tomllib

import pytest
from checkout import ROOT
from packaging.requirements import Requirement

from engine import commands
from spm.run.settings import flat

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def requirements(name="requirements.txt"):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    lines = [line.partition(" #")[0] for line in lines if line and not line.startswith(("#", "-r"))]
    return [Requirement(line) for line in lines]


def test_each_command_starts_a_script():
    scripts = PROJECT["project"]["scripts"]
    assert set(scripts) == set(commands.COMMANDS)
    for name, place in scripts.items():
        module, function = place.split(":")
        command = getattr(importlib.import_module(module), function)
        assert command.args == (name,)
        module, function = commands.COMMANDS[name]
        assert flat(getattr(importlib.import_module(module), function).settings)


def test_all_modules_are_in_the_package():
    modules = set(PROJECT["tool"]["setuptools"]["py-modules"])
    assert modules == {path.stem for path in ROOT.glob("*.py")}
    for name in ("engine", "spm", "mrcnn", "Images_Augmentation"):
        for folder in {path.parent for path in (ROOT / name).rglob("*.py")}:
            assert (folder / "__init__.py").is_file(), folder


@pytest.mark.parametrize("platform", ["linux", "win32", "darwin"])
def test_one_opencv_on_each_system(platform):
    wanted = [
        r.name
        for r in requirements()
        if not r.marker or r.marker.evaluate({"sys_platform": platform})
    ]
    opencv = [name for name in wanted if name.startswith("opencv")]
    assert opencv == ["opencv-python-headless" if platform == "linux" else "opencv-python"]
    assert not {"imaug", "numba"} & set(wanted)
    assert {"imaug"} <= {r.name for r in requirements("requirements-imgaug.txt")}


@pytest.mark.parametrize("name", ["install.bat", "start.bat"])
def test_files_for_windows(name):
    """cmd misreads labels in files with bare line feeds, and other letters than ASCII."""
    data = (ROOT / name).read_bytes()
    assert data.count(b"\n") == data.count(b"\r\n") > 5 and data.isascii()
    text = data.decode()
    assert "eol=crlf" in (ROOT / ".gitattributes").read_text(encoding="utf-8")
    for file in ("requirements.txt", "workflow.py"):
        assert (file in text) == ((name == "install.bat") == (file == "requirements.txt"))
    for label in {line.split()[-1] for line in text.splitlines() if "goto " in line}:
        assert f":{label}\r\n" in text
