"""The fields of labelme's JSON, whoever wrote them: each is what it should be, or an InputError.

Files come from other people and other programs. Nothing in a field may end a step with anything but
a sentence, now or when the field is written again.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from spm.errors import InputError
from spm.io.images import decode_image
from spm.structures.label_text import clean_label
from spm.structures.other_formats import other_program
from spm.structures.shape import Shape

# Keys that we do not know are kept; nothing honest is nested deeper.
MOST_LEVELS = 50
# Types whose points are the corners, whatever program draws them.
CORNERED = ("oriented_rectangle", "rotation", "quadrilateral")
# A line is closed when its ends are so near: pixels, or share of its length.
CLOSED, CLOSED_SHARE = 1.0, 0.02
SHAPE_KEYS = {"label", "points", "group_id", "shape_type", "flags", "description", "mask"}
# That of an image of 300 megapixels, embedded, or of 10,000 outlines of 1000 points each. What is
# read takes several times as much memory.
MOST_BYTES = 512 * 1024**2
TOP_KEYS = {
    "version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth",
}  # fmt: skip
# Keys of our own, which labelme keeps: of a correction among the training images; and, of a file
# that a step wrote as teaching, the polygons of what teaches nothing.
CORRECTED, UNCLEAR = "corrected", "unclear"


def load_json(path: Path) -> dict[str, Any]:
    """Return the content of an annotation file, which has a list of shapes."""
    again = "save the annotation again in labelme"
    try:
        if (size := path.stat().st_size) > MOST_BYTES:
            raise InputError(
                f"{path}: is {size / 1e6:.0f} MB large, and annotations of up to "
                f"{MOST_BYTES / 1e6:.0f} MB are read; save it without the image in it (labelme: "
                "Save With Image Data), or with fewer outlines or points."
            )
        text = path.read_bytes().decode("utf-8-sig")
        data = json.loads(text)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such annotation file; check the name.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the file.") from error
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not a text file in UTF-8; {again}.") from None
    except RecursionError:
        raise InputError(f"{path}: is nested too deeply for an annotation; {again}.") from None
    except ValueError as error:
        what = "is empty" if not text.strip() else f"is not valid JSON ({error})"
        raise InputError(f"{path}: {what}; {again}.") from None
    if not isinstance(data, dict) or not isinstance(data.get("shapes"), list):
        if other := other_program(data, path.name):
            raise InputError(f"{path}: {other}.")
        raise InputError(
            f"{path}: is not a labelme annotation (it has no list of shapes); take it out of the "
            "folder, or annotate the image in labelme."
        )
    return data


def read_shape(item: Any, index: int, path: Path) -> Shape:
    """Return the shape of one item of the list."""
    where = f"{path}: shape {index + 1}"
    if not isinstance(item, dict):
        raise InputError(f"{where} is not an object; save the annotation again in labelme.")
    label = item.get("label")
    if isinstance(label, int) and not isinstance(label, bool):  # a program wrote it without quotes
        label = str(label)
    if label is not None and not isinstance(label, str):
        raise InputError(f"{where} has the label {label!r}, which is no text; write it in labelme.")
    if label is None:
        raise InputError(f"{where} has no label; give it one in labelme.")
    where = f"{where} ({label!r})"
    kind = item.get("shape_type") or "polygon"  # labelme 3.x knew only polygons
    group_id = item.get("group_id")
    kind, points = _drawn_form(clean_text(kind), _points(item.get("points"), where))
    return Shape(
        label=clean_label(clean_text(label)),
        points=points,
        shape_type=kind,
        group_id=_whole_number(group_id),
        flags=read_flags(item.get("flags")),
        description=clean_text(item.get("description") or ""),
        mask=_mask(item.get("mask"), where) if kind == "mask" else None,
        extra=other_keys(item, SHAPE_KEYS, where),
        number=index + 1,
    )


def _whole_number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _drawn_form(kind: str, points: np.ndarray) -> tuple[str, np.ndarray]:
    """Return type and points of a shape; what has all its corners becomes a polygon.

    labelme 6.3 draws `oriented_rectangle`, AnyLabeling `rotation` and rectangles of four corners,
    and a `linestrip` may end where it began. All labelme versions open a polygon.
    """
    if kind in CORNERED and len(points) >= 3:
        return "polygon", points
    if kind == "rectangle" and len(points) == 4:
        return "polygon", points
    if kind == "linestrip" and len(points) > 3:
        gap = np.hypot(*(points[-1] - points[0]))
        sides = np.hypot(*np.diff(points, axis=0).T)
        if gap <= max(CLOSED, CLOSED_SHARE * sides.sum()):
            return "polygon", points[:-1] if gap == 0 else points
    return kind, points


def clean_text(value: Any) -> str:
    """Return a text that can be written in UTF-8: JSON may hold half of a surrogate pair."""
    return str(value).encode("utf-8", "replace").decode("utf-8")


def other_keys(data: dict[str, Any], known: set[str], where: str) -> dict[str, Any]:
    """Return the keys that labelme does not know, such that they can be written again."""
    return {
        clean_text(key): _writable(value, where, MOST_LEVELS)
        for key, value in data.items()
        if key not in known
    }


def _writable(value: Any, where: str, levels: int) -> Any:
    """Return a JSON value with null for NaN and infinity, which JSON does not have."""
    if levels == 0:
        raise InputError(f"{where} is nested too deeply; save the annotation again in labelme.")
    if isinstance(value, dict):
        return {clean_text(k): _writable(v, where, levels - 1) for k, v in value.items()}
    if isinstance(value, list):
        return [_writable(v, where, levels - 1) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return clean_text(value) if isinstance(value, str) else value


def check_derived(made: Any, path: Path) -> None:
    """Raise InputError when a copy's `valid` (see `dataset_folder.Entry`) is no rectangle."""
    if not isinstance(made, dict) or made.get("valid") is None:
        return
    try:
        valid = np.array(made["valid"], np.float64)
    except (ValueError, TypeError, OverflowError):
        valid = np.zeros(0)
    if valid.shape != (4, 2) or not np.isfinite(valid).all():
        raise InputError(f"{path}: is a damaged copy; delete it and run the step before again.")


