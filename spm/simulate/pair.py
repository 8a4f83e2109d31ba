"""`simulate_pair`: two scans of one place, down and then up, with drift going on meanwhile."""

from __future__ import annotations

from typing import Any

import numpy as np

from spm.simulate.image import make_scene, populate, record_scan
from spm.simulate.systems import System
from spm.structures.annotation import Annotation

Scanned = tuple[np.ndarray, Annotation]


def simulate_pair(
    system: str | System = "network",
    size: int | tuple[int, int] = 1024,
    seed: int = 0,
    **settings: Any,
) -> tuple[Scanned, Scanned]:
    """Simulate a scan downwards and, right after it, one of the same place upwards.

    Molecules and adsorbates are the same; noise, scars and jumps of the lines are not.

    Args:
        system, size, seed: as of `spm.simulate.simulate`.
        **settings: as there; `drift` is that over one of the two scans.

    Returns:
        (image, truth) of the scan down and of the scan up, as `simulate` returns them.
    """
    scene = make_scene(system, size, seed, **settings)
    down = scene.frame.distortion(scene.appearance)
    up = scene.frame.distortion(scene.appearance, upwards=True, elapsed=1.0)
    surface = populate(scene, [down, up])
    second = scene.again()
    return record_scan(scene, down, surface), record_scan(second, up, surface, upwards=True)
