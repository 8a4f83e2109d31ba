"""Are the values of the user's recipes possible? Asked before any work is done.

`mrcnn.config.Config` itself takes whatever a script sets: users of matterport's interface add
attributes of their own. The recipes of train_test.py are edited by hand, and a slip there must not
cost a night.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from engine.class_choice import possible_counts
from engine.initial_weights import unknown_start
from engine.recipes import Recipes, epochs_of, is_light
from mrcnn import distributed
from mrcnn.config import BACKBONES, Config
from spm.run.setting_kinds import Count, Positive, Range, Share, Whole, conform
from spm.structures.classes import Classes

AboveZero = Annotated[float, Range(0, 1, above=True)]
Side = Annotated[int, Range(64, 4096)]
Steps = Annotated[float, Range(1)]  # what is left over of a division is a step too
Auto = Literal["auto"]
# Attribute -> what it may be.
KINDS: dict[str, Any] = {
    "NAME": str,
    "BACKBONE": Literal[BACKBONES],
    "BACKBONE_STRIDES": list[Count],
    "STAGE5_WIDTH": Count | None,
    "TOP_DOWN_PYRAMID_SIZE": Count,
    "RPN_CHANNELS": Count,
    "MASK_HEAD_CHANNELS": Count,
    "FPN_CLASSIF_FC_LAYERS_SIZE": Count,
    "NUM_CLASSES": Count,
    "GPU_COUNT": Count,
    "IMAGES_PER_GPU": Count,
    "STEPS_PER_EPOCH": Steps,
    "VALIDATION_STEPS": Annotated[float, Range(0)],
    "IMAGE_MIN_DIM": Side,
    "IMAGE_MAX_DIM": Side,
    "TILE_DIM": Side | None,
    "RPN_ANCHOR_SCALES": list[Positive],
    "RPN_ANCHOR_RATIOS": list[Positive],
    "RPN_ANCHOR_STRIDE": Count,
    "RPN_NMS_THRESHOLD": Share,
    "RPN_TRAIN_ANCHORS_PER_IMAGE": Count,
    "PRE_NMS_LIMIT": Count,
    "POST_NMS_ROIS_TRAINING": Count,
    "POST_NMS_ROIS_INFERENCE": Count,
    "TRAIN_ROIS_PER_IMAGE": Count,
    "ROI_POSITIVE_RATIO": AboveZero,
    "ADD_GT_ROIS": bool,
    "FILL_NEGATIVES": bool,
    "EXACT_ROI_ALIGN": bool,
    "EXACT_MASKS": bool,
    "MASK_FINE_FEATURES": bool,
    "MASK_ROI_ERROR": Share,
    "MAX_GT_INSTANCES": Count,
    "USE_MINI_MASK": bool,
    "MINI_MASK_SHAPE": tuple[Count, Count],
    "DETECTION_MIN_CONFIDENCE": Share,
    "DETECTION_MAX_INSTANCES": Count,
    "DETECTION_NMS_THRESHOLD": Share,
    "IGNORE_OVERLAP": Share,
    "COMPUTE_DTYPE": Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"],
    "TRAIN_BN": bool | None,
    "BN_MOMENTUM": Share,
    "OPTIMIZER": Literal["sgd", "adamw"],
    "SCHEDULE": Literal["constant", "cosine"],
    "LEARNING_RATE": AboveZero,
    "LEARNING_MOMENTUM": Share,
    "WEIGHT_DECAY": Share,
    "WARMUP_STEPS": Whole,
    "GRADIENT_CLIP_NORM": Positive,
    "JIT_COMPILE": bool | Auto,
    "LOADER_PROCESSES": Whole | Auto,
    "MOLECULE_PIXELS": Annotated[float, Range(4, 1024)],
    "HEAD_EPOCHS": Whole,
    "EPOCHS": Count,
    "SCRATCH_EPOCHS": Count | None,
    "SCRATCH_RATE": AboveZero,
    "RETRAIN_EPOCHS": Count,
    "RETRAIN_RATE": AboveZero,
    "VIEW_COLOURS": bool,
    "MIRROR": bool,
}
NAME = re.compile(r"\w[\w .+-]*")  # of folders and files on any system


def problems_of_training(training: Any, recipes: Recipes) -> Iterator[str]:
    """Yield what is wrong with the settings of a training and with its recipes, as sentences.

    Args:
        training: `train_test.Training`; this module knows no script.
        recipes: the user's config classes.
    """
    if training.class_names is not None and not training.class_names:
        yield "class_names must be names, or None for those of the labels. Received: []."
    yield from Classes(training.class_names or ()).problems()
    yield from unknown_start(training.init_with)
    if training.head_epochs:
        total = training.epochs or most_epochs(recipes, training.recipe)
        if training.head_epochs > total:
            yield f"head_epochs must be at most epochs, {total}. Received: {training.head_epochs}."
    yield from problems_of(recipes, possible_counts(training.class_names))


def problems_of(recipes: Recipes, counts: Sequence[int] | None) -> Iterator[str]:
    """Yield what is wrong with the recipes, as sentences.

    Args:
        recipes: the user's config classes.
        counts: what NUM_CLASSES may be; None while nobody knows.
    """
    for recipe in (recipes.paper, recipes.light, recipes.small):
        wrong = [*_unknown(recipe), *_wrong_values(recipe)]
        yield from wrong or _misfits(recipe, counts)


def _unknown(recipe: type[Config]) -> Iterator[str]:
    """Yield attributes that no setting has: what is misspelt would be taken without a word."""
    known = set(KINDS) | {name for name in dir(Config) if name.isupper()}
    for owner in recipe.__mro__[: recipe.__mro__.index(Config)]:
        for name, value in vars(owner).items():
            if name in known or name.startswith("_") or callable(value):
                continue
            if isinstance(value, classmethod | staticmethod | property):
                continue
            near = difflib.get_close_matches(name.upper(), sorted(known), 1)
            hint = (
                f"did you mean {near[0]}?" if near else "see docs/settings.md for those there are."
            )
            yield f"{owner.__name__}.{name}: there is no such setting; {hint}"


def _owner(recipe: type[Config], name: str) -> str:
    """Return the class in which a recipe's attribute is set."""
    return next(item.__name__ for item in recipe.__mro__ if name in vars(item))


