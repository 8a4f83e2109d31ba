"""Helpers for scripts that build graphs of their own with matterport's `mrcnn.utils`.

The network itself does not use them: its layers compute whole batches. Keras is imported by the
call, so that `mrcnn.utils` stays quick to import.
"""

from __future__ import annotations

from collections.abc import Callable


def batch_slice(inputs, graph_fn: Callable, batch_size: int, names: list[str] | None = None):
    """Apply a function of one sample to each sample of a batch, and stack what it returns.

    Args:
        inputs: tensor (B, ...) or list of such tensors, of any backend or symbolic.
        graph_fn: takes one sample of each input, without the batch axis; returns a tensor, or a
            tuple or list of tensors.
        batch_size: number of samples B.
        names: without effect; tensors of Keras 3 carry no names that could be given.

    Returns:
        tensor (B, ...), or a list of them where `graph_fn` returns several.
    """
    from keras import ops

    inputs = inputs if isinstance(inputs, (list, tuple)) else [inputs]
    results = []
    for sample in range(batch_size):
        result = graph_fn(*(tensor[sample] for tensor in inputs))
        results.append(result if isinstance(result, (list, tuple)) else [result])
    stacked = [ops.stack(column, axis=0) for column in zip(*results, strict=True)]
    return stacked[0] if len(stacked) == 1 else stacked


def box_refinement_graph(box, gt_box):
    """Compute the deltas that move boxes onto their ground truth, on tensors.

    Args:
        box: (N, 4) boxes (y1, x1, y2, x2).
        gt_box: (N, 4) boxes to reach.

    Returns:
        (N, 4) float32 tensor (dy, dx, log dh, log dw), not yet divided by BBOX_STD_DEV.
    """
    from keras import ops

    from .boxes import refinement

    return refinement(ops.cast(box, "float32"), ops.cast(gt_box, "float32"))
