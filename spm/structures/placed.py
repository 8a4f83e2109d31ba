"""Sentences that know what they are about: a file, outlines in it, a place in its image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class Placed(str):
    """A sentence about an annotation. It is a text like any other for whoever prints it.

    Attributes:
        path: the annotation file.
        shapes: numbers of the shapes in it (`Shape.number`); none when it is about all of it.
        point: (x, y) in the image where there is no shape.
    """

    path: Path | None
    shapes: tuple[int, ...]
    point: tuple[float, float] | None

    def __new__(
        cls,
        text: str,
        path: Path | None = None,
        shapes: Sequence[int] = (),
        point: tuple[float, float] | None = None,
    ) -> Placed:
        """Make the sentence; one that knows its place already keeps it."""
        made = super().__new__(cls, text)
        known = text if isinstance(text, Placed) else None
        made.path = known.path if known else path
        made.shapes = known.shapes if known else tuple(shapes)
        made.point = known.point if known else point
        return made
