"""Molecules as metrics see them: a class name, a score, a box and a mask cropped to that box.

A full-image mask per molecule costs H x W bytes each; a thousand molecules on a 4096 x 4096
image would fill 16 GB. Here a mask is as large as its molecule.
"""

from dataclasses import dataclass, replace

import numpy as np

from spm.errors import raise_problems
from spm.geometry.cropped_mask import CroppedMask
from spm.structures.annotation import check_annotation
from spm.structures.instance_masks import shape_mask, shape_masks
from spm.structures.molecule import annotation_to_molecules
from spm.structures.shape import outline


@dataclass(frozen=True, eq=False)
class Instance:
    """One molecule of one image, true or predicted.

    Attributes:
        class_name: name of its class; None for an ignored truth that answers to any class.
        box: (4,) float64, (y1, x1, y2, x2) in pixels, y2 and x2 exclusive.
        mask: its pixels; None where only boxes are known.
        score: confidence of a prediction, 0..1; 1 for a truth.
        objectness: probability that a prediction is a molecule of any class, `score` or more: what
            score thresholds are for.
        ignore: a truth that counts neither as found nor as missed, as COCO's crowd.
        outline: (n, 2) float64 polygon (x, y) in labelme's coordinates, for drawing; or None.
        label: what the annotation calls it, for messages and drawing.
    """

    class_name: str | None
    box: np.ndarray
    mask: CroppedMask | None = None
    score: float = 1.0
    ignore: bool = False
    outline: np.ndarray | None = None
    label: str = ""
    objectness: float = 0.0

    def __post_init__(self):
        object.__setattr__(self, "objectness", max(self.objectness, self.score))

    @classmethod
    def from_mask(cls, class_name, mask, **fields):
        """Makes an instance of a mask; the box is that of the pixels that are set.

        Args:
            class_name: name of the class, or None.
            mask: CroppedMask, or an array of the whole image, non-zero inside.
            **fields: score, objectness, ignore, outline, label.

        Returns:
            The Instance. A mask without pixels gives a box of zeros.
        """
        if not isinstance(mask, CroppedMask):
            mask = CroppedMask(mask)
        cropped = CroppedMask.of_mask(mask.pixels, mask.top, mask.left)
        return cls(class_name, np.array(cropped.box, np.float64), cropped, **fields)

    @classmethod
    def from_polygon(cls, class_name, points, height, width, **fields):
        """Makes an instance of a polygon, filling only the polygon's surroundings.

        Args:
            class_name: name of the class, or None.
            points: (n, 2) float (x, y) in labelme's continuous pixel coordinates.
            height, width: size of the image; what lies outside is cut off.
            **fields: score, objectness, ignore, label; outline defaults to the polygon itself.

        Returns:
            The Instance with the mask of the pixels whose centres lie inside.
        """
        points = np.asarray(points, np.float64)
        fields.setdefault("outline", points)
        return cls.from_mask(class_name, CroppedMask.of_polygon(points, height, width), **fields)

    @property
    def area(self):
        """Number of pixels of the mask, or the box's area where there is no mask."""
        if self.mask is not None:
            return float(self.mask.area)
        y1, x1, y2, x2 = self.box
        return float((y2 - y1) * (x2 - x1))


def from_annotation(annotation, ignore_flags=(), ignore_unlisted=False):
    """Turns the labelled molecules of an image into truths.

    Args:
        annotation: `spm.structures.annotation.Annotation`, with the classes that are to be found.
        ignore_flags: a shape with one of these flags set is ignored.
        ignore_unlisted: a label of no class is an ignored truth that forgives a prediction of
            any class; by default it is an error.

    Returns:
        A list of Instance, one per shape.

    Raises:
        InputError: naming every label without a class and every outline without sense.
    """
    checked = replace(annotation, classes=None) if ignore_unlisted else annotation
    raise_problems(check_annotation(checked))
    size = annotation.height, annotation.width
    truths = []
    for shape in annotation.shapes:
        name = shape.class_name
        ignore = name is None or any(shape.flags.get(flag) for flag in ignore_flags)
        truths.append(_from_shape(name, shape, size, ignore=ignore, label=shape.label))
    return truths


def _from_shape(name, shape, size, **fields):
    # The mask itself, not its outline: it may have holes or several parts.
    return Instance.from_mask(name, shape_mask(shape, *size), outline=outline(shape), **fields)


def from_prediction(annotation):
    """Turns an annotation file of predicted molecules into predictions.

    Args:
        annotation: `spm.structures.annotation.Annotation`, read from a prediction, with classes.

    Returns:
        A list of Instance, one per shape, with the mask of all its parts.

    Raises:
        InputError: for a label of no class.
    """
    molecules = annotation_to_molecules(annotation)
    return _predicted(molecules, shape_masks(annotation))


def from_molecules(molecules, height, width):
    """Turns recognised molecules into predictions.

    Args:
        molecules: list of `spm.structures.molecule.Molecule`.
        height, width: size of the image.

    Returns:
        A list of Instance. The mask is that of all parts, the box the molecule's own.
    """
    return _predicted(
        molecules, CroppedMask.of_polygons([m.region for m in molecules], height, width)
    )


def _predicted(molecules, masks):
    instances = []
    for molecule, mask in zip(molecules, masks, strict=True):
        seen = Instance.from_mask(
            molecule.class_name, mask, outline=np.asarray(molecule.outline),
            score=float(molecule.score), objectness=float(molecule.objectness),
        )  # fmt: skip
        instances.append(replace(seen, box=np.asarray(molecule.box, np.float64)))
    return instances
