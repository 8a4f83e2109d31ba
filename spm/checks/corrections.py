"""Corrected predictions as training images: checking them and putting them with the others.

A prediction `NAME_predicted.json` names its image, NAME_predicted.tif, and the file that was
predicted by a path (`../images/NAME.png`). Only the file's name in it is used, in folders that the
user knows: a JSON from elsewhere must not make us read any file that it likes.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from spm.checks.kept_corrections import corrections_of
from spm.checks.predictions import (
    PREDICTION,
    image_digest,
    is_corrected,
    mark_of,
    outlines_digest,
    result_name,
)
from spm.errors import InputError, raise_problems
from spm.io import pixel_size
from spm.io.images import SUFFIXES, decode_image, read_bytes
from spm.io.labelme_shows import LABELME_IMAGE, shown_by_labelme
from spm.run.files import folder_lock, is_file, safe_name, write_bytes
from spm.run.words import counted
from spm.structures.annotation import (
    Annotation,
    check_annotation,
    classes_of,
    iter_annotations,
    read_annotation,
    write_annotation,
)
from spm.structures.classes import ClassChoice
from spm.structures.image_file import find_image
from spm.structures.labelme_file import CORRECTED
from spm.structures.same_image import embedded_differs
from spm.structures.shape import Shape

# What a prediction says of a molecule and a corrected outline does not.
ANSWER_KEYS = {
    "number", "score", "box", "second_class", "second_score", "orientation", "symmetry", "likeness",
    "alike", "objectness",
}  # fmt: skip
DOUBTS = {"uncertain", "unfamiliar"}


@dataclass
class Correction:
    """A corrected annotation that is to be trained on.

    Attributes:
        annotation: as the user left it; `image_bytes` holds its image.
        file: name for the image in the folder of the training images.
        image: digest of the image's pixels, by which it is known again.
        replaces: an earlier version of it is there.
        in_place: the user's file lies there itself.
    """

    annotation: Annotation
    file: str
    image: str
    replaces: bool = False
    in_place: bool = False

    @property
    def name(self) -> str:
        """Stem of both files."""
        return PurePosixPath(self.file).stem

    @property
    def results(self) -> set[str]:
        """What the results of its image may be called."""
        return {self.name, result_name(self.annotation.path)}

    def said(self, source_dir: Path) -> str:
        """Return in a sentence what became of the user's file."""
        target = Path(source_dir) / f"{self.name}.json"
        where = "is trained on where it lies" if self.in_place else f"copied to {target}"
        if self.replaces:
            where = f"replaces {target}, its earlier version"
        return f"{self.annotation.path}: {where} ({self.outlined})"

    @property
    def outlined(self) -> str:
        """How much is outlined, in words."""
        partial = ", of a part of the image" if self.annotation.partial else ""
        return f"{counted(len(self.annotation.shapes), 'outline')}{partial}"


def examine(
    paths: Sequence[Path], source_dir: Path, images_dir: Path, choice: ClassChoice
) -> list[Correction]:
    """Check corrected annotations before anything is done with them.

    Args:
        paths: labelme JSON files.
        source_dir: folder of the training images; need not exist.
        images_dir: where images are looked for that do not lie beside their JSON.
        choice: of the known classes.

    Raises:
        InputError: with one sentence for each thing that is wrong with any of them.
    """
    found: list[Correction] = []
    problems: list[str] = []
    for path in {Path(path).resolve(): Path(path) for path in paths}.values():
        try:
            annotation = read_annotation(path)
            annotation = latest(annotation, Path(source_dir), Path(images_dir))
            annotation = annotation.classified(classes_of([annotation], choice))
            raise_problems(check_annotation(annotation))
            correction = _examine_one(annotation, Path(source_dir), Path(images_dir))
        except InputError as error:
            problems += str(error).splitlines()
            continue
        if any(other.image == correction.image for other in found):
            problems.append(f"{path}: its image is that of another file named; name one of them.")
        elif any(other.name.casefold() == correction.name.casefold() for other in found):
            problems.append(f"{path}: is called like another file named; add one after the other.")
        found.append(correction)
    raise_problems(problems)
    for correction in found:
        _tell_of_embedded(correction, Path(images_dir))
    return found


