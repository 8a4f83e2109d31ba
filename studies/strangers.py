"""How well a trained network tells its molecules from what is none of them.

    python studies/strangers.py --seeds 3

For each case a network is trained on 22 outlined molecules of a simulated image and recognises
others of the system, with adsorbates, with molecules that the tip smeared, and with molecules of
other systems. Prints how many of each, and of the system's own molecules beside such a disturbance
and elsewhere, were reported at all, flagged as unfamiliar, and named.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":  # the folder above holds the packages
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from spm.geometry.cropped_mask import CroppedMask
from spm.geometry.polygons import polygon_centroid
from spm.run import command_line
from spm.run.setting_kinds import Count
from spm.run.settings import Settings, takes
from spm.simulate import SYSTEMS
from spm.simulate.image import make_scene
from spm.structures.annotation import Annotation
from spm.structures.classes import Classes
from spm.structures.molecule import Molecule

# --- settings ----------------------------------------------------------------------------------
# The system that is trained on, and systems with molecules that it does not have.
CASES = {"network": ("A+C",), "A+B": ("A+C", "A+B+dichlorobiphenyl"), "A": ("A+B", "A+C")}
CROP, CROPS = 420, {"A": 320}  # pixels: some 22 outlined molecules
STEPS = 350
TEST_SIZE, TEST_COUNT, TEST_SEED = 800, 2, 6000
ADSORBATES, SMEARED = 10, 6  # in an image
FOUND = 0.5  # mask IoU from which a molecule is found
# Molecule widths from an adsorbate or a smeared molecule, up to which a molecule is disturbed.
BESIDE = 1.5
KINDS = ("molecules", "beside", "adsorbates", "smeared", "foreign")
# -----------------------------------------------------------------------------------------------


class Strangers(Settings):
    """How much is measured."""

    seeds: Count = 3
    """Trainings of each system."""
    work_dir: Path = Path("studies/results/strangers")
    """Folder of the trainings; one that is there is not done again."""


@takes(Strangers)
def main(settings: Strangers) -> int:
    """Print the table."""
    print(f"{'system':10} {'what':10}     count  reported   flagged     named")
    for system in CASES:
        found = [answers_of(system, seed, settings.work_dir) for seed in range(settings.seeds)]
        for kind in KINDS:
            rows = [row for one in found for row in one if row[0] == kind]
            reported, flagged = (sum(row[k] for row in rows) for k in (1, 2))
            named = reported - flagged
            cells = [f"{n:9}" for n in (len(rows), reported, flagged, named)]
            print(f"{system:10} {kind:10} {' '.join(cells)}", flush=True)
    return 0


def answers_of(system: str, seed: int, work_dir: Path) -> list[tuple[str, bool, bool]]:
    """Return the `judged` of all test images of one training."""
    names = SYSTEMS[system].class_names
    rows = []
    with trained(system, seed, work_dir) as recognise:
        for image, truth, blobs in tests(system, seed):
            rows += judged(recognise(image), truth, blobs, names)
    return rows


@contextmanager
def trained(
    system: str, seed: int, work_dir: Path
) -> Iterator[Callable[[np.ndarray], list[Molecule]]]:
    """Train a network on some 22 outlined molecules of a simulated image, unless that was done
    before; give what recognises the molecules of an image and compares them with the outlined."""
    from engine.likeness import compare_with_outlined
    from spm.inference.predict import Settings, find_molecules
    from studies import networks

    names, size = SYSTEMS[system].class_names, CROPS.get(system, CROP)
    crop = networks.draw({"system": system, "size": size, "count": 1, "seed": seed})
    weights = networks.train(crop, names, work_dir / f"{system} {seed}", steps=STEPS, seed=seed)
    with networks.trained_detector(weights) as detector:
        chosen = Settings(detector.score_threshold)

        def recognise(image: np.ndarray) -> list[Molecule]:
            found = find_molecules(detector, image, chosen)
            return compare_with_outlined(found, image, detector, chosen)

        yield recognise


def tests(system: str, seed: int) -> Iterator[tuple[np.ndarray, Annotation, np.ndarray]]:
    """Yield images, their truth, and the (x, y, radius) of their adsorbates."""
    from studies.networks import PIXELS, adsorbate_places, draw

    own = {"adsorbates": ADSORBATES, "scrambled": SMEARED}
    asked = [(system, own)] * TEST_COUNT + [(other, {}) for other in CASES[system]]
    for number, (shown, extra) in enumerate(asked):
        first = TEST_SEED + 100 * seed + number
        ((image, truth),) = draw(
            {"system": shown, "size": TEST_SIZE, "count": 1, "seed": first, **extra}
        )
        scene = make_scene(shown, TEST_SIZE, first, pixels_per_molecule=PIXELS, **extra)
        appearance = scene.appearance
        places = adsorbate_places(first, appearance.adsorbates, TEST_SIZE)
        radius = appearance.adsorbate_radius * scene.frame.scale
        inside = ((places > 1.5 * radius) & (places < TEST_SIZE - 1.5 * radius)).all(axis=1)
        yield image, truth, np.column_stack([places, np.full(len(places), radius)])[inside]


def judged(
    found: Sequence[Molecule], truth: Annotation, blobs: np.ndarray, names: Sequence[str]
) -> list[tuple[str, bool, bool]]:
    """Return of each molecule and adsorbate that the border does not cut its kind, whether it was
    reported, and whether all that was reported there was flagged."""
    from studies.networks import PIXELS

    height, width = truth.height, truth.width
    classes = Classes(truth.extra["simulation"]["class_names"])
    masks = CroppedMask.of_polygons([m.region for m in found], height, width)
    spoilt = [polygon_centroid(s.points) for s in truth.shapes if s.flags.get("scrambled")]
    spoilt = np.array([*spoilt, *blobs[:, :2]]).reshape(-1, 2)
    rows = []
    for shape in truth.shapes:
        if shape.flags.get("edge"):
            continue
        own = CroppedMask.of_polygon(shape.points, height, width)
        hits = [m for m, mask in zip(found, masks, strict=True) if own.iou(mask) >= FOUND]
        known = classes.class_of(shape.label) in names
        kind = "smeared" if shape.flags.get("scrambled") else "molecules" if known else "foreign"
        apart = np.linalg.norm(spoilt - polygon_centroid(shape.points), axis=1)
        if kind == "molecules" and (apart < BESIDE * PIXELS).any():
            kind = "beside"
        rows.append((kind, hits))
    for x, y, radius in blobs:
        near = [np.hypot(m.centroid[0] - x, m.centroid[1] - y) < radius for m in found]
        rows.append(("adsorbates", [m for m, here in zip(found, near, strict=True) if here]))
    return [(k, bool(hits), bool(hits) and all(m.unfamiliar for m in hits)) for k, hits in rows]


if __name__ == "__main__":
    command_line.run(main)
