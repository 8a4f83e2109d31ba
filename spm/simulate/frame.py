"""What is imaged: the size of the image, its scale, and the molecules that may lie in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from spm.errors import InputError
from spm.simulate.appearance import Appearance
from spm.simulate.distortion import Distortion
from spm.simulate.molecules import STANDARD_SIZE, Drawing, builtin_drawings


@dataclass(frozen=True)
class Frame:
    """The frame of a scan.

    Attributes:
        shape: (height, width), pixels.
        scale: pixels per drawing pixel.
        drawings: of each molecule by class name.
    """

    shape: tuple[int, int]
    scale: float
    drawings: dict[str, Drawing]

    def distortion(self, appearance: Appearance, **when: Any) -> Distortion:
        """Return the drift and creep of an appearance; `when` as `Distortion` takes it."""
        reach = int(np.ceil(200 * self.scale + 0.2 * max(self.shape)))
        return Distortion(self.shape, appearance.drift, appearance.creep, reach=reach, **when)


def make_frame(
    size: int | tuple[int, int],
    pixels_per_molecule: float,
    class_names: list[str],
    drawings: dict[str, Drawing] | None = None,
) -> Frame:
    """Return the frame of an image, with the built-in drawings and the user's own.

    Args:
        size: side in pixels, or (height, width).
        pixels_per_molecule: width of molecule A, pixels.
        class_names: the molecules that there must be a drawing of.

    Raises:
        InputError: a size without a pixel, a scale that cannot be, or no drawing of a molecule.
    """
    height, width = (size, size) if np.isscalar(size) else size
    if height < 1 or width < 1:
        raise InputError(f"size must be at least one pixel. Received: {size}.")
    if not 4 <= pixels_per_molecule <= 1000:
        raise InputError(
            f"pixels_per_molecule must lie between 4 and 1000. Received: {pixels_per_molecule}."
        )
    known = {**builtin_drawings(), **(drawings or {})}
    if missing := [name for name in class_names if name not in known]:
        raise InputError(
            f"no drawing for molecule {', '.join(missing)}; known: {', '.join(known)}."
        )
    return Frame((int(height), int(width)), pixels_per_molecule / STANDARD_SIZE, known)
