"""Mean unit cells and molecules of predicted images.

    python -m spm.average img_cache/NAME_predicted.json

Takes NAME_predicted.json (corrected in labelme or not), and the image that it names, and writes
NAME_averages.png, NAME_averages.npz and TIFFs beside it, as predict_big_pic.py does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

if __name__ == "__main__" and not __package__:  # started by its file
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from spm.errors import InputError, raise_problems
from spm.measure.statistics import measure
from spm.report.average_files import averages_of, save_averages
from spm.report.predicted import open_predicted
from spm.run import command_line
from spm.run.language import Language, chosen_language, written_in
from spm.run.setting_kinds import Positional, Positive
from spm.run.settings import Settings, takes


# --- settings: change the values, the text below each says what it is ---------------------------
class Averaging(Settings):
    """Of which images the averages are made."""

    files: Positional[list[Path]] = []
    """The predictions NAME_predicted.json; must be given."""
    images: Path = Path("images")
    """Folder of the predicted images."""
    image: Path | None = None
    """The image or instrument file of one prediction. None: that of the
    folder above, or the one that the prediction names and that lies beside it."""
    nm_per_pixel: Positive | None = None
    """Size of a pixel in nanometres. None takes the prediction's or the image's, if any."""
    language: Language | None = None
    """Language of the figure: en or zh (Chinese). None takes that of the environment variable
    SPM_LANGUAGE, else English."""

    def problems(self) -> Iterator[str]:
        """Yield what is missing."""
        if not self.files:
            yield "no file: name the predictions, such as img_cache/a_predicted.json."
        if self.image is not None and len(self.files) > 1:
            yield "image: name it together with one prediction only."


# ------------------------------------------------------------------------------------------------


@takes(Averaging)
def main(settings: Averaging) -> int:
    """Write the averages of predicted images.

    Raises:
        InputError: when a file cannot be read; the others are done all the same.
    """
    language, problems = chosen_language(settings.language), []
    for path in settings.files:
        try:
            given = open_predicted(path, settings.images, settings.image, settings.nm_per_pixel)
        except InputError as error:
            problems.append(error)
            continue
        height, width = given.opened.image.shape[:2]
        heights = given.opened.heights_nm
        found = measure(
            given.molecules, height, width, given.opened.nm_per_pixel, heights_nm=heights,
            class_names=given.class_names,
        )  # fmt: skip
        with written_in(language):
            averages = averages_of(found, given.opened.image, heights)
            target = save_averages(given.stem_path, averages)
        print(f"{path}: {target or 'too few molecules of a kind for a mean'}")
    raise_problems(problems)
    return 0


if __name__ == "__main__":
    command_line.run(main)
