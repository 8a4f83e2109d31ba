"""Give each augmented copy its masks: re_mask_cache/ -> train_dataset/rw_mask/.

    python re_write_mask.py

A copy whose outlines are those of its L1 image (only colours changed) shares that image's mask
file; where pixels moved, the masks are drawn anew from the copy's own outlines.
"""

from __future__ import annotations

from pathlib import Path

from spm.dataset.writing import DatasetSteps, list_items
from spm.errors import raise_problems
from spm.run import command_line
from spm.run.files import folder_lock
from spm.run.setting_kinds import Whole
from spm.run.settings import Settings, takes


# --- settings: change the values, the text below each says what it is ---------------------------
class Masks(Settings):
    """Masks of all copies."""

    copies_dir: Path = Path("before")
    """Folder of the copies."""
    cache_dir: Path = Path("re_mask_cache")
    """Folder of the L1 masks, which copies share where only colours changed; without it all are
    drawn."""
    out_dir: Path = Path("train_dataset")
    """The dataset; rw_mask/ is made there."""
    workers: Whole = 0
    """Processes; 0 takes one for each processor core."""
    force: bool = False
    """Write masks again that are up to date."""


# ------------------------------------------------------------------------------------------------


@takes(Masks)
def main(settings: Masks) -> int:
    """Write one mask file for each annotated image in the folder of copies.

    Returns:
        0. Problems of single images are raised together after all others are done.
    """
    items = list_items(settings.copies_dir)
    with folder_lock(settings.out_dir) as folder:
        steps = DatasetSteps(items, folder, settings.force)
        steps.begin()
        problems = steps.write_masks(settings.cache_dir, settings.workers)
    written = len(steps.masks.todo)
    print(f"masks: {written} written, {len(items) - written} up to date in {folder}")
    raise_problems(problems)
    return 0


if __name__ == "__main__":
    command_line.run(main)
