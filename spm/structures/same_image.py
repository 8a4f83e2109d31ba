"""Annotations that do not agree about their images: one image twice, or two images in one file."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from spm.errors import InputError
from spm.io.images import SUFFIXES, decode_image, read_bytes
from spm.structures.annotation import Annotation

# Mean difference in grey levels from which two images are not one that was packed with losses.
DIFFERENT = 6.0


def annotated_twice(annotations: Iterable[Annotation]) -> list[tuple[Annotation, str]]:
    """Return the annotations whose image an earlier one has too, each with a sentence.

    What one of the two leaves out would be taught as background; so two files that both say that
    they are partial do no harm. Copies that a step made are not looked at.
    """
    first: dict[str, Annotation] = {}
    found = []
    for annotation in annotations:
        if annotation.derived is not None:
            continue
        earlier = first.setdefault(_image_of(annotation), annotation)
        if earlier is annotation or (earlier.partial and annotation.partial):
            continue
        path = annotation.path
        own = _own_image(annotation)
        other = f" ({own.name} lies beside it: open that and save again)" if own else ""
        found.append(
            (
                annotation,
                f"{path}: is of the same image as {earlier.path.name}, and what one of them "
                f"lacks would be taken for background; keep one, move the other away{other}.",
            )
        )
    return found


def names_another(annotation: Annotation) -> str:
    """Return a sentence when the image of the annotation's own name lies there but its imagePath
    names another one, which is taken; else an empty text."""
    own = _own_image(annotation)
    if annotation.image_bytes is not None or own is None:
        return ""
    taken = annotation.image_path().name
    return (
        f"{annotation.path.name}: its imagePath is {taken}, which is taken; {own.name} beside it "
        "is not. If that is meant, open it in labelme and save again"
    )


def embedded_differs(annotation: Annotation, path: Path | None = None) -> str:
    """Return a sentence when the embedded image is not the one beside the file; else an empty text.

    A file beside it that cannot be read says nothing: it is not used.

    Args:
        path: the file that is compared, when it does not lie beside the annotation.
    """
    if annotation.image_bytes is None:
        return ""
    try:
        path = path or annotation.image_path()
        data = read_bytes(path)
        if data == annotation.image_bytes:
            return ""
        beside = decode_image(data, str(path))
        inside = decode_image(annotation.image_bytes, f"{annotation.path} (embedded image)")
    except InputError:
        return ""
    if beside.shape != inside.shape:
        how = f"is {beside.shape[1]} x {beside.shape[0]} pixels large"
    elif (apart := _difference(beside, inside)) > DIFFERENT:
        how = f"has other colours (by {apart:.0f} of 255 in the mean)"
    else:
        return ""
    where = "beside it" if path.parent == annotation.path.parent else f"in {path.parent}"
    return (
        f"{annotation.path.name}: the image embedded in it is taken, but {path.name} {where} "
        f"{how}; open {path.name} in labelme and save the outlines again, or delete it"
    )


def tell_of_embedded(annotations: Iterable[Annotation]) -> None:
    """Print a line for each annotation whose embedded image is not the one beside it."""
    for sentence in filter(None, map(embedded_differs, annotations)):
        print(f"note: {sentence}.", file=sys.stderr)


def _difference(first: np.ndarray, second: np.ndarray) -> float:
    # Blurred: what packing with losses changes is fine grain, and no other colour.
    smooth = [cv2.blur(image, (9, 9)).astype(np.int16) for image in (first, second)]
    return float(np.abs(smooth[0] - smooth[1]).mean())


def _image_of(annotation: Annotation) -> str:
    """Return what an annotation's image is known by: its file, or its name where it is embedded."""
    if annotation.image_bytes is None:
        try:
            return str(annotation.image_path().resolve()).casefold()
        except InputError:
            pass
    name = annotation.image_name.replace("\\", "/") or annotation.path.stem
    return str((annotation.path.parent / name).resolve()).casefold()


def _own_image(annotation: Annotation) -> Path | None:
    """Return the image with the annotation's own stem, if another name is in its imagePath."""
    named = annotation.image_name.replace("\\", "/").rpartition("/")[2]
    stem = annotation.path.stem
    if not named or Path(named).stem.casefold() == stem.casefold():
        return None
    beside: Sequence[Path] = sorted(annotation.path.parent.glob("*.*"))
    found = [p for p in beside if p.stem == stem and p.suffix.lower() in SUFFIXES]
    return found[0] if found else None
