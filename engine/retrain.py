"""Going on with corrected predictions: from which weights, and whether it helped."""

from __future__ import annotations

from pathlib import Path

from engine.checkpoints import last_finished, made_by_us
from engine.detector import load_detector
from spm.checks.corrections import Correction
from spm.evaluation import comparison
from spm.inference.predict import Settings
from spm.report.result_files import find_images, output_names
from spm.run.files import natural_sorted
from spm.structures.classes import Classes


def weights_to_go_on_with(init_with: str, log_dir: Path) -> Path:
    """Returns the weights whose prediction was corrected.

    Raises:
        InputError: when there are none.
    """
    if init_with not in ("auto", "last") and Path(init_with).is_file():
        return Path(init_with)
    return last_finished(log_dir)


def start_with(init_with: str, log_dir: Path, begun: Path | None = None) -> tuple[Path, dict]:
    """Returns the weights whose prediction was corrected, and the settings of training that follow.

    Args:
        init_with: see init_with in train_test.py.
        log_dir: folder of the runs.
        begun: what a run that was cut off had started from.

    Raises:
        InputError: when there are none.
    """
    weights = begun or weights_to_go_on_with(init_with, log_dir)
    # A corrected image that is held back for validation would teach nothing.
    changes = {"validation_share": 0.0}
    if ((made_by_us(weights) or {}).get("extra") or {}).get("partial"):
        changes["partial"] = True
    if init_with in ("auto", "last"):
        changes["init_with"] = str(weights)
    return weights, changes


def other_names(added: list[Correction], images_dir: Path) -> list[str]:
    """Returns the names of the results of the images that nobody corrected."""
    corrected = {name for correction in added for name in correction.results}
    return [n for n in output_names(find_images(None, images_dir)) if n not in corrected]


def compare(
    added: list[Correction],
    first_dir: Path,
    both_weights: tuple[Path, Path],
    out_dir: Path,
    classes: Classes,
) -> None:
    """Prints what changed in each image and writes it to corrections.csv.

    Args:
        added: the corrected images.
        first_dir: folder of the results of before, see `engine.unfinished`.
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
    names = [
        path.stem.removesuffix("_predicted")
        for path in natural_sorted(first_dir.glob("*_predicted.json"))
    ]
    first = comparison.read_results(names, first_dir, classes)
    rows += comparison.compare_results(first, out_dir, classes)
    comparison.write_table(out_dir / comparison.TABLE, rows)
    before, after = (f"{w.parent.name}/{w.name}" for w in both_weights)
    print(f"{before} and {after}, compared (the corrected images were trained on):")
    for line in comparison.sentences(rows):
        print(f"  {line}")
