"""How an image is recorded: the settings of tip, drift, surface, noise and colours."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from spm.io import colour_maps


@dataclass(frozen=True)
class Appearance:
    """How an image is recorded.  Lengths are drawing pixels (1/60 molecule), heights relative."""

    # Tip
    blur: float = 5.0  # standard deviation of the sharp part of the tip, 2 to 7
    skirt: float = 9.5  # standard deviation of the blunt part
    skirt_share: float = 0.45  # share of the blunt part, 0 to 0.6
    blur_ratio: float = 1.0  # blur along y over blur along x: an oval tip
    double_tip: tuple[float, float] | None = None  # (x, y) of a second apex
    double_tip_height: float = 0.6  # how high the second apex shows molecules, 0 to 1
    compression: float = 8.0  # 0 linear; else log(1 + c h) / log(1 + c): heights go as log(density)
    tip_changes: int = 0  # how often the tip changes within the image
    feedback: float = 1.2  # decay length of the feedback's lag along the scan line
    # Molecules
    class_heights: dict[str, float] = field(default_factory=dict)  # contrast per class
    height_spread: float = 0.025  # standard deviation of the molecules' heights
    # Drift
    drift: tuple[float, float] = (0.0, 0.0)  # (x, y) over the scan, share of the image height
    creep: tuple[float, float] = (0.0, 0.0)  # (x, y), share of the image's side
    # Surface
    background: float = 0.08  # amplitude of the slow background
    adsorbates: int = 0  # bright blobs that the colour scale clips
    adsorbate_radius: float = 25.0
    # Recording
    noise: float = 0.006  # white noise, standard deviation
    flicker: float = 0.006  # 1/f noise, standard deviation
    line_offsets: float = 0.006  # offset from line to line, standard deviation
    line_levelling: float = 0.25  # how far lines are flattened to one mean (0 not, 1 fully)
    line_jitter: float = 0.15  # random shift of each line along x, standard deviation
    scars: float = 2.0  # short bright or dark dashes per 100 lines
    bad_lines: float = 0.0  # share of the lines in which the tip jumps and streaks
    # Colour
    floor: float = 0.0  # height shown as the map's first colour
    ceiling: float = 1.16  # height at which the recording clips
    colour_map: str = "hot"  # one of spm.io.colour_maps.COLOUR_MAPS


UNSTABLE_TIP = {
    "tip_changes": 3,
    "scars": 30.0,
    "bad_lines": 0.06,
    "line_offsets": 0.03,
    "line_jitter": 0.8,
    "flicker": 0.03,
}


def varied(base: Appearance, rng: np.random.Generator) -> Appearance:
    """Return an appearance drawn at random around usual values, for training sets.

    Every image gets its own tip, noise, drift, background and colour map; `base` keeps what is
    not drawn (the contrast per class is multiplied by 0.85 to 1.15).
    """
    double = None
    if rng.random() < 0.25:
        direction, distance = rng.uniform(0, 2 * np.pi), rng.uniform(6, 20)
        double = (float(distance * np.cos(direction)), float(distance * np.sin(direction)))
    noise = float(np.exp(rng.uniform(np.log(0.004), np.log(0.06))))
    return replace(
        base,
        blur=float(rng.uniform(2.8, 5.8)),
        skirt=float(rng.uniform(7, 12)),
        skirt_share=float(rng.uniform(0.1, 0.5)),
        blur_ratio=float(rng.uniform(0.8, 1.25)),
        double_tip=double,
        double_tip_height=float(rng.uniform(0.2, 0.7)),
        tip_changes=int(rng.random() < 0.2),
        compression=float(rng.uniform(1.0, 12.0)),
        feedback=float(rng.uniform(0.3, 3.0)),
        class_heights={
            k: v * float(rng.uniform(0.85, 1.15)) for k, v in base.class_heights.items()
        },
        height_spread=float(rng.uniform(0.0, 0.08)),
        drift=tuple(rng.uniform(-0.06, 0.06, 2).tolist()),
        creep=tuple(rng.uniform(-0.015, 0.015, 2).tolist()),
        background=float(rng.uniform(0, 0.25)),
        adsorbates=int(rng.integers(0, 3)),
        noise=noise,
        flicker=float(rng.uniform(0.002, 0.04)),
        line_offsets=float(rng.uniform(0, 0.03)),
        line_levelling=float(rng.uniform(0, 0.8)),
        line_jitter=float(rng.uniform(0, 0.8)),
        scars=float(rng.uniform(0, 12)),
        floor=float(rng.uniform(-0.15, 0.1)),
        ceiling=float(rng.uniform(1.0, 1.5)),
        colour_map=str(rng.choice(list(colour_maps.COLOUR_MAPS))),
    )