def store(corrections: Sequence[Correction], source_dir: Path) -> None:
    """Put images and cleaned annotations into the folder of the training images.

    The image is whole before its JSON is there, and an earlier version stays until it is
    replaced. Files of the user's own are never touched.
    """
    with folder_lock(source_dir) as folder:
        for correction in corrections:
            if correction.in_place:
                continue
            if not correction.replaces:
                write_bytes(folder / correction.file, correction.annotation.image_bytes)
            write_annotation(folder / f"{correction.name}.json", cleaned(correction))


def cleaned(correction: Correction) -> Annotation:
    """Return the annotation without what the prediction said of each molecule."""
    annotation = correction.annotation
    shapes = [
        replace(_without_answer(shape), parts=tuple(map(_without_answer, shape.parts)))
        for shape in annotation.shapes
    ]
    extra = {key: value for key, value in annotation.extra.items() if key != PREDICTION}
    extra[CORRECTED] = {"image": correction.image, "from": annotation.path.name}
    return replace(annotation, shapes=shapes, image_name=correction.file, extra=extra)


def _without_answer(shape: Shape) -> Shape:
    return replace(
        shape,
        flags={name: value for name, value in shape.flags.items() if name not in DOUBTS},
        description="" if "score" in shape.extra else shape.description,
        extra={k: v for k, v in shape.extra.items() if k not in ANSWER_KEYS},
    )


def _examine_one(annotation: Annotation, source_dir: Path, images_dir: Path) -> Correction:
    path = annotation.path
    if annotation.derived is not None:
        raise InputError(f"{path}: is a copy that a step made; correct the image it comes from.")
    in_place = path.resolve().parent == source_dir.resolve()
    data, suffix, image = _read(annotation, source_dir if in_place else images_dir)
    annotation = replace(annotation, image_bytes=data)
    if in_place:
        return Correction(annotation, path.name, image, in_place=True)
    earlier = _same_image(annotation, image, source_dir)
    if earlier and CORRECTED not in earlier.extra:
        raise InputError(
            f"{path}: {earlier.path} is your own annotation of the same image; correct that one, "
            "or move it away."
        )
    if mark_of(annotation) and not is_corrected(annotation):
        again = f", or add your earlier correction {earlier.path} again" if earlier else ""
        raise InputError(
            f"{path}: no outline was changed since the prediction; correct it in labelme and save "
            f"it{again}."
        )
    if earlier:
        return Correction(annotation, earlier.image_path().name, image, replaces=True)
    return Correction(annotation, _free_name(path, suffix, data, source_dir), image)


def latest(annotation: Annotation, source_dir: Path, images_dir: Path) -> Annotation:
    """Return the user's latest correction of an annotation's image that is not trained on yet.

    That is the annotation itself, unless it is a prediction that nobody changed, or whose
    correction labelme saved later in another file: labelme 6 saves on its own after each change,
    not in the file that was opened, but beside the image and under the image's name.

    Args:
        annotation: read from a JSON that the user named.
        source_dir: folder of the training images; need not exist.
        images_dir: where images are looked for that do not lie beside their JSON.
    """
    made = mark_of(annotation)
    others = corrections_of(annotation, images_dir)
    if is_corrected(annotation):
        saved = annotation.path.stat().st_mtime
        later = (o for o in others if mark_of(o) == made and o.path.stat().st_mtime > saved)
        return next(later, annotation)
    for other in others[:1]:
        earlier = _same_image(other, made["image"], source_dir)
        if earlier is None or _later(other, earlier):
            return other
    return annotation


def _later(one: Annotation, other: Annotation) -> bool:
    """Return whether an annotation says something else than another, and was saved after it."""
    changed = outlines_digest(one.shapes) != outlines_digest(other.shapes)
    return changed and one.path.stat().st_mtime > other.path.stat().st_mtime


