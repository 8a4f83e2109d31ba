"""Recognising images while a microscope writes them: a folder is looked at again and again.

Nothing tells on all systems and network drives when a file has been written to its end. So a file
waits until its size and time have stayed the same for a while and it opens; one that changes
afterwards is recognised again, and its results are replaced.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from engine.predict import pool_results
from engine.predict_image import Plan
from spm.errors import InputError
from spm.inference.detector import Detector
from spm.instruments.inputs import left_out_sentences, list_inputs, open_image
from spm.pooled.pool import images_text
from spm.report.result_files import output_names
from spm.run.files import folder_lock, remove_leftovers


@dataclass(frozen=True)
class Timing:
    """Seconds.

    Attributes:
        poll: between two looks at the folder.
        quiet: for which a file must stay the same before it is opened.
        patience: after which a file that stays the same and does not open is called damaged.
        index: between two refreshes of the index while images are waiting.
    """

    poll: float = 1.0
    quiet: float = 2.0
    patience: float = 30.0
    index: float = 60.0


@dataclass
class Seen:
    """What is known of a file.

    Attributes:
        state: size and time of its last change.
        since: when it was first seen in this state.
        done: the state that was recognised, or given up; None for neither.
        tried: when it last failed to open.
    """

    state: tuple[int, int]
    since: float
    done: tuple[int, int] | None = None
    tried: float = float("-inf")


@dataclass
class Watch:
    """A folder that is watched.

    Attributes:
        plan: how to predict, and where the results go.
        folder: where images appear.
        detector: the network.
        timing: how long things take.
        files: what is known of each.
        recognised, failed: numbers of images.
        told: sentences that need not be said again.
    """

    plan: Plan
    folder: Path
    detector: Detector
    timing: Timing = field(default_factory=Timing)
    files: dict[Path, Seen] = field(default_factory=dict)
    recognised: int = 0
    failed: int = 0
    told: set[str] = field(default_factory=set)
    _unpooled: bool = False
    _pooled_at: float = field(default_factory=time.monotonic)

    def start(self) -> int:
        """Take the images that have newer results for done; return how many they are."""
        for path in self._listed():
            state = state_of(path)
            if state is not None:
                self.files[path] = seen = Seen(state, time.monotonic())
                if self._has_results(path, state):
                    seen.done = state
        return sum(seen.done is not None for seen in self.files.values())

    def look(self) -> None:
        """Look at the folder once and recognise what is ready."""
        before = self.recognised, self.failed
        paths = self._listed()
        for gone in self.files.keys() - set(paths):
            del self.files[gone]
        for path in paths:
            state, now = state_of(path), time.monotonic()
            if state is None:
                continue
            seen = self.files.setdefault(path, Seen(state, now))
            if seen.state != state:
                seen.state, seen.since = state, now
            if seen.done == state:
                continue
            if now - seen.since < self.timing.quiet or now - seen.tried < self.timing.quiet:
                continue
            self._recognise(path, seen)
            if time.monotonic() - self._pooled_at > self.timing.index:
                self.refresh()
        if before == (self.recognised, self.failed):
            self.refresh()  # nothing was ready: there is time

    def refresh(self) -> None:
        """Write the index, where there are new results."""
        if self._unpooled and self.plan.report:
            pool_results(self.plan.out_dir, self.plan.language)
        self._pooled_at = time.monotonic()
        self._unpooled = False

    def _listed(self) -> list[Path]:
        """Return the folder's images; none while a network folder cannot be reached."""
        try:
            paths = list_inputs(self.folder)
            sentences = left_out_sentences(self.folder)
        except (InputError, OSError) as error:
            self._tell(f"{self.folder}: cannot be read just now ({error}); it is tried again.")
            return list(self.files)
        for sentence in sentences:
            self._tell(sentence)
        return paths

    def _tell(self, sentence: str) -> None:
        if sentence not in self.told:
            self.told.add(sentence)
            print(f"note: {sentence}", file=sys.stderr, flush=True)

    def _has_results(self, path: Path, state: tuple[int, int]) -> bool:
        # The drawing is written last: an interrupted image has none, or an older one.
        (name,) = output_names([path])
        drawn = state_of(self.plan.out_dir / f"{name}_predicted.png")
        return drawn is not None and drawn[1] >= state[1]

    def _recognise(self, path: Path, seen: Seen) -> None:
        before = seen.state
        try:
            open_image(path, self.plan.nm_per_pixel)
        except (InputError, OSError) as error:
            seen.tried = time.monotonic()
            if seen.tried - seen.since > self.timing.patience:
                self._give_up(path, seen, error)
            return
        try:
            (name,) = output_names([path])
            summary = self.plan.predict(path, name, self.detector)
        except InputError as error:
            self._give_up(path, seen, error)
            return
        self._unpooled = True
        if state_of(path) == before:
            seen.done = before
            self.recognised += 1
            print(summary, flush=True)

    def _give_up(self, path: Path, seen: Seen, error: Exception) -> None:
        """Say what is wrong with a file, and leave it until it changes."""
        if state_of(path) == seen.state:
            seen.done = seen.state
            self.failed += 1
            print(f"error: {error}", file=sys.stderr, flush=True)


def state_of(path: Path) -> tuple[int, int] | None:
    """Return a file's size and the time of its last change in ns; None where it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def watch_folder(
    plan: Plan,
    folder: Path,
    timing: Timing | None = None,
    until: Callable[[Watch], bool] | None = None,
) -> int:
    """Recognise the images of a folder as they appear, until Ctrl-C.

    Args:
        plan: how to predict, and where the results go.
        folder: where images appear.
        timing: defaults to `Timing()`.
        until: asked after each look whether it is enough. Defaults to never.

    Returns:
        0, or 1 if an image could not be recognised.

    Raises:
        InputError: when the folder is not there or the weights cannot be used.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder to watch; check the name.")
    watch = Watch(plan, folder, plan.detector(), timing or Timing())
    with folder_lock(plan.out_dir) as results:
        for place in (results, results / "pre_predict", results / "post_predict"):
            if place.is_dir():
                remove_leftovers(place)  # of a killed run
        done = watch.start()
        known = f"; {images_text(done)} with results already" if done else ""
        print(f"watching {folder}, results go to {plan.out_dir}{known}; Ctrl-C ends", flush=True)
        try:
            while not (until and until(watch)):
                watch.look()
                time.sleep(watch.timing.poll)
        except KeyboardInterrupt:
            for place in (results, results / "pre_predict", results / "post_predict"):
                if place.is_dir():
                    remove_leftovers(place)  # of the image that was interrupted
        watch.refresh()
    print(f"stopped; {images_text(watch.recognised)} recognised into {plan.out_dir}")
    return 1 if watch.failed else 0
