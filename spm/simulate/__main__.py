"""Make simulated images.

    python -m spm.simulate --system network --count 4 --out FOLDER

Every image NAME.png gets its truth NAME.json beside it. `--demo` makes the repository's demo
files anew instead.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

if __name__ == "__main__" and not __package__:  # started by its file
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from spm.io.images import write_image
from spm.run import command_line
from spm.run.files import make_folder
from spm.run.setting_kinds import ColourMap, Count, Positive, Range, Seed, Whole
from spm.run.settings import Settings, takes
from spm.run.words import counted
from spm.simulate import System, drawings_from_annotation, simulate
from spm.simulate.demo import write_demo
from spm.simulate.invented import invented_drawings, invented_system
from spm.simulate.near_identical import near_identical_drawings, near_identical_system
from spm.structures.annotation import read_annotation, write_annotation

# Where the demo's files belong: the checkout, or, of an installed package, the current folder.
CHECKOUT = Path(__file__).resolve().parents[2]
ROOT = Path() if "site-packages" in CHECKOUT.parts else CHECKOUT


# --- settings: change the values, the text below each says what it is ---------------------------
class Simulation(Settings):
    """Which images are invented."""

    system: Literal["network", "A+B", "A", "B", "A+C", "A+B+dichlorobiphenyl", "biphenyl"] = (
        "network"
    )
    """Name of the system."""
    size: Annotated[int, Range(64, 32768)] = 1024
    """Side of the square images, pixels."""
    count: Count = 1
    """Number of images; image k has the seed seed + k."""
    seed: Seed = 0
    """Seed of the first image."""
    out: Path = Path("simulated")
    """Folder to write to."""
    pixels_per_molecule: Positive = 60.0
    """Width of molecule A, pixels; the others in proportion."""
    colour_map: ColourMap | None = None
    """How heights become colours. None: the system's own."""
    unstable_tip: bool = False
    """Let the tip change and streak."""
    scrambled: Whole = 0
    """Number of molecules spoilt by tip noise."""
    random_appearance: bool = False
    """Draw tip, noise, drift and colour map anew for each image."""
    outlines: Path | None = None
    """labelme JSON of your own molecules; a random gas of its classes is made. None: those of the
    system."""
    flat: bool = False
    """Draw your molecules flat instead of with the relief in their image."""
    invented: Whole = 0
    """Number of molecules that nobody has made, m01, m02 and so on; each image shows up to four of
    them, as a gas or a crystal."""
    near_identical: bool = False
    """Six molecules that differ in one lobe, in its length or its brightness."""
    demo: bool = False
    """Write the demo files of the repository instead."""

    def problems(self) -> Iterator[str]:
        """Yield what cannot go together."""
        if self.near_identical and (self.invented or self.outlines is not None):
            yield "near_identical goes without invented and without outlines."
        if self.invented and self.outlines is not None:
            yield (
                "invented goes without outlines. "
                f"Received: --invented {self.invented} --outlines {self.outlines}."
            )


# ------------------------------------------------------------------------------------------------


@takes(Simulation)
def main(settings: Simulation) -> int:
    """Simulate STM images and write them with their truth."""
    if settings.demo:
        for path in write_demo(ROOT):
            print(f"wrote {path.relative_to(ROOT).as_posix()}")
        return 0
    system, seed, outlines = settings.system, settings.seed, settings.outlines
    invented, colour_map = settings.invented, settings.colour_map
    drawings, chosen = None, system
    if invented:
        drawings = invented_drawings(invented, np.random.default_rng(seed))
    elif settings.near_identical:
        drawings, chosen = near_identical_drawings(), near_identical_system()
    elif outlines is not None:
        annotation = read_annotation(outlines)
        image = None if settings.flat else annotation.read_image()
        drawings = drawings_from_annotation(annotation, image=image)
        chosen = System("own", shares=dict.fromkeys(drawings, 1.0))
    folder = make_folder(settings.out)
    overrides = {} if colour_map is None else {"colour_map": colour_map}
    own = "invented" if invented else chosen if isinstance(chosen, str) else chosen.name
    stem = re.sub(r"[^\w-]+", "_", own)
    for number in range(seed, seed + settings.count):
        path = folder / f"{stem}_{number:04d}.png"
        if invented:
            chosen = invented_system(drawings, np.random.default_rng([seed, number]))
        image, truth = simulate(
            chosen,
            settings.size,
            number,
            pixels_per_molecule=settings.pixels_per_molecule,
            unstable_tip=settings.unstable_tip,
            scrambled=settings.scrambled,
            random_appearance=settings.random_appearance,
            drawings=drawings,
            image_name=path.name,
            **overrides,
        )
        write_image(path, image)
        write_annotation(path.with_suffix(".json"), truth)
        print(f"{path}: {counted(len(truth.shapes), 'molecule')}")
    return 0


if __name__ == "__main__":
    command_line.run(main)
