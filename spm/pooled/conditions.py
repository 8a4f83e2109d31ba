"""The user's own table of the images: dose, time, temperature, sample."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from spm.errors import InputError

FILE_NAME = "conditions.csv"
DECIMAL_COMMA = re.compile(r"^(\s*[-+]?\d*),(\d+(?:[eE][-+]?\d+)?\s*)$")
_DELIMITERS = (";", "\t", ",")


@dataclass(frozen=True)
class Conditions:
    """What a user says of the images.

    Attributes:
        columns: names of the columns, that of the images left out.
        values: image, as the user calls it -> a text for each column.
        path: the file.
    """

    columns: list[str] = field(default_factory=list)
    values: dict[str, list[str]] = field(default_factory=dict)
    path: Path | None = None

    def of(self, name: str) -> list[str]:
        """Return the texts of the image with results NAME; empty ones where there are none."""
        return self.values.get(_key(name), [""] * len(self.columns))

    def unknown(self, names: Iterable[str]) -> list[str]:
        """Return the images of the table that are not among these results."""
        known = {_key(name) for name in names}
        return [image for image in self.values if image not in known]

    def numbers(self, column: str, names: Iterable[str]) -> list[float] | None:
        """Return the column as a number for each image, nan where empty; None for other texts."""
        index = self.columns.index(column)
        texts = [self.of(name)[index] for name in names]
        try:
            return [float(text) if text else float("nan") for text in texts]
        except ValueError:
            return None


def read_conditions(path: Path, names: Iterable[str]) -> Conditions:
    """Read the table: a header, then a line for each image, its name in the first column.

    The image is named as its file (`scan 7.sxm`) or as its results (`scan 7`). Commas, semicolons
    and tabs part the columns; with the latter two numbers may have a decimal comma, as spreadsheet
    programs write them in many countries.

    Args:
        path: the file.
        names: NAME of each image that has results.

    Raises:
        InputError: when there is no such file, or it is no table, or names an image twice.
    """
    path = Path(path)
    rows = _rows(path)
    if not rows or len(rows[0]) < 2:
        raise InputError(
            f"{path}: expected a header and two columns or more, the image's name in the first; "
            "such as image,dose."
        )
    header = [cell.strip() for cell in rows[0]]
    if len(set(header)) < len(header) or "" in header:
        raise InputError(
            f"{path}: its columns need different names. Received: {', '.join(header)}."
        )
    known = {_key(name) for name in names}
    values: dict[str, list[str]] = {}
    for number, row in enumerate(rows[1:], start=2):
        if len(row) > len(header):
            raise InputError(
                f"{path}: line {number} has {len(row)} cells, the header {len(header)}."
            )
        cells = [cell.strip() for cell in row] + [""] * (len(header) - len(row))
        image = _key(cells[0])
        if image not in known and _key(Path(cells[0]).stem) in known:
            image = _key(Path(cells[0]).stem)
        if image in values:
            raise InputError(f"{path}: line {number} names {cells[0]} again; leave one line.")
        values[image] = cells[1:]
    return Conditions(header[1:], values, path)


def _rows(path: Path) -> list[list[str]]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; check the name.") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")  # what spreadsheets call CSV on Windows
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return []
    delimiter = next((d for d in _DELIMITERS if d in lines[0]), ",")
    try:
        rows = list(csv.reader(lines, delimiter=delimiter))
    except csv.Error as error:
        raise InputError(f"{path}: is no table ({error}); save it as CSV.") from error
    if delimiter != ",":
        rows = [[DECIMAL_COMMA.sub(r"\1.\2", cell) for cell in row] for row in rows]
    return [row for row in rows if any(cell.strip() for cell in row)]


def _key(name: str) -> str:
    return name.strip().casefold()
