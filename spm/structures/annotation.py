"""Annotation files: labelme's JSON, versions 3.x to 6.x, read and written without labelme.

Points are (x, y) in labelme's continuous pixel coordinates, (0, 0) at the image's corner.
"""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from spm.errors import InputError
from spm.io.images import (
    SUFFIXES,
    check_pixels,
    decode_image,
    decoded_size,
    image_size,
    read_image,
)
from spm.run.files import visible_files, write_json
from spm.run.words import counted
from spm.structures.classes import LABELS_DECIDE, ClassChoice, Classes
from spm.structures.image_file import find_image
from spm.structures.labelme_file import (
    SHAPE_KEYS,
    TOP_KEYS,
    check_derived,
    clean_text,
    embedded_image,
    load_json,
    other_keys,
    read_flags,
    read_shape,
)
from spm.structures.placed import Placed
from spm.structures.shape import MOST_PARTS, Shape, check_form, check_shape, grouped

CONVERTED = "_convert"  # at the end of the stem of the notes that spm.convert writes
CONVERT_KEYS = {"channel", "levelling", "colour_map"}
CLASS_NAMES = "class_names"  # key of a prediction: the classes that its network knows


@dataclass
class Annotation:
    """An image's outlined molecules.

    Attributes:
        shapes: in the order of the file.
        height, width: size of the image in pixels.
        image_name: the image's file name, in the folder of the JSON file.
        flags: of the whole image, name -> bool.
        path: the JSON file it came from.
        image_bytes: the embedded image file, if there is one.
        extra: top-level JSON keys that labelme does not know, for example `derived`.
        classes: by which the shapes got their class, see `classified`; None before.
    """

    shapes: list[Shape]
    height: int
    width: int
    image_name: str
    flags: dict[str, bool] = field(default_factory=dict)
    path: Path | None = None
    image_bytes: bytes | None = None
    version: str = "5.0.1"
    extra: dict[str, Any] = field(default_factory=dict)
    classes: Classes | None = None

    def classified(self, classes: Iterable[str] | None) -> Annotation:
        """Return the annotation with the class and the serial number of each shape.

        Args:
            classes: the known ones; None takes those of the labels, see `classes_of`.
        """
        known = classes_of([self]) if classes is None else Classes.of(classes)
        read = [(shape, *known.read(shape.label)) for shape in self.shapes]
        shapes = [replace(s, class_name=name, serial=number) for s, name, number in read]
        return replace(self, shapes=shapes, classes=known)

    def class_of(self, shape: Shape) -> str:
        """Return the class of one of the shapes.

        Raises:
            InputError: for a label of no known class.
        """
        if self.classes is None:
            raise ValueError("The annotation has no classes yet; see `Annotation.classified`.")
        if shape.class_name is None:
            (unknown,) = self.classes.unknown([shape.label])
            raise InputError(f"{self.path or self.image_name}: {unknown}.")
        return shape.class_name

    @property
    def labels(self) -> list[str]:
        """The label of each shape."""
        return [shape.label for shape in self.shapes]

    @property
    def partial(self) -> bool:
        """Whether the user says that not every molecule in the image is outlined.

        It is a flag `partial` of the image (labelme: `labelme --flags partial`), a key of the
        JSON file of that name, or a flag of any outline; in upper or lower case.
        """
        return _says_partial(self.flags) or _says_partial(self.extra) or self.partial_by_outline

    @property
    def partial_by_outline(self) -> bool:
        """Whether an outline has the flag `partial`, and neither the image nor the file."""
        if _says_partial(self.flags) or _says_partial(self.extra):
            return False
        parts = (part for shape in self.shapes for part in shape.all_parts)
        return any(_says_partial(part.flags) for part in parts)

    @property
    def class_names(self) -> list[str]:
        """The classes that the file states, as a prediction does; none if it states none."""
        names = self.extra.get(CLASS_NAMES)
        good = isinstance(names, list) and all(isinstance(x, str) and x.strip() for x in names)
        return names if good else []

    @property
    def derived(self) -> dict[str, Any] | None:
        """How one of our steps made this copy; None for the user's own annotation."""
        made = self.extra.get("derived")
        if isinstance(made, dict):
            return made
        return {} if self.flags.get("derived") else None

    def read_image(self) -> np.ndarray:
        """Return the image, (H, W, 3) uint8 RGB.

        The embedded one if there is one, else the file beside the JSON.

        Raises:
            InputError: when there is none, it cannot be read, or its size is not the JSON's.
        """
        if self.image_bytes is not None:
            image = decode_image(self.image_bytes, f"{self.path} (embedded image)")
        else:
            image = read_image(self.image_path())
        if image.shape[:2] != (self.height, self.width):
            raise _other_size(self.path, image.shape[:2], (self.height, self.width))
        return image

    def check_size(self) -> None:
        """Compare the image's size with the JSON's by the image file's header alone.

        Raises:
            InputError: when there is no image or its size is not the JSON's.
        """
        if self.image_bytes is not None:
            size = decoded_size(self.image_bytes, f"{self.path} (embedded image)")
        else:
            size = image_size(self.image_path())
        if size != (self.height, self.width):
            raise _other_size(self.path, size, (self.height, self.width))

    def image_path(self) -> Path:
        """Return the image file beside the JSON file: its imagePath, or else the same stem.

        Raises:
            InputError: when neither exists. An imagePath outside the folder is never followed.
        """
        if self.path is None:
            raise ValueError("The annotation was not read from a file: it has no image path.")
        return find_image(self.path, self.image_name)


