"""Where the molecules lie: crystal lattices with domains and defects, and random gas phases.

All positions are (x, y) image pixels before drift; lengths in a `Cell` are drawing pixels (see
`spm.simulate.molecules`).  Angles are degrees, clockwise on the screen.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from spm.simulate.molecules import Drawing

STEP = 2.5  # grid step of the occupancy image, drawing pixels: 24 a molecule


@dataclass(frozen=True)
class Site:
    """A molecule in a cell: fractions of the lattice vectors, and its angle to vector a's frame."""

    class_name: str
    along_a: float
    along_b: float
    angle: float


@dataclass(frozen=True)
class Cell:
    """A repeat unit: lattice vectors (x, y) in drawing pixels and the molecules inside."""

    a: tuple[float, float]
    b: tuple[float, float]
    sites: tuple[Site, ...]


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
    cell: Cell,
    drawings: dict[str, Drawing],
    shape: tuple[int, int],
    scale: float,
    rng: np.random.Generator,
    *,
    angle: float | None = None,
    domains: int = 1,
    vacancies: float = 0.0,
    jitter: float = 0.7,
    swing: float = 1.5,
    margin: float = 90.0,
) -> Arrangement:
    """Fill an image with a crystal, in one domain or several.

    Args:
        shape: (height, width) of the image, pixels.
        scale: image pixels per drawing pixel.
        angle: rotation of the first domain's lattice; random when None.  Further domains are
            turned by random angles.
        vacancies: share of the molecules that are missing, 0 to 1.
        jitter: standard deviation of each position, drawing pixels.
        swing: standard deviation of each molecule's angle, degrees.
        margin: how far molecules go beyond the image, drawing pixels.
    """
    height, width = shape
    reach = margin * scale
    centres = rng.uniform(0, 1, (domains, 2)) * (width, height)
    angles = rng.uniform(0, 360, domains)
    if angle is not None:
        angles[0] = angle
    arrangement = Arrangement([])
    for index in range(domains):
        turn = rotation(angles[index])
        vectors = np.array([cell.a, cell.b]) @ turn.T * scale
        arrangement.vectors.append(vectors)
        origin = rng.uniform(0, 1, 2) @ vectors
        cells = _cells_covering(vectors, origin, width, height, reach)
        for site in cell.sites:
            at = (cells + (site.along_a, site.along_b)) @ vectors + origin
            at += rng.normal(0.0, jitter * scale, at.shape)
            swings = rng.normal(0.0, swing, len(at))
            kept = rng.random(len(at)) >= vacancies
            kept &= _inside(at, width, height, reach) & _in_domain(at, centres, index, 8.0 * scale)
            for (x, y), extra in zip(at[kept], swings[kept], strict=True):
                turned = (site.angle + angles[index] + extra) % 360.0
                arrangement.placements.append(
                    Placement(site.class_name, float(x), float(y), float(turned))
                )
    if domains > 1:
        arrangement.placements = _apart(arrangement.placements, drawings, shape, scale, reach)
    return arrangement


def _apart(placements, drawings, shape, scale, reach) -> list[Placement]:
    """Leave out molecules that lie on an earlier one, as happens where domains meet.

    Outlines are shrunk to 85 %: neighbours in a crystal may touch.
    """
    taken, step = _occupancy(shape, scale, reach)
    kept = []
    for p in placements:
        turned = drawings[p.class_name].outline @ rotation(p.angle).T
        if _claim(taken, (0.85 * scale * turned + (p.x + reach, p.y + reach)) / step):
            kept.append(p)
    return kept


def _occupancy(shape, scale, reach) -> tuple[np.ndarray, float]:
    """Return an empty occupancy image of the surface and its step in image pixels."""
    step = max(STEP * scale, 0.5)
    rows, cols = (int((side + 2 * reach) / step) + 1 for side in shape)
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
    shares: dict[str, float],
    drawings: dict[str, Drawing],
    shape: tuple[int, int],
    scale: float,
    rng: np.random.Generator,
    *,
    coverage: float,
    count: int | None = None,
    spacing: float = 3.0,
    margin: float = 40.0,
) -> Arrangement:
    """Place molecules at random, one after another, none on another (random adsorption).

    Args:
        shares: class name -> relative frequency.
        coverage: share of the area that outlines are to cover; above about 0.45 the surface jams
            and fewer molecules than asked for find a place.
        count: stop at this number of molecules whose centre lies in the image, whatever the
            coverage.
        spacing: free rim round each outline, drawing pixels.
    """
    height, width = shape
    reach = margin * scale
    names = list(shares)
    weights = np.array([shares[n] for n in names], float)
    weights /= weights.sum()
    area = sum(w * _area(drawings[n].outline) for w, n in zip(weights, names, strict=True))
    region = (height + 2 * reach) * (width + 2 * reach)
    wanted = int(round(coverage * region / (area * scale**2)))
    if count is not None:
        wanted = 10**9
    taken, step = _occupancy(shape, scale, reach)
    rims = {n: _grown(drawings[n].outline, spacing) for n in names}
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


def _area(outline: np.ndarray) -> float:
    x, y = outline.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


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
