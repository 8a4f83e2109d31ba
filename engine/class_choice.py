"""Which classes a training has: the user's, those of the weights it starts from, or the labels'."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.checkpoints import made_by_us, weights_to_continue
from engine.recipes import Recipes, other_classes
from mrcnn.config import Config
from spm.errors import InputError
from spm.structures.classes import ClassChoice, Classes, part_names


def class_choice(settings: Any, weights: Path | None = None) -> ClassChoice:
    """Return what decides the classes of a training.

    A run that goes on with the last weights, or with corrected predictions, keeps their classes.
    One that starts from a file of ours keeps its classes where the labels have no others.

    Args:
        settings: `train_test.Training`.
        weights: those whose predictions were corrected.

    Where there are no such weights, or they are broken, the labels decide; `start_problems` tells
    of it.
    """
    if settings.class_names is not None:
        return ClassChoice(settings.class_names)
    fixed = weights is not None or settings.init_with == "last"
    try:
        weights = weights or _begun_with(settings)
        made = made_by_us(weights) if weights else None
    except InputError:
        made = None
    return ClassChoice(known=made["class_names"], fixed=fixed) if made else ClassChoice()


def _begun_with(settings: Any) -> Path | None:
    """Return the weights file that training starts from, None for words but `last`.

    Raises:
        InputError: when there are no last weights.
    """
    if settings.init_with == "last":
        return weights_to_continue(settings.log_dir)
    return Path(settings.init_with) if Path(settings.init_with).is_file() else None


def start_problems(settings: Any, recipes: Recipes, classes: Classes) -> list[str]:
    """Return why a training of these classes cannot start: other weights, or another recipe.

    Args:
        settings: `train_test.Training`.
        recipes: the user's config classes.
        classes: those that are to be trained.
    """
    problems = list(misfits(recipes, classes)) if classes else []
    try:
        weights = _begun_with(settings)
        made = made_by_us(weights) if weights else None
    except InputError as error:
        return [*problems, str(error)]
    if made and settings.init_with == "last" and classes and made["class_names"] != list(classes):
        problems.append(other_classes(weights, made["class_names"], classes))
    return problems


def possible_counts(class_names: list[str] | None) -> list[int] | None:
    """Return what NUM_CLASSES may be with a user's class names; None where the labels decide."""
    if class_names is None:
        return None
    return [1 + len(names) for names in (class_names, part_names(class_names))]


def misfits(recipes: Recipes, classes: Classes) -> Iterator[str]:
    """Yield a sentence for each recipe that is for another number of classes than there are."""
    for recipe in (recipes.paper, recipes.light, recipes.small):
        if recipe.NUM_CLASSES not in (Config.NUM_CLASSES, 1 + len(classes)):
            yield (
                f"{recipe.__name__}.NUM_CLASSES must be 1 + the number of class_names, "
                f"{1 + len(classes)} ({classes}); take the line out, it follows from them. "
                f"Received: {recipe.NUM_CLASSES}."
            )


def check_classes(recipes: Recipes, classes: Classes) -> None:
    """Make sure that classes can be trained.

    Raises:
        InputError: when names collide, there is none, or a recipe is for another number.
    """
    problems = [*classes.problems(), *misfits(recipes, classes)]
    if not classes:
        problems.append("no molecule is outlined, so that there is no class; outline some.")
    if problems:
        raise InputError.joined(dict.fromkeys(problems))
