"""The whole way: annotated images in aug_test_in/ -> recognised images in img_cache/.

    python workflow.py            run everything
    python workflow.py --check    look at everything, report, start nothing
    python workflow.py --add img_cache/NAME_predicted.json
                                  train on with a prediction that you corrected, predict again and
                                  compare (docs/correct_and_retrain.md)

It runs the steps one after the other; each is a script of its own and can be run alone:

    Images_Augmentation/geo_aug_img_json.py     L1: turned and flipped copies
    Images_Augmentation/color_aug_img_json.py   L2/L3: noise, blur, colours, distortion -> before/
    pre_draw_mask.py                            masks of the L1 images -> re_mask_cache/
    re_write_mask.py                            masks of all copies -> train_dataset/
    fast_json_to_dataset.py                     images and labels -> train_dataset/
    train_test.py                               training -> logs/
    predict_big_pic.py                          images/ -> img_cache/

What is up to date is not done again; `--force` does it all the same. The classes are those that the
labels name. The settings of training stand at the top of train_test.py, those of prediction at the
top of predict_big_pic.py.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

import predict_big_pic
import train_test
from Images_Augmentation import color_aug_img_json
from Images_Augmentation.color_aug_img_json import Copies
from predict_big_pic import Prediction
from spm.run import command_line
from spm.run.files import folder_lock
from spm.run.setting_kinds import Whole
from spm.run.settings import Settings, old_names, takes
from spm.structures.classes import Classes
from train_test import Training

if TYPE_CHECKING:
    from engine.unfinished import Unfinished
    from spm.checks.corrections import Correction
    from spm.checks.preflight import Findings


# --- settings: change the values, the text below each says what it is ---------------------------
class Workflow(Settings):
    """The whole way. Settings of training stand at the top of train_test.py, those of prediction
    at the top of predict_big_pic.py."""

    copies_dir: Path = Path("before")
    """Folder of the L2/L3 copies."""
    cache_dir: Path = Path("re_mask_cache")
    """Folder of the masks of the L1 images."""
    images_dir: Path = Path("images")
    """Folder of the images to recognise."""
    out_dir: Path = Path("img_cache")
    """Folder of the results."""
    aug_times: Copies = color_aug_img_json.Colours.aug_times
    """L2/L3 copies of each L1 image; 28 to 112 make sense, fewer take less disk and time."""
    workers: Whole = 0
    """Processes of the data steps; 0 takes one for each processor core."""
    force: bool = False
    """Do again what is up to date."""
    tidy: bool = False
    """Take the L1 copies out of source_dir once the dataset is made, so that your own files are
    alone there; the next run makes the copies again, in seconds."""
    check: bool = False
    """Only look at the input; report what is wrong, sizes, oddities and expected costs."""
    add: list[Path] | None = None
    """Predictions that you corrected (JSON), to go on training with from the last weights
    (docs/correct_and_retrain.md). None: everything is run anew."""
    self_training: bool = False
    """For few outlines, three or so of each class, or for simulated images alone: what was
    recognised is named anew by its likeness and teaches a second training (docs/recipe.md)."""
    examples: bool = False
    """For one outline of each class, or a few: what looks like them in source_dir and images_dir is
    found before the training and teaches it too (docs/recipe.md)."""
    scheduler: str | None = None
    """Address of a dask cluster for the data steps and the images, such as tcp://10.0.0.1:8786
    (docs/scaling.md). None: this machine."""
    training: Training = field(default_factory=Training)
    prediction: Prediction = field(default_factory=Prediction)

    renamed = {"second_round": "self_training"}

    def problems(self) -> Iterator[str]:
        """Yield folders of two purposes: one step's results would be another's input; and what does
        not go with examples."""
        if self.examples and (self.add or self.training.augment == "folder"):
            yield (
                "examples: is a training of its own without copies; run it without add and without "
                "augment = folder."
            )
        if self.examples and self.training.validation_share != Training.validation_share:
            yield "examples: holds no image back; leave validation_share as it is."
        purposes = {name: getattr(self, name) for name in ("copies_dir", "cache_dir", "out_dir")}
        purposes |= {"dataset_dir": self.training.dataset_dir}
        purposes |= {"source_dir": self.training.source_dir, "images_dir": self.images_dir}
        for (name, folder), (other, second) in itertools.combinations(purposes.items(), 2):
            own = {name, other} == {"source_dir", "images_dir"}  # whole images were annotated
            if folder.resolve() == second.resolve() and not own:
                yield f"{folder}: {name} and {other} are the same folder; choose another for one."


# ------------------------------------------------------------------------------------------------


@takes(Workflow)
def main(settings: Workflow) -> int:
    """Run all steps.

    Returns:
        0, or 1 if an image could not be predicted.

    Raises:
        InputError: with all that is wrong with the input, before any work is done.
    """
    from engine import retrain, unfinished
    from engine.workflow_check import tell_before_work

    start = time.perf_counter()
    asked, cut_off = settings, unfinished.find(settings)
    settings, findings, added, old_weights = look(settings, cut_off)
    images_dir, out_dir = settings.images_dir, settings.out_dir
    # Everything that can be wrong with the input is said before any work is done.
    tell_before_work(settings, train_test.recipes(), findings, added)
    if settings.check:
        return 0
    if cut_off:
        print("continuing the interrupted run")
    else:
        others = retrain.other_names(added, images_dir) if settings.add else ()
        cut_off = unfinished.begin(asked, old_weights, added, others)

    if settings.training.augment == "folder":
        make_dataset(settings)
    weights = train_with_examples(settings) if settings.examples else train(settings)
    status = predict(settings, weights)
    if settings.self_training:
        weights = train_again(settings)
        status = predict(settings, weights)
    if settings.add:
        retrain.compare(added, cut_off.folder, (old_weights, weights), out_dir, findings.names)
    cut_off.end()
    print(f"All done in {(time.perf_counter() - start) / 60:.1f} minutes; look into {out_dir}")
    return status


def look(
    settings: Workflow, cut_off: Unfinished | None = None
) -> tuple[Workflow, Findings, list[Correction], Path | None]:
    """Look at the input, and take the corrections in if this is no mere check.

    Args:
        settings: as the user gave them.
        cut_off: the same command's run that was cut off, which has taken the corrections in.

    Returns:
        The settings with what follows from the input: classes, weights and kind of augmentation;
        what was found; the corrections, and the weights whose predictions were corrected.

    Raises:
        InputError: for corrections that cannot be used.
    """
    from engine import retrain
    from engine.class_choice import class_choice, start_problems
    from engine.example_checks import example_problems
    from spm.checks import preflight
    from spm.checks.corrections import examine, store

    given, images_dir = settings.training, settings.images_dir
    without_copies = settings.add or settings.examples
    settings = settings.replace(augment=given.augment or ("online" if without_copies else "folder"))
    added: list[Correction] = []
    old_weights = cut_off.weights if cut_off else None
    if settings.add:
        old_weights, changes = retrain.start_with(given.init_with, given.log_dir, old_weights)
        settings = settings.replace(**changes)
    choice = class_choice(given, old_weights)
    if settings.add and cut_off:
        added = cut_off.added(given.source_dir)
    elif settings.add:
        added = examine(settings.add, given.source_dir, images_dir, choice)
        if not settings.check:
            store(added, given.source_dir)
    findings = preflight.look(given.source_dir, images_dir, choice, hints=settings.check)
    findings.problems += start_problems(settings.training, train_test.recipes(), findings.names)
    if settings.examples and not findings.problems:
        findings.problems += example_problems(given.source_dir, findings.names)
        findings.hints.pop(preflight.FEW_OF_A_CLASS, None)
    if findings.names:
        settings = settings.replace(class_names=list(findings.names))
    return settings, findings, added, old_weights


def make_dataset(settings: Workflow) -> None:
    """Run the data steps: copies, masks, dataset."""
    import fast_json_to_dataset
    import pre_draw_mask
    import re_write_mask
    from engine.workflow_check import flips
    from Images_Augmentation import geo_aug_img_json
    from Images_Augmentation.geometric_copies import remove_copies
    from spm.run.cluster import on_cluster

    start = time.perf_counter()
    training, copies, cache = settings.training, settings.copies_dir, settings.cache_dir
    source, dataset = training.source_dir, training.dataset_dir
    common = {"workers": settings.workers, "force": settings.force}
    named = {**common, "class_names": training.class_names}
    with on_cluster(settings.scheduler):
        geo_aug_img_json.main(in_dir=source, flips=flips(training.mirror), **common)
        color_aug_img_json.main(
            in_dir=source, out_dir=copies, aug_times=settings.aug_times, seed=training.seed,
            **common,
        )  # fmt: skip
        pre_draw_mask.main(in_dir=source, out_dir=cache, **named)
        re_write_mask.main(copies_dir=copies, cache_dir=cache, out_dir=dataset, **common)
        fast_json_to_dataset.main(in_dir=copies, cache_dir=cache, out_dir=dataset, **named)
    if settings.tidy:
        remove_copies(source)
    print(f"Data steps done after {time.perf_counter() - start:.0f} s")


def predict(settings: Workflow, weights: Path) -> int:
    """Recognise the images; return 1 if one could not be."""
    return predict_big_pic.main(
        in_dir=settings.images_dir, out_dir=settings.out_dir, weights=weights,
        scheduler=settings.scheduler, **settings.prediction.values(),
    )  # fmt: skip


def train(settings: Workflow, **changes) -> Path:
    """Train, with changes of the settings of training; return the weights."""
    return train_test.train_main(**settings.training.values(**changes))


def train_with_examples(settings: Workflow) -> Path:
    """Train with what looks like the outlined molecules, too; return the weights."""
    from engine.examples import teach_by_examples

    training, taught = settings.training, settings.training.log_dir / "examples"
    with folder_lock(taught):
        teach_by_examples(
            taught, settings.images_dir, training.source_dir, Classes.of(training.class_names),
            training.mirror, training.seed,
        )  # fmt: skip
        return train(settings, source_dir=taught, validation_share=0.0, partial=True)


def train_again(settings: Workflow) -> Path:
    """Train with what was recognised, named anew by its likeness; return the weights."""
    from engine.self_training import teach_by_likeness
    from spm.dataset.annotated_images import outlined_sources

    training = settings.training
    pseudo_labels = training.log_dir / "self_training"
    sources = outlined_sources(training.source_dir, training.partial or settings.examples)
    with folder_lock(pseudo_labels):
        teach_by_likeness(
            pseudo_labels, settings.images_dir, settings.out_dir, sources,
            Classes.of(training.class_names), training.mirror, training.seed,
        )  # fmt: skip
        return train(settings, augment="online", source_dir=pseudo_labels, validation_share=0.0)


# Names of before this file was only settings.
__getattr__ = old_names(Workflow, l1_count="engine.workflow_check", flips="engine.workflow_check")


if __name__ == "__main__":
    command_line.run(main)
