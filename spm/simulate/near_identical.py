"""Six molecules that are hard to tell apart: three lobes, one of them a little different.

Surface chemists have such sets: one group of a molecule exchanged, one atom brighter. Whether a
screening says beforehand which of them cannot be told apart is measured on them (docs/tsne.md).
"""

from __future__ import annotations

from dataclasses import replace

from spm.simulate.invented import outline_at_flank
from spm.simulate.molecules import Drawing, Lobe, polar
from spm.simulate.systems import SYSTEMS, System

REACH, RADIUS = 20.5, 11.5  # of a lobe, drawing pixels: those of molecule B
TIP_PLACE, TIP_RADIUS = 0.9, 10.0  # of the dome that makes a lobe brighter
# Class -> by how much its first lobe is longer (drawing pixels), and its height.
FIRST_LOBES = {
    "even": (0.0, 1.0),
    "bright": (0.0, 1.15),
    "brighter": (0.0, 1.3),
    "dim": (0.0, 0.7),
    "long": (7.0, 1.0),
    "short": (-7.0, 1.0),
}


def near_identical_drawings() -> dict[str, Drawing]:
    """Return the six drawings, by class name."""
    return {name: three_lobes(name, *first) for name, first in FIRST_LOBES.items()}


def three_lobes(class_name: str, longer: float, height: float) -> Drawing:
    """Draw a molecule of three lobes, the first of them different.

    Args:
        class_name: of the molecule.
        longer: by how much the first lobe is longer than the others, drawing pixels.
        height: of the first lobe; that of the others is 1.
    """
    end = polar(REACH + longer, 0)
    others = [Lobe(0, 0, *polar(REACH, degrees), RADIUS) for degrees in (120, 240)]
    lobes = [Lobe(0, 0, *end, RADIUS, min(height, 1.0)), *others]
    if height > 1:  # its tip only: the centre belongs to all lobes
        tip = tuple(TIP_PLACE * v for v in end)
        lobes.append(Lobe(*tip, *tip, TIP_RADIUS, height))
    return Drawing(class_name, outline_at_flank(lobes), tuple(lobes))


def near_identical_system() -> System:
    """Return a random gas of equal shares of the six."""
    look = replace(SYSTEMS["A+B"].appearance, class_heights=dict.fromkeys(FIRST_LOBES, 1.0))
    shares = dict.fromkeys(FIRST_LOBES, 1.0)
    return System("near identical", shares=shares, coverage=0.33, appearance=look)
