"""Make the training dataset: before/ -> train_dataset/{imgs,mask,yaml,label_viz} and index.csv.

    python fast_json_to_dataset.py

before/ may hold the augmented copies, the user's own annotated images, or both. Masks that
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
from spm.run.setting_kinds import Whole
from spm.run.settings import Settings, takes
from spm.run.words import counted
from spm.structures.classes import ClassChoice, Classes


# --- settings: change the values, the text below each says what it is ---------------------------
class Dataset(Settings):
    """Images, label images, names and index.csv of the dataset."""

    in_dir: Path = Path("before")
    """Folder of annotated images: copies, your own, or both."""
    cache_dir: Path = Path("re_mask_cache")
    """Folder of the L1 masks; without it all masks are drawn."""
    out_dir: Path = Path("train_dataset")
    """The dataset; entries that have no image any more are deleted."""
    class_names: list[str] | None = None
    """Known classes, with spaces or commas between them; a label of none of them is an error. None:
    any label will do."""
    workers: Whole = 0
    """Processes; 0 takes one for each processor core."""
    force: bool = False
    """Write entries again that are up to date."""

    def problems(self) -> list[str]:
        """Return what is wrong with the class names."""
        return Classes(self.class_names or []).problems()


# ------------------------------------------------------------------------------------------------


@takes(Dataset)
def main(settings: Dataset) -> int:
    """Write the dataset of all annotated images in a folder.

    Returns:
        0. Problems of single images are raised together after all others are done; the index
        then holds the others.
    """
    force, workers = settings.force, settings.workers
    items, problems = list_items(settings.in_dir)
    with folder_lock(settings.out_dir) as folder:
        prepare_folders(folder)
        if pending(items, folder, force):
            (folder / INDEX).unlink(missing_ok=True)  # a dataset with an index is whole
        masks, mask_problems = write_masks(items, folder, settings.cache_dir, workers, force)
        rows, written, entry_problems = write_entries(items, folder, workers, force)
        rows = [row for row in rows if (folder / row[4]).is_file()]
        problems += [*mask_problems, *entry_problems]
        if settings.class_names:
            problems += unknown_labels(rows, ClassChoice(settings.class_names))
        write_csv(folder / INDEX, COLUMNS, rows)
    print(
        f"dataset: {counted(written, 'entry', 'entries')} and {counted(masks, 'mask')} written, "
        f"{counted(len(items) - written, 'entry', 'entries')} up to date in {folder}"
    )
    if problems:
        raise InputError.joined(problems)
    return 0


if __name__ == "__main__":
    command_line.run(main)
