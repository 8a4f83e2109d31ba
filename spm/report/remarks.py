"""What may be wrong with a result and is told with it: nothing found, or another size."""

from __future__ import annotations

from collections.abc import Sequence

from spm.geometry.polygons import median_diameter
from spm.run.language import phrase
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
        return phrase("nothing was recognised: {why}", why=other)
    if not molecules and not trained:
        return phrase(
            "nothing was recognised; are colours, contrast and scale those of the annotated "
            "images? Convert it with the same colour map; for another scale give --tile-scale"
        )
    if not molecules:
        return phrase(
            "nothing was recognised; are colours, contrast and scale those of the annotated "
            "images, where molecules were {size} pixels wide? Convert it with the same colour map; "
            "for another scale give --tile-scale",
            size=f"{trained:.0f}",
        )
    whole = [molecule.area for molecule in molecules if not molecule.edge]
    if trained is None or scaled or len(whole) < ENOUGH:
        return other
    diameter = median_diameter(whole)
    if max(diameter / trained, trained / diameter) <= FACTOR:
        return other
    return phrase(
        "the molecules are {here} pixels wide in the median, those trained on were {trained}; if "
        "they are the same, give --tile-scale (docs/troubleshooting.md)",
        here=f"{diameter:.0f}",
        trained=f"{trained:.0f}",
    )


def colours_matched(colours: bool, inverted: bool) -> str:
    """Return a sentence about an image that the network was shown in other colours than its own;
    nothing where it was not.

    Args:
        colours: it was drawn in the colours of the annotated images.
        inverted: it was inverted.
    """
    if colours and inverted:
        return phrase(
            "its colours are not those of the annotated images; the network was shown it inverted "
            "and in theirs (--no-match-colours: as it is)"
        )
    if colours:
        return phrase(
            "its colours are not those of the annotated images; the network was shown it in theirs "
            "(--no-match-colours: as it is)"
        )
    if inverted:
        return phrase(
            "dark and bright are the other way round than in the annotated images; the network was "
            "shown it inverted (--no-match-colours: as it is)"
        )
    return ""


def _other_colour(trained: Sequence[float] | None, colour: Sequence[float] | None) -> str:
    """Return what differs between the colours of this image and of those trained on, and what to
    do; nothing where they are alike."""
    if trained is None or colour is None:
        return ""
    if max(abs(a - b) for a, b in zip(trained, colour, strict=True)) <= OTHER_COLOUR:
        return ""
    grey = [max(c) - min(c) < GREY for c in (colour, trained)]
    here, before = (f"({', '.join(f'{v:.0f}' for v in c)})" for c in (colour, trained))
    if grey == [True, False]:
        what = phrase("the image is grey, those trained on were coloured")
    elif grey == [False, True]:
        what = phrase("the image is coloured, those trained on were grey")
    else:
        what = phrase(
            "its mean colour (red, green, blue) is {here}, that trained on was {before}",
            here=here,
            before=before,
        )
    return phrase(
        "{what}; convert it with the same colour map, not inverted (python -m spm.convert, "
        "--colour-map)",
        what=what,
    )
