"""Write annotations for other programs.

    python -m spm.exports img_cache/NAME_predicted.json

Takes labelme files, predicted (NAME_predicted.json) or drawn by hand, and writes

    NAME_coco.json   (several files: one coco.json) COCO instance segmentation
    NAME_rois.zip    ImageJ / Fiji ROI Manager
    NAME_labels.tif  16-bit label image, value k = molecule k, for napari, ImageJ, scikit-image
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np

if __name__ == "__main__" and not __package__:  # started by its file
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from spm.errors import InputError
from spm.geometry.polygons import polygon_area, signed_area
from spm.geometry.rings import bridged, mask_rings
from spm.io import pixel_size
from spm.io.class_colours import class_colours
from spm.run import command_line
from spm.run.files import (
    atomic_path,
    folder_lock,
    safe_name,
    write_json,
)
from spm.run.setting_kinds import Positional, Positive
from spm.run.settings import Settings, takes
from spm.structures.annotation import Annotation, classes_of, read_annotation
from spm.structures.classes import ClassChoice, Classes
from spm.structures.instance_masks import shape_masks
from spm.structures.shape import Shape, outline, region

ENDINGS = {"coco": "_coco.json", "imagej": "_rois.zip", "tiff": "_labels.tif"}
TOGETHER = "coco.json"  # of several files
MOST_LABELS = 65535  # a 16-bit label image holds no more


def coco_dataset(
    annotations: Sequence[Annotation], classes: Sequence[str] | None = None
) -> dict[str, Any]:
    """Return annotations as a COCO instance dataset.

    COCO's polygons have the same continuous pixel coordinates as labelme's. A molecule has a
    polygon for each part, along the pixels' edges where it is a mask, so that no pixel is lost; a
    hole is joined to its border by a bridge (`spm.geometry.rings`), for run-length encoded masks
    are not read by all programs. A predicted molecule's score goes along; ids begin with 1.

    Args:
        annotations: of one or several images.
        classes: the classes; those that the labels suggest by default.

    Raises:
        InputError: for a label of no known class.
    """
    names = Classes.of(classes) if classes else classes_of(annotations)
    annotations = [annotation.classified(names) for annotation in annotations]
    dataset: dict[str, Any] = {
        "info": {"description": "molecules in scanning probe microscopy images"},
        "images": [],
        "annotations": [],
        "categories": [
            {"id": k, "name": name, "supercategory": "molecule"}
            for k, name in enumerate(names, start=1)
        ],
    }
    for number, annotation in enumerate(annotations, start=1):
        dataset["images"].append(
            {
                "id": number,
                "file_name": annotation.image_name,
                "height": annotation.height,
                "width": annotation.width,
            }
        )
        for shape in annotation.shapes:
            covered = region(shape)
            (left, top), (right, bottom) = covered.min(axis=0), covered.max(axis=0)
            box = [left, top, right - left, bottom - top]
            entry = {
                "id": len(dataset["annotations"]) + 1,
                "image_id": number,
                "category_id": names.index(annotation.class_of(shape)) + 1,
                "segmentation": _segmentation(shape),
                "bbox": [round(float(v), 3) for v in box],
                "area": round(polygon_area(covered), 3),
                "iscrowd": 0,
            }
            if isinstance(shape.extra.get("score"), int | float):
                entry["score"] = float(shape.extra["score"])
            dataset["annotations"].append(entry)
    return dataset


def _segmentation(shape: Shape) -> list[list[float]]:
    """Return a polygon for each part of a molecule; where a mask has holes, one for all of it."""
    polygons = []
    for part in shape.all_parts:
        if part.shape_type != "mask":
            polygons.append(outline(part))
            continue
        rings = [ring + np.floor(part.points.min(axis=0)) for ring in mask_rings(part.mask)]
        has_holes = any(signed_area(ring) < 0 for ring in rings)
        polygons += [bridged(rings)] if has_holes else rings
    return [points.round(3).ravel().tolist() for points in polygons]


def write_coco(
    path: Path, annotations: Sequence[Annotation], classes: Sequence[str] | None = None
) -> None:
    """Write a COCO instance JSON of one or several images."""
    write_json(path, coco_dataset(annotations, classes), indent=None)


def write_imagej_rois(
    path: Path, annotation: Annotation, classes: Sequence[str] | None = None
) -> None:
    """Write the outlines as ImageJ polygon ROIs with subpixel corners.

    Each molecule is one ROI with number and label as its name, so that no two are called alike, and
    its class's colour; parts and holes are joined by bridges, which ImageJ fills as they are meant.

    Args:
        path: ends in .zip; open it in ImageJ with File > Open or the ROI Manager.
        annotation: the molecules.
        classes: the classes; those that the labels suggest by default.

    Raises:
        InputError: when the package roifile is not installed, or there is nothing to write.
    """
    roifile = _package("roifile", path)
    if not annotation.shapes:
        raise InputError(f"{annotation.path or path}: has no molecule; there is no ROI to write.")
    annotation = annotation.classified(classes or None)
    names = annotation.classes
    colours = class_colours(len(names))
    rois = []
    for number, shape in enumerate(annotation.shapes, start=1):
        roi = roifile.ImagejRoi.frompoints(
            region(shape), name=f"{number:04d}-{safe_name(shape.label)}"
        )
        roi.roitype = roifile.ROI_TYPE.POLYGON
        colour = colours[names.index(annotation.class_of(shape))]
        roi.stroke_color = bytes((255, *colour))  # alpha, red, green, blue
        rois.append(roi)
    with atomic_path(path) as temporary:
        roifile.roiwrite(temporary, rois, mode="w")


def label_array(annotation: Annotation) -> np.ndarray:
    """Return (H, W) uint16, value k in the pixels of molecule k (from 1), 0 elsewhere.

    Where molecules overlap the later one wins.

    Raises:
        InputError: for more molecules than 16 bits can number.
    """
    if len(annotation.shapes) > MOST_LABELS:
        raise InputError(
            f"{annotation.path}: {len(annotation.shapes)} molecules; a 16-bit label image holds "
            f"{MOST_LABELS}. Cut the image."
        )
    labels = np.zeros((annotation.height, annotation.width), np.uint16)
    for number, mask in enumerate(shape_masks(annotation), start=1):
        labels[mask.place][mask.pixels] = number
    return labels


def write_label_tiff(path: Path, annotation: Annotation, nm_per_pixel: float | None = None) -> None:
    """Write the 16-bit label image as TIFF; with a scale it is stored the way ImageJ reads it."""
    tifffile = _package("tifffile", path)
    options: dict[str, Any] = {}
    if nm_per_pixel is not None:
        pixels = 1 / pixel_size.check(nm_per_pixel)
        options = {"resolution": (pixels, pixels), "metadata": {"unit": "nm"}}
    with atomic_path(path) as temporary:
        tifffile.imwrite(temporary, label_array(annotation), imagej=True, **options)


def _package(name: str, path: Path) -> ModuleType:
    """Return an optional package that a file is written with."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"{path}: writing it needs the package {name}; "
            f"install it with: python -m pip install {name}"
        ) from error


