"""How well drift is taken out by two scans of one place, up and down (docs/many_images.md).

    python studies/drift.py --quick

Simulates pairs of scans of a crystal with drift, each time another one, up to 15 % of the image
over a scan; takes the drift out, once by the molecules (those of the truth, 10 % of them missed,
0.3 pixels off their places) and once by patches of the images, and compares lattice and drift with
the truth. Writes drift.csv (drift_quick.csv) to studies/results/ and prints what it comes to.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

if __name__ == "__main__":  # the folder above holds the packages
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from spm.measure.known_cell import matrix_of
from spm.measure.lattice import reduce_basis
from spm.measure.scan_pair import measure_drift
from spm.measure.statistics import measure
from spm.run import command_line
from spm.run.files import write_csv
from spm.run.progress import progress
from spm.run.settings import takes
from spm.simulate import SYSTEMS, simulate_pair
from spm.simulate.molecules import STANDARD_SIZE
from spm.structures.annotation import Annotation
from spm.structures.molecule import Molecule, annotation_to_molecules, set_orientations
from studies.points import Study

# --- settings ----------------------------------------------------------------------------------
SYSTEM, CLASS = "B", "020a"
PAIRS, QUICK_PAIRS = 12, 2
SIZE, QUICK_SIZE = 1024, 640
PIXELS = 30  # of a molecule
MOST_DRIFT = 0.15  # along x and y, share of the image over one scan
MISSED, OFF = 0.1, 0.3  # share of the molecules that is not recognised; pixels off their places
COLUMNS = (
    "pair", "by", "points", "drift_x", "drift_y", "error_x", "error_y", "standard_error_x",
    "standard_error_y", "lattice_before_percent", "lattice_after_percent",
)  # fmt: skip
# -----------------------------------------------------------------------------------------------


@takes(Study)
def main(settings: Study) -> int:
    """Measure; write the table."""
    pairs, size = (QUICK_PAIRS, QUICK_SIZE) if settings.quick else (PAIRS, SIZE)
    rows = []
    with progress(pairs, "drift", "pair") as bar:
        for number in range(pairs):
            rows += _pair(number, size)
            bar.update()
    path = settings.out / f"drift{'_quick' if settings.quick else ''}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_csv(path, COLUMNS, [[_text(row[name]) for name in COLUMNS] for row in rows])
    for by in ("molecules", "patches"):
        _print([row for row in rows if row["by"] == by], by)
    return 0


def _pair(number: int, size: int) -> list[dict]:
    rng = np.random.default_rng([number, size])
    drift = rng.uniform(-MOST_DRIFT, MOST_DRIFT, 2)
    scans = simulate_pair(
        SYSTEM,
        size,
        number,
        drift=tuple(drift),
        creep=(0.0, 0.0),
        domains=1,
        pixels_per_molecule=PIXELS,
    )
    images = tuple(image for image, _ in scans)
    molecules = [_recognised(truth, rng) for _, truth in scans]
    places = tuple(
        {CLASS: np.array([m.centroid for m in mine if not m.edge])} for mine in molecules
    )
    lattice = measure(set_orientations(molecules[0]), size, size).order.domains[0].lattice
    rows = []
    for by, given in (("molecules", places), ("patches", None)):
        found = measure_drift(images, given)
        corrected = lattice.vectors @ matrix_of(found.parameters).T
        error = found.parameters - (1.0, drift[0], 1.0 + drift[1])
        rows.append({
            "pair": number, "by": by, "points": found.points,
            **{f"drift_{axis}": d for axis, d in zip("xy", drift, strict=True)},
            **{f"error_{axis}": e for axis, e in zip("xy", error[1:], strict=True)},
            **{f"standard_error_{axis}": e
               for axis, e in zip("xy", np.sqrt(np.diag(found.covariance))[1:], strict=True)},
            "lattice_before_percent": _off(lattice.vectors),
            "lattice_after_percent": _off(corrected),
        })  # fmt: skip
    return rows


def _recognised(truth: Annotation, rng: np.random.Generator) -> list[Molecule]:
    """Return the truth's molecules as a network sees them: some missed, none quite in place."""
    molecules = [
        m for m in annotation_to_molecules(truth.classified([CLASS])) if rng.random() > MISSED
    ]
    for m in molecules:
        step = rng.normal(0, OFF, 2)
        m.outline, m.centroid = m.outline + step, tuple(np.array(m.centroid) + step)
    return molecules


def _off(vectors: np.ndarray) -> float:
    """Return by how much the lengths of a cell are off the truth at most, per cent.

    Compared are the shortest three, a, b and a + b: the molecules' cell is nearly hexagonal, and
    which two of them it is described by is chance.
    """
    cell = SYSTEMS[SYSTEM].cell
    true, found = (
        np.sort([np.hypot(*a), np.hypot(*b), np.hypot(*(a + b))])
        for a, b in (
            reduce_basis(rows)[0]
            for rows in (np.array([cell.a, cell.b]) * PIXELS / STANDARD_SIZE, vectors)
        )
    )
    return float(100 * np.abs(found / true - 1).max())


def _print(rows: list[dict], by: str) -> None:
    before, after = (
        max(row[f"lattice_{when}_percent"] for row in rows) for when in ("before", "after")
    )
    ratios = np.array(
        [[row[f"error_{a}"] / row[f"standard_error_{a}"] for a in "xy"] for row in rows]
    )
    print(
        f"{by}: lattice off by at most {before:.2f} % before and {after:.3f} % after; errors of "
        f"the drift over their standard errors {np.sqrt((ratios**2).mean()):.2f} (root mean "
        f"square), {100 * (np.abs(ratios) < 1.96).mean():.0f} % within the interval of 95 %"
    )


def _text(value: float | str) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    command_line.run(main)
