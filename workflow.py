"""The whole way: annotated pictures in aug_test_in/ -> recognised pictures in img_cache/.

    python workflow.py            run everything
    python workflow.py --check    look at everything, report, start nothing
    python workflow.py --add img_cache/NAME_predicted.json
                                  train on with a prediction that you corrected, predict again and
                                  compare (docs/correct_and_retrain.md)

It runs the steps one after the other; each is a script of its own and can be run alone:

    Images_Augmentation/geo_aug_img_json.py     L1: turned and flipped copies
    Images_Augmentation/color_aug_img_json.py   L2/L3: noise, blur, colours, distortion -> before/
    pre_draw_mask.py                            masks of the L1 pictures -> re_mask_cache/
    re_write_mask.py                            masks of all copies -> train_dataset/
    fast_json_to_dataset.py                     pictures and labels -> train_dataset/
    train_test.py                               training -> logs/
    predict_big_pic.py                          images/ -> img_cache/

What is up to date is not done again; `--force` does it all the same. The class names stand at the
top of train_test.py, as do the settings of training.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import fast_json_to_dataset
import pre_draw_mask
import predict_big_pic
import re_write_mask
import train_test
from engine import initial_weights
from engine.self_training import Found, read_found, write_lessons
from Images_Augmentation import color_aug_img_json, geo_aug_img_json
from mrcnn.devices import has_accelerator
from spm.checks import costs, preflight
from spm.checks.corrections import Correction, examine, store
from spm.dataset.annotated_images import outlined_sources
from spm.errors import InputError
from spm.evaluation import comparison
from spm.inference.predict import Settings
from spm.instruments.inputs import open_picture
from spm.report.result_files import find_pictures, output_names
from spm.run import command_line
from spm.run.cluster import on_cluster

# --- settings ----------------------------------------------------------------------------------
SOURCE_DIR = Path("aug_test_in")  # your annotated pictures
COPIES_DIR = Path("before")
CACHE_DIR = Path("re_mask_cache")
DATASET_DIR = Path("train_dataset")
LOG_DIR = Path("logs")
IMAGES_DIR = Path("images")  # what to recognise
OUT_DIR = Path("img_cache")
AUG_TIMES = color_aug_img_json.AUG_TIMES  # L2/L3 copies of each L1 picture
# "folder" or "online", see train_test.py; None takes the one there, but "online" with ADD: copies
# of whole pictures would cost minutes and gigabytes.
AUGMENT = None
WORKERS = 0  # processes of the data steps; 0 takes one for each processor core
# Corrected predictions (labelme JSON files) to go on training with; None runs everything anew.
ADD = None
# For few outlines, three or so of each class, or for simulated pictures alone: what was recognised
# in IMAGES_DIR is named anew by its likeness and teaches a second training (docs/recipe.md).
SECOND_ROUND = False
# A dask cluster for the data steps and the pictures, such as "tcp://10.0.0.1:8786"
# (docs/scaling.md).
SCHEDULER = None
# -----------------------------------------------------------------------------------------------

MUCH_DISK = 3.0  # GB of copies, from which on the way without them is mentioned


def main(
    *,
    class_names: list[str] = train_test.CLASS_NAMES,
    source_dir: Path = SOURCE_DIR,
    copies_dir: Path = COPIES_DIR,
    cache_dir: Path = CACHE_DIR,
    dataset_dir: Path = DATASET_DIR,
    log_dir: Path = LOG_DIR,
    images_dir: Path = IMAGES_DIR,
    out_dir: Path = OUT_DIR,
    aug_times: int = AUG_TIMES,
    augment: str | None = AUGMENT,
    init_with: str = train_test.INIT_WITH,
    recipe: str = train_test.RECIPE,
    epochs: int | None = train_test.EPOCHS,
    steps_per_epoch: int | None = train_test.STEPS_PER_EPOCH,
    seed: int = train_test.SEED,
    mirror: bool = train_test.MIRROR,
    workers: int = WORKERS,
    force: bool = False,
    check: bool = False,
    add: list[Path] | None = ADD,
    second_round: bool = SECOND_ROUND,
    scheduler: str | None = SCHEDULER,
) -> int:
    """Runs all steps.

    Args:
        class_names: the molecules' names, as their labels start
        source_dir: folder of your annotated pictures
        copies_dir: folder of the L2/L3 copies
        cache_dir: folder of the L1 pictures' masks
        dataset_dir: folder of the dataset
        log_dir: folder of the training runs
        images_dir: folder of the pictures to recognise
        out_dir: folder of the results
        aug_times: L2/L3 copies of each L1 picture
        augment: folder or online; with --add online by default
        init_with: auto, coco, imagenet, last, none, or a weights file; with --add auto is last
        recipe: auto, gpu or cpu
        epochs: epochs in all
        steps_per_epoch: steps of an epoch
        seed: of everything random
        mirror: mirror pictures too; not when two classes are mirror images of one another
        workers: processes of the data steps
        force: do again what is up to date
        check: only look at the input, report sizes, oddities and expected costs
        add: corrected predictions (JSON) to go on training with from the last weights
        second_round: train a second time, with what was recognised and named by its likeness;
            for few outlines
        scheduler: address of a dask cluster for the data steps and the pictures

    Returns:
        0, or 1 if a picture could not be predicted.

    Raises:
        InputError: with all that is wrong with the input, before any work is done.
    """
    start = time.perf_counter()
    augment = augment or ("online" if add else train_test.AUGMENT)
    source_dir, images_dir, out_dir = Path(source_dir), Path(images_dir), Path(out_dir)
    added, old_weights = [], None
    if add:
        old_weights = weights_to_go_on_with(init_with, Path(log_dir))
        if init_with in ("auto", "last"):
            init_with = str(old_weights)
        added = examine(add, source_dir, images_dir, class_names)
        if not check:
            store(added, source_dir)
    findings = preflight.look(source_dir, images_dir, class_names, hints=check)
    times = aug_times if augment == "folder" else 0
    expected = expected_costs(
        findings, copies_dir, times * l1_count(mirror), recipe, init_with, epochs,
        steps_per_epoch, workers,
    )  # fmt: skip
    if check:
        for correction in added:
            print(f"{correction.annotation.path}: {correction.outlined}, can be added")
        estimate = costs.lines(expected) if findings.sizes else []
        print("\n".join([*preflight.report(findings), *estimate, preflight.verdict(findings)]))
        sys.stdout.flush()  # before the problems, which go to the other stream
    # Everything that can be wrong with the input is said before any work is done.
    if findings.problems:
        raise InputError.joined(findings.problems)
    if check:
        return 0
    for correction in added:
        print(correction.said(source_dir))
    announce(findings, times, expected, mirror)

    if augment == "folder":
        with on_cluster(scheduler):
            make_dataset(
                class_names, source_dir, copies_dir, cache_dir, dataset_dir, aug_times, seed,
                mirror, workers, force,
            )  # fmt: skip
        print(f"Data steps done after {time.perf_counter() - start:.0f} s")
    weights = train_test.train_main(
        class_names=class_names, init_with=init_with, recipe=recipe, augment=augment,
        dataset_dir=dataset_dir, source_dir=source_dir, log_dir=log_dir, epochs=epochs,
        steps_per_epoch=steps_per_epoch, seed=seed, mirror=mirror,
        # A corrected picture that is held back for validation would teach nothing.
        validation_share=0.0 if add else train_test.VALIDATION_SHARE,
    )  # fmt: skip
    names = output_names(find_pictures(None, images_dir)) if add else []
    corrected = {name for correction in added for name in correction.results}
    first = comparison.read_results([n for n in names if n not in corrected], out_dir, class_names)
    status = predict_big_pic.main(
        in_dir=images_dir, out_dir=out_dir, weights=weights, scheduler=scheduler
    )
    if second_round:
        lessons = Path(log_dir) / "second_round"
        teach_by_likeness(lessons, images_dir, out_dir, source_dir, class_names, mirror, seed)
        weights = train_test.train_main(
            class_names=class_names, init_with=init_with, recipe=recipe, augment="online",
            source_dir=lessons, log_dir=log_dir, epochs=epochs, steps_per_epoch=steps_per_epoch,
            seed=seed, mirror=mirror, validation_share=0.0,
        )  # fmt: skip
        status = predict_big_pic.main(
            in_dir=images_dir, out_dir=out_dir, weights=weights, scheduler=scheduler
        )
    if add:
        compare(added, first, (old_weights, weights), out_dir, class_names)
    print(f"All done in {(time.perf_counter() - start) / 60:.1f} minutes; look into {out_dir}")
    return status


def make_dataset(
    class_names: list[str],
    source_dir: Path,
    copies_dir: Path,
    cache_dir: Path,
    dataset_dir: Path,
    aug_times: int,
    seed: int,
    mirror: bool,
    workers: int,
    force: bool,
) -> None:
    """Runs the data steps: copies, masks, dataset."""
    common = {"workers": workers, "force": force}
    named = {**common, "class_names": class_names}
    geo_aug_img_json.main(in_dir=source_dir, flips=flips(mirror), **common)
    color_aug_img_json.main(
        in_dir=source_dir, out_dir=copies_dir, aug_times=aug_times, seed=seed, **common
    )
    pre_draw_mask.main(in_dir=source_dir, out_dir=cache_dir, **named)
    re_write_mask.main(copies_dir=copies_dir, cache_dir=cache_dir, out_dir=dataset_dir, **common)
    fast_json_to_dataset.main(in_dir=copies_dir, cache_dir=cache_dir, out_dir=dataset_dir, **named)


def teach_by_likeness(
    lessons: Path,
    images_dir: Path,
    out_dir: Path,
    source_dir: Path,
    class_names: list[str],
    mirror: bool,
    seed: int,
) -> None:
    """Writes the pictures of the second training.

    Raises:
        InputError: when too little was recognised to teach anything.
    """
    found = _recognised(images_dir, out_dir, class_names)
    sources = outlined_sources(source_dir)
    count = write_lessons(lessons, found, sources, class_names, mirror, seed)
    if not count:
        raise InputError(
            f"{images_dir}: too few molecules were recognised for a second round; outline more, or "
            "run without --second-round."
        )
    print(f"Second round: {count} recognised molecules teach, named by their likeness")


def _recognised(images_dir: Path, out_dir: Path, class_names: list[str]) -> Iterator[Found]:
    """Yields the pictures that were predicted, one at a time. Prediction has told of the others."""
    paths = find_pictures(None, images_dir)
    for path, name in zip(paths, output_names(paths), strict=True):
        result = out_dir / f"{name}_predicted.json"
        try:
            yield read_found(result, open_picture(path).picture, class_names)
        except InputError:
            continue


def weights_to_go_on_with(init_with: str, log_dir: Path) -> Path:
    """Returns the weights whose prediction was corrected.

    Raises:
        InputError: when there are none.
    """
    if init_with not in ("auto", "last") and Path(init_with).is_file():
        return Path(init_with)
    return initial_weights.last_finished(log_dir)


def compare(
    added: list[Correction],
    first: dict[str, comparison.Answers],
    both_weights: tuple[Path, Path],
    out_dir: Path,
    class_names: list[str],
) -> None:
    """Prints what changed in each picture and writes it to corrections.csv.

    Args:
        added: the corrected pictures.
        first: what the results said before, see `spm.evaluation.comparison.read_results`.
        both_weights: before and after.
        out_dir: folder of the results.
        class_names: the molecules' names.
    """
    settings = Settings(score_threshold=comparison.LOWEST)
    detectors = [predict_big_pic.load_detector(w, settings=settings) for w in both_weights]
    rows = [
        comparison.row(
            correction.name,
            *(comparison.ask(detector, correction.annotation) for detector in detectors),
            class_names,
            correction.annotation,
        )
        for correction in added
    ]
    rows += comparison.compare_results(first, out_dir, class_names)
    comparison.write_table(out_dir / comparison.TABLE, rows)
    before, after = (f"{w.parent.name}/{w.name}" for w in both_weights)
    print(f"{before} and {after}, compared (the corrected pictures were trained on):")
    for line in comparison.sentences(rows):
        print(f"  {line}")


def expected_costs(
    findings: preflight.Findings,
    copies_dir: Path,
    copies: int,
    recipe: str,
    init_with: str,
    epochs: int | None,
    steps_per_epoch: int | None,
    workers: int,
) -> costs.Costs:
    """Returns what a run is expected to cost, as far as it was measured (see spm.checks.costs).

    Args:
        copies: L2/L3 copies of each annotated picture; the others are `main`'s.
    """
    light = train_test.LightConfig
    steps, usual_epochs = None, light.EPOCHS
    # Only the light network was measured, and without a graphics card.
    measured = init_with in ("none", "last") or (
        init_with == "auto" and not train_test.COCO_WEIGHTS.exists()
    )
    if Path(init_with).is_file():
        measured = train_test.recipe_of(initial_weights.made_by_us(Path(init_with))) is light
        usual_epochs = light.RETRAIN_EPOCHS
    if recipe != "gpu" and measured and (recipe == "cpu" or not has_accelerator()):
        steps = (epochs or usual_epochs) * (steps_per_epoch or light.STEPS_PER_EPOCH)
    return costs.estimate(findings.sizes, copies, steps, Path(copies_dir), workers)


def flips(mirror: bool) -> tuple[str, ...]:
    """Returns the flips of the L1 step."""
    return geo_aug_img_json.FLIPS if mirror else ()


def l1_count(mirror: bool) -> int:
    """Returns how many L1 pictures come of one annotated picture, itself included."""
    return 1 + len(geo_aug_img_json.plan_copies(geo_aug_img_json.ANGLES, flips(mirror)))


def announce(
    findings: preflight.Findings, aug_times: int, expected: costs.Costs, mirror: bool
) -> None:
    """Prints what is going to be done, and how long it will take."""
    sources = len(findings.sizes)
    molecules = ", ".join(f"{n} {name}" for name, n in findings.counts.items())
    copies = sources * l1_count(mirror)
    print(f"{sources} annotated picture(s), {molecules}")
    if aug_times:
        print(f"  -> {copies} L1 pictures -> {copies * aug_times} L2/L3 pictures -> dataset")
    else:
        print("  -> views of them drawn anew for every step, no copies (AUGMENT = 'online')")
    print(f"  -> training -> {findings.to_recognise} picture(s) recognised")
    for line in costs.lines(expected):
        print(f"  {line}")
    if expected.disk_gb > expected.free_gb:
        print("  the disk may be too small, unless the copies are there already")
    if expected.disk_gb > MUCH_DISK:
        print("  with --augment online no copies are needed")


if __name__ == "__main__":
    command_line.run(main)
