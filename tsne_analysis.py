"""t-SNE screening of single molecules: can the classes be told apart, which outlines are wrong?

    python tsne_analysis.py crops/A crops/B          # one folder of crops per class
    python tsne_analysis.py aug_test_in --exclude    # annotated pictures

Writes a verdict, tables and figures to img_cache/tsne; see docs/tsne.md.
"""

from __future__ import annotations

from pathlib import Path

from spm.errors import InputError
from spm.run import command_line, files
from spm.similarity.crops import Crop, read_crop_folder
from spm.similarity.outlined_crops import MARGIN, cut_crops
from spm.similarity.rotation_match import find_turns
from spm.similarity.screening import Screening, Settings, screen
from spm.similarity.screening_report import write_cleaned, write_report
from spm.structures.annotation import iter_annotations, read_annotation
from spm.structures.classes import check_class_names

# --- What a scientist may change -------------------------------------------------------------
OUT = Path("img_cache/tsne")  # where the results go
REPEATS = 10  # maps, each with another random rotation and start; 1 to 50
CLASSES: list[str] = []  # class names; none: a label without its serial number (annotations only)
ALIGN = False  # turn crops of folders to a common orientation; outlined molecules always are
CENTRE = True  # shift crops onto their class's mean image (an outline is off by a few pixels)
MASK = False  # map outlined molecules without their surroundings
EXCLUDE = False  # write cleaned copies of the annotations to OUT/cleaned
ROTATION = 10.0  # random rotation, degrees either way; 0 to 30
PERPLEXITY = 10.0  # t-SNE: neighbours that matter; 5 to 50
LEARNING_RATE = 100.0  # t-SNE; 10 to 1000
ITERATIONS = 2000  # t-SNE; 500 to 5000
ANGLE = 0.1  # t-SNE: 0 exact and slow, 0.5 coarse and fast
NORMALISE = False  # equal brightness and contrast on the map too (in pixel space they always are)
SEED = 0
JOBS = 0  # processes; 0: one per core
# ---------------------------------------------------------------------------------------------


def main(
    *,
    folders: list[Path] = (),
    out: Path = OUT,
    repeats: int = REPEATS,
    classes: list[str] = tuple(CLASSES),
    align: bool = ALIGN,
    centre: bool = CENTRE,
    mask: bool = MASK,
    margin: float = MARGIN,
    exclude: bool = EXCLUDE,
    rotation: float = ROTATION,
    perplexity: float = PERPLEXITY,
    learning_rate: float = LEARNING_RATE,
    iterations: int = ITERATIONS,
    angle: float = ANGLE,
    normalise: bool = NORMALISE,
    seed: int = SEED,
    jobs: int = JOBS,
) -> Screening:
    """Screen crops or annotated pictures and write the results.

    Args:
        folders: one folder of crops per class, or folders or JSON files of annotated pictures
        out: folder for the results
        repeats: number of maps, each with another random rotation and start
        classes: class names: for crops one per folder (by default the folders' names), for
            annotations all that occur (by default the labels without their serial numbers)
        align: turn the crops to a common orientation (outlined molecules always are)
        centre: shift the crops onto their class's mean image
        mask: map outlined molecules without their surroundings
        margin: side of a cut crop over the diameter of the largest class
        exclude: write cleaned copies of the annotations to OUT/cleaned
        rotation: random rotation of each crop, degrees either way
        perplexity: t-SNE's perplexity
        learning_rate: t-SNE's learning rate
        iterations: t-SNE's iterations, at least 250
        angle: t-SNE's accuracy, 0 is exact
        normalise: equal brightness and contrast on the map too
        seed: of all random draws
        jobs: processes, 0 takes one per core

    Returns:
        The Screening.

    Raises:
        InputError: for wrong folders, files, labels or settings.
    """
    settings = Settings(
        perplexity=perplexity,
        learning_rate=learning_rate,
        iterations=iterations,
        angle=angle,
        rotation=rotation,
        repeats=repeats,
        normalise=normalise,
        seed=seed,
        jobs=jobs,
    )
    settings.check()
    if not 1 <= margin <= 3:
        raise InputError(f"margin must lie between 1 and 3. Received: {margin}.")
    crops = load_crops([Path(folder) for folder in folders], list(classes), margin, mask)
    outlined = crops[0].index is not None
    if exclude and not outlined:
        raise InputError("--exclude cleans annotations; give annotated pictures instead of crops.")
    with files.folder_lock(out) as folder:
        files.remove_leftovers(folder)
        print(f"{len(crops)} crops; {settings.repeats} maps ...", flush=True)
        turns = None
        if align or outlined:
            turns = find_turns(crops, seed=seed)
        elif centre:
            turns = find_turns(crops, within=0, seed=seed)
        result = screen(crops, turns, settings)
        print("\n".join(write_report(result, folder)))
        if exclude:
            for path in write_cleaned(result, folder / "cleaned"):
                print(f"cleaned: {path}")
        print(f"results: {folder}")
    return result


def load_crops(folders: list[Path], classes: list[str], margin: float, mask: bool) -> list[Crop]:
    """Read crops through the door that the folders belong to.

    Raises:
        InputError: when the folders are of both kinds, of none, or hold fewer than four crops.
    """
    if not folders:
        raise InputError("give one folder of crops per class, or a folder of annotated pictures.")
    problems = check_class_names(classes) if classes else []
    problems += [
        f"{folder}: no such folder or file; check the name."
        for folder in folders
        if not folder.exists()
    ]
    if problems:
        raise InputError.joined(problems)
    annotations = [_annotations(folder) for folder in folders]
    if all(annotations):
        paths = list(dict.fromkeys(path for found in annotations for path in found))
        crops = cut_crops(paths, classes or None, margin, mask)
    elif any(annotations):
        raise InputError("some folders hold annotations and some do not; give one kind at a time.")
    else:
        crops = _read_folders(folders, classes)
    if len(crops) < 4:
        raise InputError(f"t-SNE needs at least 4 crops; found {len(crops)}. Outline or crop more.")
    return crops


def _annotations(path: Path) -> list[Path]:
    """Return the user's own annotations (not the copies that our steps made) at a path."""
    if path.is_file():
        return [path] if path.suffix.lower() == ".json" else []
    return [p for p in iter_annotations(path) if read_annotation(p).derived is None]


def _read_folders(folders: list[Path], classes: list[str]) -> list[Crop]:
    names = classes or [folder.resolve().name for folder in folders]
    if len(names) != len(folders):
        raise InputError(
            f"--classes names {len(names)} classes for {len(folders)} folders; name one for each."
        )
    if len(set(names)) < len(names):
        raise InputError("two folders have the same name; tell the classes apart with --classes.")
    return [c for folder, name in zip(folders, names, strict=True)
            for c in read_crop_folder(folder, name)]  # fmt: skip


if __name__ == "__main__":
    command_line.run(main, positional=("folders",))
