"""Recognised molecules: what is reported of each, as a table and as a labelme annotation."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spm.geometry import orientation
from spm.geometry.polygons import polygon_area, polygon_centroid
from spm.geometry.rings import bridged, by_part, oriented
from spm.io import pixel_size
from spm.run import files
from spm.structures.annotation import CLASS_NAMES, Annotation
from spm.structures.classes import numbered
from spm.structures.shape import Shape, outline, region

TABLE_HEADER = (
    "number",
    "label",
    "class",
    "score",
    "y1",
    "x1",
    "y2",
    "x2",
    "centroid_x",
    "centroid_y",
    "area",
    "orientation",
    "symmetry",
    "edge",
    "uncertain",
    "second_class",
    "second_score",
    "likeness",
    "unfamiliar",
    "alike",
    "objectness",
)
# Further columns where the size of a pixel is known.
NM_HEADER = ("centroid_x_nm", "centroid_y_nm", "area_nm2")


@dataclass(eq=False)  # arrays have no single truth value to compare
class Molecule:
    """One molecule of an image.

    Attributes:
        class_name: its class.
        score: confidence, 0..1.
        box: (4,) float64 (y1, x1, y2, x2) in image pixels, ends exclusive.
        outline: (n, 2) float64 polygon (x, y) in labelme's continuous pixel coordinates, around the
            largest part.
        area: square pixels, of all parts without their holes.
        centroid: (x, y) of its area.
        orientation: direction of a lobe in degrees, nan for round ones; see
            `spm.geometry.orientation`.
        edge: it touches the image's border, so that size and shape say little.
        uncertain: the second class has a large share of the first one's score, by default half, or
            it is more like an outlined molecule of another class (`alike`).
        second_class: the next best class, "" when the detector knows only one.
        second_score: its score.
        symmetry: rotational order of its class, by which `orientation` repeats; 0 for round.
        further: the borders (n, 2) of further parts, with a positive area, and of holes, with a
            negative one (`spm.geometry.polygons.signed_area`).
        likeness: correlation with the outlined molecule of its class that is most like it, at most
            1; nan where that is not known or the image's border cuts it.
        unfamiliar: it looks like none of the outlined molecules: an adsorbate, a smeared blob.
        alike: class of the outlined molecule that it is most like; "" where `likeness` is nan.
        objectness: probability that it is a molecule of any class, `score` or more.
    """

    class_name: str
    score: float
    box: np.ndarray
    outline: np.ndarray
    area: float
    centroid: tuple[float, float]
    orientation: float = math.nan
    edge: bool = False
    uncertain: bool = False
    second_class: str = ""
    second_score: float = 0.0
    symmetry: int = 0
    likeness: float = math.nan
    unfamiliar: bool = False
    further: tuple[np.ndarray, ...] = ()
    alike: str = ""
    objectness: float = 0.0

    def __post_init__(self) -> None:
        self.objectness = max(self.objectness, self.score)

    @property
    def doubtful_name(self) -> str:
        """What an uncertain one may be: the class that it is more like, or else the second one."""
        return self.alike if self.alike not in ("", self.class_name) else self.second_class

    @property
    def borders(self) -> list[np.ndarray]:
        """The outline and the borders of further parts and of holes."""
        return [self.outline, *self.further]

    @property
    def part_regions(self) -> list[np.ndarray]:
        """A polygon (n, 2) for each part, with bridges to its holes."""
        return by_part([oriented(self.outline), *self.further]) if self.further else [self.outline]

    @property
    def region(self) -> np.ndarray:
        """One polygon (n, 2) of all parts with their holes, for everything that counts pixels; see
        `spm.geometry.rings`."""
        return bridged(self.part_regions)


def typical_size(molecules: Sequence[Molecule]) -> float:
    """Returns the median diameter in pixels (longer side of the box), 0 for no molecule."""
    sides = [max(m.box[2] - m.box[0], m.box[3] - m.box[1]) for m in molecules]
    return float(np.median(sides)) if sides else 0.0


def set_orientations(molecules: Sequence[Molecule]) -> list[Molecule]:
    """Returns the molecules with `orientation` and `symmetry` filled in, class by class.

    Molecules cut by the image's border do not take part in finding their class's symmetry unless
    there are no others.
    """
    harmonics = [orientation.radial_harmonics(m.region, m.centroid) for m in molecules]
    orders = {}
    for name in {m.class_name for m in molecules}:
        members = [i for i, m in enumerate(molecules) if m.class_name == name]
        whole = [i for i in members if not molecules[i].edge] or members
        orders[name] = orientation.class_order(np.array([harmonics[i] for i in whole]))
    return [
        replace(
            m,
            symmetry=orders[m.class_name],
            orientation=orientation.direction(h, orders[m.class_name]),
        )
        for m, h in zip(molecules, harmonics, strict=True)
    ]


def labels_of(molecules: Sequence[Molecule]) -> list[str]:
    """Returns a label for each molecule: class and serial number within the class (`003a12`)."""
    counts: dict[str, int] = {}
    labels = []
    for molecule in molecules:
        name = molecule.class_name
        counts[name] = counts.get(name, 0) + 1
        labels.append(numbered(name, counts[name]))
    return labels


def molecules_to_annotation(
    molecules: Sequence[Molecule],
    height: int,
    width: int,
    image_name: str,
    nm_per_pixel: float | None = None,
    class_names: Sequence[str] = (),
) -> Annotation:
    """Returns the molecules as an annotation that labelme opens and a user can correct.

    Each is a polygon, or as many with a common group number as it has parts, labelled with its
    class alone: labelme gives each label a colour, and its list of labels is then the list of
    classes. `flags` carry edge, uncertain and unfamiliar, `description` number and score in words,
    and further keys, which labelme keeps, the numbers: number (that of the table), score, box,
    second_class, second_score, orientation, symmetry, likeness, alike, objectness; for the whole
    image nm_per_pixel, where it is known, and class_names.
    """
    shapes = [_shape(molecule, number) for number, molecule in enumerate(molecules, start=1)]
    known: dict[str, Any] = {} if nm_per_pixel is None else {pixel_size.KEY: nm_per_pixel}
    if class_names:
        known[CLASS_NAMES] = list(class_names)
    return Annotation(shapes, height, width, image_name, extra=known)


def _shape(molecule: Molecule, number: int) -> Shape:
    regions = [np.round(points, 2) for points in molecule.part_regions]
    parts = [
        Shape(
            label=molecule.class_name,
            points=points,
            group_id=number if len(regions) > 1 else None,
            flags={
                "edge": molecule.edge,
                "uncertain": molecule.uncertain,
                "unfamiliar": molecule.unfamiliar,
            },
            description=f"number {number}, {_in_words(molecule)}",
            extra={
                "number": number,
                "score": round(float(molecule.score), 5),
                "box": [round(float(v), 2) for v in molecule.box],
                "second_class": molecule.second_class,
                "second_score": round(float(molecule.second_score), 5),
                "orientation": _or_none(molecule.orientation, 1),
                "symmetry": molecule.symmetry,
                "likeness": _or_none(molecule.likeness, 4),
                "alike": molecule.alike,
                "objectness": round(float(molecule.objectness), 5),
            },
        )
        for points in regions
    ]
    return replace(parts[0], parts=tuple(parts[1:]))


def annotation_to_molecules(annotation: Annotation) -> list[Molecule]:
    """Reads molecules back from an annotation with classes, a predicted or a user's one.

    What the file does not carry follows from the outlines: area, centroid and box are those of all
    parts, the outline that of the largest. A shape without a
    score (drawn by hand) has score 1. A box is taken from the file only where it still fits the
    outline, which a user may have moved.

    Raises:
        InputError: for a label of no known class.
    """
    molecules = []
    for shape in annotation.shapes:
        points = region(shape)
        extra = shape.extra
        molecules.append(
            Molecule(
                class_name=annotation.class_of(shape),
                score=_number(extra.get("score"), 1.0),
                box=_fitting_box(extra.get("box"), points),
                outline=np.asarray(outline(shape), np.float64),
                area=polygon_area(points),
                centroid=polygon_centroid(points),
                orientation=_number(extra.get("orientation"), math.nan),
                edge=bool(shape.flags.get("edge", False)),
                uncertain=bool(shape.flags.get("uncertain", False)),
                second_class=str(extra.get("second_class") or ""),
                second_score=_number(extra.get("second_score"), 0.0),
                symmetry=int(_number(extra.get("symmetry"), 0)),
                further=tuple(oriented(outline(part)) for part in shape.parts),
                likeness=_number(extra.get("likeness"), math.nan),
                unfamiliar=bool(shape.flags.get("unfamiliar", False)),
                alike=str(extra.get("alike") or ""),
                objectness=_number(extra.get("objectness"), 0.0),
            )
        )
    return molecules


def write_table(
    path: str | os.PathLike, molecules: Sequence[Molecule], nm_per_pixel: float | None = None
) -> None:
    """Writes the molecules as CSV, one line each, under TABLE_HEADER, with NM_HEADER where the
    size of a pixel is known.

    Lengths are image pixels, areas square pixels, the orientation degrees (empty for round
    molecules), edge, uncertain and unfamiliar 0 or 1. `number` is the molecule's in the JSON,
    `label` its class with a number within the class.
    """
    rows = [
        (
            number,
            label,
            m.class_name,
            f"{m.score:.4f}",
            *(f"{v:.2f}" for v in m.box),
            f"{m.centroid[0]:.2f}",
            f"{m.centroid[1]:.2f}",
            f"{m.area:.1f}",
            "" if math.isnan(m.orientation) else f"{m.orientation:.1f}",
            m.symmetry,
            int(m.edge),
            int(m.uncertain),
            m.second_class,
            f"{m.second_score:.4f}" if m.second_class else "",
            "" if math.isnan(m.likeness) else f"{m.likeness:.4f}",
            int(m.unfamiliar),
            m.alike,
            f"{m.objectness:.4f}",
            *_in_nm(m, nm_per_pixel),
        )
        for number, (label, m) in enumerate(
            zip(labels_of(molecules), molecules, strict=True), start=1
        )
    ]
    header = TABLE_HEADER if nm_per_pixel is None else TABLE_HEADER + NM_HEADER
    files.write_csv(path, header, rows)


def _in_nm(molecule: Molecule, nm_per_pixel: float | None) -> tuple[str, ...]:
    if nm_per_pixel is None:
        return ()
    values = (*molecule.centroid, molecule.area * nm_per_pixel)
    return tuple(f"{v * nm_per_pixel:.4f}" for v in values)


def _in_words(molecule: Molecule) -> str:
    words = f"score {molecule.score:.2f}"
    if molecule.uncertain:
        name = molecule.doubtful_name
        score = f" ({molecule.second_score:.2f})" * (name == molecule.second_class)
        words += f", perhaps {name}{score}"
    if molecule.unfamiliar:
        words += ", unlike any outlined molecule"
    if molecule.edge:
        words += ", at the border"
    return words


def _or_none(value: float, digits: int) -> float | None:
    return None if math.isnan(value) else round(value, digits)


def _number(value, default: float) -> float:
    """Returns `value` if it is a finite number, else the default: the file may be hand-edited."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else default


def _fitting_box(box, points: np.ndarray) -> np.ndarray:
    """Returns the file's box, or the outline's where that is missing or fits badly (IoU < 0.5)."""
    (x1, y1), (x2, y2) = points.min(axis=0), points.max(axis=0)
    own = np.array([y1, x1, y2, x2])
    if not isinstance(box, list) or len(box) != 4:
        return own
    given = np.array([_number(v, math.nan) for v in box])
    sides = np.minimum(own[2:], given[2:]) - np.maximum(own[:2], given[:2])
    common = np.prod(np.maximum(sides, 0))
    union = np.prod(own[2:] - own[:2]) + np.prod(given[2:] - given[:2]) - common
    return given if common > 0.5 * union else own
