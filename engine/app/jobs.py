"""The scripts, started from the page: one at a time, each a process of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from filelock import FileLock
from starlette.requests import Request

from engine.app import job_process
from engine.app.answers import Refused, field_of
from engine.app.job_files import LOG, RECORD, START_SECONDS, STARTING, STATUS, STOP, is_running
from engine.app.project import IMAGES, Project
from engine.app.training_progress import phase, progress
from spm.annotate import Annotating, to_open
from spm.errors import InputError
from spm.run.files import make_folder, write_bytes, write_json
from spm.run.language import VARIABLE
from spm.run.setting_kinds import conform, describe
from spm.run.settings import Settings, described

LINES = 200  # of the log that the page is sent
LOG_BYTES = 256 * 1024  # from its end that are looked at
STOPPED = 130  # exit status of Ctrl-C
# What the page may not set: folders, other machines, and what has a button of its own.
OWN = frozenset({"scheduler", "check", "add", "files", "watch", "weights"})
STARTS = ("auto", "last", "none", "coco", "imagenet")  # of init_with; a file may lie anywhere


@dataclass(frozen=True)
class Kind:
    """What a kind of job runs.

    Attributes:
        module: the script's.
        folders: flag -> the project's folder.
        names: the option that names images, with which the job is about these.
    """

    module: str
    folders: dict[str, str]
    names: str = ""


TRAINED = {"--source-dir": "source_dir", "--log-dir": "log_dir"}
ALL = {**TRAINED, "--images-dir": "images_dir", "--out-dir": "out_dir"}
KINDS = {
    "workflow": Kind("workflow", ALL),
    "add": Kind("workflow", ALL, "add"),
    "train": Kind("train_test", TRAINED),
    "predict": Kind(
        "predict_big_pic",
        {"--in-dir": "images_dir", "--out-dir": "out_dir", "--log-dir": "log_dir"},
        "files",
    ),
}


class Jobs:
    """The job of a project, whichever server has started it.

    Args:
        project: the folders.
        settings_of: module of a script -> its class of settings.
    """

    def __init__(self, project: Project, settings_of: Callable[[str], type[Settings]]):
        self._project, self._settings_of = project, settings_of
        self._folder = project.log_dir

    def get(self, _: Request) -> dict[str, Any] | None:
        """Answer with the job that runs, or with the last one."""
        return self.job()

    def start(self, _: Request, sent: dict[str, Any]) -> dict[str, Any]:
        """Start a script; answer with the job.

        Raises:
            Refused: when another one runs.
        """
        kind = KINDS.get(field_of(sent, "kind", str))
        if kind is None:
            raise Refused(f"kind must be one of {', '.join(KINDS)}.", 400)
        command = self.command(kind, field_of(sent, "options", dict, {}))
        make_folder(self._folder)
        with FileLock(self._folder / STARTING):
            if is_running(self._folder):
                raise Refused("Another run is going on; wait until it ends, or stop it.")
            self._launch(sent["kind"], command)
        return self.job()

    def stop(self, _: Request, __: dict[str, Any]) -> dict[str, Any] | None:
        """Stop the job as Ctrl-C does; answer with it."""
        if is_running(self._folder):
            write_bytes(self._folder / STOP, b"")
        return self.job()

    def job(self) -> dict[str, Any] | None:
        """Return what runs, or how the last one ended; None when there was none."""
        running = is_running(self._folder)  # first: it may end while we look
        record = _stored(self._folder / RECORD)
        if record is None:
            return None
        log = _end_of(self._folder / LOG)
        ended = None if running else _stored(self._folder / STATUS)
        status = ended.get("status") if ended else None
        cut_off = status is None and (self._folder / STOP).exists()
        lines = [line.rstrip() for line in log.splitlines() if line.strip()]
        started = float(record.get("started") or 0)
        return {
            "kind": record.get("kind"),
            "running": running,
            "stopping": running and (self._folder / STOP).exists(),
            "stopped": not running and (status == STOPPED or cut_off),
            "status": status,
            "started": started,
            "ended": ended.get("ended") if ended else None,
            "stage": lines[-1].strip() if lines else "",
            "phase": phase(self._project, started, running, bool(lines)),
            **progress(self._folder, started, log, running),
            "log": lines[-LINES:],
        }

    def command(self, kind: Kind, options: dict[str, Any]) -> list[str]:
        """Return the script's file and its command line.

        Raises:
            InputError: for an option that the script has not, or a value that it does not take.
        """
        settings = self._settings_of(kind.module)
        asked = dict(options)
        named = self._named(kind, asked.pop(kind.names, [])) if kind.names else []
        flags = [str(part) for flag, folder in kind.folders.items()
                 for part in (flag, getattr(self._project, folder))]  # fmt: skip
        flags += arguments(settings, asked)
        script = importlib.util.find_spec(kind.module).origin
        # Before the flags, of which the last may take several values.
        return [script, *(named if kind.names == "files" else []), *flags,
                *(["--add", *named] if kind.names == "add" else [])]  # fmt: skip

    def _named(self, kind: Kind, names: Any) -> list[str]:
        """Return the files of the images that the page names."""
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise Refused(f"{kind.names} must be a list of names.", 400)
        images = [self._project.image(IMAGES, name) for name in names]
        if kind.names == "files":
            return list(map(str, images))
        if not images:
            raise Refused("Which corrected images are to be trained on? Name one.", 422)
        return [str(self._corrected(image)) for image in images]

    def _corrected(self, image: Path) -> Path:
        """Return the file of the outlines that are trained on."""
        opened = to_open(
            Annotating(
                image=image,
                out_dir=self._project.out_dir,
                source_dir=self._project.source_dir,
                images_dir=self._project.images_dir,
            )  # fmt: skip
        )
        if opened.annotation is None:
            raise InputError(f"{image}: nothing is outlined in it; recognise it and correct it.")
        return opened.path

    def _launch(self, kind: str, command: Sequence[str]) -> None:
        for name in (STOP, STATUS):
            (self._folder / name).unlink(missing_ok=True)
        record = {"kind": kind, "command": list(command), "started": time.time()}
        write_json(self._folder / RECORD, record)
        changes = {"PYTHONIOENCODING": "utf-8", VARIABLE: self._project.language}
        with (self._folder / LOG).open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-u", job_process.__file__, str(self._folder), *command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env=os.environ | changes, **_alone(),
            )  # fmt: skip
        # Until then another server would think that nothing runs.
        until = time.monotonic() + START_SECONDS
        while not is_running(self._folder) and time.monotonic() < until:
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
                break


def _alone() -> dict[str, Any]:
    """Return how a process is started that no Ctrl-C and no closed window of ours reaches."""
    if os.name == "nt":
        new = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        return {"creationflags": new}
    return {"start_new_session": True}


def arguments(settings: type[Settings], options: dict[str, Any]) -> list[str]:
    """Return options as a script's command line.

    Args:
        settings: the script's.
        options: setting -> value, as JSON has them.

    Raises:
        InputError: for an option that the script has not, that the page may not set, or whose value
            is of another kind.
    """
    hints = {name: hint for name, hint, *_ in described(settings)}
    flags: list[str] = []
    for name, value in options.items():
        hint = hints.get(name)
        if hint is None or name in OWN or _is_path(hint):
            raise InputError(f"{name!r} cannot be set here; set it at the top of the script.")
        if name == "init_with" and value not in STARTS:
            raise InputError(f"init_with must be one of {', '.join(STARTS)} here.")
        try:
            value = conform(hint, value)
        except ValueError:
            raise InputError(f"{name} must be {describe(hint)}.") from None
        if isinstance(value, list | tuple) and any(str(one).startswith("-") for one in value):
            raise InputError(f"{name}: nothing in it may begin with a dash here.")  # as flags do
        flags += _flag(name.replace("_", "-"), value)
    return flags


def _flag(name: str, value: Any) -> list[str]:
    if value is None:
        return []  # what is not said is None
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    if isinstance(value, list | tuple):
        return [f"--{name}", *map(str, value)] if value else []
    return [f"--{name}={value}"]


def _is_path(hint: Any) -> bool:
    return hint is Path or any(map(_is_path, get_args(hint)))


def _stored(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _end_of(path: Path) -> str:
    """Return the end of a log."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LOG_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
