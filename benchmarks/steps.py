"""Compare a training step with that of another checkout of this project, in turn in one run.

    python benchmarks/steps.py --before CHECKOUT [--rounds 3] [--torchvision PYTHON]

Cases: the light network's step as the recipe has it, and the paper's of all layers, each in the
type that this processor takes. Prints the medians of the rounds, their ratios to the other
checkout's, and the machine's load. `--torchvision` adds the paper's step of torchvision's Mask
R-CNN, by a Python that has it (`torchvision_step.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from pathlib import Path

from run import ROOT, watched

sys.path.insert(0, str(ROOT))

CASES = (("light", 192), ("paper", 512))  # network and side of its images


def command_of(checkout: Path, network: str) -> list[str]:
    """Returns what runs a step of a checkout, up to the settings that all have."""
    cases = str(checkout / "benchmarks" / "cases.py")
    return [sys.executable, cases, "training_step", f"network={network}", "layers=all"]


def measure(command: list[str], side: int, dtype: str) -> list[float]:
    """Returns seconds of a step, of the first one, and peak MB, of a process of its own."""
    settings = (f"side={side}", f"dtype={dtype}", "repeats=15")
    output, _, peak = watched([*command, *settings])
    line = next(x for x in output.splitlines() if x.startswith("RESULT "))
    found = json.loads(line.removeprefix("RESULT "))
    return [found["seconds"], found["first_step"], peak]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, required=True, help="another checkout")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--torchvision", help="Python of an environment with PyTorch")
    chosen = parser.parse_args()
    from mrcnn.devices import best_dtype

    dtype = best_dtype()
    ways = {"before": chosen.before.resolve(), "now": ROOT}
    print("| step | way | seconds | first step | MB | ratios | load |")
    print("|---|---|---|---|---|---|---|")
    for network, side in CASES:
        commands = {way: command_of(checkout, network) for way, checkout in ways.items()}
        if network == "paper" and chosen.torchvision:
            script = str(Path(__file__).with_name("torchvision_step.py"))
            commands["torchvision"] = [chosen.torchvision, script]
        runs: dict[str, list] = {way: [] for way in commands}
        for _ in range(chosen.rounds):
            for way, command in commands.items():
                runs[way].append(measure(command, side, dtype))
        medians = {
            way: [statistics.median(column) for column in zip(*found, strict=True)]
            for way, found in runs.items()
        }
        for way, values in medians.items():
            ratios = zip(values, medians["before"], strict=True)
            cells = [f"{network}, {side} x {side}, {dtype}", way]
            cells += [f"{value:.3g}" for value in values[:2]] + [f"{values[2]:.0f}"]
            cells += [", ".join(f"{a / b:.2f}" for a, b in ratios), f"{os.getloadavg()[0]:.1f}"]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
