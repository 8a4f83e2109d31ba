"""Measure the t-SNE screening on simulated images with known faults.

    python benchmarks/tsne_screening.py --seeds 5
    python benchmarks/tsne_screening.py --seeds 5 --near-identical

A simulated network, 60 + 60 whole molecules of two classes, 3 labels swapped and 2 molecules
spoilt by tip noise; prints where the five come in the list of `tsne_analysis.py`. Or six molecules
that differ in one lobe, and one of them under a second name, 8 outlines each; prints which pairs
are said not to be separable.
"""

from __future__ import annotations

import contextlib
import io
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import tsne_analysis
from spm.io.images import write_image
from spm.run import command_line
from spm.run.setting_kinds import Count
from spm.run.settings import Settings, takes
from spm.simulate import near_identical_drawings, near_identical_system, simulate
from spm.structures.annotation import write_annotation

PER_CLASS = 60  # molecules
SWAPPED = 3  # wrong labels
SPOILT = 2  # molecules spoilt by tip noise
SIZE = 1400  # side of the image, pixels
FEW, FEW_SIZE = 8, 800  # outlines of each of the near-identical molecules, and the image's side
TWIN = "twin"  # the second name of "even"


class Benchmark(Settings):
    """How much is measured."""

    seeds: Count = 5
    """Number of images."""
    near_identical: bool = False
    """Screen six near-identical molecules instead."""
    out: Path = Path("img_cache/tsne_benchmark")
    """Folder for images and results, one inside per seed."""


@takes(Benchmark)
def main(settings: Benchmark) -> None:
    """Measure and print one line per image."""
    if settings.near_identical:
        screen_near_identical(settings)
        return
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


def screen_near_identical(settings: Benchmark) -> None:
    """Print the accuracy in pixel space of all pairs that are said not to be separable, and the
    lowest of the others."""
    for seed in range(settings.seeds):
        folder = settings.out / f"near_identical_{seed}"
        classes = make_near_identical(folder, seed)
        with contextlib.redirect_stdout(io.StringIO()):
            result = tsne_analysis.main(folders=[folder], out=folder / "results", classes=classes)
        flagged = [pair for pair in result.pairs if pair.conclusion != "separable"]
        kept = [pair.pixel_accuracy for pair in result.pairs if pair not in flagged]
        words = [f"{p.first} | {p.second} {p.pixel_accuracy:.2f}" for p in flagged]
        print(f"{seed}: not separable: {', '.join(words)}; the others from {min(kept):.2f}")


def make_near_identical(folder: Path, seed: int) -> list[str]:
    """Write an image and FEW outlines of each class; return the classes."""
    drawings = near_identical_drawings()
    drawings[TWIN] = replace(drawings["even"], class_name=TWIN)
    system = near_identical_system()
    look = replace(system.appearance, class_heights=dict.fromkeys(drawings, 1.0))
    system = replace(system, shares=dict.fromkeys(drawings, 1.0), appearance=look)
    image, truth = simulate(system, FEW_SIZE, seed, drawings=drawings)
    classified = truth.classified(list(drawings))
    kept, counts = [], Counter()
    for shape in classified.shapes:
        name = classified.class_of(shape)
        if not shape.flags["edge"] and counts[name] < FEW:
            kept.append(shape)
            counts[name] += 1
    truth.shapes = kept
    folder.mkdir(parents=True, exist_ok=True)
    write_image(folder / truth.image_name, image)
    write_annotation(folder / "simulated.json", truth)
    return list(drawings)


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
