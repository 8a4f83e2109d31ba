"""All images of a results folder together: tables, figures, index.html."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spm.errors import InputError
from spm.measure.recognition import recognition_of
from spm.pooled import writing
from spm.pooled.conditions import FILE_NAME, Conditions, read_conditions
from spm.pooled.index_page import write_index
from spm.pooled.pool import Pool, images_text, mirror_pair, notes_of
from spm.pooled.results import tables
from spm.run.files import is_file
from spm.run.language import phrase, written_in

TABLES = ("all_molecules.csv", "all_images.csv", "all_classes.csv", "all_domains.csv")
FIGURES = "all_images.png"
INDEX = "index.html"
LEAST_DRAWN = 2  # images: a figure's point is an image


@dataclass(frozen=True)
class Asked:
    """What a user asks of the pool.

    Attributes:
        conditions: the user's table; None takes conditions.csv of the folder, if it is there.
        evaluation: an evaluation's metrics.json; None takes evaluation/metrics.json of the folder.
        mirror_classes: two classes that are mirror images, or none.
        undistorted: take corrected results (`spm.undistort`) where there are some.
        figures: draw figures, of two images or more.
        language: of figures, page and notes.
    """

    conditions: Path | None = None
    evaluation: Path | None = None
    mirror_classes: Sequence[str] = ()
    undistorted: bool = False
    figures: bool = True
    language: str = "en"


def pool_folder(folder: Path, asked: Asked | None = None) -> tuple[Pool, list[InputError]]:
    """Write the tables, figures and the page of all images of a results folder.

    Args:
        folder: of the results; what is written goes there too.
        asked: defaults to `Asked()`.

    Returns:
        The pool, and what is wrong with images that are left out.

    Raises:
        InputError: when there are no results at all, or something that was asked for is wrong.
    """
    asked = asked or Asked()
    with written_in(asked.language):
        return _pool_folder(Path(folder), asked)


def _pool_folder(folder: Path, asked: Asked) -> tuple[Pool, list[InputError]]:
    paths = tables(folder, asked.undistorted)
    conditions = _conditions(folder, asked, writing.names_of(paths))
    recognition = recognition_of(asked.evaluation, folder)
    results, flags, problems = writing.pool_tables(paths, folder / TABLES[0], conditions)
    if not results:
        raise InputError.joined(problems)
    pool = Pool(results, flags, conditions, recognition)
    pool.mirror_classes = mirror_pair(asked.mirror_classes, results, pool.class_names)
    pool.notes = notes_of(pool) + [
        phrase("left out: {problem}", problem=str(p).rstrip(".")) for p in problems
    ]
    writing.write_images(folder / TABLES[1], pool)
    writing.write_classes(folder / TABLES[2], pool)
    writing.write_domains(folder / TABLES[3], pool)
    drawn: dict[str, bytes] = {}
    if len(results) < LEAST_DRAWN:  # the figures are not theirs any more
        (folder / FIGURES).unlink(missing_ok=True)
    elif asked.figures:
        from spm.io.figure_sheet import png_panels
        from spm.io.figure_style import save_pixels
        from spm.pooled.figures import DPI, figures, sheet

        panels = figures(pool)
        save_pixels(folder / FIGURES, sheet(panels), DPI)
        drawn = png_panels(panels, DPI)
    files = [*TABLES, *([FIGURES] if drawn else [])]
    write_index(folder / INDEX, pool, drawn, files)
    return pool, problems


def refresh(folder: Path, language: str = "en") -> tuple[str, list[InputError]]:
    """Pool what is in a folder after a prediction; return the line to print and what is wrong."""
    try:
        pool, problems = pool_folder(folder, Asked(language=language))
    except InputError as error:
        return "", [error]
    notes = "".join(f"\n  note: {note}." for note in pool.notes)
    return f"{images_text(len(pool.results))} together: {Path(folder) / INDEX}{notes}", problems


def _conditions(folder: Path, asked: Asked, names: list[str]) -> Conditions:
    path = asked.conditions
    if path is None:
        path = folder / FILE_NAME
        if not is_file(path):
            return Conditions()
    return read_conditions(path, names)
