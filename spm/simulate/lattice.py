"""Where the molecules lie: crystal lattices with domains and defects, and random gas phases.

All positions are (x, y) image pixels before drift; lengths in a `System` are drawing pixels (see
`spm.simulate.molecules`).  Angles are degrees, clockwise on the screen.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from spm.geometry.polygons import polygon_area
from spm.simulate.frame import Frame
from spm.simulate.systems import System

SPACING = 3.0  # free rim round each outline in a gas, drawing pixels
STEP = 2.5  # grid step of the occupancy image, drawing pixels: 24 a molecule


@dataclass(frozen=True)
class Placement:
    """One molecule: class, centre (x, y) in image pixels before drift, angle in degrees.

    `height` multiplies its drawing; `scrambled` molecules are spoilt by tip noise.
    """

    class_name: str
    x: float
    y: float
    angle: float
    height: float = 1.0
    scrambled: bool = False


@dataclass
class Arrangement:
    """All molecules, and per domain the lattice vectors (2, 2) float64: rows a and b, pixels."""

    placements: list[Placement]
    vectors: list[np.ndarray] = field(default_factory=list)


def rotation(degrees: float) -> np.ndarray:
    """Return the (2, 2) matrix that turns (x, y) column vectors clockwise on the screen."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s], [s, c]])


def lattice_arrangement(
    system: System, frame: Frame, rng: np.random.Generator, margin: float = 90.0
) -> Arrangement:
    """Fill the frame with the system's crystal, in one domain or several.

    Args:
        system: with a cell. Domains after the first are turned by random angles.
        margin: how far molecules go beyond the frame, drawing pixels.
    """
    height, width = frame.shape
    scale, cell = frame.scale, system.cell
    reach = margin * scale
    centres = rng.uniform(0, 1, (system.domains, 2)) * (width, height)
    angles = rng.uniform(0, 360, system.domains)
    if system.angle is not None:
        angles[0] = system.angle
    arrangement = Arrangement([])
    for index in range(system.domains):
        turn = rotation(angles[index])
        vectors = np.array([cell.a, cell.b]) @ turn.T * scale
        arrangement.vectors.append(vectors)
        origin = rng.uniform(0, 1, 2) @ vectors
        cells = _cells_covering(vectors, origin, width, height, reach)
        for site in cell.sites:
            at = (cells + (site.along_a, site.along_b)) @ vectors + origin
            at += rng.normal(0.0, system.jitter * scale, at.shape)
            swings = rng.normal(0.0, system.swing, len(at))
            kept = rng.random(len(at)) >= system.vacancies
            kept &= _inside(at, width, height, reach) & _in_domain(at, centres, index, 8.0 * scale)
            for (x, y), extra in zip(at[kept], swings[kept], strict=True):
                turned = (site.angle + angles[index] + extra) % 360.0
                arrangement.placements.append(
                    Placement(site.class_name, float(x), float(y), float(turned))
                )
    if system.domains > 1:
        arrangement.placements = _apart(arrangement.placements, frame, reach)
    return arrangement


def _apart(placements: list[Placement], frame: Frame, reach: float) -> list[Placement]:
    """Leave out molecules that lie on an earlier one, as happens where domains meet.

    Outlines are shrunk to 85 %: neighbours in a crystal may touch.
    """
    taken, step = _occupancy(frame, reach)
    kept = []
    for p in placements:
        turned = frame.drawings[p.class_name].outline @ rotation(p.angle).T
        if _claim(taken, (0.85 * frame.scale * turned + (p.x + reach, p.y + reach)) / step):
            kept.append(p)
    return kept


def _occupancy(frame: Frame, reach: float) -> tuple[np.ndarray, float]:
    """Return an empty occupancy image of the surface and its step in image pixels."""
    step = max(STEP * frame.scale, 0.5)
    rows, cols = (int((side + 2 * reach) / step) + 1 for side in frame.shape)
    return np.zeros((rows, cols), np.uint8), step


def _cells_covering(vectors, origin, width, height, reach) -> np.ndarray:
    """Integer cell numbers (n, 2) whose cells can touch the image grown by `reach`."""
    corners = np.array(
        [(x, y) for x in (-reach, width + reach) for y in (-reach, height + reach)], float
    )
    numbers = (corners - origin) @ np.linalg.inv(vectors)
    low, high = np.floor(numbers.min(0)).astype(int) - 1, np.ceil(numbers.max(0)).astype(int) + 1
    first, second = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
    return np.stack([first.ravel(), second.ravel()], axis=1).astype(float)


