"""What `workflow.py --check` finds, beside the outlines that it is about."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.requests import Request

from engine.app.annotations import cached_read
from engine.app.outlines import ids
from engine.app.project import SOURCES, Project
from spm.checks import preflight
from spm.errors import InputError
from spm.structures.annotation import Annotation
from spm.structures.placed import Placed

_one_at_a_time = threading.Lock()  # it takes seconds, of all cores


def check(project: Project, _: Request, __: dict[str, Any]) -> dict[str, Any]:
    """Answer with what stands in the way of a run, and with what may be meant."""
    with _one_at_a_time:
        findings = project.scripts.look(project)
    return {
        "ok": not findings.problems,
        "lines": [*preflight.report(findings), preflight.conclusion(findings)],
        "problems": [
            *(_shown(text, "problem", "") for text in findings.problems),
            *(
                _shown(text, "hint", kind)
                for kind, sentences in findings.hints.items()
                for text in sentences
            ),
        ],
    }


def _shown(text: str, level: str, kind: str) -> dict[str, Any]:
    """Return a sentence with the image, the outlines and the place that it is about."""
    found: dict[str, Any] = {
        "level": level, "kind": kind, "folder": None, "name": None, "shape": None, "shapes": [],
        "x": None, "y": None, "text": str(text),
    }  # fmt: skip
    if not isinstance(text, Placed) or text.path is None:
        return found
    annotation = _annotation(text.path)
    shapes = list(_ids(annotation, text.shapes)) if annotation else []
    x, y = text.point or (None, None)
    return found | {
        "folder": SOURCES,
        "name": _image_name(annotation, text.path),
        "shape": shapes[0] if shapes else None,
        "shapes": shapes,
        "x": x,
        "y": y,
        "text": text.removeprefix(f"{text.path}: ").removeprefix(f"{text.path.name}: "),
    }


def _annotation(path: Path) -> Annotation | None:
    try:
        return cached_read(path)
    except InputError:  # that is what the sentence says
        return None


def _ids(annotation: Annotation, numbers: tuple[int, ...]) -> Iterator[str]:
    """Yield the page's ids of shapes by their numbers in the file."""
    for shape, name in zip(annotation.shapes, ids(annotation.shapes), strict=True):
        if any(part.number in numbers for part in shape.all_parts):
            yield name


def _image_name(annotation: Annotation | None, path: Path) -> str | None:
    """Return the image in the same folder that an annotation belongs to."""
    try:
        return annotation.image_path().name if annotation else None
    except InputError:
        return None
