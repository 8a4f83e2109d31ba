"""The results of a folder, image by image: what is counted, measured and known of each."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spm.errors import InputError
from spm.report.result_files import POOLED
from spm.run.files import is_file, natural_sorted
from spm.structures.molecule import NM_HEADER, TABLE_HEADER

ENDING = "_molecules.csv"
# Columns of 0 and 1; a table may have further ones, and one of an older version has not the last.
FLAGS = ("edge", "uncertain", "unfamiliar")
UNDISTORTED = "_undistorted"  # ends the NAME of results that `spm.undistort` made


@dataclass
class ImageResult:
    """What is known of one image.

    Attributes:
        name: NAME of its results.
        counts: class -> how many in all ("count"), without any flag ("unflagged"), and with each.
        areas: class -> (n,) float64 areas of the molecules without a flag, in `unit` squared.
        summary: what NAME_summary.json holds; without one what follows from the other files.
    """

    name: str
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    areas: dict[str, np.ndarray] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)

    @property
    def unit(self) -> str:
        """The unit of lengths: "nm", "px", or "" where not even the image's size is known."""
        return self.summary.get("length_unit", "")

    @property
    def area(self) -> float:
        """The image's area in `unit` squared, nan if it is not known."""
        return float(self.summary.get("image", {}).get("area") or np.nan)

    def density(self, name: str) -> float:
        """Molecules of a class a unit of area, those cut by the border by their visible part."""
        entry = self.summary.get("classes", {}).get(name)
        if entry:
            return float(entry["density"])
        return self.count(name) / self.area

    def count(self, name: str, which: str = "count") -> int:
        """Molecules of a class: "count", "unflagged" or those with a flag."""
        return self.counts.get(name, {}).get(which, 0)

    @property
    def domains(self) -> list[dict[str, Any]]:
        """The domains, largest first."""
        return self.summary.get("domains", [])

    @property
    def settings(self) -> dict[str, Any]:
        """What made the prediction, by name."""
        return self.summary.get("settings", {}).get("prediction", {})


