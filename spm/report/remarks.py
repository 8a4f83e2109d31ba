"""What may be wrong with a result and is told with it: nothing found, or another size."""

from __future__ import annotations

from collections.abc import Sequence

from spm.geometry.polygons import median_diameter
from spm.structures.molecule import Molecule

ENOUGH = 5  # molecules that tell their size
OTHER_COLOUR = 45.0  # grey levels between the mean colours of images, in any channel
GREY = 8.0  # between the channels of a mean colour, below which it is grey
FACTOR = 1.5  # between the trained diameter and the recognised one


def remark(
    molecules: Sequence[Molecule],
    trained: float | None,
    scaled: bool,
    trained_colour: Sequence[float] | None = None,
    colour: Sequence[float] | None = None,
) -> str:
    """Return a sentence about a result that is hardly meant, else an empty text.

    Args:
        molecules: recognised in one image.
        trained: median diameter of the molecules that the network was trained on, in image pixels;
            None if not known.
        scaled: the user gave a scale, so that another size is meant.
        trained_colour: mean (red, green, blue) of the annotated images, 0 to 255; None if not
            known.
        colour: that of this image.
    """
    other = _other_colour(trained_colour, colour)
    if not molecules and other:
        return f"nothing was recognised: {other}"
    if not molecules:
        size = f", where molecules were {trained:.0f} pixels wide" if trained else ""
        return (
            "nothing was recognised; are colours, contrast and scale those of the annotated "
            f"images{size}? Convert it with the same colour map; for another scale give "
            "--tile-scale"
        )
    whole = [molecule.area for molecule in molecules if not molecule.edge]
    if trained is None or scaled or len(whole) < ENOUGH:
        return other
    diameter = median_diameter(whole)
    if max(diameter / trained, trained / diameter) <= FACTOR:
        return other
    return (
        f"the molecules are {diameter:.0f} pixels wide in the median, those trained on were "
        f"{trained:.0f}; if they are the same, give --tile-scale (docs/troubleshooting.md)"
    )


def _other_colour(trained: Sequence[float] | None, colour: Sequence[float] | None) -> str:
    """Return what differs between the colours of this image and of those trained on, and what to
    do; nothing where they are alike."""
    if trained is None or colour is None:
        return ""
    if max(abs(a - b) for a, b in zip(trained, colour, strict=True)) <= OTHER_COLOUR:
        return ""
    kinds = ["grey" if max(c) - min(c) < GREY else "coloured" for c in (colour, trained)]
    means = [f"({', '.join(f'{v:.0f}' for v in c)})" for c in (colour, trained)]
    if kinds[0] != kinds[1]:
        what = f"the image is {kinds[0]}, those trained on were {kinds[1]}"
    else:
        what = f"its mean colour (red, green, blue) is {means[0]}, that trained on was {means[1]}"
    return (
        f"{what}; convert it with the same colour map, not inverted (python -m spm.convert, "
        "--colour-map)"
    )
