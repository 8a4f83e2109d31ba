"""The corrected image and its results, beside the measured ones."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from spm.geometry import affine
from spm.io.images import write_image
from spm.io.pixel_size import write_scaled_png
from spm.measure.recognition import recognition_of
from spm.measure.statistics import measure, save_summary, summarise
from spm.report.drawing import draw_molecules
from spm.report.drawings import write_drawings
from spm.report.page import write_report
from spm.report.predicted import Predicted
from spm.report.second_scan import drift_note, drift_words
from spm.report.tables import number_text, with_error
from spm.report.undistortion import NAMES, Undistortion, both_cells, stored_map
from spm.run.files import atomic_path, write_json
from spm.run.language import phrase, written_in
from spm.structures.annotation import write_annotation
from spm.structures.molecule import (
    Molecule,
    molecules_to_annotation,
    set_orientations,
    write_table,
)

ENDING = "_undistorted"


def write_undistorted(given: Predicted, found: Undistortion, language: str = "en") -> str:
    """Write the corrected image with all its results; return what to print.

    Args:
        given: the prediction and its image.
        found: the map.
        language: of figures and report.
    """
    stem = given.stem_path.with_name(f"{given.stem_path.name}{ENDING}")
    image, heights, full = _corrected_image(given, found)
    height, width = image.shape[:2]
    scale = found.nm_per_pixel
    molecules = set_orientations([moved(m, full) for m in given.molecules])
    write_scaled_png(stem.with_name(f"{stem.name}.png"), image, scale)
    heights_path = stem.with_name(f"{stem.name}_heights.npz")
    heights_path.unlink(missing_ok=True)  # of an earlier run
    if heights is not None:
        with atomic_path(heights_path) as temporary:
            np.savez_compressed(temporary, heights_nm=heights.astype(np.float32))
    write_table(stem.with_name(f"{stem.name}_molecules.csv"), molecules, scale)
    annotation = molecules_to_annotation(molecules, height, width, f"{stem.name}.png", scale)
    write_annotation(stem.with_name(f"{stem.name}_predicted.json"), annotation)
    stored = stored_map(given, found)
    write_json(given.stem_path.with_name(f"{given.stem_path.name}_undistortion.json"), stored)
    statistics = measure(
        molecules, height, width, scale, heights_nm=heights, class_names=given.class_names,
        recognition=recognition_of(None, stem.parent),
    )  # fmt: skip
    # The frame holds corners that nobody scanned.
    scanned = abs(np.linalg.det(full[:, :2])) * given.opened.image[..., 0].size
    statistics.scanned = float(min(1.0, scanned / (height * width)))
    statistics.summary = summarise(statistics)
    settings = _settings_of(given)
    made_with = {**settings, "undistorted": _in_words(found)}
    with written_in(language):
        save_summary(stem, statistics, settings=made_with, undistorted=stored)
        drawings = write_drawings(stem, statistics, image, heights, language)
        write_report(
            stem.with_name(f"{stem.name}_report.html"), image, statistics, title=stem.name,
            settings=made_with, drawings=drawings,
        )  # fmt: skip
    drawn = draw_molecules(image, molecules, given.class_names, in_place=True)
    write_image(stem.with_name(f"{stem.name}_predicted.png"), drawn)
    return _told(given, found, stem)


def moved(molecule: Molecule, matrix: np.ndarray) -> Molecule:
    """Return a molecule on the corrected image, without orientation.

    Args:
        molecule: as measured.
        matrix: (2, 3) map of pixels.
    """
    outline = affine.apply_to_points(matrix, molecule.outline)
    low, high = outline.min(axis=0), outline.max(axis=0)
    (x, y) = affine.apply_to_points(matrix, np.array([molecule.centroid]))[0]
    return replace(
        molecule,
        outline=outline,
        box=np.array([low[1], low[0], high[1], high[0]]),
        area=molecule.area * abs(np.linalg.det(matrix[:, :2])),
        centroid=(float(x), float(y)),
    )


def _corrected_image(
    given: Predicted, found: Undistortion
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """Return image and heights on a canvas that holds all of them, and the (2, 3) map."""
    opened = given.opened
    height, width = opened.image.shape[:2]
    linear = found.pixel_matrix
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)]) @ linear.T
    low = np.floor(corners.min(axis=0) + 1e-6)
    size = np.ceil(corners.max(axis=0) - low - 1e-6).astype(int)
    full = np.column_stack([linear, -low])
    image = affine.warp(opened.image, full, int(size[1]), int(size[0]))
    if opened.heights_nm is None:
        return image, None, full
    heights = opened.heights_nm
    base = float(np.median(heights))  # beside the image: neither high nor low
    warped = affine.warp((heights - base).astype(np.float32), full, int(size[1]), int(size[0]))
    return image, warped.astype(np.float64) + base, full


def _settings_of(given: Predicted) -> dict[str, Any]:
    """Return what made the prediction, from NAME_summary.json; nothing where it does not tell."""
    path = given.stem_path.with_name(f"{given.stem_path.name}_summary.json")
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")).get("settings", {}))
    except (OSError, ValueError):
        return {}


def _in_words(found: Undistortion) -> dict[str, str]:
    """Return the map for the report's list of settings."""
    cell_map = found.cell_map
    pairs = zip(NAMES, cell_map.parameters, cell_map.errors, strict=True)
    words = {phrase("by"): found.source, "x' = sx x + h y, y' = sy y": ""}
    words |= {name: with_error(value, error) for name, value, error in pairs}
    if found.second_scan is not None:
        words |= drift_words(found.second_scan)
    if not math.isnan(cell_map.misfit):
        misfit = phrase("misfit of the domains (chi squared a degree of freedom)")
        words[misfit] = number_text(cell_map.misfit, 2)
    for number in range(len(found.lattices)):
        both, which = both_cells(found, number), {"number": number + 1}
        words[phrase("domain {number}, measured", **which)] = _cell_words(both["measured"])
        words[phrase("domain {number}, corrected", **which)] = _cell_words(both["corrected"])
    return words


