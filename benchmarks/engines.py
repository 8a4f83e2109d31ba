"""Compare the engines of prediction: Keras and OpenVINO, in turn in one run.

    python benchmarks/engines.py WEIGHTS [--rounds 3] [--images 20] [--before CHECKOUT]
        [--before-weights WEIGHTS] [--skip-keras] [--cases TEXT]

Each run is `python predict_big_pic.py`, from process start to all results. Cases: one image of
1024 x 1024, a folder of such images, one of 4096 x 4096, all simulated. `--before` adds another
checkout of this project, such as that of an earlier revision, with weights of its own where it
cannot read today's. Prints medians, their ratios to the first way, and the machine's load.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import tempfile
from pathlib import Path

from run import ROOT, watched

sys.path.insert(0, str(ROOT))


def make_images(folder: Path, count: int) -> dict[str, tuple[list[Path], int]]:
    """Writes the images; returns the files and the number of images of each case."""
    from spm.io.images import write_image
    from spm.simulate import simulate

    many = folder / "many"
    many.mkdir(parents=True)
    for seed in range(count):
        write_image(many / f"{seed}.png", simulate("network", 1024, seed=seed)[0])
    write_image(folder / "large.png", simulate("network", 4096, seed=0)[0])
    return {
        "1024 x 1024": ([many / "0.png"], 1),
        f"{count} of 1024 x 1024, each": ([many], count),
        "4096 x 4096": ([folder / "large.png"], 1),
    }


def measure(checkout: Path, engine: str, weights: Path, files: list[Path]) -> list[float]:
    """Returns seconds, processor seconds and peak MB of one run."""
    os.environ["PREDICTION_ENGINE"] = engine
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, str(checkout / "predict_big_pic.py"), *map(str, files)]
        _, spent, peak = watched([*command, "--weights", str(weights), "--out-dir", out])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    work = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return [spent, work, peak]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=20, help="of the folder")
    parser.add_argument("--before", type=Path, help="another checkout")
    parser.add_argument("--before-weights", type=Path, help="its weights, default: the same")
    parser.add_argument("--cases", default="", help="only cases whose names hold this")
    parser.add_argument("--skip-keras", action="store_true", help="today's Keras is not measured")
    chosen = parser.parse_args()
    weights = chosen.weights.resolve()
    ways = {"Keras": (ROOT, "keras", weights), "OpenVINO": (ROOT, "openvino", weights)}
    if chosen.skip_keras:
        del ways["Keras"]
    if chosen.before:
        older = (chosen.before_weights or weights).resolve()
        ways = {"before": (chosen.before.resolve(), "keras", older), **ways}
    with tempfile.TemporaryDirectory() as folder:
        cases = make_images(Path(folder) / "images", chosen.images)
        measure(*ways["OpenVINO"], cases["1024 x 1024"][0])  # exports, if need be
        print("| case | way | seconds | processor seconds | MB | ratios to the first | load |")
        print("|---|---|---|---|---|---|---|")
        for case, (files, count) in cases.items():
            if chosen.cases in case:
                compare(case, files, count, ways, chosen.rounds)


def compare(case: str, files: list[Path], count: int, ways: dict, rounds: int):
    """Runs all ways in turn, and prints a line of medians for each."""
    found: dict[str, list] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, values in ways.items():
            found[way].append(measure(*values, files))
    medians = {
        way: [statistics.median(column) for column in zip(*runs, strict=True)]
        for way, runs in found.items()
    }
    first = next(iter(medians.values()))
    for way, values in medians.items():
        ratios = ", ".join(f"{a / b:.2f}" for a, b in zip(values, first, strict=True))
        spent, work, peak = values
        cells = [case, way, f"{spent / count:.3g}", f"{work / count:.3g}", f"{peak:.0f}", ratios]
        print(f"| {' | '.join(cells)} | {os.getloadavg()[0]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
