"""A training run: from the user's settings and recipes to the weights of the last epoch."""

from __future__ import annotations

import io
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.callbacks import announce, callbacks, remove_superseded
from engine.checkpoints import find_interrupted
from engine.class_choice import check_classes, class_choice
from engine.dataset import make_dataset
from engine.initial_weights import Start, find_start
from engine.likeness import appearance_record
from engine.recipes import Recipes, epochs_of, is_light, make_config
from engine.unfinished import trained_before
from mrcnn import distributed
from mrcnn.config import Config
from spm.dataset.annotated_images import (
    Source,
    classes_of,
    classify,
    digest_of,
    folder_sources,
    outlined_sources,
    own_labels,
    split,
)
from spm.errors import InputError
from spm.run.files import folder_lock
from spm.run.provenance import write_record
from spm.structures.classes import Classes

if TYPE_CHECKING:
    from mrcnn.model import MaskRCNN


def train(settings: Any, recipes: Recipes) -> Path:
    """Trains the detector.

    Args:
        settings: `train_test.Training`; this module knows no script.
        recipes: the user's config classes.

    Returns:
        The weights file of the last epoch.

    Raises:
        InputError: when there is nothing to train on, a label is unknown, or the weights to start
            from do not fit.
    """
    began = time.perf_counter()
    _join_processes()
    log_dir, augment = settings.log_dir, settings.augment or "folder"
    sources = find_sources(
        augment, settings.dataset_dir, settings.source_dir, settings.mirror, settings.partial
    )
    classes = decide_classes(settings, recipes, sources)
    counts = classify(sources, classes)
    training, validation = split(sources, settings.validation_share, settings.seed)
    light = is_light(settings.recipe)
    start = distributed.from_first(
        lambda: find_start(
            settings.init_with,
            recipes.light if light else None,
            log_dir,
            classes,
            settings.coco_weights,
        )
    )
    config = make_config(
        recipes, light, start, classes, training, STEPS_PER_EPOCH=settings.steps_per_epoch,
        VIEW_COLOURS=settings.view_colours, MIRROR=settings.mirror, GPU_COUNT=_process_count(),
    )  # fmt: skip
    stages = plan_stages(config, start, settings.head_epochs, settings.epochs)
    announce(config, start, counts, training, validation, stages, augment)

    record = {
        "class_names": list(classes), "starts_from": start.words, "augment": augment,
        "seed": settings.seed, "images": [source.name for source in training],
        "validation_images": [source.name for source in validation],
        "data": digest_of([*training, *validation]),
        "stages": stages, "config": config.to_dict(),
    }  # fmt: skip
    if done := distributed.from_first(lambda: trained_before(log_dir, record)):
        print(f"{done}: was trained before the interruption; it is used")
        return done
    interrupted = distributed.from_first(
        lambda: None if start.goes_on else find_interrupted(log_dir, record, recipes.paper.NAME)
    )
    if interrupted:
        start = Start("an interrupted run", interrupted, goes_on=True)
        print(f"  continuing the interrupted run {interrupted.parent}")
    originals = find_originals(sources, augment, settings, classes)
    model = build(config, start, log_dir, settings.seed)
    model.metadata.update(
        class_names=list(classes), scale=config.SCALE,
        extra={
            "molecule_size": config.MOLECULE_SIZE,
            "partial": settings.partial,  # corrections go on with it, see engine.retrain
            **appearance_record(originals or training, classes, settings.mirror),
        },
    )  # fmt: skip
    first = distributed.rank() == 0  # of several processes one writes
    # Another run that started in the same minute, or goes on with the same weights, is refused.
    with folder_lock(model.log_dir) if first else nullcontext():
        if first and not interrupted:
            write_record(Path(model.log_dir) / "settings.json", record)
        train_set = make_dataset(training, classes, config)
        val_set = make_dataset(validation, classes, config) if validation else None
        last = 0 if interrupted else model.epoch
        for layers, count, factor in stages:
            last += count
            if last > model.epoch:
                rate = config.LEARNING_RATE * factor
                train_stage(model, train_set, val_set, rate, last, layers, settings)
        weights = Path(model.checkpoint_path.format(epoch=model.epoch))
        if first:
            judge(model, weights, validation or training, originals, classes)
            remove_superseded(weights.parent, finished=True, keep_all=settings.keep == "all")
    print(f"{weights}: trained in {(time.perf_counter() - began) / 60:.1f} minutes")
    return weights


def decide_classes(settings: Any, recipes: Recipes, sources: list[Source]) -> Classes:
    """Returns the classes of a training, and prints what was understood of the labels where nobody
    named them.

    Raises:
        InputError: when they cannot be trained.
    """
    choice = distributed.from_first(lambda: class_choice(settings))
    labels = own_labels(sources)
    classes = classes_of(sources, choice)
    for line in choice.said(classes, labels):
        print(line)
    check_classes(recipes, classes)
    return classes


