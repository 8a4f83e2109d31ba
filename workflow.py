"""The whole way: annotated pictures in aug_test_in/ -> recognised pictures in img_cache/.

    python workflow.py            run everything
    python workflow.py --check    look at everything, report, start nothing

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

import time
from pathlib import Path

import train_test
from Images_Augmentation import color_aug_img_json, geo_aug_img_json
from mrcnn.devices import has_accelerator
from spm import cli, costs, preflight
from spm.errors import InputError

# --- settings ----------------------------------------------------------------------------------
SOURCE_DIR = Path("aug_test_in")  # your annotated pictures
COPIES_DIR = Path("before")
CACHE_DIR = Path("re_mask_cache")
DATASET_DIR = Path("train_dataset")
LOG_DIR = Path("logs")
IMAGES_DIR = Path("images")  # what to recognise
OUT_DIR = Path("img_cache")
AUG_TIMES = color_aug_img_json.AUG_TIMES  # L2/L3 copies of each L1 picture
AUGMENT = train_test.AUGMENT  # "folder" or "online", see train_test.py
WORKERS = 0  # processes of the data steps; 0 takes one for each processor core
# -----------------------------------------------------------------------------------------------


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
    augment: str = AUGMENT,
    init_with: str = train_test.INIT_WITH,
    recipe: str = train_test.RECIPE,
    epochs: int | None = train_test.EPOCHS,
    steps_per_epoch: int | None = train_test.STEPS_PER_EPOCH,
    seed: int = train_test.SEED,
    workers: int = WORKERS,
    force: bool = False,
    check: bool = False,
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
        augment: folder or online
        init_with: auto, coco, imagenet, last, none, or a weights file
        recipe: auto, gpu or cpu
        epochs: epochs in all
        steps_per_epoch: steps of an epoch
        seed: of everything random
        workers: processes of the data steps
        force: do again what is up to date
        check: only look at the input, report sizes, oddities and expected costs

    Returns:
        0, or 1 if a picture could not be predicted.

    Raises:
        InputError: with all that is wrong with the input, before any work is done.
    """
    import fast_json_to_dataset
    import pre_draw_mask
    import predict_big_pic
    import re_write_mask

    start = time.perf_counter()
    findings = preflight.look(Path(source_dir), Path(images_dir), class_names, hints=check)
    expected = expected_costs(
        findings,
        copies_dir,
        aug_times,
        recipe,
        init_with,
        epochs,
        steps_per_epoch,
        workers,
    )
    if check:
        print("\n".join([*preflight.report(findings), *costs.lines(expected)]))
    # Everything that can be wrong with the input is said before any work is done.
    if findings.problems:
        raise InputError.joined(findings.problems)
    if check:
        return 0
    announce(findings, aug_times, expected)

    common = {"workers": workers, "force": force}
    named = {**common, "class_names": class_names}
    geo_aug_img_json.main(in_dir=source_dir, **common)
    color_aug_img_json.main(
        in_dir=source_dir, out_dir=copies_dir, aug_times=aug_times, seed=seed, **common
    )
    pre_draw_mask.main(in_dir=source_dir, out_dir=cache_dir, **named)
    re_write_mask.main(copies_dir=copies_dir, cache_dir=cache_dir, out_dir=dataset_dir, **common)
    fast_json_to_dataset.main(in_dir=copies_dir, cache_dir=cache_dir, out_dir=dataset_dir, **named)
    print(f"Data steps done after {time.perf_counter() - start:.0f} s")

    weights = train_test.train_main(
        class_names=class_names, init_with=init_with, recipe=recipe, augment=augment,
        dataset_dir=dataset_dir, source_dir=source_dir, log_dir=log_dir, epochs=epochs,
        steps_per_epoch=steps_per_epoch, seed=seed,
    )  # fmt: skip
    status = predict_big_pic.main(in_dir=images_dir, out_dir=out_dir, weights=weights)
    print(f"All done in {(time.perf_counter() - start) / 60:.1f} minutes; look into {out_dir}")
    return status


def expected_costs(
    findings: preflight.Findings,
    copies_dir: Path,
    aug_times: int,
    recipe: str,
    init_with: str,
    epochs: int | None,
    steps_per_epoch: int | None,
    workers: int,
) -> costs.Costs:
    """Returns what a run is expected to cost, as far as it was measured (see spm.costs)."""
    light = train_test.LightConfig
    steps = None
    # Only the light network that starts from nothing was measured, and without a graphics card.
    pretrained = init_with not in ("auto", "none", "last") or (
        init_with == "auto" and train_test.COCO_WEIGHTS.exists()
    )
    if recipe != "gpu" and not pretrained and (recipe == "cpu" or not has_accelerator()):
        steps = (epochs or light.EPOCHS) * (steps_per_epoch or light.STEPS_PER_EPOCH)
    return costs.estimate(findings.sizes, l1_count() * aug_times, steps, Path(copies_dir), workers)


def l1_count() -> int:
    """Returns how many L1 pictures come of one annotated picture, itself included."""
    return 1 + len(geo_aug_img_json.plan_copies(geo_aug_img_json.ANGLES, geo_aug_img_json.FLIPS))


def announce(findings: preflight.Findings, aug_times: int, expected: costs.Costs) -> None:
    """Prints what is going to be done, and how long it will take."""
    sources = len(findings.sizes)
    molecules = ", ".join(f"{n} {name}" for name, n in findings.counts.items())
    copies = sources * l1_count()
    print(f"{sources} annotated picture(s), {molecules}")
    print(f"  -> {copies} L1 pictures -> {copies * aug_times} L2/L3 pictures -> dataset")
    print(f"  -> training -> {findings.to_recognise} picture(s) recognised")
    for line in costs.lines(expected):
        print(f"  {line}")
    if expected.disk_gb > expected.free_gb:
        print("  the disk may be too small, unless the copies are there already")


if __name__ == "__main__":
    cli.run(main)
