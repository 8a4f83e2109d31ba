"""L1: turn, flip and shrink the annotated images in aug_test_in/, outlines and all.

    python Images_Augmentation/geo_aug_img_json.py

From NAME.png + NAME.json it makes NAME(15).png, NAME(tb).png, NAME(15)(lr).png, ... with a JSON
each, beside the source: by default 71 copies, 72 images with the source itself. A second run
replaces the copies and never takes them as sources.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

if __name__ == "__main__":  # the folder above holds the packages
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from spm.run import command_line
from spm.run.setting_kinds import Range, Whole
from spm.run.settings import Settings, old_names, takes


# --- settings: change the values, the text below each says what it is ---------------------------
class Geometry(Settings):
    """How the annotated images are turned, flipped and shrunk."""

    in_dir: Path = Path("aug_test_in")
    """Folder of your annotated images; the copies are put beside them."""
    angles: list[float] = list(range(15, 360, 15))
    """Degrees to turn by, counter-clockwise; steps of 15 to 90 make sense."""
    flips: list[Literal["tb", "lr"]] = ["tb", "lr"]
    """tb (top and bottom change places) and lr (left and right), of the source and of each turned
    copy; --flips with nothing after it makes no mirror images."""
    shrink_list: list[Annotated[float, Range(0, 1)]] = []
    """Ratios between 0 and 1, for example 0.7 0.5; each makes a smaller version of every copy on a
    black canvas."""
    workers: Whole = 0
    """Threads; 0 takes one for each processor core."""
    force: bool = False
    """Make copies again that are up to date."""


# ------------------------------------------------------------------------------------------------


@takes(Geometry)
def main(settings: Geometry) -> int:
    """Make the L1 copies of all annotated images in a folder.

    Returns:
        0. Problems of single images are raised together after all others are done.
    """
    from Images_Augmentation.geometric_copies import make_copies

    return make_copies(settings)


# Names of before this file was only settings.
_MOVED = "Images_Augmentation.geometric_copies"
__getattr__ = old_names(Geometry, Copy=_MOVED, map_of=_MOVED, plan_copies=_MOVED)


if __name__ == "__main__":
    command_line.run(main)
