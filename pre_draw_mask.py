"""Draw the masks of the L1 pictures: aug_test_in/ -> re_mask_cache/.

    python pre_draw_mask.py

For each annotated picture there, the user's own and the L1 copies, it writes one label picture,
its label names, an overlay to look at and the instance masks. The colour copies of an L1 picture
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
from spm.run.manifest import Ledger, digest
from spm.run.parallel import run_jobs
from spm.structures.annotation import check_annotation
from spm.structures.classes import check_class_names
from spm.structures.instance_masks import shape_masks

# ---------------------------------------------------------------------------------------------
# Settings. Each is also a keyword of main() and a flag of the command line.
IN_DIR = Path("aug_test_in")  # annotated pictures and their L1 copies
OUT_DIR = Path("re_mask_cache")  # imgs/ mask/ yaml/ label_viz/ rw_mask/ are made there
WORKERS = 0  # threads; 0 takes one for each processor core
# ---------------------------------------------------------------------------------------------

STEP = "pre_draw"


def main(
    *,
    in_dir: Path = IN_DIR,
    out_dir: Path = OUT_DIR,
    class_names: list[str] | None = None,
    workers: int = WORKERS,
    force: bool = False,
) -> int:
    """Draw the masks of all annotated pictures in a folder.

    Args:
        in_dir: folder with the annotated pictures and their L1 copies.
        out_dir: folder for the masks; entries that no longer have a picture are deleted.
        class_names: known classes; a label of none of them is an error. Not given: not checked.
        workers: threads; 0 chooses.
        force: draw masks again that are up to date.

    Returns:
        0. Problems of single pictures are raised together after all others are done.
    """
    if class_names and (wrong := check_class_names(class_names)):
        raise InputError.joined(wrong)
    sources, problems = read_sources(Path(in_dir), copies_of="geo")
    for source in sources if class_names else ():
        if not source.annotation.derived:  # copies have the same labels
            problems += check_annotation(source.annotation, class_names)
    with folder_lock(out_dir) as folder:
        prepare_folders(folder)
        ledger = Ledger(folder, STEP)
        items = {
            entry_name(number): (source, digest(VERSION, source.name, source.digest))
            for number, source in enumerate(sources)
        }
        for name in [name for name in ledger.items if name not in items]:
            ledger.forget(name)
        todo = [name for name, (_, d) in items.items() if force or not ledger.done(name, d)]
        jobs = [(name, *items[name], folder) for name in todo]
        for number, result in run_jobs(_draw, jobs, workers, "L1 masks", threads=True):
            if isinstance(result, InputError):
                problems.append(str(result))
            else:
                row, files, shapes = result
                note = {"row": row, "shapes": shapes}
                ledger.add(todo[number], items[todo[number]][1], files, note)
        ledger.compact()
        done = [name for name, (_, d) in items.items() if ledger.done(name, d)]
        write_csv(folder / INDEX, COLUMNS, [ledger.items[name]["note"]["row"] for name in done])
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