def _scale_of(annotation: Annotation) -> float | None:
    """Return the scale that a prediction stored in the annotation, else the one in the PNG that
    it names, None if there is none."""
    stored = annotation.extra.get(pixel_size.KEY)
    if isinstance(stored, int | float) and not isinstance(stored, bool) and 0 < stored < 1e6:
        return float(stored)
    if annotation.path is None or not annotation.image_name:
        return None
    image = annotation.path.parent / Path(annotation.image_name).name
    return pixel_size.read_scale(image) if image.is_file() else None


# --- settings: change the values, the text below each says what it is ---------------------------
class Export(Settings):
    """Which annotations are written for which programs."""

    files: Positional[list[Path]] = []
    """The labelme files, predicted or drawn by hand; must be given."""
    formats: list[Literal["coco", "imagej", "tiff"]] = ["coco", "imagej", "tiff"]
    """Which of them."""
    class_names: list[str] | None = None
    """The classes, with spaces or commas between them. None takes those that a prediction states,
    or else those of the labels."""
    nm_per_pixel: Positive | None = None
    """Nanometres a pixel for the TIFF. None: from the JSON or the PNG beside it."""
    out: Path | None = None
    """Where to write. None: beside each file."""

    def problems(self) -> Iterator[str]:
        """Yield what is missing."""
        if not self.files:
            yield "no file: name the JSON files to export, such as a_predicted.json."
        if not self.formats:
            yield "formats: choose among coco, imagej, tiff. Received: none."


# ------------------------------------------------------------------------------------------------


@takes(Export)
def main(settings: Export) -> int:
    """Export labelme annotations.

    Raises:
        InputError: when a file or a format is wrong.
    """
    print("\n".join(map(str, export(settings))))
    return 0


@takes(Export)
def export(settings: Export) -> list[Path]:
    """Write annotations for other programs; return the files.

    Of several images those without a molecule have no ImageJ ROIs.

    Raises:
        InputError: when a file or a format is wrong.
    """
    files, out, formats = settings.files, settings.out, settings.formats
    annotations = [read_annotation(path) for path in files]
    classes = classes_of(annotations, ClassChoice(settings.class_names or None))
    written: list[Path] = []
    with ExitStack() as locks:
        for folder in dict.fromkeys((out or path.parent).resolve() for path in files):
            locks.enter_context(folder_lock(folder))
        for path, annotation in zip(files, annotations, strict=True):
            stem = (out or path.parent) / path.stem
            if "imagej" in formats and (annotation.shapes or len(files) == 1):
                written.append(stem.with_name(stem.name + ENDINGS["imagej"]))
                write_imagej_rois(written[-1], annotation, classes)
            if "tiff" in formats:
                written.append(stem.with_name(stem.name + ENDINGS["tiff"]))
                write_label_tiff(
                    written[-1], annotation, settings.nm_per_pixel or _scale_of(annotation)
                )
        if "coco" in formats:
            written.append(_coco_path(files, out))
            write_coco(written[-1], annotations, classes)
    if not written:
        raise InputError(f"{files[0]} and the others: have no molecule; there is nothing to write.")
    return written


def _coco_path(files: Sequence[Path], out: Path | None) -> Path:
    name = files[0].stem + ENDINGS["coco"] if len(files) == 1 else TOGETHER
    return (out or files[0].parent) / name


if __name__ == "__main__":
    command_line.run(main)
