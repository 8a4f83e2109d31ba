"""Results of many images, written by the same functions as a prediction writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spm.geometry.polygons import polygon_area
from spm.measure.statistics import measure
from spm.run.files import write_json
from spm.structures.annotation import write_annotation
from spm.structures.molecule import Molecule, molecules_to_annotation, write_table

SIDE = 600


def square(x: float, y: float, name: str, side: float = 12.0, **more) -> Molecule:
    """A square molecule."""
    half = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * side / 2
    outline = half + (x, y)
    return Molecule(
        name, 0.9, np.array([y - side / 2, x - side / 2, y + side / 2, x + side / 2]), outline,
        polygon_area(outline), (x, y), **({"orientation": 10.0, "symmetry": 4} | more),
    )  # fmt: skip


def gas(counts: dict[str, int], rng: np.random.Generator, uncertain: float = 0.1) -> list[Molecule]:
    """Molecules at random places, whole, some of them uncertain."""
    found = []
    for name, count in counts.items():
        for x, y in rng.uniform(10, SIDE - 10, (count, 2)):
            side = rng.normal(12 if name == "R" else 15, 0.5)
            found.append(square(x, y, name, side, uncertain=bool(rng.random() < uncertain)))
    return found


def crystal(name: str, rng: np.random.Generator, spacing: float = 30.0) -> list[Molecule]:
    """A square layer of one class."""
    steps = np.arange(spacing / 2, SIDE, spacing)
    return [
        square(x + dx, y + dy, name)
        for x in steps
        for y in steps
        for dx, dy in rng.normal(0, 0.6, (1, 2))
    ]


def write_result(
    folder: Path, name: str, molecules: list[Molecule], nm: float | None = 0.1, **settings
) -> None:
    """Write NAME_molecules.csv, NAME_predicted.json and NAME_summary.json."""
    write_table(folder / f"{name}_molecules.csv", molecules, nm)
    annotation = molecules_to_annotation(molecules, SIDE, SIDE, f"{name}.png", nm)
    write_annotation(folder / f"{name}_predicted.json", annotation)
    found = measure(molecules, SIDE, SIDE, nm, class_names=["R", "L"])
    more = {"settings": {"prediction": {"weights": "w.h5", "mirror": False} | settings}}
    write_json(folder / f"{name}_summary.json", found.summary | more)