def classes_of(annotations: Sequence[Annotation], choice: ClassChoice = LABELS_DECIDE) -> Classes:
    """Return the classes of annotations' labels, seen together.

    Args:
        annotations: a prediction among them states its classes (`Annotation.class_names`).
        choice: by default the labels decide.
    """
    stated = [name for one in annotations for name in one.class_names]
    return choice.of_images([one.labels for one in annotations], stated)


def _says_partial(flags: dict[str, Any]) -> bool:
    return any(value and name.strip().casefold() == "partial" for name, value in flags.items())


def iter_annotations(folder: str | os.PathLike) -> list[Path]:
    """Return the JSON files in a folder, naturally sorted, none hidden.

    Passed over is `NAME_convert.json`, in which `spm.convert` notes how it made NAME.png.
    """
    return [
        path
        for path in visible_files(folder)
        if path.suffix.lower() == ".json" and not _is_note_of_convert(path)
    ]


def _is_note_of_convert(path: Path) -> bool:
    """Return whether a file is `spm.convert`'s NAME_convert.json, whole or damaged."""
    if not path.stem.endswith(CONVERTED):
        return False
    try:
        data = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return any(
            path.with_name(f"{path.stem.removesuffix(CONVERTED)}{s}").is_file() for s in SUFFIXES
        )
    return isinstance(data, dict) and "shapes" not in data and set(data) >= CONVERT_KEYS


def read_annotation(path: str | os.PathLike) -> Annotation:
    """Read a labelme JSON file.

    Raises:
        InputError: when the file is missing, no JSON, not labelme's, or has points that are no
            numbers. Outlines that are numbers but make no sense are `check_shape`'s business.
    """
    path = Path(path)
    data = load_json(path)
    shapes = [read_shape(item, i, path) for i, item in enumerate(data["shapes"])]
    shapes = grouped(shapes)
    embedded = embedded_image(data.get("imageData"), path)
    name = data.get("imagePath") or ""
    if not isinstance(name, str):
        raise InputError(f"{path}: imagePath must be a text; save the annotation again in labelme.")
    height, width = data.get("imageHeight"), data.get("imageWidth")
    if height is None or width is None:  # labelme before 3.6 did not write them
        if embedded is not None:
            height, width = decoded_size(embedded, f"{path} (embedded image)")
        else:
            height, width = image_size(find_image(path, name))
    if not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in (height, width)):
        raise InputError(
            f"{path}: imageHeight and imageWidth must be whole numbers above 0, not {height!r} and "
            f"{width!r}; save the annotation again in labelme."
        )
    check_pixels(width, height, str(path))
    extra = other_keys(data, TOP_KEYS, str(path))
    check_derived(extra.get("derived"), path)
    return Annotation(
        shapes=shapes,
        height=height,
        width=width,
        image_name=clean_text(name),
        flags=read_flags(data.get("flags")),
        path=path,
        image_bytes=embedded,
        version=clean_text(data.get("version") or "5.0.1"),
        extra=extra,
    )


def read_annotations(paths: Iterable[Path]) -> tuple[list[Annotation], list[str]]:
    """Return the annotations that can be read, and what is wrong with the other files."""
    found, problems = [], []
    for path in paths:
        try:
            found.append(read_annotation(path))
        except InputError as error:
            problems.append(Placed(str(error), path))
    return found, problems


