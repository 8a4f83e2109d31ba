"""Outlines proposed: around a place that was clicked, and of all molecules like those outlined."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.requests import Request

from engine.app.annotations import version_of
from engine.app.answers import Refused, field_of
from engine.app.images import asked_file
from engine.app.kept import Kept
from engine.app.opened import Shown
from engine.app.outlines import class_name_of, rings_of
from engine.app.project import Project
from spm.structures.shape import outline

if TYPE_CHECKING:
    from spm.similarity.outline_proposal import OutlineProposer

PROPOSERS = 3  # images that are clicked into at one time
DIGITS = 2  # of proposed points, behind the point: of pixels

_proposers: Kept[tuple[OutlineProposer, threading.Lock]] = Kept(PROPOSERS, lambda _: 1)
_one_at_a_time = threading.Lock()  # it takes seconds, of all cores


def propose(project: Project, request: Request, sent: dict[str, Any]) -> dict[str, Any]:
    """Answer with an outline around a place, like the saved outlines of the image where it can."""
    from spm.similarity.outline_proposal import OutlineProposer  # takes as long as all others

    x, y = (float(field_of(sent, name, (int, float))) for name in ("x", "y"))
    if not (math.isfinite(x) and math.isfinite(y)):
        raise Refused("The place must be two numbers.", 400)
    path = asked_file(project, request)
    shown, version = Shown.of(path), version_of(project, path)
    mirror = _mirror(project)

    def make() -> tuple[OutlineProposer, threading.Lock]:
        annotation = version.annotation
        examples = [
            (annotation.classes.find(shape.label) or shape.label, outline(shape))
            for shape in annotation.shapes
            if shape.shape_type == "polygon"
        ]
        return OutlineProposer(shown.pixels(), examples, mirror=mirror), threading.Lock()

    key = repr([shown.key({}), version.revision, str(version.path), mirror])
    proposer, lock = _proposers.get(key, make)
    with lock:
        return {"points": _rounded(proposer.propose(x, y))}


def alike(project: Project, request: Request, sent: dict[str, Any]) -> dict[str, Any]:
    """Answer with outlines of all molecules that are like those sent and are not outlined."""
    from spm.similarity.find_alike import find_alike

    outlined = []
    for k, item in enumerate(field_of(sent, "shapes", list), start=1):
        where = f"Outline {k}"
        if not isinstance(item, dict):
            raise Refused(f"{where} is no object.", 400)
        name = class_name_of(field_of(item, "class_name", str), where)
        outlined += [(name, ring) for ring in rings_of(field_of(item, "parts", list), where)[:1]]
    if not outlined:
        raise Refused("Outline a molecule of each class first; all like it are then found.", 422)
    shown = Shown.of(asked_file(project, request))
    with _one_at_a_time:
        found = find_alike(shown.pixels(), outlined, _mirror(project))
    return {
        "proposals": [
            {
                "class_name": one.class_name,
                "points": _rounded(one.points),
                "likeness": round(float(one.likeness), 4),
            }
            for one in found
        ]
    }


def _mirror(project: Project) -> bool:
    """Return whether mirror images are the same molecule, as training is set."""
    return bool(project.scripts.settings_of("train_test").mirror)


def _rounded(points: np.ndarray) -> list[list[float]]:
    return np.round(points, DIGITS).tolist()
