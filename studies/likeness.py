"""How well likeness tells molecules from what is none of the outlined classes.

    python studies/likeness.py

No network: for each system and seed 22 outlined molecules of one simulated image are the examples.
Asked are the true places of the molecules in another image of the same kind, the bright blobs of a
third one, and the molecules of all other systems, each half a pixel off as a network's are. Prints
the share of each that is marked unfamiliar.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":  # the folder above holds the packages
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from spm.geometry.polygons import diameter, polygon_area, polygon_centroid
from spm.run import command_line
from spm.run.setting_kinds import Count
from spm.run.settings import Settings, takes
from spm.similarity.label_spreading import Examples
from spm.similarity.likeness import References
from spm.simulate import SYSTEMS, simulate
from spm.structures.classes import Classes

SIDE, MOLECULE, BLOBS = 512, 46.0, 12  # pixels, pixels, adsorbates in an image


class Likeness(Settings):
    """What is asked."""

    outlines: Count = 22
    """Outlined molecules."""
    seeds: Count = 5
    """Seeds of each system."""


@takes(Likeness)
def main(settings: Likeness) -> int:
    """Print the table."""
    print(f"{'system':22} molecules flagged   blobs flagged   foreign flagged   lowest")
    for system in SYSTEMS:
        rows = np.array(
            [measure(system, seed, settings.outlines) for seed in range(settings.seeds)]
        )
        counts, flagged = rows[:, :3].sum(axis=0).astype(int), rows[:, 3:6].sum(axis=0).astype(int)
        cells = [f"{f:5} of {n:5}" for f, n in zip(flagged, counts, strict=True)]
        print(
            f"{system:22} {'    '.join(cells)}    {rows[:, 6].min():.2f} to {rows[:, 6].max():.2f}"
        )
    return 0


def measure(system: str, seed: int, outlines: int) -> list[float]:
    """Return how many were asked (molecules, blobs, foreign ones), how many of them were marked
    unfamiliar, and the likeness below which that is."""
    rng = np.random.default_rng(seed)
    names = list(SYSTEMS[system].class_names)
    image, points, classes = _scene(system, seed, names)
    kept = rng.choice(len(points), min(outlines, len(points)), replace=False)
    points, classes = [points[k] for k in kept], [classes[k] for k in kept]
    median = diameter(float(np.median([abs(polygon_area(p)) for p in points])))
    references = References.of(Examples([image], [points], [classes], len(names), median), True)
    asked = [
        _places(system, seed + 100, names, rng),
        _blobs(system, seed + 200),
        *(_places(s, seed + 300, names, rng, others=True) for s in SYSTEMS),
    ]
    found = [
        [int((references.likeness(view, places, [0] * len(places))[1] < references.lowest).sum()),
         len(places)]
        for view, places in asked
    ]  # fmt: skip
    flagged, counts = np.array([found[0], found[1], np.sum(found[2:], axis=0)]).T
    return [*counts, *flagged, references.lowest]


def _scene(system: str, seed: int, names: list[str]):
    image, truth = simulate(system, SIDE, seed, pixels_per_molecule=MOLECULE)
    shapes = [s for s in truth.shapes if not s.flags["edge"]]
    known = list(map(Classes(SYSTEMS[system].class_names).class_of, (s.label for s in shapes)))
    classes = [names.index(name) if name in names else -1 for name in known]
    return image, [np.asarray(s.points, float) for s in shapes], classes


def _places(system: str, seed: int, names: list[str], rng, others: bool = False):
    """Image and centroids of the molecules whose class is among `names`, or of the others."""
    image, points, classes = _scene(system, seed, names)
    centroids = [polygon_centroid(p) for p, k in zip(points, classes, strict=True)
                 if (k < 0) == others]  # fmt: skip
    return image, np.array(centroids).reshape(-1, 2) + rng.normal(0, 0.5, (len(centroids), 2))


def _blobs(system: str, seed: int):
    """Image and places of its adsorbates."""
    from studies.networks import adsorbate_places

    image, _ = simulate(system, SIDE, seed, pixels_per_molecule=MOLECULE, adsorbates=BLOBS)
    places = adsorbate_places(seed, BLOBS, SIDE)
    return image, places[((places > 30) & (places < SIDE - 30)).all(axis=1)]


if __name__ == "__main__":
    command_line.run(main)
