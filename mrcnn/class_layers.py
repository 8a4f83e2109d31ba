"""The last layers of a network for other classes than a weights file has."""

from __future__ import annotations

import numpy as np

# Layers whose last axis runs over the classes, background first -> numbers of a class.
CLASS_LAYERS = {"mrcnn_class_logits": 1, "mrcnn_bbox_fc": 4, "mrcnn_mask": 1}


def for_other_classes(
    stored: dict[str, dict[str, np.ndarray]], own: dict[str, dict[str, np.ndarray]]
) -> dict[str, dict[str, np.ndarray]]:
    """Class layers of a file as a start for other classes.

    Every class starts with the mean over the file's, so that boxes are refined and masks drawn from
    the first step on; the background keeps its weights. The logits of the classes must come to
    differ: theirs are the sum of that mean and the network's own random start.

    Args:
        stored: {layer: {weight: array}} of a file.
        own: the same of the network's class layers as they were initialised.

    Returns:
        {layer: {weight: array}} of the layers that both have, in the shapes of `own`.
    """
    return {
        name: {
            weight: _spread(stored[name][weight], start, CLASS_LAYERS[name], name)
            for weight, start in own[name].items()
            if weight in stored[name]
        }
        for name in own
        if name in stored
    }


def of_one_class(layer: str, values: np.ndarray) -> np.ndarray:
    """Weights of a layer of any name for the background and one class, the mean of all."""
    numbers = CLASS_LAYERS.get(layer)
    if numbers is None:
        return values
    return _spread(values, np.zeros((*values.shape[:-1], 2 * numbers), np.float32), numbers, layer)


def _spread(values: np.ndarray, start: np.ndarray, numbers: int, layer: str) -> np.ndarray:
    """Weights (..., classes of the file x numbers) as (..., own classes x numbers)."""
    values = values.astype(np.float32).reshape(*values.shape[:-1], -1, numbers)
    own = start.reshape(*start.shape[:-1], -1, numbers)
    mean = values[..., 1:, :].mean(-2, keepdims=True)
    molecules = mean + (own[..., 1:, :] if layer == "mrcnn_class_logits" else np.zeros_like(mean))
    molecules = np.broadcast_to(molecules, (*mean.shape[:-2], own.shape[-2] - 1, numbers))
    return np.concatenate([values[..., :1, :], molecules], -2).reshape(
        *values.shape[:-2], start.shape[-1]
    )
