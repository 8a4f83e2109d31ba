"""Figures of an evaluation, for screen and print: curves, confusion matrix, judged image.

Line styles differ as the colours do, so that the figures survive a black-and-white printer.
"""

from pathlib import Path

import numpy as np
from matplotlib import patheffects
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spm.evaluation.confusion import FALSE, IGNORED, RIGHT, WRONG_CLASS
from spm.evaluation.metrics import ALL
from spm.io.figure_style import COLOURS, figure_style, new_figure, save_figure

DPI = 300
# One column of a journal, inches.
COLUMN = 3.5
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 3)), (0, (1, 1)))
MISSED = "missed"
# outcome -> colour, line style, width in points. All light: a dark rim sets them off any image.
OUTCOME_LINES = {
    RIGHT: ("#56B4E9", "-", 1.2),
    WRONG_CLASS: ("#F0E442", (0, (4, 1.5)), 1.6),
    MISSED: ("#FFFFFF", (0, (1, 1)), 1.6),
    FALSE: ("#F58BD0", (0, (5, 1.2, 1, 1.2)), 1.6),
    IGNORED: ("#BBBBBB", "-", 0.6),
}
# Thinner lines than the usual ones, for print.
THIN = {"axes.linewidth": 0.6, "lines.linewidth": 1.2}


def save(figure: Figure, stem: str | Path) -> list[Path]:
    """Write a figure as PNG and SVG.

    Args:
        stem: path without suffix; `.png` and `.svg` are appended.

    Returns:
        The two paths.
    """
    stem = Path(stem)
    paths = [stem.with_name(stem.name + suffix) for suffix in (".png", ".svg")]
    return [save_figure(figure, path) for path in paths]


def precision_recall_figure(curves, areas, iou=0.5):
    """Draws precision along recall: as counted (thin) and interpolated (thick, stepped).

    Args:
        curves: dict of class name -> `spm.evaluation.curves.PrecisionRecall`; classes without truth
            are left out of the figure.
        areas: dict of class name -> average precision, for the legend. The curve under ALL ranks
            the predictions of all classes together; its number is the classes' mean (mAP).
        iou: for the axis text.

    Returns:
        matplotlib Figure.
    """
    with figure_style(THIN):
        figure, axes, lines = _curve_axes("recall", f"precision (IoU ≥ {iou:g})")
        drawn = {name: c for name, c in curves.items() if c.truths}
        for (name, curve), line in zip(drawn.items(), lines, strict=False):
            recall = np.concatenate([[0], curve.recall, curve.recall[-1:]])
            envelope = np.concatenate([curve.envelope[:1], curve.envelope, [0]])
            axes.plot(curve.recall, curve.precision, color=line["color"], lw=0.5, alpha=0.7)
            if len(curve.scores):
                axes.step(recall, envelope, where="pre", **line)
            measure = "mAP" if name == ALL else "AP"
            axes.plot([], [], label=f"{name} ({measure} {areas[name]:.3f})", **line)
        axes.plot([], [], color="0.4", lw=0.5, label="thin: not interpolated")
        _legend(figure, axes)
    return figure


def recall_iou_figure(thresholds, recalls, areas):
    """Draws recall along the IoU that is asked for.

    Args:
        thresholds: (M,) IoU from 0.5 to 1.
        recalls: dict of class name -> (M,) recall; classes with NaN are left out.
        areas: dict of class name -> AR, twice the area under the curve, for the legend.

    Returns:
        matplotlib Figure.
    """
    with figure_style(THIN):
        figure, axes, lines = _curve_axes("IoU", "recall")
        axes.set_xlim(0.5, 1)
        drawn = {name: r for name, r in recalls.items() if not np.isnan(r).any()}
        for (name, recall), line in zip(drawn.items(), lines, strict=False):
            axes.plot(thresholds, recall, label=f"{name} (AR {areas[name]:.3f})", **line)
        _legend(figure, axes)
    return figure


