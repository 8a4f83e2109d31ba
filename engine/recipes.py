"""The config of a run: one of the user's recipes, with what follows from outlines and weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.initial_weights import Start
from mrcnn.config import Config
from mrcnn.devices import has_accelerator
from spm.dataset.anchors import anchor_scales, box_sides, network_scale
from spm.dataset.annotated_images import Source, median_diameter
from spm.errors import InputError
from spm.structures.classes import Classes


@dataclass(frozen=True)
class Recipes:
    """The user's config classes, from train_test.py.

    Attributes:
        paper: for a graphics card.
        light: for a machine without one.
        small: for one that starts from pretrained weights.
    """

    paper: type[Config]
    light: type[Config]
    small: type[Config]


def is_light(recipe: str) -> bool:
    """Returns whether "auto", "gpu" or "cpu" means the recipes for a machine without a card."""
    return recipe == "cpu" or (recipe == "auto" and not has_accelerator())


def make_config(
    recipes: Recipes,
    light: bool,
    start: Start,
    classes: Classes,
    sources: list[Source],
    **changes: Any,
) -> Config:
    """Makes the config of a run: that of the recipe, with what follows from the outlines.

    Args:
        recipes: the user's config classes.
        light: see `is_light`.
        start: what training starts from.
        classes: those that are trained.
        sources: the training's annotated images.
        changes: attributes of the config; None leaves one as it is.

    Returns:
        An instance with two settings more: SCALE (network pixels per image pixel) and
        MOLECULE_SIZE (median diameter in image pixels).
    """
    base = recipes.light if light else recipes.paper
    if light and start.pretrained:
        base = recipes.small
    if start.made:
        base = recipe_of(recipes, start.made) or base
        return _same_network(base, start, classes, changes)
    sides = box_sides(sources)
    diameter = median_diameter(sources)
    scale = network_scale(diameter, base.MOLECULE_PIXELS)
    levels = len(base.BACKBONE_STRIDES)
    settings = {
        "NUM_CLASSES": 1 + len(classes),
        # None trains it too.
        "TRAIN_BN": base.TRAIN_BN is not False or not (start.pretrained or start.goes_on),
        "SCALE": scale,
        "MOLECULE_SIZE": diameter,
        **start.network,
        **{name: value for name, value in changes.items() if value is not None},
    }
    if light:
        settings["RPN_ANCHOR_SCALES"] = anchor_scales(
            sides, scale, levels, base.BACKBONE_STRIDES[0]
        )
    return type("RunConfig", (base,), settings)()


def epochs_of(recipe: type[Config] | Config, from_nothing: bool) -> int:
    """Returns the epochs in all, which are more where training starts from nothing."""
    return (recipe.SCRATCH_EPOCHS if from_nothing else None) or recipe.EPOCHS


def other_classes(weights: Path, known: Sequence[str], classes: Classes) -> str:
    """Returns a sentence for weights that cannot be gone on with, being of other classes."""
    return (
        f"{weights}: was trained for {', '.join(known)}, but class_names are "
        f"{', '.join(classes)}; train anew (init_with = 'auto'), or correct the names."
    )


def recipe_of(recipes: Recipes, made: dict | None) -> type[Config] | None:
    """Returns the recipe of a weights file, by what it says of itself, if known."""
    stored = made["config"] if made else {}
    for recipe in (recipes.light, recipes.small, recipes.paper):
        marks = ("BACKBONE", "IMAGE_MAX_DIM")
        if all(stored.get(mark) == getattr(recipe, mark) for mark in marks):
            return recipe
    return None


def _same_network(
    base: type[Config], start: Start, classes: Classes, changes: dict[str, Any]
) -> Config:
    """Makes the config for going on with weights of our own: what they were trained for stays."""
    made, stored = start.made, start.made["config"]
    if made["class_names"] != list(classes):
        raise InputError(other_classes(start.weights, made["class_names"], classes))
    kept = ["TRAIN_BN", "MINI_MASK_SHAPE"]
    if len(stored.get("RPN_ANCHOR_SCALES") or ()) == len(base.BACKBONE_STRIDES):
        kept.append("RPN_ANCHOR_SCALES")
    settings = {
        "NUM_CLASSES": 1 + len(classes),
        "SCALE": float(made["scale"]),
        "MOLECULE_SIZE": (made["extra"] or {}).get("molecule_size"),
        # Older files know only matterport's way.
        "EXACT_ROI_ALIGN": stored.get("EXACT_ROI_ALIGN", False),
        "EXACT_MASKS": stored.get("EXACT_MASKS", False),
        "MASK_FINE_FEATURES": stored.get("MASK_FINE_FEATURES", False),
        "STAGE5_WIDTH": stored.get("STAGE5_WIDTH"),
        **{key: stored[key] for key in kept if key in stored},
        **{name: value for name, value in changes.items() if value is not None},
    }
    return type("RunConfig", (base,), settings)()
