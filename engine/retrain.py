"""Going on with corrected predictions: from which weights, and whether it helped."""

from __future__ import annotations

from pathlib import Path

from engine.checkpoints import last_finished
from engine.detector import load_detector
from spm.checks.corrections import Correction
from spm.evaluation import comparison
from spm.inference.predict import Settings
from spm.report.result_files import find_images, output_names
from spm.structures.classes import Classes


def start_with(init_with: str, log_dir: Path) -> tuple[Path, dict]:
    """Returns the weights whose prediction was corrected, and the settings of training that follow.

    Raises:
        InputError: when there are none.
    """
    # A corrected image that is held back for validation would teach nothing.
    changes = {"validation_share": 0.0}
    if init_with not in ("auto", "last"):
        named = Path(init_with)
        return named if named.is_file() else last_finished(log_dir), changes
    weights = last_finished(log_dir)
    return weights, {**changes, "init_with": str(weights)}


def other_results(
    added: list[Correction], images_dir: Path, out_dir: Path, classes: Classes
) -> dict[str, comparison.Answers]:
    """Returns what the results of the images that nobody corrected say before they are replaced."""
    corrected = {name for correction in added for name in correction.results}
    names = output_names(find_images(None, images_dir))
    return comparison.read_results([n for n in names if n not in corrected], out_dir, classes)


def compare(
    added: list[Correction],
    first: dict[str, comparison.Answers],
    both_weights: tuple[Path, Path],
    out_dir: Path,
    classes: Classes,
) -> None:
    """Prints what changed in each image and writes it to corrections.csv.

    Args:
        added: the corrected images.
        first: what the results said before, see `spm.evaluation.comparison.read_results`.
        both_weights: before and after.
        out_dir: folder of the results.
        classes: those that were trained.
    """
    settings = Settings(score_threshold=comparison.LOWEST)
    detectors = [load_detector(w, settings=settings) for w in both_weights]
    rows = [
        comparison.row(
            correction.name,
            *(comparison.ask(detector, correction.annotation) for detector in detectors),
            correction.annotation.classified(classes),
        )
        for correction in added
    ]
    rows += comparison.compare_results(first, out_dir, classes)
    comparison.write_table(out_dir / comparison.TABLE, rows)
    before, after = (f"{w.parent.name}/{w.name}" for w in both_weights)
    print(f"{before} and {after}, compared (the corrected images were trained on):")
    for line in comparison.sentences(rows):
        print(f"  {line}")
