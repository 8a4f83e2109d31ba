"""Looking inside the network: tensors by name, and their values for images.

Matterport's notebooks ask for tensors of TensorFlow 1 by name. Those of whole layers exist here
under the same names; those inside its layer "ROI" (`ROI/pre_nms_anchors:0`, ...) are computed by
layers of `mrcnn.matterport.layers`, put beside the layer when they are asked for.
"""

from __future__ import annotations

import re
from collections import deque
from weakref import WeakKeyDictionary

import keras
import numpy as np
from keras import KerasTensor

from mrcnn.matterport.layers import Candidates, NmsRows
from mrcnn.rpn import Proposals

# Of each `Proposals` layer that was looked into, the tensors of its steps.
_beside: WeakKeyDictionary[Proposals, dict[str, KerasTensor]] = WeakKeyDictionary()


def ancestor(tensor: KerasTensor, name: str) -> KerasTensor | None:
    """Find a tensor that `tensor` was computed from.

    Args:
        tensor: of a Keras graph.
        name: a layer's, a path that ends so, or that of a TensorFlow tensor: `ROI`, `ROI:0`,
            `ROI/refined_anchors:0`, `ROI/rpn_non_max_suppression/NonMaxSuppressionV3:0`.

    Returns:
        The nearest such tensor (`tensor` itself included), or None.
    """
    wanted = name.split(":")[0]
    inside = re.fullmatch(r"(?:.*/)?ROI(?:_\d+)?/([^/]+)(?:/[^/]+)?", wanted)
    for found in _before(tensor):
        operation = found._keras_history.operation
        if operation.name == wanted or operation.name.endswith("/" + wanted):
            return found
        if inside and operation.name == "ROI" and isinstance(operation, Proposals):
            return _inside(operation, inside.group(1))
    return None


def _before(tensor: KerasTensor):
    """The tensor and all that it was computed from, the nearest first."""
    seen, waiting = {id(tensor)}, deque([tensor])
    while waiting:
        tensor = waiting.popleft()
        yield tensor
        for node in tensor._keras_history.operation._inbound_nodes:
            for before in node.input_tensors:
                if id(before) not in seen:
                    seen.add(id(before))
                    waiting.append(before)


def _inside(layer: Proposals, part: str) -> KerasTensor | None:
    """A tensor of the steps inside the layer; layers for them are made once, beside it."""
    if layer not in _beside:
        candidates = Candidates(layer, name="ROI_candidates")(layer._inbound_nodes[0].input_tensors)
        scores, anchors, moved, inside = candidates
        _beside[layer] = {
            "pre_nms_anchors": anchors,
            "refined_anchors": moved,
            "refined_anchors_clipped": inside,
            "rpn_non_max_suppression": NmsRows(layer, name="ROI_nms")([inside, scores]),
        }
    return _beside[layer].get(part)


def values(
    model: keras.Model, outputs: list[tuple[str, KerasTensor]], arrays: list[np.ndarray], batch: int
) -> dict[str, np.ndarray]:
    """Compute tensors of a graph.

    Args:
        model: whose inputs begin with an axis of `batch` images.
        outputs: (name, tensor) pairs.
        arrays: a value for each input, of any number of images.
        batch: images that the graph works on at once.

    Returns:
        dict of name -> array, one row an image. What the network computes for all RoIs of the
        images at once comes out with an axis for the images and one for their RoIs. The rows that
        the NMS keeps (`NmsRows`) are those of the first image, (K,).

    Raises:
        ValueError: for a tensor that is None, as `ancestor` returns when it finds nothing.
    """
    missing = [name for name, tensor in outputs if tensor is None]
    if missing:
        raise ValueError(
            f"run_graph got no tensor for {', '.join(missing)}; `ancestor` found none of that name."
        )
    graph = keras.Model(model.inputs, [tensor for _, tensor in outputs])
    # A graph that runs once: tracing it would take longer than the steps one by one.
    graph.compile(run_eagerly=keras.backend.backend() == "tensorflow", jit_compile=False)
    parts = []
    for start in range(0, len(arrays[0]), batch):
        rows = np.arange(start, start + batch)
        rows[rows >= len(arrays[0])] = start
        parts.append(graph.predict_on_batch([array[rows] for array in arrays]))
    columns = zip(*parts, strict=True)
    return {
        name: _joined(tensor, column, batch, len(arrays[0]))
        for (name, tensor), column in zip(outputs, columns, strict=True)
    }


def _joined(tensor: KerasTensor, parts: tuple, batch: int, count: int) -> np.ndarray:
    """The values of all batches in one array of `count` images."""
    if isinstance(tensor._keras_history.operation, NmsRows):
        return parts[0][parts[0] >= 0]
    parts = [x if len(x) == batch else x.reshape(batch, -1, *x.shape[1:]) for x in parts]
    return np.concatenate(parts)[:count]
