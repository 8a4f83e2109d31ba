"""Draw the masks of the L1 images: aug_test_in/ -> re_mask_cache/.

    python pre_draw_mask.py

For each annotated image there, the user's own and the L1 copies, it writes one label image,
its label names, an overlay to look at and the instance masks. The colour copies of an L1 image
share these masks (re_write_mask.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from Images_Augmentation.copies import Source, read_sources
from spm.dataset.index import COLUMNS, INDEX, entry_name, save_cropped_masks
from spm.dataset.writing import VERSION, Item, prepare_folders, shapes_digest, write_entry
from spm.errors import InputError
from spm.run import command_line
from spm.run.files import folder_lock, write_csv
from spm.run.manifest import Manifest, digest
from spm.run.parallel import run_jobs
from spm.run.setting_kinds import Whole
from spm.run.settings import Settings, takes
from spm.structures.annotation import check_annotation
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
        classes = ClassChoice(settings.class_names).of(x for one in own for x in one.labels)
        problems += [p for one in own for p in check_annotation(one.classified(classes))]
    with folder_lock(settings.out_dir) as folder:
        prepare_folders(folder)
        manifest = Manifest(folder, STEP)
        items = {
            entry_name(number): (source, digest(VERSION, source.name, source.digest))
            for number, source in enumerate(sources)
        }
        for name in [name for name in manifest.items if name not in items]:
            manifest.forget(name)
        todo = [name for name, (_, d) in items.items() if force or not manifest.done(name, d)]
        jobs = [(name, *items[name], folder) for name in todo]
        for number, result in run_jobs(_draw, jobs, workers, "L1 masks", threads=True):
            if isinstance(result, InputError):
                problems.append(str(result))
            else:
                row, files, shapes = result
                note = {"row": row, "shapes": shapes}
                manifest.add(todo[number], items[todo[number]][1], files, note)
        manifest.compact()
        done = [name for name, (_, d) in items.items() if manifest.done(name, d)]
        write_csv(folder / INDEX, COLUMNS, [manifest.items[name]["note"]["row"] for name in done])
    print(f"masks: {len(todo)} drawn, {len(items) - len(todo)} up to date in {folder}")
    if problems:
        raise InputError.joined(problems)
    return 0


def _draw(job: tuple[str, Source, str, Path]) -> tuple[Sequence[str], list[str], str]:
    """Write one entry with its masks; return its index row, files and the outlines' digest."""
    name, source, item_digest, folder = job
    annotation = source.annotation
    row, files = write_entry(Item(name, annotation.path, item_digest), folder)
    masks = f"rw_mask/{name}.npz"
    save_cropped_masks(folder / masks, shape_masks(annotation), annotation.height, annotation.width)
    return row, [*files, masks], shapes_digest(annotation)


if __name__ == "__main__":
    command_line.run(main)
