"""Drift from a second scan of the place: which scan it is, and the map that follows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from spm import instruments
from spm.errors import InputError
from spm.instruments.heights import Opened
from spm.instruments.inputs import open_image
from spm.measure.known_cell import CellMap, matrix_of
from spm.measure.scan_pair import Drift, measure_drift
from spm.report.predicted import ENDING, Predicted, open_predicted
from spm.report.tables import number_text, with_error
from spm.report.undistortion import Undistortion, lattices_of
from spm.run.language import phrase
from spm.structures.molecule import Molecule

SAME_SCALE = 0.005  # share by which the scales of both scans may differ
BENT = 0.3  # pixels off a steady drift that are told
Sense = Literal["up", "down"]


@dataclass(frozen=True)
class SecondScan:
    """A second scan of the place.

    Attributes:
        path: its prediction, image or instrument file.
        opened: the image.
        molecules: recognised in it; None where it was not predicted.
        sense: "up", "down", or "" where its file does not say.
    """

    path: Path
    opened: Opened
    molecules: list[Molecule] | None
    sense: str


def sense_of(opened: Opened) -> str:
    """Return the slow direction of a scan, "up" or "down", or "" where its file does not say."""
    words = str(opened.settings.get("direction", "")).split()
    return next((word for word in ("up", "down") if word in words), "")


def open_second(path: Path, images: Path, unlike: str, nm_per_pixel: float | None) -> SecondScan:
    """Open a second scan.

    Args:
        path: a NAME_predicted.json, an image or an instrument file. Of a file that holds scans both
            ways the one that is not `unlike` is taken.
        images: folder of the predicted images.
        unlike: slow direction of the first scan.
        nm_per_pixel: None takes the file's.

    Raises:
        InputError: when it cannot be read.
    """
    path = Path(path)
    if path.name.endswith(f"{ENDING}.json"):
        given = open_predicted(path, images, None, nm_per_pixel)
        return SecondScan(path, given.opened, given.molecules, sense_of(given.opened))
    wanted = {"up": "down", "down": "up"}.get(unlike, "")
    asked: dict[str, Any] = {}
    if wanted and instruments.module_name(path):
        senses = {channel.sense for channel in instruments.read_channels(path)}
        asked = {"direction": wanted} if wanted in senses else {}
    opened = open_image(path, nm_per_pixel, **asked)
    return SecondScan(path, opened, None, sense_of(opened))


def find_drift(given: Predicted, second: SecondScan, sense: str) -> Undistortion:
    """Return the map that takes the drift out of a prediction.

    Args:
        given: the prediction of the first scan.
        second: of the same place, scanned the other way along the slow axis.
        sense: slow direction of the first scan, "up" or "down"; "" is asked for.

    Raises:
        InputError: when the scans are no such pair, or do not show the same place.
    """
    _check(given, second, sense)
    mine = given.opened
    molecules = None
    if second.molecules is not None:
        molecules = _centroids(given.molecules), _centroids(second.molecules)
    try:
        drift = measure_drift((mine.image, second.opened.image), molecules)
    except InputError as error:
        raise InputError(f"{second.path}: {error}") from error
    stretch = np.log(np.linalg.svd(matrix_of(drift.parameters), compute_uv=False))
    cell_map = CellMap(
        drift.parameters, drift.covariance, [], float(np.abs(stretch).max()), np.inf, np.nan
    )
    facts = _facts(drift, second, sense, len(mine.image), mine.nm_per_pixel)
    words = f"{given.stem_path.name} ({sense}) and {second.path.name}: {facts['points']}"
    return Undistortion(cell_map, mine.nm_per_pixel, None, words, lattices_of(given), facts)


def _check(given: Predicted, second: SecondScan, sense: str) -> None:
    if not sense:
        raise InputError(
            "the image's file does not say in which direction it was scanned; give "
            "--scan-direction down where the top line came first, else up."
        )
    if second.sense == sense:
        raise InputError(
            f"{second.path}: was scanned {sense} as the first scan was, and from such a pair drift "
            f"cannot be told; name a scan {'down' if sense == 'up' else 'up'} of the same place "
            "(forward and backward of one scan are a line apart in time and show no drift)."
        )
    mine, other = given.opened, second.opened
    if mine.image.shape != other.image.shape:
        (height, width), (rows, columns) = mine.image.shape[:2], other.image.shape[:2]
        raise InputError(
            f"{second.path}: has {columns} x {rows} pixels and the first scan {width} x {height}; "
            "both must be recorded alike."
        )
    scales = mine.nm_per_pixel, other.nm_per_pixel
    if all(scales) and abs(scales[0] / scales[1] - 1) > SAME_SCALE:
        raise InputError(
            f"{second.path}: has {scales[1]:.4g} nm a pixel and the first scan {scales[0]:.4g}; "
            "both must be recorded alike."
        )


def _centroids(molecules: list[Molecule]) -> dict[str, np.ndarray]:
    """Return class -> (n, 2) centroids of the molecules that are seen whole."""
    whole = [m for m in molecules if not m.edge and not m.unfamiliar]
    return {
        name: np.array([m.centroid for m in whole if m.class_name == name])
        for name in {m.class_name for m in whole}
    }


def _facts(
    drift: Drift, second: SecondScan, sense: str, height: int, scale: float | None
) -> dict[str, Any]:
    """Return what NAME_undistortion.json says of the pair."""
    factor, unit = scale or 1.0, "nm" if scale else "px"
    # How molecules move in the image while it is scanned: against the map, in the order of time.
    way = -height * factor * (1 if sense == "down" else -1)
    (x, y), errors = drift.parameters[1:] - (0, 1), np.sqrt(np.diag(drift.covariance))[1:]
    what = "molecules recognised in both" if drift.molecules else "patches of the images"
    return {
        "file": second.path.name,
        "scanned": sense,
        "points": f"{drift.points} {what}",
        "left_out": drift.outliers,
        "residual_px": drift.residual,
        "not_steady_px": drift.bent.tolist(),
        "drift_per_scan": {
            "x": {"value": way * x, "error": abs(way) * errors[0], "unit": unit},
            "y": {"value": way * y, "error": abs(way) * errors[1], "unit": unit},
        },
    }


def drift_words(facts: dict[str, Any]) -> dict[str, str]:
    """Return what the report says of the pair, name -> text."""
    x, y = (facts["drift_per_scan"][axis] for axis in "xy")
    return {
        phrase("drift during the scan, to the right"): (
            f"{with_error(x['value'], x['error'])} {x['unit']}"
        ),
        phrase("drift during the scan, downwards"): (
            f"{with_error(y['value'], y['error'])} {y['unit']}"
        ),
        phrase("points of the pair"): phrase(
            "{count}, {left_out} left out, {apart} px apart (root mean square)",
            count=facts["points"],
            left_out=facts["left_out"],
            apart=number_text(facts["residual_px"], 2),
        ),
    }


def drift_note(facts: dict[str, Any]) -> str:
    """Return a sentence where the scans differ by more than steady drift, else ""."""
    bent = max(facts["not_steady_px"])
    if bent < BENT:
        return ""
    return (
        f"the two scans differ by up to {bent:.1f} pixels from what steady drift makes (creep, or "
        "drift that changed); such bending is left in the image."
    )
