"""A prediction opened again: its molecules and the image that they were found in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from spm.errors import InputError
from spm.instruments.heights import Opened
from spm.instruments.inputs import list_inputs, open_image
from spm.io import pixel_size
from spm.report.result_files import output_names
from spm.run.files import is_file
from spm.structures.annotation import Annotation, read_annotation
from spm.structures.classes import LABELS_DECIDE
from spm.structures.image_file import find_image
from spm.structures.molecule import Molecule, annotation_to_molecules

ENDING = "_predicted"


@dataclass
class Predicted:
    """What a prediction says, with its image.

    Attributes:
        stem_path: the folder and NAME of the results.
        molecules: as they are in the file now: a user may have corrected it.
        class_names: in the order of training where the results tell it, else sorted.
        opened: the image.
        annotation: the whole file.
    """

    stem_path: Path
    molecules: list[Molecule]
    class_names: list[str]
    opened: Opened
    annotation: Annotation


def open_predicted(
    path: Path, images: Path, image: Path | None = None, nm_per_pixel: float | None = None
) -> Predicted:
    """Open NAME_predicted.json and its image.

    The image is the file of the folder of images whose results are called NAME, else the one that
    the JSON names, looked for beside it: a JSON from elsewhere makes nobody read any file it likes.

    Args:
        path: the prediction.
        images: folder of the predicted images; need not exist.
        image: the image itself; None looks for it.
        nm_per_pixel: None takes the prediction's, else the image's.

    Raises:
        InputError: when one of both cannot be read or they do not fit.
    """
    path = Path(path)
    annotation = read_annotation(path)
    stem_path = path.with_name(path.stem.removesuffix(ENDING))
    names = _class_names(stem_path, annotation)
    molecules = annotation_to_molecules(annotation.classified(names))
    stored = annotation.extra.get(pixel_size.KEY)
    known = isinstance(stored, int | float) and not isinstance(stored, bool) and stored > 0
    source = image or _source(stem_path.name, images) or find_image(path, annotation.image_name)
    opened = open_image(source, nm_per_pixel or (float(stored) if known else None))
    if opened.image.shape[:2] != (annotation.height, annotation.width):
        height, width = opened.image.shape[:2]
        raise InputError(
            f"{path}: was made of an image of {annotation.width} x {annotation.height} pixels, "
            f"and {source} has {width} x {height}; name the right one with --image."
        )
    return Predicted(stem_path, molecules, names, opened, annotation)


def _source(name: str, images: Path) -> Path | None:
    """Return the file of a folder whose results are called NAME."""
    if not Path(images).is_dir():
        return None
    paths = list_inputs(images)
    return dict(zip(output_names(paths), paths, strict=True)).get(name)


def _class_names(stem_path: Path, annotation: Annotation) -> list[str]:
    path = stem_path.with_name(f"{stem_path.name}_summary.json")
    names: list[str] = []
    if is_file(path):
        try:
            names = list(json.loads(path.read_text(encoding="utf-8"))["classes"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: is damaged ({error}); predict the image again.") from error
    stated = [*names, *annotation.class_names]
    found = LABELS_DECIDE.of_images([annotation.labels], stated)
    return [*names, *(name for name in found if name not in names)]