def _inside(at, width, height, reach) -> np.ndarray:
    x, y = at.T
    return (x > -reach) & (x < width + reach) & (y > -reach) & (y < height + reach)


def _in_domain(at, centres, index, gap) -> np.ndarray:
    """Points nearest to their own domain's centre and at least `gap` from the boundary line."""
    kept = np.ones(len(at), bool)
    own = centres[index]
    for other in range(len(centres)):
        if other == index:
            continue
        across = centres[other] - own
        length = max(float(np.hypot(*across)), 1e-9)
        middle = (centres[other] + own) / 2
        kept &= (at - middle) @ across / length < -gap
    return kept


def gas_arrangement(
    system: System, frame: Frame, rng: np.random.Generator, margin: float = 40.0
) -> Arrangement:
    """Place molecules at random, one after another, none on another (random adsorption).

    Above a coverage of about 0.45 the surface jams, and fewer molecules than asked for find a
    place.

    Args:
        system: with shares; its `count` of molecules whose centre lies in the frame goes before
            its `coverage`.
        margin: how far molecules go beyond the frame, drawing pixels.
    """
    height, width = frame.shape
    scale, count = frame.scale, system.count
    reach = margin * scale
    names = list(system.shares)
    weights = np.array([system.shares[n] for n in names], float)
    weights /= weights.sum()
    outlines = {n: frame.drawings[n].outline for n in names}
    area = sum(w * polygon_area(outlines[n]) for w, n in zip(weights, names, strict=True))
    region = (height + 2 * reach) * (width + 2 * reach)
    wanted = int(round(system.coverage * region / (area * scale**2)))
    if count is not None:
        wanted = 10**9
    taken, step = _occupancy(frame, reach)
    rims = {n: _grown(outlines[n], SPACING) for n in names}
    placements: list[Placement] = []
    inside = failures = 0
    while len(placements) < wanted and failures < 1500 and (count is None or inside < count):
        name = names[int(rng.choice(len(names), p=weights))]
        x = rng.uniform(-reach, width + reach)
        y = rng.uniform(-reach, height + reach)
        angle = rng.uniform(0.0, 360.0)
        outline = (rims[name] @ rotation(angle).T * scale + (x + reach, y + reach)) / step
        if not _claim(taken, outline):
            failures += 1
            continue
        failures = 0
        inside += 0 <= x < width and 0 <= y < height
        placements.append(Placement(name, float(x), float(y), float(angle)))
    return Arrangement(placements)


def _claim(taken: np.ndarray, outline: np.ndarray) -> bool:
    """Mark the outline in the occupancy image; False, and nothing marked, if it is not free."""
    low = np.maximum(np.floor(outline.min(0)).astype(int) - 1, 0)
    high = np.ceil(outline.max(0)).astype(int) + 2
    window = taken[low[1] : high[1], low[0] : high[0]]
    if window.size == 0:
        return True
    drawn = np.zeros(window.shape, np.uint8)
    cv2.fillPoly(drawn, [np.round((outline - low) * 16).astype(np.int32)], 1, shift=4)
    if np.any(window & drawn):
        return False
    window |= drawn
    return True


def _grown(outline: np.ndarray, rim: float) -> np.ndarray:
    """Push the outline outwards from the centre by about half of `rim`."""
    radii = np.hypot(*outline.T)[:, None]
    return outline * (radii + rim / 2) / np.maximum(radii, 1e-9)


def without_patches(
    placements: list[Placement],
    shape: tuple[int, int],
    rng: np.random.Generator,
    *,
    patches: int,
    radius: float,
    at_border: bool = True,
) -> list[Placement]:
    """Remove the molecules of some bare patches with ragged rims.

    Args:
        radius: mean radius of a patch, pixels.
        at_border: centre the patches on the image's border, as islands end there; else anywhere.
    """
    height, width = shape
    for _ in range(patches):
        centre = rng.uniform(0, 1, 2) * (width, height)
        if at_border:
            side = int(rng.integers(4))
            centre[side % 2] = (width, height)[side % 2] * (side // 2)
        size = radius * rng.uniform(0.6, 1.3)
        phases, strengths = rng.uniform(0, 2 * np.pi, 4), rng.normal(0, 0.13, 4)
        kept = []
        for placement in placements:
            dx, dy = placement.x - centre[0], placement.y - centre[1]
            direction = np.arctan2(dy, dx)
            rim = size * (1 + strengths @ np.cos(np.arange(2, 6) * direction + phases))
            if dx * dx + dy * dy > rim * rim:
                kept.append(placement)
        placements = kept
    return placements
