"""The look before work: what `workflow.py --check` reports, and what a run will do and cost."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.checkpoints import made_by_us
from engine.recipes import Recipes, epochs_of, is_light, recipe_of
from Images_Augmentation.geo_aug_img_json import Geometry
from Images_Augmentation.geometric_copies import plan_copies
from mrcnn.config import Config
from mrcnn.devices import cpu_has_bfloat16
from spm.checks import preflight, time_memory_disk
from spm.checks.corrections import Correction
from spm.errors import raise_problems
from spm.run.words import counted

# Of one weights file, measured; AdamW's state is two of them, that of SGD one.
WEIGHTS_GIGABYTES = {
    ("resnet18", 128): 0.0249,
    ("resnet18", None): 0.0555,
    ("resnet50", None): 0.179,
}
MUCH_DISK = 3.0  # GB of copies, from which on the way without them is mentioned


def tell_before_work(
    settings: Any, recipes: Recipes, findings: preflight.Findings, added: list[Correction]
) -> None:
    """Prints what `--check` has seen, or what is going to be done, and the costs.

    Args:
        settings: `workflow.Workflow`; this module knows no script.
        recipes: the user's config classes.
        findings: of the input; a disk without room is added to them.
        added: corrected predictions that are trained on too.

    Raises:
        InputError: with all that is wrong with the input.
    """
    training = settings.training
    from_copies = training.augment == "folder"
    times = settings.aug_times if from_copies else 0
    expected = expected_costs(
        findings, settings.copies_dir, times * l1_count(training.mirror), training,
        settings.workers, recipes,
    )  # fmt: skip
    if not findings.problems:
        findings.problems += disk_problems(expected, settings.copies_dir, training.log_dir)
    if settings.check:
        report(findings, expected, added)
    raise_problems(preflight.folded(findings.problems))
    if not settings.check:
        for correction in added:
            print(correction.said(training.source_dir))
        announce(findings, times, expected, training.mirror)


def expected_costs(
    findings: preflight.Findings,
    copies_dir: Path,
    copies: int,
    training: Any,
    workers: int,
    recipes: Recipes,
) -> time_memory_disk.Costs:
    """Returns what a run is expected to cost, as far as it was measured.

    Args:
        findings: of the input.
        copies_dir: where copies go.
        copies: L2/L3 copies of each annotated image.
        training: `train_test.Training`.
        workers: processes of the data steps.
        recipes: the user's config classes.
    """
    light, init_with = recipes.light, training.init_with
    steps, usual_epochs = None, epochs_of(light, from_nothing=init_with == "none")
    # Only the light network was measured, and without a graphics card.
    measured = init_with in ("none", "last") or (
        init_with == "auto" and not training.coco_weights.exists()
    )
    if Path(init_with).is_file():
        measured = recipe_of(recipes, made_by_us(Path(init_with))) is light
        usual_epochs = light.RETRAIN_EPOCHS
    small = is_light(training.recipe)
    measured = measured and small and training.recipe != "gpu"
    config = light if measured else recipes.small if small else recipes.paper
    if measured:
        epochs = training.epochs or usual_epochs
        steps = epochs * (training.steps_per_epoch or light.STEPS_PER_EPOCH)
    fast = light.COMPUTE_DTYPE == "mixed_bfloat16" or (
        light.COMPUTE_DTYPE == "auto" and cpu_has_bfloat16()
    )
    found = time_memory_disk.estimate(
        findings.sizes, copies, steps, Path(copies_dir), workers,
        dtype="mixed_bfloat16" if fast else "float32",
    )  # fmt: skip
    epochs = training.epochs or (usual_epochs if measured else config.EPOCHS)
    most, stays = run_folder_gigabytes(config, epochs, training.keep)
    return replace(found, weights_gb=most, stays_gb=stays)


def run_folder_gigabytes(config: type[Config], epochs: int, keep: str) -> tuple[float, float]:
    """Returns what the weights of a run take at most, and at its end; (0, 0) for a network that was
    not measured.

    While it trains there are the last two epochs, the best one and the one that is being written,
    and two states of the optimiser.
    """
    one = WEIGHTS_GIGABYTES.get((config.BACKBONE, config.STAGE5_WIDTH), 0.0)
    state = one * (2 if config.OPTIMIZER == "adamw" else 1)
    if keep == "all":
        return one * epochs + 2 * state, one * epochs
    return one * min(epochs, 4) + 2 * state, one * min(epochs, 2)


def disk_problems(expected: time_memory_disk.Costs, copies_dir: Path, log_dir: Path) -> list[str]:
    """Returns a sentence for what has no room on the disk: the copies that are not there yet, and
    the weights."""
    there = sum(1 for path in copies_dir.glob("*.png")) if copies_dir.is_dir() else 0
    needed = expected.disk_gb * max(expected.copies - there, 0) / max(expected.copies, 1)
    weights, room = expected.weights_gb, time_memory_disk.free_gigabytes(log_dir)
    if needed > expected.free_gb:
        return [
            f"{copies_dir}: the copies need about {needed:.3g} GB, and {expected.free_gb:.3g} GB "
            "are free; make fewer (--aug-times) or none (--augment online), or free some space "
            "(python -m engine.clean)."
        ]
    if weights > room - (needed if room == expected.free_gb else 0):  # mostly it is one disk
        return [
            f"{log_dir}: the weights need about {weights:.3g} GB beside the copies, and "
            f"{room:.3g} GB are free; free some space (python -m engine.clean)."
        ]
    return []


def flips(mirror: bool) -> tuple[str, ...]:
    """Returns the flips of the L1 step."""
    return tuple(Geometry.flips) if mirror else ()


def l1_count(mirror: bool) -> int:
    """Returns how many L1 images come of one annotated image, itself included."""
    return 1 + len(plan_copies(Geometry.angles, flips(mirror)))


def report(
    findings: preflight.Findings, expected: time_memory_disk.Costs, added: list[Correction]
) -> None:
    """Prints what `--check` has seen."""
    for correction in added:
        print(f"{correction.annotation.path}: {correction.outlined}, can be added")
    estimate = time_memory_disk.lines(expected) if findings.sizes else []
    print("\n".join([*preflight.report(findings), *estimate, preflight.conclusion(findings)]))
    sys.stdout.flush()  # before the problems, which go to the other stream


def announce(
    findings: preflight.Findings, aug_times: int, expected: time_memory_disk.Costs, mirror: bool
) -> None:
    """Prints what is going to be done, and how long it will take."""
    sources = len(findings.sizes)
    molecules = ", ".join(f"{n} {name}" for name, n in findings.counts.items())
    copies = sources * l1_count(mirror)
    for line in findings.read:
        print(line)
    print(f"{counted(sources, 'annotated image')}, {molecules}")
    for name in (name for name, count in findings.counts.items() if not count):
        print(f"  {name}: no molecule is outlined; the network cannot learn it. Outline some, or "
              "take it out of class_names")  # fmt: skip
    if aug_times:
        print(f"  -> {copies} L1 images -> {copies * aug_times} L2/L3 images -> dataset")
    else:
        print("  -> views of them drawn anew for every step, no copies (augment = 'online')")
    print(f"  -> training -> {counted(findings.to_recognise, 'image')} recognised")
    for line in time_memory_disk.lines(expected):
        print(f"  {line}")
    if expected.disk_gb > MUCH_DISK:
        print("  with --augment online no copies are needed")
