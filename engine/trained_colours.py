"""An image of other colours than the annotated ones, drawn in theirs before the network sees it.

A network that learned one colour map names molecules wrongly in another, with scores as high as
ever, and finds nothing in grey (docs/troubleshooting.md). Which way up the heights are, colours do
not say: the network is asked, on the middle of the image, both ways.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.likeness import compare_with_outlined, read_kept
from spm.inference.detector import Detector
from spm.inference.predict import Settings, find_molecules
from spm.io.colour_curve import ColourCurve
from spm.io.known_maps import heights_by_map
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
    what = "the annotated images' colours"
    return read_kept(detector, "colour_curve", ColourCurve.from_json, what)


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
    if curve is None or (own and curve.holds(own)):
        return Drawn(image)
    ways = list(_ways(image, curve, own))
    seen = _middles_seen([way.image for way in ways], detector, settings)
    counts = {False: 0, True: 0}  # of the familiar ones, inverted or not
    for way, molecules in zip(ways, seen, strict=True):
        counts[way.inverted] = max(counts[way.inverted], _familiar(molecules))
    best, other = max(counts.values()), min(counts.values())
    if best == 0 or best < CLEARLY * other:
        return Drawn(image)
    # Numbers hardly tell heights from brightness; how alike the molecules look does.
    right = [k for k, way in enumerate(ways) if counts[way.inverted] == best]
    return ways[max(right, key=lambda k: _alike(seen[k]))]


def _ways(image: np.ndarray, curve: ColourCurve, own: ColourCurve | None) -> Iterator[Drawn]:
    """Yield an image in the trained colours: by its heights, where both maps are known, and by its
    brightness, each both ways up."""
    pairs = []
    heights, by_heights = heights_by_map(image), curve.by_heights()
    if heights is not None:
        shown = np.repeat(heights[..., None], 3, axis=2)
        pairs.append((shown, by_heights or curve, ColourCurve.of([shown])))
    if own is not None:
        pairs.append((image, curve, own))
    for shown, drawn_in, line in pairs:
        for inverted in (False, True) if line else ():
            yield Drawn(drawn_in.draw(shown, line, inverted), True, inverted)


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


def _alike(molecules: Sequence[Molecule]) -> float:
    """How alike those that look like the outlined ones are to these, in all."""
    return sum(m.likeness for m in molecules if not m.edge and not m.unfamiliar)


def _mostly_familiar(molecules: Sequence[Molecule]) -> bool:
    whole = sum(not molecule.edge for molecule in molecules)
    return whole > 0 and _familiar(molecules) >= FAMILIAR * whole


def _middle_seen(image: np.ndarray, detector: Detector, settings: Settings) -> list[Molecule]:
    return _middles_seen([image], detector, settings)[0]


def _middles_seen(
    images: Sequence[np.ndarray], detector: Detector, settings: Settings
) -> list[list[Molecule]]:
    """Find the molecules in the middle of images of one size, or in all of them when there are
    hardly any in the middle of each."""
    found = [_seen(_middle(image, detector, settings), detector, settings) for image in images]
    few = max(map(_familiar, found), default=0) < ENOUGH
    if few and images and _middle(images[0], detector, settings).shape != images[0].shape:
        found = [_seen(image, detector, settings) for image in images]
    return found


def _middle(image: np.ndarray, detector: Detector, settings: Settings) -> np.ndarray:
    height, width = image.shape[:2]
    scale = settings.tile_scale or detector.scale_for(height, width)
    side = round(PROBE * detector.input_size / scale)
    top, left = max((height - side) // 2, 0), max((width - side) // 2, 0)
    return np.ascontiguousarray(image[top : top + side, left : left + side])


def _seen(image: np.ndarray, detector: Detector, settings: Settings) -> list[Molecule]:
    settings = replace(settings, score_threshold=None, views=1)
    found = find_molecules(detector, image, settings)
    return compare_with_outlined(found, image, detector, settings)
