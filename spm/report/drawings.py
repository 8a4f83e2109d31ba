"""All that matplotlib draws of an image: the figures of its statistics, and its averages."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from spm.io.figure_sheet import png_panels
from spm.measure.figures import DPI, figures, save_sheet, sheet
from spm.measure.statistics import Statistics
from spm.report.average_files import Averages, averages_of, save_drawing, save_values
from spm.report.page import Drawings
from spm.run.language import written_in


def write_drawings(
    stem_path: Path, found: Statistics, image: np.ndarray, heights_nm: np.ndarray | None,
    language: str,
) -> Drawings:  # fmt: skip
    """Write NAME_statistics.png and the averages; may run in a process of its own.

    Args:
        stem_path, found, image, heights_nm: see `spm.report.average_files`.
        language: of the words in the figures.
    """
    # One thread draws, which is Python's work; averaging and compressing are not.
    with ThreadPoolExecutor(1) as beside, written_in(language):
        averages = beside.submit(_averaged, stem_path, found, image, heights_nm)
        panels = figures(found)
        shown = beside.submit(_saved, stem_path, sheet(panels), panels)
        mean = save_drawing(stem_path, averages.result())
        return Drawings(shown.result(), mean)


def _averaged(
    stem_path: Path, found: Statistics, image: np.ndarray, heights_nm: np.ndarray | None
) -> Averages | None:
    """Write the averages' values, and return them."""
    averages = averages_of(found, image, heights_nm)
    save_values(stem_path, averages)
    return averages


def _saved(stem_path: Path, whole: np.ndarray, panels: dict[str, np.ndarray]) -> dict[str, bytes]:
    """Write the sheet; return the panels for the report."""
    save_sheet(stem_path, whole)
    return png_panels(panels, DPI)
