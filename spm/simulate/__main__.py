"""Make simulated pictures: ``python -m spm.simulate --system network --count 4 --out FOLDER``.

Every picture NAME.png gets its truth NAME.json beside it.  ``--demo`` makes the repository's demo
files anew instead.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from spm.errors import InputError
from spm.io.colour_maps import COLOUR_MAPS
from spm.io.images import write_picture
from spm.run import command_line
from spm.run.files import make_folder
from spm.simulate import SYSTEMS, System, drawings_from_annotation, simulate
from spm.simulate.demo import write_demo
from spm.simulate.invented import invented_drawings, invented_system
from spm.structures.annotation import read_annotation, write_annotation

ROOT = Path(__file__).resolve().parents[2]


def main(
    *,
    system: str = "network",
    size: int = 1024,
    count: int = 1,
    seed: int = 0,
    out: Path = Path("simulated"),
    pixels_per_molecule: float = 60.0,
    colour_map: str | None = None,
    unstable_tip: bool = False,
    scrambled: int = 0,
    random_appearance: bool = False,
    outlines: Path | None = None,
    flat: bool = False,
    invented: int = 0,
    demo: bool = False,
) -> int:
    """Simulate STM pictures and write them with their truth.

    Args:
        system: name of the system: network, A+B, A, B, A+C, A+B+dichlorobiphenyl or biphenyl.
        size: side of the square pictures, pixels.
        count: number of pictures; picture k has the seed seed + k.
        seed: seed of the first picture.
        out: folder to write to.
        pixels_per_molecule: width of molecule A, pixels; the others in proportion.
        colour_map: grey, hot, gold, wsxm and others; the system's own by default.
        unstable_tip: let the tip change and streak.
        scrambled: number of molecules spoilt by tip noise.
        random_appearance: draw tip, noise, drift and colour map anew for each picture.
        outlines: labelme JSON of the user's own molecules; a random gas of its classes is made.
        flat: draw the user's molecules flat instead of with the relief in their picture.
        invented: number of molecules that nobody has made, m01, m02 and so on; each picture shows
            up to four of them, as a gas or a crystal.
        demo: write the demo files of the repository instead.
    """
    if demo:
        for path in write_demo(ROOT):
            print(f"wrote {path.relative_to(ROOT).as_posix()}")
        return 0
    if count < 1:
        raise InputError(f"--count must be at least 1. Received: {count}.")
    if invented < 0 or (invented and outlines is not None):
        raise InputError(
            "--invented must be 0 or more, and goes without --outlines. "
            f"Received: --invented {invented}, --outlines {outlines}."
        )
    if colour_map is not None and colour_map not in COLOUR_MAPS:
        raise InputError(f"--colour-map {colour_map} is unknown; use {', '.join(COLOUR_MAPS)}.")
    drawings, chosen = None, system
    if invented:
        drawings = invented_drawings(invented, np.random.default_rng(seed))
    elif outlines is not None:
        annotation = read_annotation(outlines)
        picture = None if flat else annotation.read_picture()
        drawings = drawings_from_annotation(annotation, picture=picture)
        chosen = System("own", shares=dict.fromkeys(drawings, 1.0))
    elif system not in SYSTEMS:
        raise InputError(f"--system {system} is unknown; use {', '.join(SYSTEMS)}.")
    folder = make_folder(out)
    overrides = {} if colour_map is None else {"colour_map": colour_map}
    own = "invented" if invented else "own" if outlines is not None else system
    stem = re.sub(r"[^\w-]+", "_", own)
    for number in range(seed, seed + count):
        path = folder / f"{stem}_{number:04d}.png"
        if invented:
            chosen = invented_system(drawings, np.random.default_rng([seed, number]))
        picture, truth = simulate(
            chosen,
            size,
            number,
            pixels_per_molecule=pixels_per_molecule,
            unstable_tip=unstable_tip,
            scrambled=scrambled,
            random_appearance=random_appearance,
            drawings=drawings,
            picture_name=path.name,
            **overrides,
        )
        write_picture(path, picture)
        write_annotation(path.with_suffix(".json"), truth)
        print(f"{path}: {len(truth.shapes)} molecules")
    return 0


if __name__ == "__main__":
    command_line.run(main)
