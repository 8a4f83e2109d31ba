"""Plots and tables of figures: precision and recall, overlaps, statistics of weights.

`visualize` offers them too, where matterport's API has them. A plot becomes pyplot's current
figure and stays open, unshown; with `save_path` it goes into that file instead, whose Path is
returned.
"""

import html
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn import figures


def plot_precision_recall(
    AP: float, precisions: np.ndarray, recalls: np.ndarray, save_path: str | Path | None = None
) -> Path | None:
    """Draw the precision-recall curve.

    Args:
        AP: average precision at IoU 0.5.
        precisions, recalls: as of `evaluation.compute_ap`.
        save_path: see the top of the module.
    """
    figure = figures.new_figure((6, 5), save_path)
    ax = figure.subplots()
    ax.set(
        title=f"Precision-recall curve, AP@50 = {AP:.3f}",
        xlabel="Recall",
        ylabel="Precision",
        xlim=(0, 1.1),
        ylim=(0, 1.1),
    )
    ax.plot(recalls, precisions)
    return figures.finish(figure, save_path)


def plot_overlaps(
    gt_class_ids: np.ndarray,
    pred_class_ids: np.ndarray,
    pred_scores: np.ndarray,
    overlaps: np.ndarray,
    class_names: Sequence[str],
    threshold: float = 0.5,
    save_path: str | Path | None = None,
) -> Path | None:
    """Draw the matrix of overlaps between detections and instances.

    Args:
        gt_class_ids: (N,) int; 0 is padding and left out.
        pred_class_ids: (K,) int, likewise.
        pred_scores: (K,) float.
        overlaps: (K, N) IoU, with or without the rows and columns of the padding.
        class_names: list of names, the background first.
        threshold: IoU from which a pair is marked as a match, or as the wrong class.
        save_path: see the top of the module.
    """
    truth = np.flatnonzero(np.asarray(gt_class_ids) != 0)
    found = np.flatnonzero(np.asarray(pred_class_ids) != 0)
    overlaps = np.asarray(overlaps)
    if overlaps.shape == (len(pred_class_ids), len(gt_class_ids)):
        overlaps = overlaps[np.ix_(found, truth)]
    overlaps = overlaps.reshape(len(found), len(truth))
    figure = figures.new_figure((12, 10), save_path)
    ax = figure.subplots()
    if overlaps.size:
        ax.imshow(overlaps, interpolation="nearest", cmap="Blues", vmin=0, vmax=1)
    for (i, j), overlap in np.ndenumerate(overlaps):
        note = ""
        if overlap > threshold:
            same = gt_class_ids[truth[j]] == pred_class_ids[found[i]]
            note = "\nmatch" if same else "\nwrong"
        color = "white" if overlap > 0.5 else "black"
        ax.text(j, i, f"{overlap:.3f}{note}", ha="center", va="center", fontsize=9, color=color)
    names = [f"{class_names[pred_class_ids[i]]} ({pred_scores[i]:.2f})" for i in found]
    true_names = [class_names[gt_class_ids[j]] for j in truth]
    # A `$` in a class name is a `$`, not the start of a formula.
    ax.set_yticks(range(len(found)), names, parse_math=False)
    ax.set_xticks(range(len(truth)), true_names, rotation=90, parse_math=False)
    ax.set(xlabel="Truth", ylabel="Detections")
    figure.tight_layout()
    return figures.finish(figure, save_path)


def display_table(table: Sequence[Sequence]) -> None:
    """Show a table: in a notebook as HTML, else as text.

    Args:
        table: list of rows, each a list of cells.
    """
    rows = [[str(cell) for cell in row] for row in table]
    # Only a running notebook has IPython loaded with a kernel.
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None and getattr(shell, "kernel", None) is not None:
        from IPython.display import HTML, display

        lines = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows)
        body = "".join(f"<tr>{line}</tr>" for line in lines)
        display(HTML(f"<table>{body}</table>"))
        return
    columns = max((len(row) for row in rows), default=0)
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(columns)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        print("  ".join(cells).rstrip())


def display_weight_stats(model: Any) -> None:
    """Show range and spread of all weights of the trainable layers.

    A weight whose values are all the same is marked "dead?", one beyond 1000 "overflow?".

    Args:
        model: a MaskRCNN, or a Keras model.
    """
    if hasattr(model, "get_trainable_layers"):
        layers = model.get_trainable_layers()
    else:
        layers = [layer for layer in model.layers if layer.weights]
    table = [["WEIGHT NAME", "SHAPE", "MIN", "MAX", "STD"]]
    for layer in layers:
        for weight, values in zip(layer.weights, layer.get_weights(), strict=True):
            least, most = float(np.min(values)), float(np.max(values))
            mark = ""
            # One value alone, or zeros in a fresh bias, is no sign of anything.
            if least == most and values.size > 1 and not weight.name.endswith(("bias", "beta")):
                mark = " *** dead?"
            if max(abs(least), abs(most)) > 1000:
                mark += " *** overflow?"
            table.append(
                [
                    f"{layer.name}/{weight.name}{mark}",
                    values.shape,
                    f"{least:+9.4f}",
                    f"{most:+9.4f}",
                    f"{np.std(values):+9.4f}",
                ]
            )
    display_table(table)
