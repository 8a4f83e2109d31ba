"""One step of many items: what is up to date stays, the rest is made, and a killed run goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spm.errors import InputError
from spm.run.manifest import Manifest
from spm.run.parallel import run_jobs


@dataclass(frozen=True)
class Made:
    """What was written of an item.

    Attributes:
        files: relative to the step's folder.
        note: anything that JSON can hold and a later run wants to know about the item.
    """

    files: Sequence[str]
    note: Any = None


@dataclass(frozen=True)
class Job:
    """Some items for one process: their names, and what the function is called with."""

    names: list[str]
    argument: Any


class ResumableStep:
    """The items of a step in its output folder, which this process has locked.

    Each item is written down when its files are whole; its files are written so that a reader
    never meets half of one (`spm.run.files`).

    Args:
        folder: where the items are written.
        name: of the step; its manifest is named so.
        digests: of all wanted items by name: a digest of everything that one is made from.
        force: make again what is up to date too.

    Attributes:
        manifest: what is finished, also of earlier runs.
        todo: names of the items to make, in the order of `digests`.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        digests: Mapping[str, str],
        force: bool = False,
    ):
        self.name = name
        self.manifest = Manifest(folder, name)
        self.digests = digests
        self.todo = [
            item for item, d in digests.items() if force or not self.manifest.done(item, d)
        ]

    @property
    def changes(self) -> bool:
        """Whether there is an item to make, or one that is not wanted any more."""
        return bool(self.todo) or set(self.manifest.items) != set(self.digests)

    def leave_out(self, names: Iterable[str]) -> None:
        """Do not make these items."""
        left_out = set(names)
        self.todo = [item for item in self.todo if item not in left_out]

    def forget_unwanted(self) -> None:
        """Delete the files of items that are not wanted any more."""
        for item in [item for item in self.manifest.items if item not in self.digests]:
            self.manifest.forget(item)

    def make(
        self,
        function: Callable[[Any], list[Made | InputError]],
        jobs: Sequence[Job],
        workers: int,
        title: str,
        threads: bool = False,
    ) -> list[str]:
        """Make the items of some jobs; return the problems.

        Args:
            function: a module-level function of a job's argument. It returns a Made or an
                InputError for each name of the job; where it raises one, none was made.
            jobs: names that are in `digests`.
            workers, title, threads: see `spm.run.parallel.run_jobs`.
        """
        problems = []
        sizes = [len(job.names) for job in jobs]
        arguments = [job.argument for job in jobs]
        for number, results in run_jobs(function, arguments, workers, title, sizes, threads):
            if isinstance(results, InputError):
                problems.append(str(results))
                continue
            for item, made in zip(jobs[number].names, results, strict=True):
                if isinstance(made, InputError):
                    problems.append(str(made))
                else:
                    self.manifest.add(item, self.digests[item], made.files, made.note)
        return problems

    def finish(self) -> None:
        """Put the manifest in order at the end of a run."""
        self.manifest.compact()

    def notes(self) -> list[Any]:
        """Return the notes of all items that are up to date, in the order of `digests`."""
        done = [item for item, d in self.digests.items() if self.manifest.done(item, d)]
        return [self.manifest.items[item]["note"] for item in done]


def each(work: tuple[Callable[..., Made], Sequence[tuple]]) -> list[Made | InputError]:
    """Call a function once for each item of a job; one's InputError does not stop the others.

    Args:
        work: the function, and the arguments of each call.
    """
    function, calls = work
    results: list[Made | InputError] = []
    for arguments in calls:
        try:
            results.append(function(*arguments))
        except InputError as error:
            results.append(error)
    return results
