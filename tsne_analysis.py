"""t-SNE screening of single molecules: can the classes be told apart, which outlines are wrong?

    python tsne_analysis.py crops/A crops/B          # one folder of crops per class
    python tsne_analysis.py aug_test_in --exclude    # annotated images

Writes a conclusion, tables and figures to img_cache/tsne; see docs/tsne.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from spm.errors import InputError
from spm.run import command_line
from spm.run.setting_kinds import Positional, Range, Seed
from spm.run.settings import Settings, old_names, takes

if TYPE_CHECKING:
    from spm.similarity.screening import Screening


# --- settings: change the values, the text below each says what it is ---------------------------
class Mapping(Settings):
    """Which crops are mapped, and how."""

    folders: Positional[list[Path]] = []
    """One folder of crops per class, or folders or JSON files of annotated images; must be
    given."""
    out: Path = Path("img_cache/tsne")
    """Where the results go."""
    repeats: Annotated[int, Range(1, 10_000)] = 10
    """Maps, each with another random rotation and start; 1 to 50 make sense."""
    classes: list[str] = []
    """Class names: for crops one per folder (none: the folders' names), for annotations all that
    occur (none: the labels without their serial numbers)."""
    align: bool = False
    """Turn crops of folders to a common orientation; outlined molecules always are."""
    centre: bool = True
    """Shift crops onto their class's mean image (an outline is off by a few pixels)."""
    mask: bool = False
    """Map outlined molecules without their surroundings."""
    margin: Annotated[float, Range(1, 3)] = 1.15
    """Side of a cut crop over the diameter of the largest class, 1 to 3."""
    exclude: bool = False
    """Write copies of the annotations without the suspicious shapes to OUT/cleaned."""
    rotation: Annotated[float, Range(0, 180)] = 10.0
    """Random rotation, degrees either way; 0 to 30 make sense."""
    perplexity: Annotated[float, Range(1, 1000)] = 10.0
    """t-SNE: neighbours that matter; 5 to 50 make sense."""
    learning_rate: Annotated[float, Range(1e-3, 1e5)] = 100.0
    """t-SNE; 10 to 1000 make sense."""
    iterations: Annotated[int, Range(250, 1_000_000)] = 2000
    """t-SNE; 500 to 5000 make sense, at least 250."""
    angle: Annotated[float, Range(0, 1)] = 0.1
    """t-SNE: 0 is exact and slow, 0.5 coarse and fast."""
    normalise: bool = False
    """Equal brightness and contrast on the map too (in pixel space they always are)."""
    seed: Seed = 0
    """Of all random draws."""
    jobs: Annotated[int, Range(0, 1024)] = 0
    """Processes; 0 takes one for each processor core."""


# ------------------------------------------------------------------------------------------------


@takes(Mapping)
def main(settings: Mapping) -> Screening:
    """Screen crops or annotated images and write the results.

    Raises:
        InputError: for wrong folders, files, labels or settings.
    """
    from spm.run import files
    from spm.similarity.crop_sources import load_crops
    from spm.similarity.rotation_match import find_turns
    from spm.similarity.screening import Settings as Maps
    from spm.similarity.screening import screen
    from spm.similarity.screening_report import write_cleaned, write_report

    names = ("perplexity", "learning_rate", "iterations", "angle", "rotation", "repeats")
    names += ("normalise", "seed", "jobs")
    maps = Maps(**{name: getattr(settings, name) for name in names})
    seed, exclude = settings.seed, settings.exclude
    crops = load_crops(settings.folders, settings.classes, settings.margin, settings.mask)
    outlined = crops[0].index is not None
    if exclude and not outlined:
        raise InputError("--exclude cleans annotations; give annotated images instead of crops.")
    with files.folder_lock(settings.out) as folder:
        print(f"{len(crops)} crops; {maps.repeats} maps ...", flush=True)
        turns = None
        if settings.align or outlined:
            turns = find_turns(crops, seed=seed)
        elif settings.centre:
            turns = find_turns(crops, within=0, seed=seed)
        result = screen(crops, turns, maps)
        print("\n".join(write_report(result, folder)))
        if exclude:
            for path in write_cleaned(result, folder / "cleaned"):
                print(f"cleaned: {path}")
        print(f"results: {folder}")
    return result


# Names of before this file was only settings.
__getattr__ = old_names(Mapping, load_crops="spm.similarity.crop_sources")


if __name__ == "__main__":
    command_line.run(main)
