"""What there is in a project: images, how far each one is, classes, weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.requests import Request

from engine.app.annotations import cached_read
from engine.app.jobs import Jobs
from engine.app.opened import Shown
from engine.app.project import IMAGES, SOURCES, Project, is_name
from engine.checkpoints import newest_weights
from spm.annotate import Annotating, offered
from spm.checks.kept_corrections import kept_files
from spm.checks.predictions import is_corrected, mark_of
from spm.errors import InputError
from spm.instruments.inputs import list_inputs
from spm.io.class_colours import class_colours
from spm.report.result_files import output_names
from spm.run.files import is_file
from spm.structures.annotation import Annotation

COLOURS = 24  # at least so many are told, for classes that nothing was drawn of yet


def state(project: Project, jobs: Jobs, _: Request) -> dict[str, Any]:
    """Answer with all images, classes, the weights and what runs."""
    names = class_names(project)
    colours = ["#{:02x}{:02x}{:02x}".format(*c) for c in class_colours(len(names) + COLOURS)]
    return {
        "project": project.name,
        "language": project.language,
        "images": [*_images(project, IMAGES), *_images(project, SOURCES)],
        "classes": [
            {"name": name, "colour": colour} for name, colour in zip(names, colours, strict=False)
        ],
        "palette": colours,
        "weights": _weights(project.log_dir),
        "job": jobs.job(),
    }


def class_names(project: Project) -> list[str]:
    """Return the classes of what was drawn; where nothing was, those of the predictions."""
    folder = Annotating(
        image=project.images_dir / "any.png", out_dir=project.out_dir,
        source_dir=project.source_dir, images_dir=project.images_dir,
    )  # fmt: skip
    return offered(None, folder, cached_read)


def _weights(log_dir: Path) -> str | None:
    try:
        path = newest_weights(log_dir)
    except InputError:
        return None
    return f"{path.parent.name}/{path.name}"


def _images(project: Project, called: str) -> list[dict[str, Any]]:
    folder = project.folder(called)
    paths = list_inputs(folder) if folder.is_dir() else []
    found = []
    for path, name in zip(paths, output_names(paths), strict=True):
        if not is_name(path.name):
            continue  # it is not UTF-8, so that no page can ask for it
        own = _annotation(path.with_suffix(".json"))
        if own is not None and own.derived is not None:
            continue  # a turned copy
        entry = _of_image(project, path, name, own) if called == IMAGES else _of_source(own)
        found.append({"folder": called, "name": path.name, **entry, **_kind(path)})
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


def _of_image(project: Project, path: Path, name: str, own: Annotation | None) -> dict[str, Any]:
    """Return how far an image is: own outlines, a prediction, a correction of it."""
    result = project.out_dir / f"{name}_predicted.json"
    predicted = _annotation(result)
    if own is None:  # of what labelme does not show the 8-bit copy is outlined
        own = _annotation(project.out_dir / f"{name}.json")
    yours = own is not None and not mark_of(own)
    corrected = own is not None and not yours or bool(kept_files(result))
    corrected = corrected or (predicted is not None and is_corrected(predicted))
    return {
        "outlines": len(own.shapes) if yours else None,
        "predicted": len(predicted.shapes) if predicted is not None else None,
        "corrected": corrected,
        "partial": yours and own.partial,
    }


def _annotation(path: Path) -> Annotation | None:
    """Return an annotation to be looked at; None where there is none that can be read."""
    try:
        return cached_read(path) if is_file(path) else None
    except InputError:
        return None