def _curve_axes(x_label, y_label):
    figure = new_figure(COLUMN, COLUMN, DPI)
    axes = figure.add_subplot()
    axes.set(xlabel=x_label, ylabel=y_label, xlim=(0, 1.0), ylim=(0, 1.03))
    axes.grid(color="0.9", lw=0.4)
    axes.set_axisbelow(True)
    count = len(COLOURS)
    # Line styles move on by one more at each round through the colours.
    lines = (
        {"color": COLOURS[k % count], "ls": STYLES[(k + k // count) % count]}
        for k in range(count * count)
    )
    return figure, axes, lines


def _legend(figure, axes):
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        columns = 2 if max(map(len, labels)) < 26 else 1
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, handlelength=3.5)
        rows = -(-len(handles) // columns)
        figure.set_figheight(figure.get_figheight() + 0.14 * rows)


def confusion_figure(matrix, class_names):
    """Draws a confusion matrix: counts, shaded by their share of the true class.

    Args:
        matrix: (C + 1, C + 1) int, as `spm.evaluation.confusion.confusion_matrix` gives it.
        class_names: C names.

    Returns:
        matplotlib Figure.
    """
    matrix = np.asarray(matrix)
    count = len(matrix)
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, totals, out=np.zeros(matrix.shape), where=totals > 0)
    # False predictions have no true class: a share of them would say nothing.
    shares[-1] = 0
    with figure_style(THIN):
        side = max(COLUMN, 0.5 * count + 1.2)
        figure = new_figure(side, side, DPI)
        axes = figure.add_subplot()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        rotation = 0 if count <= 4 and max(map(len, class_names), default=0) < 8 else 45
        axes.set_xticks(range(count), [*class_names, "nothing\n(missed)"], rotation=rotation)
        if rotation:
            for label in axes.get_xticklabels():
                label.set(ha="right", rotation_mode="anchor")
        axes.set_yticks(range(count), [*class_names, "nothing\n(false)"])
        axes.set(xlabel="predicted", ylabel="true")
        axes.set_xticks(np.arange(0.5, count - 1), minor=True)
        axes.set_yticks(np.arange(0.5, count - 1), minor=True)
        axes.grid(which="minor", color="white", lw=1.5)
        axes.tick_params(which="both", length=0)
        for row, column in np.ndindex(matrix.shape):
            text = _cell(matrix[row, column], shares[row, column], row, column, count - 1)
            colour = "white" if shares[row, column] > 0.55 else "black"
            axes.text(column, row, text, ha="center", va="center", color=colour)
    return figure


def _cell(number, share, row, column, background):
    if row == background:
        return "–" if column == background else f"{number}"
    return f"{number}\n{share:.1%}" if number else "0"


def judged_figure(image, outcomes, title=""):
    """Draws every molecule's outline over the image, coloured by its outcome.

    Args:
        image: (H, W, 3) uint8 RGB.
        outcomes: `spm.evaluation.confusion.Outcomes` of the image. A molecule without outline is
            drawn as its box.
        title: text above the image.

    Returns:
        matplotlib Figure with at least one dot per pixel of the image.
    """
    groups = {outcome: [] for outcome in OUTCOME_LINES}
    for molecule, outcome in outcomes.predictions:
        groups[outcome].append(molecule)
    groups[MISSED] = list(outcomes.missed)
    height, width = image.shape[:2]
    with figure_style(THIN):
        inches = 6.5
        figure = new_figure(
            inches, np.clip(inches * height / width, 1.0, 30.0) + 0.6, max(DPI, width / inches)
        )
        axes = figure.add_subplot()
        # Annotations measure from the corner of the first pixel, imshow from its centre.
        axes.imshow(image, extent=(0, width, height, 0), interpolation="nearest")
        axes.set_axis_off()
        if title:
            axes.set_title(title)
        for outcome, molecules in groups.items():
            for molecule in molecules:
                for line in _lines(*_outline(molecule), outcome):
                    axes.add_line(line)
                if outcome == WRONG_CLASS:
                    _name(axes, molecule)
        axes.set(xlim=(0, width), ylim=(height, 0))
        shown = [v for v in groups if groups[v] or v != IGNORED]
        figure.legend(
            [_lines([], [], outcome) for outcome in shown],
            [f"{outcome} ({len(groups[outcome])})" for outcome in shown],
            loc="outside lower center",
            ncols=len(shown),
            handlelength=4,
        )
    return figure


def _outline(molecule):
    """x and y of the closed outline, or of the box where there is none."""
    if molecule.outline is not None:
        return np.vstack([molecule.outline, molecule.outline[:1]]).T
    y1, x1, y2, x2 = molecule.box
    return np.array([[x1, x2, x2, x1, x1], [y1, y1, y2, y2, y1]])


def _lines(x, y, outcome):
    """A dark rim and the outcome's line on it: one of the two stands out from any image.

    The rim is a line of its own and not a path effect, which would have gaps where the line has.
    """
    colour, style, width = OUTCOME_LINES[outcome]
    return (
        Line2D(x, y, color="black", lw=width + 1.2),
        Line2D(x, y, color=colour, ls=style, lw=width),
    )


def _name(axes, molecule):
    """Writes what a mistaken molecule was taken for at its middle."""
    y1, x1, y2, x2 = molecule.box
    rim = patheffects.withStroke(linewidth=1.2, foreground="black")
    axes.text(
        (x1 + x2) / 2,
        (y1 + y2) / 2,
        molecule.class_name,
        color=OUTCOME_LINES[WRONG_CLASS][0],
        fontsize=5,
        ha="center",
        va="center",
        path_effects=[rim],
    )
