"""`molecule_crops`: images of single molecules, for screening and tests."""

from __future__ import annotations

import zlib
from dataclasses import fields
from typing import Any

import numpy as np

from spm.errors import InputError
from spm.io.colour_maps import colour
from spm.simulate import recording
from spm.simulate.appearance import Appearance
from spm.simulate.frame import make_frame
from spm.simulate.image import changed_appearance, check_overrides, scanned_heights
from spm.simulate.lattice import Arrangement, Placement
from spm.simulate.molecules import Drawing

# Flat lines and surface: one molecule fills the crop, and levelling would follow it.
SINGLE = Appearance(class_heights={"003a": 0.94}, line_levelling=0.0, background=0.04)


def molecule_crops(
    molecule: str | Drawing,
    n: int,
    size: int = 70,
    seed: int = 0,
    *,
    pixels_per_molecule: float | None = None,
    rotation: float = 180.0,
    scrambled: int = 0,
    **overrides: Any,
) -> np.ndarray:
    """Simulate crops of single molecules, one in the middle of each.

    Args:
        molecule: a class with a built-in drawing, or a drawing of your own.
        n: number of crops.
        size: side of a crop in pixels.
        pixels_per_molecule: width of molecule A; by default 0.75 of `size`.
        rotation: molecules are turned by up to this angle either way, degrees.
        scrambled: the last `scrambled` crops show a molecule spoilt by tip noise.
        **overrides: fields of Appearance by name, for example `noise=0.05`.

    Returns:
        (n, size, size, 3) uint8 RGB.  Crop k does not depend on `n`, spoiling aside.

    Raises:
        InputError: no such class or override, or more spoilt crops than crops.
    """
    if not 0 <= scrambled <= n:
        raise InputError(f"scrambled must lie between 0 and {n}. Received: {scrambled}.")
    check_overrides(overrides, {f.name for f in fields(Appearance)})
    ap = changed_appearance(SINGLE, overrides)
    own = {molecule.class_name: molecule} if isinstance(molecule, Drawing) else None
    class_name = molecule.class_name if isinstance(molecule, Drawing) else molecule
    frame = make_frame(size, pixels_per_molecule or 0.75 * size, [class_name], own)
    shape, scale = frame.shape, frame.scale
    radius = 1.05 * frame.drawings[class_name].radius * scale
    distortion = frame.distortion(ap)
    crops = np.zeros((n, size, size, 3), np.uint8)
    for index in range(n):
        rng = np.random.default_rng([seed, index, zlib.crc32(class_name.encode())])
        x, y = size / 2 + rng.normal(0, 0.7 * scale, 2)
        angle, height = rng.uniform(-rotation, rotation), rng.normal(1.0, ap.height_spread)
        alone = Arrangement([Placement(class_name, x, y, angle, height)])
        heights = scanned_heights(alone, frame, ap, distortion, rng)
        heights += recording.slow_background(shape, ap.background, rng)
        if index >= n - scrambled:
            recording.scramble(heights, (x, y), radius, rng)
        crops[index] = colour(recording.record(heights, ap, scale, rng), ap.colour_map)
    return crops
