"""L2 and L3: many copies of each L1 image, with noise, blur, colours and distortion.

    python Images_Augmentation/color_aug_img_json.py

From aug_test_in/NAME(15).png + json it makes before/NAME(15)_000.png + json, ... One technique on
a copy is L2, several in random order are L3. Each copy has a random stream of its own, made from
the seed, the source's name and the copy's number: one seed gives the same files with any number of
processes, and no two copies share a draw.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

if __name__ == "__main__":  # the folder above holds the packages
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from spm.run import command_line
from spm.run.setting_kinds import Count, Range, Seed, Whole
from spm.run.settings import Settings, old_names, takes

Technique = Literal[
    "superpixels", "blur", "sharpen", "emboss", "edge_detect", "gaussian_noise", "dropout",
    "invert", "add", "multiply", "contrast", "grayscale", "elastic",
]  # fmt: skip
Copies = Annotated[int, Range(1, 100_000)]


# --- settings: change the values, the text below each says what it is ---------------------------
class Colours(Settings):
    """Which techniques alter the copies, and how many copies there are."""

    in_dir: Path = Path("aug_test_in")
    """Folder of your annotated images and their L1 copies."""
    out_dir: Path = Path("before")
    """Where the copies go; older copies there are replaced, other files are left alone."""
    techniques: list[Technique] = ["dropout", "elastic"]
    """What to draw from."""
    how_many: tuple[Count, Count] = (1, 2)
    """Fewest and most techniques on one copy."""
    aug_times: Copies = 56
    """Copies of each L1 image; 28 to 112 make sense."""
    seed: Seed = 0
    """Of all random draws; another number gives other copies, one gives the same files with any
    number of processes."""
    workers: Whole = 0
    """Processes; 0 takes one for each processor core."""
    force: bool = False
    """Make copies again that are up to date."""

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the numbers of techniques."""
        if self.how_many[0] > self.how_many[1]:
            yield f"how_many must be the fewest and then the most. Received: {self.how_many}."
        if len(set(self.techniques)) < max(len(self.techniques), 1):
            yield f"techniques must name each once, and at least one. Received: {self.techniques}."


# ------------------------------------------------------------------------------------------------


@takes(Colours)
def main(settings: Colours) -> int:
    """Make the L2/L3 copies of all L1 images.

    Returns:
        0. Problems of single images are raised together after all others are done.
    """
    from Images_Augmentation.colour_copies import make_copies

    return make_copies(settings)


# Names of before this file was only settings.
__getattr__ = old_names(Colours, stream="Images_Augmentation.colour_copies")


if __name__ == "__main__":
    command_line.run(main)
