"""What may be wrong with a result and is told with it: nothing found, or another size."""

from __future__ import annotations

from collections.abc import Sequence

from spm.geometry.polygons import median_diameter
from spm.structures.molecule import Molecule

ENOUGH = 5  # molecules that tell their size
FACTOR = 1.5  # between the trained diameter and the recognised one


def remark(molecules: Sequence[Molecule], trained: float | None, scaled: bool) -> str:
    """Return a sentence about a result that is hardly meant, else an empty text.

    Args:
        molecules: recognised in one image.
        trained: median diameter of the molecules that the network was trained on, in image pixels;
            None if not known.
        scaled: the user gave a scale, so that another size is meant.
    """
    if not molecules:
        size = f", where molecules were {trained:.0f} pixels wide" if trained else ""
        return (
            "nothing was recognised; are colours, contrast and scale those of the annotated "
            f"images{size}? Convert it with the same colour map; for another scale give "
            "--tile-scale"
        )
    whole = [molecule.area for molecule in molecules if not molecule.edge]
    if trained is None or scaled or len(whole) < ENOUGH:
        return ""
    diameter = median_diameter(whole)
    if max(diameter / trained, trained / diameter) <= FACTOR:
        return ""
    return (
        f"the molecules are {diameter:.0f} pixels wide in the median, those trained on were "
        f"{trained:.0f}; if they are the same, give --tile-scale (docs/troubleshooting.md)"
    )