def tables(folder: Path, undistorted: bool = False) -> list[Path]:
    """Return the tables NAME_molecules.csv of a folder, naturally sorted.

    Args:
        folder: of the results.
        undistorted: take the corrected results of an image instead of the measured ones.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; check the name.")
    found = {name_of(path): path for path in natural_sorted(folder.glob(f"*{ENDING}"))}
    found.pop(POOLED, None)
    pairs = {
        name: corrected
        for corrected in found
        if corrected.endswith(UNDISTORTED)
        and (name := corrected.removesuffix(UNDISTORTED)) in found
    }
    for name, corrected in pairs.items():
        found.pop(name if undistorted else corrected)
    if not found:
        raise InputError(
            f"{folder}: there are no results (NAME{ENDING}) in it; run predict_big_pic.py first."
        )
    return list(found.values())


def name_of(table: Path) -> str:
    """Return NAME of NAME_molecules.csv."""
    return table.name.removesuffix(ENDING)


def columns_of(paths: Sequence[Path]) -> tuple[list[str], list[str]]:
    """Return the columns of all tables together, and those among them that are flags.

    Besides `FLAGS` a column is one that no table of ours has by itself and that holds nothing but 0
    and 1 in all tables.
    """
    columns: dict[str, None] = {}
    other_values: dict[str, bool] = {}  # column -> whether all of it was 0 or 1 so far
    for path in paths:
        header, rows = _open_table(path)
        columns |= dict.fromkeys(header)
        strange = [k for k, c in enumerate(header) if c not in TABLE_HEADER + NM_HEADER]
        if not strange:
            continue
        for row in rows:
            for k in strange:
                other_values[header[k]] = other_values.get(header[k], True) and row[k] in ("0", "1")
    in_nm = [c for c in columns if c in NM_HEADER]
    ordered = [c for c in columns if c not in NM_HEADER] + in_nm
    return ordered, [c for c in ordered if c in FLAGS or other_values.get(c)]


def read_result(path: Path, flags: Sequence[str]) -> tuple[ImageResult, list[str], list[list[str]]]:
    """Return an image's result, and header and rows of its table.

    Args:
        path: NAME_molecules.csv.
        flags: columns that count molecules apart.

    Raises:
        InputError: when a file is damaged.
    """
    header, lines = _open_table(path)
    rows = list(lines)
    result = ImageResult(name_of(path), summary=_summary(path))
    # In the order of training, which gives the colours.
    result.counts = {name: {} for name in result.summary.get("classes", {})}
    try:
        _count(result, header, rows, flags)
    except (ValueError, KeyError) as error:
        raise InputError(f"{path}: is damaged ({error}); predict the image again.") from error
    return result, header, rows


def _count(
    result: ImageResult, header: list[str], rows: list[list[str]], flags: Sequence[str]
) -> None:
    place = {column: k for k, column in enumerate(header)}
    kind = place["class"]
    area = place["area_nm2" if result.unit == "nm" and "area_nm2" in place else "area"]
    factor = 1.0
    if result.unit == "nm" and "area_nm2" not in place:
        factor = float(result.summary["image"]["nm_per_pixel"]) ** 2
    mine = [(flag, place[flag]) for flag in flags if flag in place]
    areas: dict[str, list[float]] = {}
    for row in rows:
        counts = result.counts.setdefault(row[kind], {})
        counts["count"] = counts.get("count", 0) + 1
        told = [flag for flag, k in mine if row[k] == "1"]
        for flag in told:
            counts[flag] = counts.get(flag, 0) + 1
        if not told:
            counts["unflagged"] = counts.get("unflagged", 0) + 1
            areas.setdefault(row[kind], []).append(float(row[area]))
    result.areas = {name: np.array(values) * factor for name, values in areas.items()}


def _open_table(path: Path) -> tuple[list[str], Iterator[list[str]]]:
    """Return a table's header and its rows, which all have the header's length."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        lines = csv.reader(io.StringIO(text, newline=""))
        header = next(lines, [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: is no table ({error}); predict the image again.") from error
    if not {"class", "area", *FLAGS[:-1]} <= set(header):
        raise InputError(
            f"{path}: is no table of molecules (its header lacks class, area, edge or uncertain); "
            "move it away or predict the image again."
        )
    return header, _whole_rows(path, lines, len(header))


def _whole_rows(path: Path, lines: Iterator[list[str]], length: int) -> Iterator[list[str]]:
    for row in lines:
        if len(row) != length:
            raise InputError(
                f"{path}: line {lines.line_num} has {len(row)} cells and the header {length}; "
                "predict the image again."
            )
        yield row


def _summary(table: Path) -> dict[str, Any]:
    """Return what NAME_summary.json holds; without that file, what the predicted JSON tells."""
    stem = table.with_name(name_of(table))
    path = stem.with_name(f"{stem.name}_summary.json")
    if is_file(path):
        stored = _read_json(path)
        if "picture" in stored:  # of before the renaming
            stored["image"] = stored.pop("picture")
        return stored
    path = stem.with_name(f"{stem.name}_predicted.json")
    if not is_file(path):
        return {}
    stored = _read_json(path)
    height, width, scale = (
        stored.get(key) for key in ("imageHeight", "imageWidth", "nm_per_pixel")
    )
    if not (isinstance(height, int) and isinstance(width, int)):
        return {}
    known = isinstance(scale, int | float) and not isinstance(scale, bool) and scale > 0
    factor = float(scale) if known else 1.0
    return {
        "image": {
            "height_px": height,
            "width_px": width,
            "nm_per_pixel": factor if known else None,
            "area": height * width * factor**2,
        },
        "length_unit": "nm" if known else "px",
    }


def _read_json(path: Path) -> dict[str, Any]:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: is damaged ({error}); predict the image again.") from error
    if not isinstance(stored, dict):
        raise InputError(f"{path}: is damaged; predict the image again.")
    return stored