def _cell_words(cell: dict[str, Any]) -> str:
    a, b, angle = (with_error(e["value"], e["error"]) for e in cell.values())
    unit, unit_b = cell["a"]["unit"], cell["b"]["unit"]
    lengths = f"a = {a} {unit}, b = {b} {unit_b}"
    return phrase("{lengths}, {angle} degrees", lengths=lengths, angle=angle)


def _told(given: Predicted, found: Undistortion, stem: Path) -> str:
    cell_map = found.cell_map
    pairs = zip(NAMES, cell_map.parameters, cell_map.errors, strict=True)
    lines = [f"{given.stem_path.name} -> {stem}_report.html"]
    lines += ["  x' = sx x + h y, y' = sy y: "
              + ", ".join(f"{n} = {with_error(v, e)}" for n, v, e in pairs)]  # fmt: skip
    if found.second_scan is not None:
        lines += [f"  {key}: {text}" for key, text in drift_words(found.second_scan).items()]
    for number in range(min(4, len(found.lattices))):
        both = both_cells(found, number)
        lines += [f"  domain {number + 1}, {kind}: {_cell_words(both[kind])}"
                  for kind in ("measured", "corrected")]  # fmt: skip
    if cell_map.doubtful:
        lines.append(
            f"  note: the cells can be laid on one another in another way that stretches by "
            f"{100 * cell_map.rival:.1f} % instead of {100 * cell_map.stretch:.1f} %; check the "
            "corrected image."
        )
    if cell_map.misfit > 4:
        lines.append(
            f"  note: the domains contradict one another (chi squared {cell_map.misfit:.1f} a "
            "degree of freedom); the errors were widened by it: creep, or another cell."
        )
    note = drift_note(found.second_scan) if found.second_scan is not None else ""
    if note:
        lines.append(f"  note: {note}")
    return "\n".join(lines)
