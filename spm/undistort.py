"""Take drift and scanner errors out.

    python -m spm.undistort img_cache/NAME_predicted.json --a 2.5 --b 2.5 --angle 60

From a cell that is known, of the molecules' layer or of a lattice of atoms outlined as a class,
follows the affine map from measured to true lengths (the scan's fast direction keeps its
direction). Or, without a known cell, from a second scan of the same place that was scanned the
other way, up and down:

    python -m spm.undistort img_cache/NAME_predicted.json --second-scan NEXT_predicted.json

Takes NAME_predicted.json and the image that it names, and writes beside the measured
results, which stay as they are, those of the corrected image:

    NAME_undistorted.png, _undistorted_heights.npz      the corrected image, heights where known
    NAME_undistorted_molecules.csv, _predicted.json     the corrected molecules
    NAME_undistorted_report.html, _summary.json, ...    statistics, with the map and both lattices
    NAME_undistortion.json                              the map with its errors

`--like NAME_undistortion.json` corrects another image of the same scanner by the same map.
`python -m spm.pool --undistorted` takes the corrected results together.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

if __name__ == "__main__" and not __package__:  # started by its file
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from spm.errors import InputError, raise_problems
from spm.measure.known_cell import KnownCell
from spm.report.predicted import open_predicted
from spm.report.second_scan import Sense, find_drift, open_second, sense_of
from spm.report.undistorted import write_undistorted
from spm.report.undistortion import Undistortion, find_map, read_map
from spm.run import command_line
from spm.run.language import Language, chosen_language
from spm.run.setting_kinds import Degrees, NotNegative, Positional, Positive
from spm.run.settings import Settings, takes


# --- settings: change the values, the text below each says what it is ---------------------------
class Correcting(Settings):
    """Which images are corrected, and what is known."""

    files: Positional[list[Path]] = []
    """The predictions NAME_predicted.json; must be given."""
    a: Positive | None = None
    """Length of the known cell's vector a in nanometres; a, b and angle must be given, or like, or
    second_scan."""
    b: Positive | None = None
    """Length of its vector b in nanometres; must be given with a."""
    angle: Degrees | None = None
    """Angle between a and b in degrees; must be given with a."""
    a_error: NotNegative = 0.0
    """Standard error of a, nanometres."""
    b_error: NotNegative = 0.0
    """Standard error of b, nanometres."""
    angle_error: NotNegative = 0.0
    """Standard error of the angle, degrees."""
    like: Path | None = None
    """A NAME_undistortion.json whose map is taken. None: it follows from the cell."""
    second_scan: Path | None = None
    """A second scan of the place, scanned up where the first was scanned down or the reverse, which
    tells the drift: its NEXT_predicted.json, or its image or instrument file (that of the first
    where it holds both). Instead of the cell; calibration stays as it is. None: there is none."""
    scan_direction: Sense | None = None
    """Slow direction of the predicted image: "down" where its top line was scanned first, "up"
    where the lowest was. None: as its instrument file says."""
    images: Path = Path("images")
    """Folder of the predicted images."""
    image: Path | None = None
    """The image or instrument file of one prediction. None: that of the folder above, or the one
    that the prediction names and that lies beside it."""
    nm_per_pixel: Positive | None = None
    """Size of a pixel in nanometres. None takes the prediction's or the image's; where there is
    none the cell tells it."""
    language: Language | None = None
    """Language of figures and report: en or zh (Chinese). None takes that of the environment
    variable SPM_LANGUAGE, else English."""

    def problems(self) -> Iterator[str]:
        """Yield what is missing or given twice."""
        if not self.files:
            yield "no file: name the predictions, such as img_cache/a_predicted.json."
        if self.image is not None and len(self.files) > 1:
            yield "image: name it together with one prediction only."
        given = [value is not None for value in (self.a, self.b, self.angle)]
        ways = [any(given), self.like is not None, self.second_scan is not None]
        if sum(ways) > 1:
            yield "give one of the known cell, --like and --second-scan."
        elif ways[0] != all(given) or not any(ways):
            yield (
                "the known cell: give all of --a, --b (nm) and --angle (degrees), or --like, or "
                "--second-scan."
            )
        if self.second_scan is not None and len(self.files) > 1:
            yield "second_scan: name it together with one prediction only."


# ------------------------------------------------------------------------------------------------


@takes(Correcting)
def main(settings: Correcting) -> int:
    """Correct predicted images.

    Raises:
        InputError: when a file cannot be read or no lattice is like the known cell; the others are
            done all the same.
    """
    stored = read_map(settings.like) if settings.like else None
    problems = []
    for path in settings.files:
        try:
            print(_corrected(path, settings, stored))
        except InputError as error:
            text = str(error)
            problems.append(error if text.startswith(str(path)) else InputError(f"{path}: {text}"))
    raise_problems(problems)
    return 0


def _corrected(path: Path, settings: Correcting, stored: Undistortion | None) -> str:
    given = open_predicted(path, settings.images, settings.image, settings.nm_per_pixel)
    if stored is not None:
        undistortion = stored.for_image(given)
    elif settings.second_scan is not None:
        sense = settings.scan_direction or sense_of(given.opened)
        second = open_second(settings.second_scan, settings.images, sense, settings.nm_per_pixel)
        undistortion = find_drift(given, second, sense)
    else:
        known = KnownCell(
            settings.a, settings.b, settings.angle,
            settings.a_error, settings.b_error, settings.angle_error,
        )  # fmt: skip
        undistortion = find_map(given, known)
    return write_undistorted(given, undistortion, chosen_language(settings.language))


if __name__ == "__main__":
    command_line.run(main)
