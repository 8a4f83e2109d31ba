"""Are outlines as large as the molecules? Extent along x and y, and area, against the truth.

    python studies/outlines.py --truth tests/data --predicted img_cache

Prints, for each class and for all, by how many percent the predicted outlines of whole molecules
are wider (x), higher (y) and larger (area) than the true ones in the mean, and the mean mask IoU.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

if __name__ == "__main__":  # the folder above holds the packages
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from spm.errors import InputError
from spm.evaluation.outlines import OutlineErrors, outline_errors
from spm.evaluation.reading import find_predictions, read_images, read_truths
from spm.run import command_line
from spm.run.setting_kinds import Share
from spm.run.settings import Settings, takes


# --- settings: change the values, the text below each says what it is ---------------------------
class Study(Settings):
    """Which outlines are compared with which."""

    truth: Path = Path("tests/data")
    """Folder of labelled images."""
    predicted: Path = Path("img_cache")
    """Folder of their predictions, NAME_predicted.json."""
    lowest_score: Share = 0.0
    """Predictions below this score are left out, 0 to 1."""
    ignore_flags: list[str] = ["edge", "ignore"]
    """Truths with one of these flags are left out."""


# ------------------------------------------------------------------------------------------------


@takes(Study)
def main(settings: Study) -> int:
    """Compare outlines with true ones.

    Raises:
        InputError: when files are missing or do not fit each other.
    """
    truth, predicted, lowest_score = settings.truth, settings.predicted, settings.lowest_score
    ignore_flags = settings.ignore_flags
    truths = read_truths(truth)
    images = read_images(truths, find_predictions(truths, predicted), None, ignore_flags)
    errors: dict[str, list[OutlineErrors]] = {}
    for annotation, wanted, found in zip(
        images.annotations, images.truths, images.predictions, strict=True
    ):
        found = [p for p in found if p.score >= lowest_score]
        for name in [*images.class_names, "all classes"]:
            chosen = [t for t in wanted if name in (t.class_name, "all classes")]
            errors.setdefault(name, []).append(
                outline_errors(chosen, found, annotation.height, annotation.width)
            )
    if not any(len(e.iou) for e in errors["all classes"]):
        raise InputError(f"{predicted}: no prediction lies on a whole molecule of {truth}.")
    print(f"{'class':16}{'molecules':>10}{'width %':>10}{'height %':>10}{'area %':>10}{'IoU':>8}")
    for name, parts in errors.items():
        columns = ("width", "height", "area", "iou")
        joined = OutlineErrors(*(np.concatenate([getattr(e, c) for e in parts]) for c in columns))
        means = joined.means()
        numbers = "".join(f"{100 * means[c]:>+10.2f}" for c in columns[:3])
        print(f"{name:16}{len(joined.iou):>10}{numbers}{means['iou']:>8.3f}")
    return 0


if __name__ == "__main__":
    command_line.run(main)
