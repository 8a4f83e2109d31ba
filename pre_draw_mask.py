"""Draw the masks of the L1 images: aug_test_in/ -> re_mask_cache/.

    python pre_draw_mask.py

For each annotated image there, the user's own and the L1 copies, it writes one label image,
its label names, an overlay to look at and the instance masks. The colour copies of an L1 image
share these masks (re_write_mask.py).
"""

from __future__ import annotations

from pathlib import Path

from Images_Augmentation.copies import read_sources
from spm.dataset.index import COLUMNS, INDEX, entry_name, save_masks
from spm.dataset.writing import VERSION, prepare_folders, shapes_digest, write_entry
from spm.errors import raise_problems
from spm.run import command_line
from spm.run.files import folder_lock, write_csv
from spm.run.manifest import digest
from spm.run.resumable import Job, Made, ResumableStep
from spm.run.setting_kinds import Whole
from spm.run.settings import Settings, takes
from spm.structures.annotation import Annotation, check_annotation, classes_of
from spm.structures.classes import ClassChoice, Classes
from spm.structures.instance_masks import shape_masks

STEP = "pre_draw"


# --- settings: change the values, the text below each says what it is ---------------------------
class Masks(Settings):
    """Masks of the L1 images."""

    in_dir: Path = Path("aug_test_in")
    """Folder of your annotated images and their L1 copies."""
    out_dir: Path = Path("re_mask_cache")
    """Folder of the masks: imgs/, mask/, yaml/, label_viz/ and rw_mask/ are made there; entries
    that have no image any more are deleted."""
    class_names: list[str] | None = None
    """Known classes, with spaces or commas between them; a label of none of them is an error. None:
    any label will do."""
    workers: Whole = 0
    """Threads; 0 takes one for each processor core."""
    force: bool = False
    """Draw masks again that are up to date."""

    def problems(self) -> list[str]:
        """Return what is wrong with the class names."""
        return Classes(self.class_names or []).problems()


# ------------------------------------------------------------------------------------------------


@takes(Masks)
def main(settings: Masks) -> int:
    """Draw the masks of all annotated images in a folder.

    Returns:
        0. Problems of single images are raised together after all others are done.
    """
    force, workers = settings.force, settings.workers
    sources, problems = read_sources(settings.in_dir, copies_of="geo")
    if settings.class_names:  # copies have the same labels
        own = [source.annotation for source in sources if not source.annotation.derived]
        classes = classes_of(own, ClassChoice(settings.class_names))
        problems += [p for one in own for p in check_annotation(one.classified(classes))]
    with folder_lock(settings.out_dir) as folder:
        prepare_folders(folder)
        items = {entry_name(number): source for number, source in enumerate(sources)}
        digests = {name: digest(VERSION, s.name, s.digest) for name, s in items.items()}
        step = ResumableStep(folder, STEP, digests, force)
        step.forget_unwanted()
        jobs = [
            Job([name], (name, items[name].annotation, folder, settings.class_names))
            for name in step.todo
        ]
        problems += step.make(_draw, jobs, workers, "L1 masks", threads=True)
        step.finish()
        write_csv(folder / INDEX, COLUMNS, [note["row"] for note in step.notes()])
    drawn = len(step.todo)
    print(f"masks: {drawn} drawn, {len(items) - drawn} up to date in {folder}")
    raise_problems(problems)
    return 0


def _draw(argument: tuple[str, Annotation, Path, list[str] | None]) -> list[Made]:
    """Write one entry with its masks; its note is the row of the index and the outlines' digest."""
    name, annotation, folder, class_names = argument
    entry = write_entry(name, annotation.path, folder, class_names)
    masks = f"rw_mask/{name}.npz"
    save_masks(folder / masks, shape_masks(annotation), annotation.height, annotation.width)
    note = {"row": entry.note, "shapes": shapes_digest(annotation)}
    return [Made([*entry.files, masks], note)]


if __name__ == "__main__":
    command_line.run(main)
