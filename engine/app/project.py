"""The folders of a project, and the files in them that a page may name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from spm.checks.preflight import Findings
from spm.errors import InputError
from spm.run.files import is_file, safe_name
from spm.run.settings import Settings

IMAGES, SOURCES = "images", "aug_test_in"  # what the page calls the two folders of images


class NotFound(InputError):
    """What was asked for is not there, or lies where nobody may look."""


class Scripts(Protocol):
    """What the page needs of the scripts at the top, which no library knows."""

    def settings_of(self, module: str) -> type[Settings]:
        """Return a script's class of settings."""

    def look(self, project: Project) -> Findings:
        """Return what `workflow.py --check` finds in the project's folders."""


@dataclass(frozen=True)
class Project:
    """The folders of a project; the page reads and writes nowhere else.

    Attributes:
        images_dir: of the images to recognise.
        source_dir: of the training images.
        out_dir: of the results.
        log_dir: of the training runs.
        language: "en" or "zh".
        scripts: what the scripts at the top do for the page, see `Scripts`.
    """

    images_dir: Path
    source_dir: Path
    out_dir: Path
    log_dir: Path
    language: str = "en"
    scripts: Scripts | None = None

    @property
    def name(self) -> str:
        """That of the folder in which the window was opened."""
        return Path.cwd().name

    def folder(self, called: str) -> Path:
        """Return one of the two folders of images by the page's name for it.

        Raises:
            NotFound: for any other name.
        """
        folders = {IMAGES: self.images_dir, SOURCES: self.source_dir}
        if called not in folders:
            raise NotFound(f"{called!r} is none of the folders {IMAGES} and {SOURCES}.")
        return folders[called]

    def image(self, called: str, name: str) -> Path:
        """Return a file of a folder of images.

        Raises:
            NotFound: when there is none, or the name leads elsewhere.
        """
        return existing(self.folder(called), name)


def new_file(folder: Path, name: str) -> Path:
    """Return the place of a file that may not be there yet.

    Raises:
        NotFound: when the name is more than a name, is hidden, or not possible on every system.
    """
    if not name or name != safe_name(name) or name.startswith(".") or not name.isprintable():
        raise NotFound(f"{name!r} is no name of a file here.")
    return folder / name


def is_name(text: str) -> bool:
    """Return whether a text is a name on this system, no path and not hidden, and can be sent."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    parts = text not in ("", ".", "..") and Path(text).name == text and "\0" not in text
    # On Windows a colon makes a drive of what is before it, or a hidden stream of what is behind.
    return parts and not text.startswith(".") and not (os.name == "nt" and ":" in text)


def existing(folder: Path, *names: str) -> Path:
    """Return a file below a folder.

    Args:
        folder: where it lies.
        names: of the folders on the way, and of the file.

    Raises:
        NotFound: when there is none, a name is more than a name or hidden, or the file is a link
            that leads out of the folder.
    """
    path = folder
    for name in names:
        if not is_name(name):
            raise NotFound(f"{name!r} is no name of a file here.")
        path = path / name
    if not is_file(path):
        raise NotFound(f"{path}: there is no such file; it may have been moved.")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise NotFound(f"{path}: is a link that leads out of the folder; copy the file itself.")
    return path
