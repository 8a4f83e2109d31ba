"""Molecules that nobody has made: random drawings and random crystals of them.

A network that has learned to find and to tell apart many different shapes needs fewer outlines for
the next ones. Such a start is trained on images of invented molecules (docs/recipe.md).
"""

from __future__ import annotations

import cv2
import numpy as np

from spm.geometry.mask_outline import mask_outline
from spm.simulate.appearance import Appearance
from spm.simulate.lattice import rotation
from spm.simulate.molecules import OVERSAMPLING, Drawing, Lobe
from spm.simulate.systems import Cell, Site, System

FLANK = 0.55  # share of the usual height at which the outline runs, as people click it
TIP = 1.5  # standard deviation of the tip that blurs the flank, drawing pixels
SIMPLIFIED = 0.8  # largest distance of the outline's corners from the true flank, drawing pixels
GAP = 2.0  # least distance of neighbours in a crystal, drawing pixels
MOST_GROWTH = 40  # how often a cell may grow before it has room for its molecules
TRIES = 60  # random places that are tried for a molecule before the cell grows


def invented_drawings(count: int, rng: np.random.Generator) -> dict[str, Drawing]:
    """Invent `count` molecules, named m01, m02 and so on."""
    names = [f"m{number:02d}" for number in range(1, count + 1)]
    return {name: invented_drawing(name, rng) for name in names}


def invented_drawing(class_name: str, rng: np.random.Generator) -> Drawing:
    """Invent a molecule: one to six equal arms of one to three lobes round a centre.

    Its farthest point lies 22 to 42 drawing pixels from the centre.
    """
    symmetry = int(rng.choice([1, 2, 3, 4, 6], p=[0.2, 0.3, 0.3, 0.12, 0.08]))
    arm = _arm(rng, 2 * np.pi / symmetry)
    lobes = [
        Lobe(*(turn @ (x.x1, x.y1)), *(turn @ (x.x2, x.y2)), x.radius, x.height)
        for turn in (rotation(360 / symmetry * k) for k in range(symmetry))
        for x in arm
    ]
    if rng.random() < 0.3:  # a bright or a faint centre
        lobes.append(Lobe(0, 0, 0, 0, rng.uniform(7, 13), rng.uniform(0.6, 1.3)))
    points = outline_at_flank(lobes)
    factor = rng.uniform(22, 42) / np.hypot(*points.T).max()
    lobes = [
        Lobe(*(factor * v for v in (x.x1, x.y1, x.x2, x.y2, x.radius)), x.height) for x in lobes
    ]
    return Drawing(class_name, outline_at_flank(lobes), tuple(lobes), symmetry=symmetry)


def _arm(rng: np.random.Generator, sector: float) -> list[Lobe]:
    """Draw the lobes of one arm, along the x axis, within `sector` radians."""
    reach, radius = rng.uniform(12, 30), rng.uniform(7, 12)
    bend = rng.uniform(-0.25, 0.25) * min(sector, 2.0)
    tip = reach * np.cos(bend), reach * np.sin(bend)
    lobes = [Lobe(0.0, 0.0, *tip, radius, rng.uniform(0.7, 1.1))]
    if rng.random() < 0.35:  # an atom at the tip
        lobes.append(Lobe(*tip, *tip, rng.uniform(6, 11), rng.uniform(0.8, 1.3)))
    if rng.random() < 0.35:  # a side group
        start, angle = rng.uniform(0.3, 1.0), rng.uniform(0.5, 1.3) * rng.choice([-1, 1])
        foot = start * tip[0], start * tip[1]
        length = rng.uniform(8, 16)
        end = foot[0] + length * np.cos(angle), foot[1] + length * np.sin(angle)
        lobes.append(Lobe(*foot, *end, rng.uniform(6, 9), rng.uniform(0.7, 1.1)))
    return lobes


