"""Where the map from measured to true lengths comes from, and the file that keeps it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from spm.errors import InputError
from spm.measure.known_cell import CellMap, KnownCell, fit_map, matrix_of
from spm.measure.lattice import Lattice
from spm.measure.statistics import measure
from spm.report.predicted import Predicted

NAMES = ("sx", "h", "sy")


@dataclass(frozen=True)
class Undistortion:
    """A map with where it comes from.

    Attributes:
        cell_map: from what was measured to nanometres, or to pixels where neither the image nor
            what was known tells its scale.
        nm_measured: side of a pixel of the image, None where it was not known.
        known: the cell; None where the map was taken over.
        source: where the map comes from, in words.
        lattices: of the measured image, pixels.
        second_scan: what `NAME_undistortion.json` says of a second scan of the place that the map
            follows from; None for a known cell.
    """

    cell_map: CellMap
    nm_measured: float | None
    known: KnownCell | None
    source: str
    lattices: list[Lattice]
    second_scan: dict[str, Any] | None = None

    @property
    def scaled(self) -> bool:
        """Whether the image's scale was known."""
        return self.nm_measured is not None

    @property
    def factor(self) -> float:
        """Units a pixel that the map takes: nanometres, or pixels themselves."""
        return self.nm_measured or 1.0

    @property
    def nm_per_pixel(self) -> float | None:
        """Side of a pixel of the corrected image, nm: as measured, or what the cell tells; None
        where nothing does."""
        if self.scaled:
            return self.factor
        if self.second_scan is not None:
            return None
        return math.sqrt(abs(np.linalg.det(self.cell_map.matrix)))

    @property
    def unit(self) -> str:
        """The unit of corrected lengths: "nm" or "px"."""
        return "px" if self.nm_per_pixel is None else "nm"

    @property
    def pixel_matrix(self) -> np.ndarray:
        """(2, 2) float64 from measured to corrected pixels."""
        return self.cell_map.matrix * self.factor / (self.nm_per_pixel or 1.0)

    def for_image(self, given: Predicted) -> Undistortion:
        """Return this map for another image, measured in the same unit.

        Raises:
            InputError: when one of the two has a scale and the other none.
        """
        scale = given.opened.nm_per_pixel
        if bool(scale) != self.scaled:
            words = ("has a scale and the map's image had none", "has no scale")
            raise InputError(
                f"the image {words[not scale]}; give --nm-per-pixel for both or for neither."
            )
        return replace(self, nm_measured=scale, lattices=lattices_of(given))


def find_map(given: Predicted, known: KnownCell) -> Undistortion:
    """Return the map that makes the image's lattice the known one.

    Raises:
        InputError: when no lattice of the image is like it.
    """
    scale = given.opened.nm_per_pixel
    lattices = lattices_of(given)
    cell_map = fit_map(lattices, known, scale or 1.0, scaled=bool(scale))
    words = (
        f"{given.stem_path.name}: a = {known.a:g} nm, b = {known.b:g} nm, {known.angle:g} degrees"
    )
    return Undistortion(cell_map, scale, known, words, lattices)


def lattices_of(given: Predicted) -> list[Lattice]:
    """Return the lattices of an image's domains, largest first."""
    height, width = given.opened.image.shape[:2]
    found = measure(
        given.molecules, height, width, given.opened.nm_per_pixel, class_names=given.class_names
    )
    return [domain.lattice for domain in found.order.domains]


def stored_map(given: Predicted, found: Undistortion) -> dict[str, Any]:
    """Return what NAME_undistortion.json holds."""
    cell_map = found.cell_map
    known = found.known
    return {
        "image": given.stem_path.name,
        "source": found.source,
        "unit": "nm per nm" if found.scaled else f"{found.unit} per pixel",
        "nm_per_pixel_measured": found.nm_measured,
        "nm_per_pixel_corrected": found.nm_per_pixel,
        "map": dict(zip(NAMES, cell_map.parameters.tolist(), strict=True)),
        "errors": dict(zip(NAMES, cell_map.errors.tolist(), strict=True)),
        "covariance": cell_map.covariance.tolist(),
        "known_cell": None if known is None else known.__dict__,
        "second_scan": found.second_scan,
        "domains_used": [k + 1 for k in cell_map.domains],
        "misfit": None if math.isnan(cell_map.misfit) else cell_map.misfit,
        "doubtful": cell_map.doubtful,
        "domains": [both_cells(found, k) for k in range(len(found.lattices))],
    }


def read_map(path: Path) -> Undistortion:
    """Read NAME_undistortion.json for use on another image.

    Raises:
        InputError: when it is not there or damaged.
    """
    path = Path(path)
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        parameters = np.array([stored["map"][name] for name in NAMES], np.float64)
        covariance = np.array(stored["covariance"], np.float64)
        scale = stored["nm_per_pixel_measured"]
        if covariance.shape != (3, 3) or not abs(np.linalg.det(matrix_of(parameters))) > 0:
            raise ValueError("its map is none")
        cell_map = CellMap(parameters, covariance, [], 0.0, np.inf, np.nan)
        source = f"{path.name} ({stored['source']})"
        return Undistortion(
            cell_map, scale and float(scale), None, source, [], stored.get("second_scan")
        )
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; check the name.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: is not what python -m spm.undistort writes ({error}); name another file."
        ) from error


def both_cells(found: Undistortion, number: int) -> dict[str, Any]:
    """Return a domain's cell as measured and corrected, with standard errors."""
    lattice, factor = found.lattices[number], found.factor
    (a, a_error), (b, b_error) = lattice.lengths
    measured = {"a": (a * factor, a_error * factor), "b": (b * factor, b_error * factor)}
    measured["angle"] = lattice.angle
    corrected = found.cell_map.corrected(lattice, factor)

    def entries(cell: dict[str, tuple[float, float]], unit: str) -> dict[str, Any]:
        return {
            key: {"value": value, "error": error, "unit": "deg" if key == "angle" else unit}
            for key, (value, error) in cell.items()
        }

    return {
        "domain": number + 1,
        "measured": entries(measured, "nm" if found.scaled else "px"),
        "corrected": entries(corrected, found.unit),
    }
