"""How far levelling leaves the truth, with line offsets and without, at any direction of the rows.

    python benchmarks/levelling.py [--quick]

Heights of known truth (bumps on a square lattice, and the simulator's systems) get tilt, a bent
background, noise and line offsets (white, and a random walk of a fifth of that a line). They are
levelled by `both` and, to compare with, by the earlier `both`: the running sum of the median
differences of neighbouring lines. Prints a Markdown table in percent of the bump height: the
standard deviation of the error on the ground, and the root mean square error of the whole image;
the noise, 1, is in both. `!` marks a line where `both` is worse than before or the ground is not
flat within a tenth.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from spm.instruments import levelling  # noqa: E402
from spm.run import command_line  # noqa: E402
from spm.run.settings import Settings, takes  # noqa: E402
from spm.simulate import simulate  # noqa: E402
from spm.simulate.recording import slow_background  # noqa: E402
from spm.simulate.systems import SYSTEMS  # noqa: E402

SIZE = 384
PIXELS_PER_MOLECULE = 30
DIRECTIONS = (0, 5, 10, 30)  # of a lattice row against the scan lines, degrees
OFFSETS = (0.0, 0.1, 0.5)  # standard deviation from line to line, share of the bump height
NOISE, BACKGROUND, TILT = 0.01, 0.1, 1.0  # share of the bump height
GROUND = 0.05  # below this share of the usual molecule's height lies the ground
FLOOR, CEILING = -0.05, 1.3  # of the simulated heights in an 8-bit image
CLEAN = {
    "noise": 0, "flicker": 0, "line_offsets": 0, "line_levelling": 0, "line_jitter": 0, "scars": 0,
    "background": 0, "colour_map": "grey", "floor": FLOOR, "ceiling": CEILING,
}  # fmt: skip


def bumps(direction: float, size: int = 256, period: float = 16.0) -> np.ndarray:
    """Return bumps of height 1 on a square lattice, bare ground on the right fifth."""
    y, x = np.mgrid[:size, :size].astype(float)
    turn = np.radians(direction)
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    u, v = ((k + period / 2) % period - period / 2 for k in (along, across))
    heights = np.exp(-(u**2 + v**2) / (2 * (period / 4.5) ** 2))
    heights[:, int(0.8 * size) :] = 0
    return heights


def system(name: str, direction: float, size: int = SIZE, seed: int = 0) -> np.ndarray:
    """Return the true heights of a simulated system; the vector a of its lattice is turned."""
    overrides = dict(CLEAN)
    cell = SYSTEMS[name].cell
    if cell is not None:
        own = np.degrees(np.arctan2(cell.a[1], cell.a[0]))
        overrides |= {"angle": direction - own, "domains": 1}
    image, _ = simulate(
        name, size=size, seed=seed, pixels_per_molecule=PIXELS_PER_MOLECULE, **overrides
    )
    return image[..., 0] / 255 * (CEILING - FLOOR) + FLOOR


def measured(truth: np.ndarray, offsets: float, seed: int = 1) -> np.ndarray:
    """Return the truth with tilt, bent background, noise and line offsets."""
    rng = np.random.default_rng(seed)
    rows, columns = truth.shape
    y, x = np.mgrid[:rows, :columns]
    heights = truth + slow_background(truth.shape, BACKGROUND, rng)
    heights += TILT * (x / columns + 0.7 * y / rows) + rng.normal(0, NOISE, truth.shape)
    walk = np.cumsum(rng.normal(0, offsets / 5, rows))
    return heights + (rng.normal(0, offsets, rows) + walk)[:, None]


def earlier(heights: np.ndarray) -> np.ndarray:
    """Level as `both` did before: the medians of the differences are summed line by line."""
    heights = heights - levelling.plane(heights)
    jumps = np.median(np.diff(heights, axis=0), axis=1)
    heights = heights - np.concatenate([[0.0], np.cumsum(jumps)])[:, None]
    return heights - levelling.plane(heights)


def errors(levelled: np.ndarray, truth: np.ndarray, ground: np.ndarray) -> tuple[float, float]:
    """Return the standard deviation on the ground and the RMS error (constant removed)."""
    error = levelled - truth
    return float(error[ground].std()), float(error.std())


def row(name: str, truth: np.ndarray, ground: np.ndarray) -> str:
    """Return one line of the table: before, and `both` for each strength of the offsets."""
    # The earlier method takes out any offset exactly, so that its error does not depend on it.
    before = errors(earlier(measured(truth, 0.0)), truth, ground)
    after = [errors(levelling.level(measured(truth, k)), truth, ground) for k in OFFSETS]
    worse = any(a[0] > before[0] or a[1] > before[1] or a[0] > 0.1 for a in after)
    cells = [f"{100 * flat:.1f} / {100 * rms:.1f}" for flat, rms in (before, *after)]
    return f"| {name}{' !' if worse else ''} | " + " | ".join(cells) + " |"


def case(name: str, direction: float) -> str:
    """Return the line of the table for "bumps" or a system, its rows turned by `direction`."""
    if name == "bumps":
        truth = bumps(direction)
        ground = np.zeros(truth.shape, bool)
        ground[:, int(0.82 * truth.shape[1]) :] = True
    else:
        truth = system(name, direction)
        ground = truth < GROUND
    return row(f"{name}, {direction}°" if has_rows(name) else name, truth, ground)


def has_rows(name: str) -> bool:
    """Return whether the molecules lie in a lattice."""
    return name == "bumps" or SYSTEMS[name].cell is not None


class Benchmark(Settings):
    """How much is measured."""

    quick: bool = False
    """Two lines of the table only."""


@takes(Benchmark)
def main(settings: Benchmark) -> None:
    """Print the table."""
    quick = settings.quick
    cases = [
        (name, direction)
        for name in ("bumps", *SYSTEMS)
        for direction in (DIRECTIONS if has_rows(name) else DIRECTIONS[:1])
    ]
    print("| ground / whole image | before | " + " | ".join(f"{k:g}" for k in OFFSETS) + " |")
    print("|---|---|" + "---|" * len(OFFSETS))
    with ProcessPoolExecutor() as pool:
        for line in pool.map(case, *zip(*(cases[:2] if quick else cases), strict=True)):
            print(line, flush=True)


if __name__ == "__main__":
    command_line.run(main)