def find_sources(
    augment: str, dataset_dir: Path, source_dir: Path, mirror: bool, partial: bool = False
) -> list[Source]:
    """Returns what is trained on: copies ("folder") or the user's own annotated images ("online").

    Args:
        augment, dataset_dir, source_dir, mirror, partial: as in `train_test.Training`.

    Raises:
        InputError: when there is nothing.
    """
    if augment == "folder":
        found = [s for s in folder_sources(dataset_dir) if mirror or not s.mirrored]
        if not found:
            raise InputError(
                f"{dataset_dir}: all images are mirrored copies, and mirror is False; run "
                "workflow.py, which makes others."
            )
        for source in found:
            source.partial |= partial
        return found
    return outlined_sources(source_dir, partial)


def plan_stages(
    config: Config, start: Start, head_epochs: int | None, epochs: int | None
) -> list[tuple[str, int, float]]:
    """Returns (layers, epochs, factor of the learning rate) of each stage that has epochs."""
    heads = config.HEAD_EPOCHS if head_epochs is None else head_epochs
    from_nothing = not start.weights
    total = epochs_of(config, from_nothing) if epochs is None else epochs
    if start.made and not start.goes_on:
        total = config.RETRAIN_EPOCHS if epochs is None else epochs
        return [("all", total, config.RETRAIN_RATE)]
    if from_nothing:
        return [("all", total, config.SCRATCH_RATE)]
    if not start.pretrained:
        heads = 0
    heads = min(heads, total)
    stages = [("heads", heads, 1.0), ("all", total - heads, 0.1 if heads else 1.0)]
    return [stage for stage in stages if stage[1] > 0]


def build(config: Config, start: Start, log_dir: Path, seed: int) -> MaskRCNN:
    """Returns the detector in training mode, with the weights that it starts from.

    Raises:
        InputError: when the weights do not fit; the sentence says why.
    """
    import keras

    from mrcnn.memory import keep_freed_memory
    from mrcnn.model import MaskRCNN, WeightsError

    keep_freed_memory()
    keras.utils.set_random_seed(seed)
    model = MaskRCNN("training", config, str(log_dir))
    try:
        if start.weights == Path("imagenet"):
            model.load_weights(model.get_imagenet_weights())
            model.set_log_dir()
        elif start.weights:
            model.load_weights(
                str(start.weights), exclude=list(start.exclude), other_classes=start.other_classes
            )
            if not start.goes_on:
                model.set_log_dir()
    except WeightsError as error:
        raise InputError(str(error)) from error
    except (OSError, ValueError) as error:
        raise InputError(f"{start.weights}: cannot be loaded ({error}).") from error
    return model


def _join_processes() -> None:
    """Under torchrun (docs/scaling.md): joins the others; of all processes one speaks.

    Raises:
        InputError: when the backend cannot train over processes.
    """
    try:
        distributed.join()
    except ValueError as error:
        raise InputError(str(error)) from error
    if distributed.rank() > 0:
        sys.stdout = io.StringIO()


def _process_count() -> int | None:
    """What GPU_COUNT is under torchrun, else None: it stays what the recipe says."""
    return distributed.processes() if distributed.processes() > 1 else None


def train_stage(model, train_set, val_set, rate, last, layers, settings) -> None:
    """Trains `layers` up to epoch `last`.

    Raises:
        InputError: when a loss is not finite any more, or too many images cannot be loaded.
    """
    from mrcnn.samples import ImagesError
    from mrcnn.training_callbacks import NonFiniteLoss

    try:
        steps = model.config.STEPS_PER_EPOCH
        told = callbacks(Path(model.log_dir), steps, settings.keep == "all")
        model.train(
            train_set, val_set, rate, last, layers,
            custom_callbacks=told if distributed.rank() == 0 else [],
            seed=settings.seed,
            verbose=0,
        )  # fmt: skip
    except (ImagesError, NonFiniteLoss) as error:
        raise InputError(str(error)) from error


def judge(
    model: MaskRCNN,
    weights: Path,
    sources: list[Source],
    originals: list[Source],
    classes: Classes,
) -> None:
    """Chooses the score threshold on the validation images, measures on the user's own how far
    outlines are off, and stores both in the weights file."""
    from engine.detector import load_detector
    from spm.evaluation.outline_bias import look_at_outlines, outline_biases
    from spm.evaluation.threshold import LOWEST, choose_threshold, look
    from spm.inference.predict import Settings

    detector = load_detector(weights, settings=Settings(score_threshold=LOWEST))
    threshold = choose_threshold(look(detector, sources), classes)
    seen = look_at_outlines(detector, originals, detector.mirror)
    biases = outline_biases(seen, classes, detector.scale, threshold)
    model.metadata["score_threshold"] = round(threshold, 3)
    stored = {name: bias.stored() for name, bias in biases.items()}
    model.metadata["extra"] = {**model.metadata["extra"], "outline_bias": stored}
    model.save_weights(weights)
    print(f"Molecules are reported from a score of {threshold:.2f}")
    if missing := [name for name in classes if name not in biases]:
        print(
            f"Outlines of {', '.join(missing)} are reported as the network draws them: too few "
            "whole ones of one shape are outlined to measure how far they are off"
        )


def find_originals(
    sources: list[Source], augment: str, settings: Any, classes: Classes
) -> list[Source]:
    """Returns the user's own annotated images, as far as they are at hand: what a training on
    copies was made from may have moved since."""
    if augment == "online":
        return sources
    try:
        originals = outlined_sources(settings.source_dir, settings.partial)
        classify(originals, classes)
    except InputError:
        return []
    return originals
