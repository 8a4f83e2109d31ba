"""All images together.

    python -m spm.pool img_cache

Takes the results of a folder, image by image, and writes into it

    all_molecules.csv   every molecule, with its image
    all_images.csv      a line for each image: counts, densities, coverage, lattice, settings
    all_classes.csv     a line for each class: numbers of all images with confidence intervals
    all_domains.csv     a line for each domain: lattice, hand, counts
    all_images.png      figures, of two images or more
    index.html          all of it, with links to the reports

predict_big_pic.py does the same at its end. A small table of your own, conditions.csv in that
folder (image,dose), puts its columns into all tables and figures.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__" and not __package__:  # started by its file
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from spm.errors import InputError, raise_problems
from spm.pooled.folder import INDEX, Asked, pool_folder
from spm.pooled.pool import images_text
from spm.run import command_line
from spm.run.files import folder_lock
from spm.run.language import Language, chosen_language
from spm.run.setting_kinds import Positional
from spm.run.settings import Settings, takes


# --- settings: change the values, the text below each says what it is ---------------------------
class Pooling(Settings):
    """Which results are taken together, and what is known of the images besides."""

    folder: Positional[Path] = Path("img_cache")
    """Folder of the results."""
    conditions: Path | None = None
    """A table (CSV) of yours with the image's name in the first column and what you know of it in
    the others, such as dose or time. None takes conditions.csv in the folder, if it is there."""
    evaluation: Path | None = None
    """metrics.json of evaluate.py: counts are corrected by precision and recall. None takes
    evaluation/metrics.json in the folder, if it is there."""
    mirror_classes: list[str] = []
    """Two classes that are mirror images of one another; none: the two of a network that was
    trained with mirror = False."""
    undistorted: bool = False
    """Take the corrected results of python -m spm.undistort where there are some."""
    figures: bool = True
    """Draw figures."""
    language: Language | None = None
    """Language of figures and page: en or zh (Chinese). None takes that of the environment
    variable SPM_LANGUAGE, else English."""


# ------------------------------------------------------------------------------------------------


@takes(Pooling)
def main(settings: Pooling) -> int:
    """Take the results of a folder together.

    Returns:
        0.

    Raises:
        InputError: when there are no results, or some that cannot be read; the others are pooled
            all the same.
    """
    asked = Asked(
        settings.conditions, settings.evaluation, tuple(settings.mirror_classes),
        settings.undistorted, settings.figures, chosen_language(settings.language),
    )  # fmt: skip
    if not settings.folder.is_dir():
        raise InputError(f"{settings.folder}: there is no such folder; check the name.")
    with folder_lock(settings.folder) as folder:
        pool, problems = pool_folder(folder, asked)
    total = sum(pool.counts(name) for name in pool.class_names)
    print(f"{total} molecules in {images_text(len(pool.results))}: {folder / INDEX}")
    for note in pool.notes:
        print(f"  note: {note}.")
    raise_problems(problems)
    return 0


if __name__ == "__main__":
    command_line.run(main)
