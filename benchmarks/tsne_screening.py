"""Measure the t-SNE screening on simulated images with known faults.

    python benchmarks/tsne_screening.py --seeds 5

A simulated network, 60 + 60 whole molecules of two classes, 3 labels swapped and 2 molecules
spoilt by tip noise; prints where the five come in the list of `tsne_analysis.py`.
"""

from __future__ import annotations

import contextlib
import io
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import tsne_analysis
from spm.io.images import write_image
from spm.run import command_line
from spm.run.setting_kinds import Count
from spm.run.settings import Settings, takes
from spm.simulate import simulate
from spm.structures.annotation import write_annotation

PER_CLASS = 60  # molecules
SWAPPED = 3  # wrong labels
SPOILT = 2  # molecules spoilt by tip noise
SIZE = 1400  # side of the image, pixels


class Benchmark(Settings):
    """How much is measured."""

    seeds: Count = 5
    """Number of images."""
    out: Path = Path("img_cache/tsne_benchmark")
    """Folder for images and results, one inside per seed."""


@takes(Benchmark)
def main(settings: Benchmark) -> None:
    """Measure and print one line per image."""
    print("seed  ranks of the five   suspected  conclusion     seconds")
    for seed in range(settings.seeds):
        folder = settings.out / str(seed)
        faulty = make_image(folder, seed)
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            result = tsne_analysis.main(folders=[folder], out=folder / "results")
        seconds = time.perf_counter() - start
        names = [result.crops[i].name for i in result.ranking]
        ranks = sorted(names.index(name) + 1 for name in faulty)
        suspected = int(result.suspected.sum())
        print(
            f"{seed:4}  {ranks!s:18}  {suspected:9}  "
            f"{result.pairs[0].conclusion:13}  {seconds:7.1f}"
        )


def make_image(folder: Path, seed: int) -> list[str]:
    """Write simulated.png and simulated.json; return the labels of the faulty molecules."""
    image, truth = simulate("network", size=SIZE, seed=seed, scrambled=SPOILT)
    rng = np.random.default_rng([seed, 7])
    whole = [shape for shape in truth.shapes if not shape.flags["edge"]]
    spoilt = [shape for shape in whole if shape.flags.get("scrambled")]
    kept = list(spoilt)
    for name in ("003a", "020a"):
        sound = [s for s in whole if s.label.startswith(name) and not s.flags.get("scrambled")]
        already = sum(s.label.startswith(name) for s in spoilt)
        chosen = rng.choice(len(sound), PER_CLASS - already, replace=False)
        kept += [sound[i] for i in chosen]
    swapped = [kept[i] for i in rng.choice(np.arange(SPOILT, len(kept)), SWAPPED, replace=False)]
    for shape in swapped:
        other = "020a" if shape.label.startswith("003a") else "003a"
        # A number of its own, for both classes count from 1.
        shape.label = f"{other}9{shape.label[4:]}"
    truth.shapes = [kept[i] for i in rng.permutation(len(kept))]
    folder.mkdir(parents=True, exist_ok=True)
    write_image(folder / truth.image_name, image)
    write_annotation(folder / "simulated.json", truth)
    return [shape.label for shape in [*spoilt, *swapped]]


if __name__ == "__main__":
    command_line.run(main)
