"""Outlines read and saved: in the files that labelme would use, atomically, and never over what
another page, labelme or a prediction has written meanwhile."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from starlette.requests import Request

from engine.app.answers import Refused, field_of
from engine.app.kept import Kept
from engine.app.opened import digest_of, size_of
from engine.app.outlines import ids, merged, sent_shapes, shown_shapes
from engine.app.project import Project
from spm.annotate import YOURS, Annotating, Opened, offered, to_open
from spm.checks.kept_corrections import corrections_of
from spm.checks.predictions import is_corrected, mark_of
from spm.errors import InputError
from spm.report.result_files import output_names
from spm.run.files import file_lock, is_file
from spm.run.manifest import digest, stamp
from spm.structures.annotation import Annotation, read_annotation, write_annotation
from spm.structures.classes import Classes

VERSIONS = ("latest", "prediction", "yours")
ATTEMPTS = 3
MOST_KEPT = 4096  # files of outlines that are read once
NEW = "new"  # revision of a file that is not there yet
_read: Kept[Annotation] = Kept(MOST_KEPT, lambda _: 1)
_corrected: Kept[bool] = Kept(MOST_KEPT, lambda _: 1)
CHANGED = "The outlines were changed elsewhere meanwhile; they are shown as they are now."


@dataclass
class Version:
    """Outlines of an image, as they lie in a file.

    Attributes:
        path: the JSON, which need not exist.
        annotation: classified; without a shape where there is no file.
        source: "yours", "correction", "prediction" or "none".
        revision: says whether the file has changed since.
    """

    path: Path
    annotation: Annotation
    source: str
    revision: str


def read(project: Project, request: Request) -> dict[str, Any]:
    """Answer with the outlines of an image."""
    image = project.image(request.path_params["folder"], request.path_params["name"])
    asked = request.query_params.get("version", "latest")
    if asked not in VERSIONS:
        raise Refused(f"version must be one of {', '.join(VERSIONS)}.", 400)
    found = version_of(project, image, asked)
    return {
        "revision": found.revision,
        "source": found.source,
        "file": found.path.as_posix(),
        "flags": {"partial": found.annotation.partial},
        "shapes": shown_shapes(found.annotation),
    }


def save(project: Project, request: Request, sent: dict[str, Any]) -> dict[str, Any]:
    """Save the outlines of an image, unless their file has changed since the page has read it."""
    image = project.image(request.path_params["folder"], request.path_params["name"])
    revision = field_of(sent, "revision", str)
    flags = field_of(sent, "flags", dict, {})
    if not all(isinstance(value, bool) for value in flags.values()):
        raise Refused("The flags must be true or false.", 400)
    shapes = sent_shapes(sent.get("shapes"))
    path = version_of(project, image).path
    with file_lock(path):
        now = version_of(project, image)
        if now.path != path or now.revision != revision:
            raise Refused(CHANGED, 409, current=now.revision)
        if revision == NEW:  # now the 8-bit copy is written of what labelme does not show
            to_open(_annotating(project, image), digest_of=digest_of)
        changed = merged(now.annotation, shapes, flags)
        _write(path, changed)
        revision = _revision(path)
    names = ids(changed.shapes)[: len(shapes)]
    return {"revision": revision, "file": path.as_posix(), "ids": names}


def _write(path: Path, annotation: Annotation) -> None:
    for attempt in range(ATTEMPTS):
        try:
            return write_annotation(path, annotation, embed=True)
        except FileNotFoundError:  # a run that begins took the temporary file for a dead one's
            if attempt + 1 == ATTEMPTS:
                raise


def version_of(project: Project, image: Path, asked: str = "latest") -> Version:
    """Return outlines of an image: the user's last word on it, or a certain version.

    Args:
        project: the folders.
        image: the image's file.
        asked: "latest"; "prediction": what lies there as predicted, corrected or not; "yours": what
            the user outlined or corrected, whether or not there is a newer prediction.

    Raises:
        InputError: when the file cannot be read.
    """
    annotating = _annotating(project, image)
    for _ in range(10):
        opened = to_open(annotating, copy=False, digest_of=digest_of, read=cached_read)
        if asked != "latest":
            opened = _other_version(project, image, opened, asked)
        path = opened.path.with_suffix(".json")
        revision = _revision(path)
        if revision == NEW:
            annotation = _empty(image, opened.path)
        else:
            annotation = _read_at(path, revision)
        if _revision(path) == revision:
            break
    else:
        raise InputError(f"{path}: is being written all the time; try again later.")
    classes = Classes.from_labels(annotation.labels, offered(annotation, annotating, cached_read))
    source = _source(annotation) if revision != NEW else "none"
    return Version(path, annotation.classified(classes), source, revision)


def _annotating(project: Project, image: Path) -> Annotating:
    return Annotating(
        image=image, out_dir=project.out_dir, source_dir=project.source_dir,
        images_dir=project.images_dir,
    )  # fmt: skip


def _source(annotation: Annotation) -> str:
    if not mark_of(annotation):
        return "yours"
    return "correction" if is_corrected(annotation) else "prediction"


def _other_version(project: Project, image: Path, latest: Opened, asked: str) -> Opened:
    """Return the prediction, or what is the user's own; a file that is not there is empty."""
    (name,) = output_names([image])
    result = project.out_dir / f"{name}_predicted.json"
    if asked == "prediction":
        return Opened(result, None, "")
    if latest.what == YOURS or not is_file(result):
        return latest
    prediction = read_annotation(result)
    if is_corrected(prediction):
        return latest
    earlier = corrections_of(prediction, project.images_dir)
    # Nobody writes a version that is asked for, so that a name without a file does no harm.
    return Opened(earlier[0].path if earlier else image.with_suffix(".json"), None, "")


def _empty(image: Path, shown: Path) -> Annotation:
    """Return an annotation without outlines, of the image that labelme would show."""
    name = shown.name if shown.suffix != ".json" else image.name
    return Annotation([], *size_of(image), name)


def cached_read(path: Path) -> Annotation:
    """Return `read_annotation`, to be looked at only; a file that did not change is read once."""
    return _read.get(_key(path), lambda: read_annotation(path))


def cached_is_corrected(path: Path) -> bool:
    """Return `is_corrected` of a file; of one that did not change it is found out once."""
    return _corrected.get(_key(path), lambda: is_corrected(cached_read(path)))


def _key(path: Path) -> str:
    return repr([str(path), stamp(path)])


class NotYet(InputError):
    """A file was not read, since the time was up."""


class Hasty:
    """Reads files as `cached_read` does, until the time is up; then only what was read before.

    Args:
        seconds: of the time.

    Attributes:
        complete: whether nothing was left out.
    """

    def __init__(self, seconds: float):
        self._until = time.monotonic() + seconds
        self.complete = True

    def read(self, path: Path) -> Annotation:
        """Return a file's annotation; NotYet when there was no time for it."""
        self._check(_read, path)
        return cached_read(path)

    def is_corrected(self, path: Path) -> bool:
        """Return whether a prediction was corrected; NotYet when there was no time for it."""
        self._check(_corrected, path)
        return cached_is_corrected(path)

    def _check(self, kept: Kept[Any], path: Path) -> None:
        if time.monotonic() > self._until and _key(path) not in kept:
            self.complete = False
            raise NotYet(f"{path}: was not read yet.")


@lru_cache(maxsize=64)
def _read_at(path: Path, _: str) -> Annotation:
    """Return an annotation; one of a revision that was read already is not read again."""
    return read_annotation(path)


def _revision(path: Path) -> str:
    try:
        return digest(path.name, path.read_bytes())
    except FileNotFoundError:
        return NEW