def outline_at_flank(lobes: list[Lobe]) -> np.ndarray:
    """Return the outline (n, 2) of a drawing at FLANK of its usual height."""
    drawn = Drawing("", np.array([[60.0, 0.0]]), tuple(lobes)).grid(1.0)
    blurred = cv2.GaussianBlur(drawn, (0, 0), TIP * OVERSAMPLING)
    usual = np.median(drawn[drawn > 0.3])  # a bright atom does not move the border elsewhere
    outline = mask_outline(blurred > FLANK * usual, SIMPLIFIED * OVERSAMPLING)
    return (outline - drawn.shape[0] / 2) / OVERSAMPLING


def invented_system(drawings: dict[str, Drawing], rng: np.random.Generator) -> System:
    """Choose one to four of the molecules and let them lie in a gas or a crystal."""
    count = min(int(rng.integers(1, 5)), len(drawings))
    names = [str(name) for name in rng.choice(sorted(drawings), count, replace=False)]
    heights = {name: float(rng.uniform(0.8, 1.15)) for name in names}
    look = Appearance(class_heights=heights, drift=(0.02, 0.01), background=0.1)
    if rng.random() < 0.4:
        shares = {name: float(rng.uniform(0.5, 1.5)) for name in names}
        coverage = float(rng.uniform(0.15, 0.42))
        return System("invented", shares=shares, coverage=coverage, appearance=look)
    return System(
        "invented",
        cell=invented_cell([drawings[name] for name in names], rng),
        domains=int(rng.integers(1, 4)),
        vacancies=float(rng.uniform(0, 0.1)),
        patches=float(rng.uniform(0, 6)),
        appearance=look,
    )


def invented_cell(drawings: list[Drawing], rng: np.random.Generator) -> Cell:
    """Pack each molecule once or several times into a small cell, without overlap.

    Raises:
        RuntimeError: they found no room, which a cell that grows cannot fail to give.
    """
    chosen = [d for d in drawings for _ in range(int(rng.integers(1, 4)))]
    area = sum(np.count_nonzero(_footprint(d, 0.0)) for d in chosen)
    angle, ratio = np.radians(rng.uniform(60, 110)), rng.uniform(0.7, 1.4)
    for step in range(MOST_GROWTH):
        side = np.sqrt(area * 1.25 * 1.06**step / np.sin(angle))
        a = (side * ratio, 0.0)
        b = (side / ratio * np.cos(angle), side / ratio * np.sin(angle))
        sites = _packed(chosen, np.array([a, b]), rng)
        if sites:
            return Cell(a=a, b=b, sites=tuple(sites))
    raise RuntimeError("A growing cell did not get room for its molecules.")


def _packed(drawings: list[Drawing], vectors: np.ndarray, rng) -> list[Site]:
    """Return a place for each molecule in a repeating cell, or [] when one finds none."""
    rows, columns = (max(int(np.hypot(*v)), 8) for v in vectors)
    taken = np.zeros((rows, columns), bool)
    to_cell = np.linalg.inv(vectors)
    sites = []
    for drawing in drawings:
        for _ in range(TRIES):
            angle, place = rng.uniform(0, 360), rng.random(2)
            footprint = _footprint(drawing, angle)
            points = np.argwhere(footprint)[:, ::-1] - (np.array(footprint.shape[::-1]) - 1) / 2
            index = np.floor((points @ to_cell + place) % 1.0 * (rows, columns)).astype(int)
            spots = np.unique(np.minimum(index, (rows - 1, columns - 1)), axis=0)
            # A molecule that is larger than the cell lies on its own image.
            alone = len(spots) >= 0.6 * len(points)
            if alone and not taken[spots[:, 0], spots[:, 1]].any():
                taken[spots[:, 0], spots[:, 1]] = True
                sites.append(Site(drawing.class_name, *place, angle))
                break
        else:
            return []
    return sites


def _footprint(drawing: Drawing, angle: float) -> np.ndarray:
    """Return the cells of one drawing pixel that a turned molecule and its gap take."""
    points = drawing.outline @ rotation(angle).T
    half = int(np.ceil(drawing.radius + GAP)) + 1
    image = np.zeros((2 * half + 1, 2 * half + 1), np.uint8)
    corners = np.round((points + half) * 16).astype(np.int32)
    cv2.fillPoly(image, [corners], 1, shift=4)
    reach = int(GAP)
    return cv2.dilate(image, np.ones((reach + 1, reach + 1), np.uint8)) > 0