def _wrong_values(recipe: type[Config]) -> Iterator[str]:
    for name, kind in KINDS.items():
        if not hasattr(recipe, name):
            continue
        value = getattr(recipe, name)
        if name == "BACKBONE" and callable(value):
            continue
        try:
            conform(kind, value)
        except ValueError as error:
            yield f"{_owner(recipe, name)}.{name} must be {error}. Received: {value!r}."


def _misfits(recipe: type[Config], counts: Sequence[int] | None) -> Iterator[str]:
    """Yield what is wrong with values of which each alone is possible."""

    def said(name: str, must: str) -> str:
        return f"{_owner(recipe, name)}.{name} must be {must}. Received: {getattr(recipe, name)!r}."

    if not NAME.fullmatch(recipe.NAME):
        yield said("NAME", "letters and digits, which files can be called by")
    if counts and recipe.NUM_CLASSES not in (Config.NUM_CLASSES, *counts):
        yield said("NUM_CLASSES", f"1 + the number of class_names, {counts[0]}")
    if recipe.GPU_COUNT > 1 and distributed.processes() != recipe.GPU_COUNT:
        yield said("GPU_COUNT", "1; several cards are used by torchrun (docs/scaling.md)")
    strides = list(recipe.BACKBONE_STRIDES)
    if strides not in ([4, 8, 16, 32, 64], [8, 16, 32, 64]):
        yield said("BACKBONE_STRIDES", "[4, 8, 16, 32, 64] or [8, 16, 32, 64]")
        return
    for name in ("IMAGE_MIN_DIM", "IMAGE_MAX_DIM", "TILE_DIM"):
        if (side := getattr(recipe, name)) is not None and side % 64:
            yield said(name, f"a multiple of 64, such as {max(round(side / 64), 1) * 64}")
    if recipe.IMAGE_MIN_DIM > recipe.IMAGE_MAX_DIM:
        yield said("IMAGE_MIN_DIM", f"at most IMAGE_MAX_DIM, {recipe.IMAGE_MAX_DIM}")
    if len(recipe.RPN_ANCHOR_SCALES) != len(strides):
        yield said("RPN_ANCHOR_SCALES", f"{len(strides)} numbers, one for each of BACKBONE_STRIDES")
    if recipe.HEAD_EPOCHS > recipe.EPOCHS:
        yield said("HEAD_EPOCHS", f"at most EPOCHS, {recipe.EPOCHS}")
    weights = recipe.LOSS_WEIGHTS
    if not isinstance(weights, dict) or set(weights) - set(Config.LOSS_WEIGHTS):
        yield said("LOSS_WEIGHTS", f"a dict of {', '.join(Config.LOSS_WEIGHTS)}")
        return
    try:
        conform(list[Annotated[float, Range(0)]], list(weights.values()))
    except ValueError:
        yield said("LOSS_WEIGHTS", "numbers of 0 or more")


def most_epochs(recipes: Recipes, recipe: str) -> int:
    """Return the epochs in all of the recipe that "auto", "gpu" or "cpu" means."""
    return (
        max(recipes.light.EPOCHS, epochs_of(recipes.light, True), recipes.small.EPOCHS)
        if is_light(recipe)
        else recipes.paper.EPOCHS
    )
