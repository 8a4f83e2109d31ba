"""What there is in a project: images, how far each one is, classes, weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.requests import Request

from engine.app.annotations import Hasty, NotYet
from engine.app.jobs import Jobs
from engine.app.opened import Shown
from engine.app.project import IMAGES, SOURCES, Project, is_name
from engine.checkpoints import newest_weights
from spm.annotate import Annotating, offered
from spm.checks.kept_corrections import kept_names
from spm.checks.predictions import mark_of
from spm.errors import InputError
from spm.instruments.inputs import list_inputs
from spm.io.class_colours import class_colours
from spm.report.result_files import output_names
from spm.run.files import is_file
from spm.structures.annotation import Annotation

SECONDS = 0.5  # after which the page is told what is known so far; it asks again for the rest
COLOURS = 24  # at least so many are told, for classes that nothing was drawn of yet
UNKNOWN = {
    "outlines": None, "predicted": None, "corrected": False, "partial": False, "damaged": False,
    "reading": False,
}  # fmt: skip


def state(project: Project, jobs: Jobs, _: Request) -> dict[str, Any]:
    """Answer with all images, classes, the weights and what runs."""
    reader = Hasty(SECONDS)
    names = class_names(project, reader)
    colours = ["#{:02x}{:02x}{:02x}".format(*c) for c in class_colours(len(names) + COLOURS)]
    return {
        "project": project.name,
        "language": project.language,
        "images": [*_images(project, IMAGES, reader), *_images(project, SOURCES, reader)],
        "classes": [
            {"name": name, "colour": colour} for name, colour in zip(names, colours, strict=False)
        ],
        "palette": colours,
        "weights": _weights(project.log_dir),
        "job": jobs.job(),
        "complete": reader.complete,
    }


def class_names(project: Project, reader: Hasty) -> list[str]:
    """Return the classes of what was drawn; where nothing was, those of the predictions."""
    folder = Annotating(
        image=project.images_dir / "any.png", out_dir=project.out_dir,
        source_dir=project.source_dir, images_dir=project.images_dir,
    )  # fmt: skip
    return offered(None, folder, reader.read)


def _weights(log_dir: Path) -> str | None:
    try:
        path = newest_weights(log_dir)
    except InputError:
        return None
    return f"{path.parent.name}/{path.name}"


def _images(project: Project, called: str, reader: Hasty) -> list[dict[str, Any]]:
    folder = project.folder(called)
    paths = list_inputs(folder) if folder.is_dir() else []
    kept = kept_names(project.out_dir)
    found = []
    for path, name in zip(paths, output_names(paths), strict=True):
        if not is_name(path.name):
            continue  # it is not UTF-8, so that no page can ask for it
        entry = {"folder": called, "name": path.name, **UNKNOWN, **_kind(path)}
        try:
            own = _annotation(path.with_suffix(".json"), reader)
            if own is not None and own.derived is not None:
                continue  # a turned copy
            if called == IMAGES:
                entry |= _of_image(project, path, name, own, reader)
                entry["corrected"] |= name in kept
            else:
                entry |= _of_source(own)
            entry["damaged"] = own is None and is_file(path.with_suffix(".json"))
        except NotYet:
            entry["reading"] = True
        found.append(entry)
    return found


def _kind(path: Path) -> dict[str, bool]:
    try:
        return {"instrument": Shown.of(path).source is not None}
    except InputError:  # damaged settings: told when it is opened
        return {"instrument": False}


def _of_source(own: Annotation | None) -> dict[str, Any]:
    return {
        "outlines": len(own.shapes) if own is not None else None,
        "predicted": None,
        "corrected": False,
        "partial": own is not None and own.partial,
    }


def _of_image(
    project: Project, path: Path, name: str, own: Annotation | None, reader: Hasty
) -> dict[str, Any]:
    """Return how far an image is: own outlines, a prediction, a correction of it."""
    result = project.out_dir / f"{name}_predicted.json"
    predicted = _annotation(result, reader)
    if own is None:  # of what labelme does not show the 8-bit copy is outlined
        own = _annotation(project.out_dir / f"{name}.json", reader)
    yours = own is not None and not mark_of(own)
    corrected = own is not None and not yours
    corrected = corrected or (predicted is not None and reader.is_corrected(result))
    return {
        "outlines": len(own.shapes) if yours else None,
        "predicted": len(predicted.shapes) if predicted is not None else None,
        "corrected": corrected,
        "partial": yours and own.partial,
    }


def _annotation(path: Path, reader: Hasty) -> Annotation | None:
    """Return an annotation to be looked at; None where there is none that can be read."""
    try:
        return reader.read(path) if is_file(path) else None
    except NotYet:
        raise
    except InputError:
        return None