def write_annotation(
    path: str | os.PathLike, annotation: Annotation, durable: bool = True, embed: bool = False
) -> None:
    """Write labelme JSON atomically; the image lies beside it.

    Args:
        path: the file.
        annotation: what goes into it.
        durable: see `spm.run.files.atomic_path`.
        embed: write the embedded image again, if there is one.
    """
    image = annotation.image_bytes if embed else None
    data = {
        "version": annotation.version,
        "flags": annotation.flags,
        "shapes": [_shape_json(part) for shape in annotation.shapes for part in shape.all_parts],
        "imagePath": annotation.image_name,
        "imageData": base64.b64encode(image).decode("ascii") if image else None,
        "imageHeight": int(annotation.height),
        "imageWidth": int(annotation.width),
        **{key: value for key, value in annotation.extra.items() if key not in TOP_KEYS},
    }
    # Without indentation Python's C encoder is used: ten times as fast, a third of the bytes.
    write_json(path, data, indent=None, durable=durable)


def check_annotation(annotation: Annotation) -> list[str]:
    """Return all problems of an annotation's shapes as whole sentences that know their place.

    Labels are checked once the annotation has classes; many that nothing is known of are told in
    one sentence.
    """
    problems, unknown = [], {}
    for i, shape in enumerate(annotation.shapes, start=1):
        found = _check_parts(annotation, shape, i)
        if not found and annotation.classes is not None and shape.class_name is None:
            unknown[i] = shape.label
        problems += found
    for labels, error in annotation.classes.unknown_kinds(unknown.values()) if unknown else ():
        where = [i for i, label in unknown.items() if label in labels]
        if len(where) == 1:
            shape = annotation.shapes[where[0] - 1]
            problems.append(_sentence(annotation, shape, *where, f"has an unknown label: {error}"))
        else:
            numbers = [annotation.shapes[i - 1].number or i for i in where]
            text = f"{annotation.path}: {counted(len(where), 'shape')}: {error}."
            problems.append(Placed(text, annotation.path, numbers))
    return problems


def check_with_image(annotation: Annotation) -> list[str]:
    """Return all problems like `check_annotation`; only the image's where that does not fit.

    Outlines that leave an image of the wrong size are not wrong themselves.
    """
    try:
        annotation.check_size()
    except InputError as error:
        return [Placed(str(error), annotation.path)]
    return check_annotation(annotation)


def _check_parts(annotation: Annotation, shape: Shape, index: int) -> list[str]:
    if len(shape.all_parts) > MOST_PARTS:
        text = (
            f"{annotation.path}: the group number {shape.group_id} joins {len(shape.all_parts)} "
            f"outlines {shape.label!r} into one molecule; give each molecule its own number, or "
            "none (labelme: Edit Label, Group ID)."
        )
        return [Placed(text, annotation.path, [shape.number or index])]
    return [
        _sentence(annotation, part, index, problem)
        for part in shape.all_parts
        for problem in check_shape(part, annotation.height, annotation.width)
    ]


def _sentence(annotation: Annotation, shape: Shape, index: int, problem: str) -> str:
    number = shape.number or index
    text = f"{annotation.path}: shape {number} ({shape.label!r}) {problem}."
    return Placed(text, annotation.path, [number])


def check_copy(annotation: Annotation) -> list[str]:
    """Return what is grossly wrong with a copy that a step of ours made, as whole sentences.

    Its outlines were checked in the original: this only makes sure that nobody changed the file
    into something that the steps cannot take.
    """
    size = annotation.height, annotation.width
    return [
        _sentence(annotation, part, i, problem)
        for i, shape in enumerate(annotation.shapes, start=1)
        for part in shape.all_parts
        if (problem := check_form(part, *size, margin=max(size)))
    ]


def _shape_json(shape: Shape) -> dict[str, Any]:
    data = {
        "label": shape.label,
        "points": np.asarray(shape.points, np.float64).tolist(),
        "group_id": shape.group_id,
        "shape_type": shape.shape_type,
        "flags": shape.flags,
        "description": shape.description,
    }
    if shape.mask is not None:
        data["mask"] = _mask_text(shape.mask)
    return data | {key: value for key, value in shape.extra.items() if key not in SHAPE_KEYS}


def _mask_text(mask: np.ndarray) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).convert("1").save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _other_size(path: Path | None, real: tuple[int, int], said: tuple[int, int]) -> InputError:
    if real == said[::-1]:
        return InputError(
            f"{path}: the image is {real[1]} x {real[0]} pixels, and the annotation has width "
            "and height exchanged; correct imageWidth and imageHeight, or draw it again in labelme."
        )
    return InputError(
        f"{path}: the image is {real[1]} x {real[0]} pixels but the annotation says "
        f"{said[1]} x {said[0]}; open the right image in labelme and save again."
    )
