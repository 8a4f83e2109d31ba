"""Files that only Gwyddion knows, through its own converter where the program is installed.

`gwyddion --convert-to-gwy=OUT.gwy IN` (Gwyddion 2.x) opens no window, but without a display it
needs xvfb-run beside it. The environment variable SPM_GWYDDION names the program, or is "off".
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from spm import instruments
from spm.errors import InputError
from spm.instruments import gwy

SECONDS = 120  # a conversion takes less than a second
_WINDOWS = ("ProgramFiles", "ProgramFiles(x86)")


def command() -> list[str]:
    """Return the command that starts Gwyddion, [] where it is not installed or has no display."""
    wanted = os.environ.get("SPM_GWYDDION", "")
    if wanted.lower() == "off":
        return []
    program = shutil.which(wanted or "gwyddion") or _program_of_windows()
    if program is None:
        return []
    if sys.platform in ("win32", "darwin"):
        return [program]
    screen = shutil.which("xvfb-run")  # needs no display, and none that cannot be reached
    if screen:
        return [screen, "-a", program]
    return [program] if os.environ.get("DISPLAY") else []


def read(path: Path) -> list[instruments.Channel]:
    """Return the channels that Gwyddion finds in a file.

    Raises:
        InputError: when Gwyddion does not know the file either.
    """
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "converted.gwy"
        arguments = [*command(), "--no-splash", f"--convert-to-gwy={result}", str(path.resolve())]
        try:
            said = _run(arguments)
        except (subprocess.TimeoutExpired, OSError) as error:
            raise InputError(
                f"{path}: no reader here knows this kind of file, and Gwyddion did not convert it "
                f"({type(error).__name__}); {instruments.WAY_OUT}."
            ) from error
        if not result.is_file():
            words = next((line for line in said.splitlines() if path.name in line), "")
            words = words.rpartition(": ")[2][:100]
            raise InputError(
                f"{path}: neither a reader here nor Gwyddion knows this kind of file"
                f"{f' ({words})' if words else ''}; export it from the microscope's program."
            )
        channels = gwy.read(result)
    for channel in channels:
        channel.extra["read_with"] = "Gwyddion"
    return channels


def _run(arguments: list[str]) -> str:
    """Return what a program prints; one that takes too long is ended with all that it started."""
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.wait()
            raise
        out.seek(0)
        return out.read(100_000).decode("utf-8", "replace")


def _program_of_windows() -> str | None:
    for variable in _WINDOWS:
        program = Path(os.environ.get(variable, "?")) / "Gwyddion" / "bin" / "gwyddion.exe"
        if program.is_file():
            return str(program)
    return None
