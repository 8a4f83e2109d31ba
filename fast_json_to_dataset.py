"""Make the training dataset: before/ -> train_dataset/{imgs,mask,yaml,label_viz} and index.csv.

    python fast_json_to_dataset.py

before/ may hold the augmented copies, the user's own annotated pictures, or both. Masks that
re_write_mask.py has not written yet are written too, so that this script alone makes a whole
dataset.
"""

from __future__ import annotations

from pathlib import Path

from spm.dataset.index import COLUMNS, INDEX
from spm.dataset.writing import (
    list_items,
    pending,
    prepare_folders,
    unknown_labels,
    write_entries,
    write_masks,
)
from spm.errors import InputError
from spm.run import command_line
from spm.run.files import folder_lock, write_csv
from spm.structures.classes import check_class_names

# ---------------------------------------------------------------------------------------------
# Settings. Each is also a keyword of main() and a flag of the command line.
IN_DIR = Path("before")  # annotated pictures
CACHE_DIR = Path("re_mask_cache")  # masks that copies may share, from pre_draw_mask.py
OUT_DIR = Path("train_dataset")
WORKERS = 0  # processes; 0 takes one for each processor core
# ---------------------------------------------------------------------------------------------


def main(
    *,
    in_dir: Path = IN_DIR,
    cache_dir: Path = CACHE_DIR,
    out_dir: Path = OUT_DIR,
    class_names: list[str] | None = None,
    workers: int = WORKERS,
    force: bool = False,
) -> int:
    """Write the dataset of all annotated pictures in a folder.

    Args:
        in_dir: folder with NAME.png and NAME.json.
        cache_dir: folder with the masks of the L1 pictures; without it all masks are drawn.
        out_dir: the dataset's folder; entries that no longer have a picture are deleted.
        class_names: known classes; a label of none of them is an error. Not given: not checked.
        workers: processes; 0 chooses.
        force: write entries again that are up to date.

    Returns:
        0. Problems of single pictures are raised together after all others are done; the index
        then holds the others.
    """
    if class_names and (wrong := check_class_names(class_names)):
        raise InputError.joined(wrong)
    items, problems = list_items(Path(in_dir))
    with folder_lock(out_dir) as folder:
        prepare_folders(folder)
        if pending(items, folder, force):
            (folder / INDEX).unlink(missing_ok=True)  # a dataset with an index is whole
        masks, mask_problems = write_masks(items, folder, Path(cache_dir), workers, force)
        rows, written, entry_problems = write_entries(items, folder, workers, force)
        rows = [row for row in rows if (folder / row[4]).is_file()]
        problems += [*mask_problems, *entry_problems]
        problems += unknown_labels(rows, class_names) if class_names else []
        write_csv(folder / INDEX, COLUMNS, rows)
    print(
        f"dataset: {written} entries and {masks} masks written, "
        f"{len(items) - written} entries up to date in {folder}"
    )
    if problems:
        raise InputError.joined(problems)
    return 0


if __name__ == "__main__":
    command_line.run(main)