def _points(values: Any, where: str) -> np.ndarray:
    problem = f"{where} has points that are not pairs of numbers; draw it again in labelme."
    if not isinstance(values, list) or not values:
        raise InputError(f"{where} has no points; draw it again in labelme.")
    if not _are_pairs(values):
        raise InputError(problem)
    try:
        points = np.array(values, np.float64)
    except (OverflowError, ValueError):
        raise InputError(problem) from None
    if not np.isfinite(points).all():
        raise InputError(f"{where} has a point that is NaN or infinite; draw it again in labelme.")
    return points


def _are_pairs(values: list[Any]) -> bool:
    """Return whether all values of JSON are lists of two numbers; true and false are none."""
    # Without a loop in Python: a large image's outlines have a hundred thousand points.
    if set(map(type, values)) != {list} or set(map(len, values)) != {2}:
        return False
    return set(map(type, itertools.chain.from_iterable(values))) <= {int, float}


def read_flags(flags: Any) -> dict[str, bool]:
    """Return flags as labelme takes them; what is none counts as no flags."""
    return (
        {clean_text(key): bool(value) for key, value in flags.items()}
        if isinstance(flags, dict)
        else {}
    )


def _mask(text: Any, where: str) -> np.ndarray:
    try:
        data = _decoded(text or "")
    except (binascii.Error, AttributeError, TypeError, ValueError):
        raise InputError(f"{where} has a damaged mask; draw it again in labelme.") from None
    try:
        return decode_image(data, where)[:, :, 0] > 0
    except InputError:
        raise InputError(f"{where} has a damaged mask; draw it again in labelme.") from None


def _decoded(text: str) -> bytes:
    """Return what base64 holds; some programs break its lines."""
    return base64.b64decode("".join(text.split()), validate=True)


def embedded_image(text: Any, path: Path) -> bytes | None:
    """Return the bytes of the image file in imageData, None when there is none."""
    if not text:
        return None
    try:
        return _decoded(text)
    except (binascii.Error, AttributeError, TypeError, ValueError):
        raise InputError(
            f"{path}: the embedded image is damaged; save the annotation again in labelme."
        ) from None
