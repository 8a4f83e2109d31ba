"""An image of other colours than the annotated ones, drawn in theirs before the network sees it.

A network that learned one colour map names molecules wrongly in another, with scores as high as
ever, and finds nothing in grey (docs/troubleshooting.md). Which way up the heights are, colours do
not say: the network is asked, on the middle of the image, both ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.likeness import compare_with_outlined
from spm.errors import InputError
from spm.inference.detector import Detector
from spm.inference.predict import Settings, find_molecules
from spm.io.colour_curve import ColourCurve
from spm.structures.molecule import Molecule

PROBE = 1.0  # tiles wide is the middle of the image on which both ways are tried
CLEARLY = 2.0  # times the familiar molecules one way, by which the other way is believed
ENOUGH = 3  # familiar molecules that say which way an image is drawn
FAMILIAR = 0.7  # share of them among all that is recognised, without which it is not either


@dataclass(frozen=True, eq=False)
class Drawn:
    """What the network is shown.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        colours: it is drawn in the colours of the annotated images, which were others.
        inverted: it is inverted.
    """

    image: np.ndarray
    colours: bool = False
    inverted: bool = False

    @property
    def changed(self) -> bool:
        """Whether it is not the image as it was."""
        return self.colours or self.inverted


def trained_curve(detector: Detector) -> ColourCurve | None:
    """Return the colours of the annotated images; None where the weights do not say them.

    Raises:
        InputError: when what the weights file keeps is damaged.
    """
    record = detector.appearance.get("colour_curve")
    if not record:
        return None
    try:
        return ColourCurve.from_json(record)
    except ValueError as error:
        raise InputError(
            f"{detector.name}: what it keeps of the annotated images' colours is damaged "
            f"({error}); name another weights file."
        ) from error


def in_trained_colours(image: np.ndarray, detector: Detector, settings: Settings) -> Drawn:
    """Draw an image of another colour map in the colours of the annotated images.

    It stays as it is where its colours are theirs, where it has colours that are no one map's, and
    where nothing familiar is found in it either way.

    Args:
        image: (H, W, 3) uint8 RGB.
        detector: see `Detector`.
        settings: how it predicts.
    """
    curve = trained_curve(detector)
    own = ColourCurve.of([image]) if curve else None
    if curve is None or own is None or curve.holds(own):
        return Drawn(image)
    ways = [Drawn(curve.draw(image, own, inverted), True, inverted) for inverted in (False, True)]
    counts = [_familiar(_middle_seen(way.image, detector, settings)) for way in ways]
    best, other = max(counts), min(counts)
    if best == 0 or best < CLEARLY * other:
        return Drawn(image)
    return ways[counts.index(best)]


def inverted_after_all(
    image: np.ndarray, found: Sequence[Molecule], detector: Detector, settings: Settings
) -> Drawn:
    """Invert an image of the trained colours in which little was familiar, where it is clear that
    it was inverted. Grey images only: of others the colours say it (`in_trained_colours`).

    Args:
        image: (H, W, 3) uint8 RGB.
        found: its molecules, with `unfamiliar`.
        detector: see `Detector`.
        settings: how it predicts.
    """
    reported = [molecule for molecule in found if molecule.objectness >= detector.score_threshold]
    if _mostly_familiar(reported):
        return Drawn(image)
    curve = trained_curve(detector)
    own = ColourCurve.of([image]) if curve else None
    if curve is None or own is None or not (curve.grey and own.grey):
        return Drawn(image)
    turned = curve.draw(image, own, inverted=True)
    seen = _middle_seen(turned, detector, settings)
    count = _familiar(seen)
    clear = count >= ENOUGH and _mostly_familiar(seen)
    if clear and count >= CLEARLY * _familiar(_middle_seen(image, detector, settings)):
        return Drawn(turned, inverted=True)
    return Drawn(image)


def _familiar(molecules: Sequence[Molecule]) -> int:
    """Count the whole molecules that look like the outlined ones."""
    return sum(not molecule.edge and not molecule.unfamiliar for molecule in molecules)


def _mostly_familiar(molecules: Sequence[Molecule]) -> bool:
    whole = sum(not molecule.edge for molecule in molecules)
    return whole > 0 and _familiar(molecules) >= FAMILIAR * whole


def _middle_seen(image: np.ndarray, detector: Detector, settings: Settings) -> list[Molecule]:
    """Find the molecules in the middle of an image; in all of it, when there are hardly any."""
    height, width = image.shape[:2]
    scale = settings.tile_scale or detector.scale_for(height, width)
    side = round(PROBE * detector.input_size / scale)
    top, left = max((height - side) // 2, 0), max((width - side) // 2, 0)
    middle = np.ascontiguousarray(image[top : top + side, left : left + side])
    found = _seen(middle, detector, settings)
    if _familiar(found) < ENOUGH and middle.shape != image.shape:
        found = _seen(image, detector, settings)
    return found


def _seen(image: np.ndarray, detector: Detector, settings: Settings) -> list[Molecule]:
    settings = replace(settings, score_threshold=None, views=1)
    found = find_molecules(detector, image, settings)
    return compare_with_outlined(found, image, detector, settings)
