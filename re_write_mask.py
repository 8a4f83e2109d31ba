"""Give each augmented copy its masks: re_mask_cache/ -> train_dataset/rw_mask/.

    python re_write_mask.py

A copy whose outlines are those of its L1 picture (only colours changed) shares that picture's mask
file; where pixels moved, the masks are drawn anew from the copy's own outlines.
"""

from __future__ import annotations

from pathlib import Path

from spm.dataset.index import INDEX
from spm.dataset.writing import list_items, pending, prepare_folders, write_masks
from spm.errors import InputError
from spm.run import command_line
from spm.run.files import folder_lock

# ---------------------------------------------------------------------------------------------
# Settings. Each is also a keyword of main() and a flag of the command line.
COPIES_DIR = Path("before")  # the augmented copies
CACHE_DIR = Path("re_mask_cache")  # masks of the L1 pictures, from pre_draw_mask.py
OUT_DIR = Path("train_dataset")  # rw_mask/ is made there
WORKERS = 0  # processes; 0 takes one for each processor core
# ---------------------------------------------------------------------------------------------


def main(
    *,
    copies_dir: Path = COPIES_DIR,
    cache_dir: Path = CACHE_DIR,
    out_dir: Path = OUT_DIR,
    workers: int = WORKERS,
    force: bool = False,
) -> int:
    """Write one mask file for each annotated picture in the folder of copies.

    Args:
        copies_dir: folder with the augmented copies.
        cache_dir: folder with the masks of the L1 pictures; without it all masks are drawn.
        out_dir: the dataset's folder.
        workers: processes; 0 chooses.
        force: write masks again that are up to date.

    Returns:
        0. Problems of single pictures are raised together after all others are done.
    """
    items, problems = list_items(Path(copies_dir))
    with folder_lock(out_dir) as folder:
        prepare_folders(folder)
        if pending(items, folder, force):
            (folder / INDEX).unlink(missing_ok=True)  # a dataset with an index is whole
        written, found = write_masks(items, folder, Path(cache_dir), workers, force)
    problems += found
    print(f"masks: {written} written, {len(items) - written} up to date in {folder}")
    if problems:
        raise InputError.joined(problems)
    return 0


if __name__ == "__main__":
    command_line.run(main)
