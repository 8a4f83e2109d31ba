"""Make the training dataset: before/ -> train_dataset/{imgs,mask,yaml,label_viz} and index.csv.

    python fast_json_to_dataset.py

before/ may hold the augmented copies, the user's own annotated images, or both. Masks that
re_write_mask.py has not written yet are written too, so that this script alone makes a whole
dataset.
"""

from __future__ import annotations

from pathlib import Path

from spm.dataset.index import COLUMNS, INDEX, MASKS
from spm.dataset.writing import DatasetSteps, list_items, unknown_labels
from spm.errors import raise_problems
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
    items, workers = list_items(settings.in_dir), settings.workers
    with folder_lock(settings.out_dir) as folder:
        steps = DatasetSteps(items, folder, settings.force)
        steps.begin()
        problems = steps.write_masks(settings.cache_dir, workers)
        problems += steps.write_entries(workers, settings.class_names)
        rows = [row for row in steps.entries.notes() if (folder / row[MASKS]).is_file()]
        if settings.class_names:
            problems += unknown_labels(rows, ClassChoice(settings.class_names))
        write_csv(folder / INDEX, COLUMNS, rows)
    written = len(steps.entries.todo)
    print(
        f"dataset: {counted(written, 'entry', 'entries')} and "
        f"{counted(len(steps.masks.todo), 'mask')} written, "
        f"{counted(len(items) - written, 'entry', 'entries')} up to date in {folder}"
    )
    raise_problems(problems)
    return 0


if __name__ == "__main__":
    command_line.run(main)
