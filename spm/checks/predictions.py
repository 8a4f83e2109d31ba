"""What a predicted JSON says of its making, by which a correction is told from a prediction."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spm.errors import InputError
from spm.run.manifest import digest
from spm.structures.annotation import Annotation, read_annotation
from spm.structures.shape import Shape

PREDICTION = "prediction"  # top-level key of the JSON; labelme keeps it
SUFFIX, KEPT = "_predicted", "_corrected"
_ENDING = re.compile(rf"({SUFFIX}|{KEPT}(_[0-9]+)?)$")


def mark_prediction(annotation: Annotation, image: np.ndarray, file: str = "") -> None:
    """Store in a prediction with which image and which outlines it was made.

    Args:
        annotation: the prediction, complete.
        image: (H, W, 3) uint8 RGB.
        file: the predicted file, as seen from the JSON.
    """
    outlines, content = _digests(annotation)
    annotation.extra[PREDICTION] = {
        "image": image_digest(image),
        "outlines": outlines,
        "content": content,
        "file": file,
    }


def mark_of(annotation: Annotation) -> dict[str, Any]:
    """Return what `mark_prediction` stored; {} for what is no prediction of ours."""
    made = annotation.extra.get(PREDICTION)
    if not isinstance(made, dict):
        return {}
    # Until November 2026 the image's digest was named "picture".
    return {"image" if key == "picture" else key: value for key, value in made.items()}


def is_corrected(annotation: Annotation) -> bool:
    """Return whether somebody changed a prediction, or made the file by other means."""
    made = mark_of(annotation)
    if "content" in made:
        return made["content"] != content_digest(annotation)
    return made.get("outlines") != outlines_digest(annotation.shapes)


def is_prediction_of(path: Path, images: Collection[str]) -> bool:
    """Return whether a file is a prediction of one of these images (digests), not corrected."""
    try:
        annotation = read_annotation(path)
    except InputError:
        return False
    return not is_corrected(annotation) and mark_of(annotation).get("image") in images


def result_name(path: Path) -> str:
    """Return NAME of NAME_predicted.json, NAME_corrected.json, NAME_corrected_2.json or
    NAME.json."""
    return _ENDING.sub("", path.stem)


def image_digest(image: np.ndarray) -> str:
    """Return a short hash of an image's pixels (H, W, 3) and size."""
    return digest(list(image.shape), np.ascontiguousarray(image).tobytes())


def outlines_digest(shapes: Sequence[Shape]) -> str:
    """Return a short hash of labels and outlines, whatever their order."""
    return _of_outlines(_with_points(shapes))


def content_digest(annotation: Annotation) -> str:
    """Return a short hash of all that a user can change in labelme, whatever the order: outlines,
    groups, ticked flags and descriptions."""
    return _digests(annotation)[1]


def _digests(annotation: Annotation) -> tuple[str, str]:
    """`outlines_digest` and `content_digest`, in the time of one."""
    parts = _with_points(annotation.shapes)
    outlines = _of_outlines(parts)
    notes = sorted(
        [p.label, points, -1 if p.group_id is None else p.group_id, _ticked(p.flags), p.description]
        for p, points in parts
    )
    return outlines, digest(outlines, notes, _ticked(annotation.flags))


def _with_points(shapes: Sequence[Shape]) -> list[tuple[Shape, list]]:
    """Each part of each shape, and its points as a file holds them."""
    parts = [part for shape in shapes for part in shape.all_parts]
    return [(part, np.round(part.points, 2).tolist()) for part in parts]


def _of_outlines(parts: Sequence[tuple[Shape, list]]) -> str:
    masks = sorted(np.packbits(p.mask).tobytes() for p, _ in parts if p.mask is not None)
    return digest(sorted([p.label, p.shape_type, points] for p, points in parts), *masks)


def _ticked(flags: dict[str, bool]) -> list[str]:
    return sorted(name for name, value in flags.items() if value)
