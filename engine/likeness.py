"""What the outlined molecules look like, kept with the weights and looked up when predicting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from engine.self_training import read_examples
from spm.dataset.annotated_images import Source, classify
from spm.errors import InputError
from spm.geometry.polygons import median_diameter, polygon_area, polygon_centroid
from spm.inference.detector import Detector
from spm.inference.predict import Settings
from spm.io.colour_curve import ColourCurve
from spm.similarity.label_spreading import Examples
from spm.similarity.likeness import References
from spm.similarity.outline_fit import lay_outlines
from spm.structures.classes import Classes
from spm.structures.molecule import Molecule, set_orientations

T = TypeVar("T")
MOST_IMAGES = 20  # that are read for examples
MODELS = 8  # molecules of an image whose outlines one of another name may get


def appearance_record(
    sources: Sequence[Source], classes: Sequence[str], mirror: bool
) -> dict[str, Any]:
    """Return what a weights file keeps of the annotated images.

    Args:
        sources: the user's own images; copies of them where these are gone.
        classes: the classes, by which the sources are named.
        mirror: whether mirror images are the same molecule.

    Returns:
        dict of `references` (`spm.similarity.likeness.References.to_json`, or None),
        `mean_colour` (red, green, blue, 0 to 255) and `colour_curve`
        (`spm.io.colour_curve.ColourCurve.to_json`; None where the images' colours are on no line).
    """
    places = np.unique(np.linspace(0, len(sources) - 1, MOST_IMAGES).round().astype(int))
    chosen = [sources[k] for k in places]
    classify(chosen, classes)
    examples = read_examples(chosen, Classes.of(classes))
    references = References.of(examples, mirror)
    colours = [image.reshape(-1, 3).mean(axis=0) for image in examples.images]
    curve = ColourCurve.of(examples.images)
    return {
        "references": references and references.to_json(),
        "mean_colour": np.mean(colours, axis=0).round(1).tolist(),
        "colour_curve": curve and curve.to_json(),
    }


def compare_with_outlined(
    molecules: list[Molecule], image: np.ndarray, detector: Detector, settings: Settings
) -> list[Molecule]:
    """Return the molecules with `likeness`, `alike` and `unfamiliar`, where the weights know the
    outlined ones; those that the image's border cuts have none of it.

    One that is more like another class than its own is `uncertain`. An uncertain one takes the name
    of the class that it is most like where the look of the outlined ones tells the two classes
    apart; the network's is then its second class. Of classes that differ in little, a network that
    was trained on few outlines may know no difference where the look says it.

    Args:
        molecules: recognised in the image.
        image: (H, W, 3) uint8 RGB.
        detector: see `spm.inference.detector.Detector`.
        settings: how it predicted.

    Raises:
        InputError: when what the weights file keeps is damaged.
    """
    references = read_kept(detector, "references", References.from_json, "the outlined molecules")
    whole = [k for k, molecule in enumerate(molecules) if not molecule.edge]
    if references is None or not whole:
        return molecules
    scale = detector.scale_for(*image.shape[:2])
    diameter = references.diameter * scale / (settings.tile_scale or scale)
    classes = np.array([detector.class_names.index(molecules[k].class_name) for k in whole])
    centroids = [molecules[k].centroid for k in whole]
    own, best, alike = references.likeness(image, centroids, classes, diameter)
    doubtful = np.array([molecules[k].uncertain for k in whole]) | references.misnamed(own, best)
    # What looks like none of the outlined ones gets no name by its look.
    renamed = doubtful & references.telling(classes, alike) & (best >= references.lowest)
    marked = list(molecules)
    for at, k in enumerate(whole):
        like = detector.class_names[alike[at]]
        marked[k] = replace(
            _called(molecules[k], like) if renamed[at] else molecules[k],
            likeness=float(best[at] if renamed[at] else own[at]),
            alike=like,
            uncertain=bool(doubtful[at]),
        )
    if renamed.any():
        changed = [whole[at] for at in np.flatnonzero(renamed)]
        marked = set_orientations(_outlined_anew(marked, changed, image, references))
    areas = [marked[k].area for k in whole]
    named = np.where(renamed, alike, classes)
    unfamiliar = references.unfamiliar(best, named, areas, diameter)
    for k, flag in zip(whole, unfamiliar.tolist(), strict=True):
        marked[k] = replace(marked[k], unfamiliar=flag)
    return marked


def read_kept(detector: Detector, key: str, read: Callable[[Any], T], what: str) -> T | None:
    """Return what the weights file keeps of the annotated images under a key of `appearance`; None
    where it keeps nothing.

    Args:
        detector: see `spm.inference.detector.Detector`.
        key: of `appearance_record`.
        read: the `from_json` that reads it; a ValueError of its own says that it is damaged.
        what: what that is, for the sentence.

    Raises:
        InputError: when it is damaged.
    """
    record = detector.appearance.get(key)
    if not record:
        return None
    try:
        return read(record)
    except ValueError as error:
        raise InputError(
            f"{detector.name}: what it keeps of {what} is damaged ({error}); name another weights "
            "file."
        ) from error


def _outlined_anew(
    molecules: list[Molecule], changed: list[int], image: np.ndarray, references: References
) -> list[Molecule]:
    """Give those of another name the outline of sure molecules of that class in the image; the
    network's is that of the class that it took them for."""
    molecules, height, width = list(molecules), *image.shape[:2]
    for k in changed:
        models = [m for m in molecules if m.class_name == molecules[k].class_name and _is_sure(m)]
        models = sorted(models, key=lambda m: -m.likeness)[:MODELS]
        if not models:
            continue
        outlines = [m.outline for m in models]
        diameter = median_diameter([m.area for m in models])
        examples = Examples([image], [outlines], [[0] * len(models)], 1, diameter)
        (points,) = lay_outlines(image, [molecules[k].centroid], [0], examples, references.mirror)
        points = np.clip(points, 0, (width, height))
        low, high = points.min(axis=0), points.max(axis=0)
        molecules[k] = replace(
            molecules[k], outline=points, further=(), area=polygon_area(points),
            centroid=polygon_centroid(points), box=np.array([*low[::-1], *high[::-1]]),
        )  # fmt: skip
    return molecules


def _is_sure(molecule: Molecule) -> bool:
    return not (molecule.edge or molecule.uncertain or molecule.further)


def _called(molecule: Molecule, class_name: str) -> Molecule:
    """The molecule under another name; that of the network comes second, with its score."""
    return replace(
        molecule, class_name=class_name, second_class=molecule.class_name,
        second_score=molecule.score,
    )  # fmt: skip