def _read(annotation: Annotation, images_dir: Path) -> tuple[bytes, str, str]:
    """Return the image's file content, its suffix, and the digest of its pixels.

    Raises:
        InputError: when there is none, or it is another one than was predicted or annotated.
    """
    path, made = annotation.path, mark_of(annotation)
    if annotation.image_bytes is not None:
        files = [(annotation.image_bytes, ".png", f"{path} (embedded image)")]
    else:
        places = _places(annotation, images_dir)
        files = [(read_bytes(place), place.suffix, str(place)) for place in places]
    wrong = ""
    for data, suffix, where in files:
        image = decode_image(data, where)
        known = image_digest(image)
        if image.shape[:2] != (annotation.height, annotation.width):
            wrong = wrong or (
                f"{path}: its image {where} is {image.shape[1]} x {image.shape[0]} pixels, "
                f"but the annotation is for {annotation.width} x {annotation.height}; put the "
                "right image there."
            )
        elif made.get("image", known) != known:
            wrong = wrong or (
                f"{path}: {where} is not the image that was predicted, or was changed since; "
                "predict it again."
            )
        elif "file" in made and suffix.lower() == LABELME_IMAGE:
            return pixel_size.scaled_png(image, _scale(annotation)), ".png", known
        else:
            return data, suffix.lower(), known
    raise InputError(wrong)


def _scale(annotation: Annotation) -> float | None:
    scale = annotation.extra.get(pixel_size.KEY)
    good = isinstance(scale, int | float) and not isinstance(scale, bool)
    return float(scale) if good and math.isfinite(scale) and scale > 0 else None


def _tell_of_embedded(correction: Correction, images_dir: Path) -> None:
    """Print a line when the file's image is embedded and not the one that lies there, as training
    does for what lies among its images."""
    if correction.in_place:
        return  # training says it
    try:
        place = _places(correction.annotation, images_dir)[0]
    except InputError:
        return  # there is no other
    if sentence := embedded_differs(correction.annotation, place):
        print(f"note: {sentence}.", file=sys.stderr)


def _places(annotation: Annotation, images_dir: Path) -> list[Path]:
    """Return the files that may be the annotation's image, the likeliest first."""
    path, said = annotation.path, annotation.image_name.replace("\\", "/")
    name = PurePosixPath(said).name
    folders = [images_dir, path.parent] if "/" in said else [path.parent, images_dir]
    places = [*_predicted_file(annotation, images_dir), *(folder / name for folder in folders)]
    found = [p for p in places if p.suffix.lower() in SUFFIXES and is_file(p)]
    if found:
        return found
    if not mark_of(annotation) and path.stem == result_name(path):
        return [find_image(path, name)]
    # Never that of the same stem: NAME_predicted.png has the outlines drawn in.
    raise InputError(
        f"{path}: its image {name!r} is neither beside it nor in {images_dir}; copy it there."
    )


def _predicted_file(annotation: Annotation, images_dir: Path) -> list[Path]:
    """Return the predicted file itself, where labelme shows it: what is trained on can then be
    corrected again in labelme."""
    said = str(mark_of(annotation).get("file") or "").replace("\\", "/")
    file = images_dir / PurePosixPath(said).name
    return [file] if said and is_file(file) and shown_by_labelme(file) else []


def _same_image(annotation: Annotation, image: str, folder: Path) -> Annotation | None:
    """Return the annotation of the same image among the training images, if there is one."""
    for path in iter_annotations(folder) if folder.is_dir() else ():
        try:
            other = read_annotation(path)
            if other.derived is not None or (other.height, other.width) != (
                annotation.height,
                annotation.width,
            ):
                continue
            if image_digest(other.read_image()) == image:
                return other
        except InputError:
            continue  # the look at all training images that follows says what is wrong with it
    return None


def _free_name(path: Path, suffix: str, data: bytes, folder: Path) -> str:
    """Return a name for the image that no file of another image or annotation has."""
    stem = safe_name(result_name(path))
    files = list(folder.iterdir()) if folder.is_dir() else []
    number = 1
    while True:
        name = stem if number == 1 else f"{stem}_{number}"
        taken = [file for file in files if file.stem.casefold() == name.casefold()]
        # A run that was killed left the image and no annotation.
        left = [folder / f"{name}{suffix}"]
        if not taken or (taken == left and taken[0].read_bytes() == data):
            return f"{name}{suffix}"
        number += 1
