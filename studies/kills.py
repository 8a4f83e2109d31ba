"""Kills runs at random moments and runs the same command again: python studies/kills.py --kills 50

Each kill begins with a fresh copy of the same folder. Half of the moments are drawn from the
processor time of an undisturbed run, the others from its file operations (before one of them).
After the kill every visible file must be whole and all that the user made be there; after the same
command once more the files must be those of the undisturbed run, without leftovers.

The parts are the data steps, prediction with reports, export, the search for the score threshold,
the whole workflow with self-training, and `--add`. The network's own arithmetic is replaced by a
rule of thumb that finds bright spots and "learns" a number, so that a run takes a second; all that
reads and writes is real. Kills within the arithmetic: tests/engine/test_training_interrupted.py.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import h5py

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from spm.io.images import read_image
from spm.run import command_line, files
from spm.run.setting_kinds import Count, Range
from spm.run.settings import Settings, takes
from studies import kills_parts

RUN = re.compile(r"shapes\d{8}T\d{4}")
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}|\d+\.\d min")
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate"}


@dataclass
class Moment:
    """When to kill: after `seconds` of processor time, or before the file operation `operation`."""

    seconds: float | None = None
    operation: int | None = None


def run_in_child(work: Callable[[Path], object], base: Path, moment: Moment | None = None) -> dict:
    """Run `work(base)` in a process of its own, to its end or to a moment.

    Returns:
        `ended` (bool), and of a run that ended its processor `seconds` and file `operations`.

    Raises:
        RuntimeError: when it ended with an error.
    """
    log = base.with_name(f"{base.name}.log")
    told = base.with_name(f"{base.name}.told")
    told.unlink(missing_ok=True)
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        _be_child(work, base, moment or Moment(), log, told)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return {"ended": False}
    if os.WEXITSTATUS(status) or not told.is_file():
        raise RuntimeError(f"{base}: the run failed:\n{log.read_text(errors='replace')[-2000:]}")
    return {"ended": True, **json.loads(told.read_text())}


def _be_child(work, base: Path, moment: Moment, log: Path, told: Path) -> None:
    status = 1
    try:
        with (
            log.open("w") as file,
            redirect_stdout(file),
            redirect_stderr(file),
        ):
            try:
                count = _count_operations(base, moment.operation)
                begun = time.process_time()
                if moment.seconds is not None:
                    # The default action ends the process at once, as SIGKILL does.
                    signal.signal(signal.SIGPROF, signal.SIG_DFL)
                    signal.setitimer(signal.ITIMER_PROF, max(moment.seconds, 1e-3))
                work(base)
                signal.setitimer(signal.ITIMER_PROF, 0)
                seconds = time.process_time() - begun
                told.write_text(json.dumps({"seconds": seconds, "operations": count[0]}))
                status = 0
            except BaseException:
                traceback.print_exc(file=file)
    finally:
        os._exit(status)


def _count_operations(base: Path, last: int | None) -> list[int]:
    """Count the operations on files below a folder from now on; die before number `last`."""
    count, folder = [0], str(base)

    def watch(event: str, arguments: tuple) -> None:
        if event == "open":
            writes = isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        else:
            writes = event in CHANGES
        if writes and isinstance(arguments[0], str | Path) and str(arguments[0]).startswith(folder):
            count[0] += 1
            if count[0] == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    return count


# --- what must hold -----------------------------------------------------------------------------


def visible(base: Path) -> Iterator[Path]:
    """Yield the files that a user sees."""
    for path in sorted(base.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(base).parts)
        if path.is_file() and not hidden:
            yield path


def half_written(base: Path) -> list[str]:
    """Return the visible files that cannot be read to their end."""
    found = []
    for path in visible(base):
        try:
            _read(path)
        except Exception as error:
            found.append(f"{path.relative_to(base)}: {error}")
    return found


def _read(path: Path) -> object:
    if path.suffix == ".h5":
        with h5py.File(path, "r") as file:
            return {k: str(v) for k, v in file.attrs.items()}
    if path.suffix in (".png", ".tif"):
        return read_image(path).tobytes()
    if path.suffix == ".json":
        return json.loads(path.read_text(encoding="utf-8"))
    data = path.read_bytes()
    ending = {".csv": b"\n", ".html": b"</html>\n", ".svg": b"</svg>\n"}.get(path.suffix, b"")
    if not data.endswith(ending) and not data.rstrip().endswith(ending.strip() or b""):
        raise ValueError("the end is missing")
    if path.suffix in (".npz", ".zip"):
        with zipfile.ZipFile(path) as file:
            return {name: file.read(name) for name in file.namelist()}
    return data


def contents(base: Path) -> dict[str, object]:
    """Return what the visible files hold, without what tells the time, by their names."""
    runs = sorted({p.parent.name for p in visible(base) if p.suffix == ".h5"})
    numbers = {name: f"run{k}" for k, name in enumerate(runs)}

    def timeless(value: object) -> object:
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        text = RUN.sub(lambda m: numbers.get(m[0], m[0]), text)
        return DATE.sub("DATE", text).replace(str(base), "BASE")

    found = {}
    for path in visible(base):
        run = RUN.search(path.relative_to(base).as_posix())
        if run and run[0] not in numbers:
            continue  # a run that was killed before its first epoch ended
        value = _read(path)
        if path.suffix in (".html", ".csv", ".svg", ".txt", ".yaml"):
            value = value.decode("utf-8")
        if (
            isinstance(value, dict)
            and path.suffix in (".h5", ".json")
            or isinstance(value, str | list)
        ):
            value = timeless(value)
        found[timeless(path.relative_to(base).as_posix())] = value
    return found


def differences(first: Path, second: Path) -> list[str]:
    """Return the names of files that two folders do not have in common, or that differ."""
    one, two = contents(first), contents(second)
    return sorted(n for n in one.keys() | two.keys() if one.get(n) != two.get(n))


def leftovers(base: Path) -> list[str]:
    """Return the temporary files, locks and records that a finished run does not leave."""
    names = [p for p in base.rglob("*") if files.TEMPORARY.match(p.name) or p.name == ".lock"]
    return [str(p.relative_to(base)) for p in [*names, *base.rglob(".unfinished")]]


# --- the study ----------------------------------------------------------------------------------


def kill_and_repeat(
    part: kills_parts.Part, folder: Path, kills: int, seed: int, say: Callable[[str], None]
) -> dict[str, int]:
    """Kill the runs of a part.

    Returns:
        Counts: `kills`, `after_the_end` (of them), `faults`.
    """
    start, undisturbed = folder / "start", folder / "undisturbed"
    start.mkdir(parents=True)
    part.prepare(start)
    shutil.copytree(start, undisturbed)
    whole = run_in_child(part.work, undisturbed)
    draw = random.Random(f"{part.name} {seed}")
    counts = {"kills": 0, "after_the_end": 0, "faults": 0}
    for number in range(kills):
        base = folder / f"kill{number}"
        shutil.copytree(start, base)
        if number % 2:
            moment = Moment(operation=draw.randint(1, whole["operations"]))
        else:
            moment = Moment(seconds=draw.uniform(0, whole["seconds"]))
        run_in_child(part.work, base, moment)
        wrong = [f"half written: {name}" for name in half_written(base)]
        wrong += [f"lost: {name}" for name in part.lost(start, base)]
        # The same command after a whole run begins another one.
        ended = not wrong and not differences(undisturbed, base)
        if not ended:
            wrong += _repeat(part, undisturbed, base)
        counts["kills"] += 1
        counts["after_the_end"] += ended
        counts["faults"] += bool(wrong)
        for sentence in wrong:
            say(f"{part.name}, kill {number} at {moment}: {sentence}")
        if not wrong:
            shutil.rmtree(base)
    return counts | {"operations": whole["operations"], "seconds": round(whole["seconds"], 2)}


def _repeat(part: kills_parts.Part, undisturbed: Path, base: Path) -> list[str]:
    try:
        run_in_child(part.work, base)
    except RuntimeError as error:
        return [str(error)]
    wrong = [f"other than undisturbed: {name}" for name in differences(undisturbed, base)]
    return wrong + [f"left behind: {name}" for name in leftovers(base)]


# --- settings: change the values, the text below each says what it is ---------------------------
class Study(Settings):
    """How often runs are killed."""

    parts: list[Literal[*kills_parts.PARTS]] = list(kills_parts.PARTS)
    """Which parts."""
    kills: Count = 50
    """Kills of each part."""
    seed: Annotated[int, Range(0)] = 1
    """Draws the moments."""
    keep: Path | None = None
    """Folder for the runs that went wrong. None: they are deleted."""


# ------------------------------------------------------------------------------------------------


@takes(Study)
def main(settings: Study) -> int:
    """Kill runs at random moments and run them again.

    Returns:
        0, or 1 when something was wrong after a kill.
    """
    faults = 0
    with tempfile.TemporaryDirectory() as temporary:
        for name in settings.parts:
            folder = files.make_folder((settings.keep or Path(temporary)).resolve()) / name
            counts = kill_and_repeat(
                kills_parts.PARTS[name], folder, settings.kills, settings.seed, print
            )
            faults += counts["faults"]
            print(f"{name}: " + ", ".join(f"{v} {k}" for k, v in counts.items()), flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    command_line.run(main)
