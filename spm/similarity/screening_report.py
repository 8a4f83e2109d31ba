"""What the t-SNE screening hands to the user: figures, tables, conclusion, cleaned annotations."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spm.errors import InputError
from spm.run import files
from spm.similarity.screening import Screening
from spm.structures.annotation import read_annotation, write_annotation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHEET_ROWS = 12  # suspicious crops on the contact sheet, at most
MARKERS = "os^Dv<>"
DPI = 150
TYPE = {"font.size": 10, "legend.fontsize": 10}


def write_report(result: Screening, folder: Path) -> list[str]:
    """Write everything into `folder` and return the conclusion's lines.

    Files: tsne.csv, tsne_pairs.csv, conclusion.txt, tsne.png, tsne_annotated.png, and suspects.png
    (removed when nothing is suspicious).
    """
    lines = conclusion(result)
    write_crop_table(result, folder / "tsne.csv")
    write_pair_table(result, folder / "tsne_pairs.csv")
    draw_map(result, folder / "tsne.png", annotated=False)
    draw_map(result, folder / "tsne_annotated.png", annotated=True)
    if result.suspected.any():
        draw_suspects(result, folder / "suspects.png")
    else:
        (folder / "suspects.png").unlink(missing_ok=True)
    files.write_text(folder / "conclusion.txt", "\n".join(lines) + "\n")
    return lines


def conclusion(result: Screening) -> list[str]:
    """Say in words what was found: each pair of classes, then the labels to look at."""
    lines = list(result.notices)
    if not result.pairs:
        lines.append("one class only: nothing to separate; its strange crops are listed.")
    for pair in result.pairs:
        lines.append(
            f"{pair.first} and {pair.second}: {pair.conclusion} (nearest neighbour right in "
            f"{pair.pixel_accuracy:.0%} by pixels, {pair.map_accuracy:.0%} on the map; silhouette "
            f"{pair.pixel_silhouette:.2f} and {pair.map_silhouette:.2f})."
        )
    if any(pair.conclusion == "not separable" for pair in result.pairs):
        lines.append("classes that cannot be separated cannot be learnt either: merge them, or ")
        lines[-1] += "record the image anew; wrong labels between them cannot be found."
    suspects = [i for i in result.ranking if result.suspected[i]]
    if not suspects:
        lines.append(f"nothing suspicious among {len(result.crops)} crops.")
        return lines
    lines.append(f"look at these {len(suspects)} of {len(result.crops)} crops:")
    for i in suspects:
        crop = result.crops[i]
        lines.append(f"  {crop.source} {crop.name} ({crop.class_name}): {_reason(result, i)}")
    return lines


def _reason(result: Screening, i: int) -> str:
    reasons = []
    share = max(result.pixel_other[i], result.map_other[i])
    if share >= 0.5:
        others = [result.crops[j].class_name for j in result.neighbours[i]]
        others = [name for name in others if name != result.crops[i].class_name]
        looks = (
            f"looks like {max(set(others), key=others.count)}" if others else "lies among others"
        )
        reasons.append(f"{looks} ({share:.0%} of its neighbours)")
    elif result.strangeness[i] > 3:
        reasons.append(f"unlike its class ({result.strangeness[i]:.1f} deviations): a bad scan?")
    return f"score {result.outlier[i]:.2f}; " + (", ".join(reasons) or "a little of everything")


def write_crop_table(result: Screening, path: Path) -> None:
    """Write one line per crop, the most suspicious first.

    The separability of a pair of classes (`Pair.accuracy`) stands in the lines of those classes.
    """
    header = ["rank", "source", "label", "class", "x", "y", "outlier", "suspected"]
    header += ["pixel_other", "map_other", "strangeness", "nearest"]
    header += [f"separability {pair.first} | {pair.second}" for pair in result.pairs]
    rows = []
    for rank, i in enumerate(result.ranking, 1):
        crop = result.crops[i]
        nearest = result.crops[result.neighbours[i, 0]]
        x, y = result.positions[i]
        row = [rank, str(crop.source), crop.name, crop.class_name, f"{x:.4f}", f"{y:.4f}"]
        row += [f"{result.outlier[i]:.4f}", int(result.suspected[i])]
        row += [f"{result.pixel_other[i]:.3f}", f"{result.map_other[i]:.3f}"]
        row += [f"{result.strangeness[i]:.2f}", f"{nearest.class_name}/{nearest.name}"]
        row += [
            f"{pair.accuracy:.4f}" if crop.class_name in (pair.first, pair.second) else ""
            for pair in result.pairs
        ]
        rows.append(row)
    files.write_csv(path, header, rows)


def write_pair_table(result: Screening, path: Path) -> None:
    """Write one line per pair of classes."""
    header = ["first", "second", "conclusion", "separability", "pixel_accuracy", "map_accuracy"]
    header += ["pixel_silhouette", "map_silhouette", "crops"]
    rows = []
    for p in result.pairs:
        figures = (p.accuracy, p.pixel_accuracy, p.map_accuracy)
        figures += (p.pixel_silhouette, p.map_silhouette)
        rows.append([p.first, p.second, p.conclusion, *(f"{f:.4f}" for f in figures), p.count])
    files.write_csv(path, header, rows)


def draw_map(result: Screening, path: Path, annotated: bool) -> None:
    """Draw the map, one colour per class; `annotated` writes each label and rings the suspects."""
    from spm.io.figure_style import COLOURS, figure_style, new_figure, save_figure

    with figure_style(TYPE):
        figure = new_figure(*((11, 11) if annotated else (6, 6)), dpi=DPI)
        axes = figure.add_subplot()
        classes = np.array([crop.class_name for crop in result.crops])
        for k, name in enumerate(sorted(set(classes.tolist()))):
            x, y = result.positions[classes == name].T
            colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
            size = 14 if annotated else 36
            axes.scatter(x, y, s=size, c=colour, marker=marker, alpha=0.8, lw=0, label=name)
        if annotated:
            _annotate(axes, result)
        axes.set(xlabel="t-SNE 1", ylabel="t-SNE 2", aspect="equal", adjustable="datalim")
        # Below the axes: inside, it would cover points.
        figure.legend(loc="outside lower center", ncols=4)
    save_figure(figure, path)


def _annotate(axes: Axes, result: Screening) -> None:
    for crop, (x, y) in zip(result.crops, result.positions, strict=True):
        axes.annotate(crop.name, (x, y), (2, 2), textcoords="offset points", size=6)
    if result.suspected.any():
        x, y = result.positions[result.suspected].T
        ring = {"facecolors": "none", "edgecolors": "red", "linewidths": 1.5}
        axes.scatter(x, y, s=120, **ring, label="suspicious")


def draw_suspects(result: Screening, path: Path) -> None:
    """Draw the contact sheet: a suspicious crop a row, its nearest neighbours beside it."""
    from spm.io.figure_style import figure_style, new_figure, save_figure

    suspects = [i for i in result.ranking if result.suspected[i]][:SHEET_ROWS]
    columns = 1 + result.neighbours.shape[1]
    with figure_style(TYPE):
        figure = new_figure(1.7 * columns, 1.9 * len(suspects) + 0.4, DPI)
        grid = figure.subplots(len(suspects), columns, squeeze=False)
        low, high = np.percentile(result.views, [0.5, 99.5])
        for row, i in zip(grid, suspects, strict=True):
            for axes, j in zip(row, [i, *result.neighbours[i]], strict=True):
                axes.imshow(result.views[j], cmap="gray", vmin=low, vmax=high)
                _frame(axes, result, i, j)
        figure.suptitle(
            "suspicious crops, and their nearest neighbours (blue: another class)", size=9
        )
    save_figure(figure, path)


def _frame(axes: Axes, result: Screening, suspect: int, shown: int) -> None:
    """Write a crop's class and name over it; the suspicious one of the row gets a red frame."""
    crop, itself = result.crops[shown], shown == suspect
    other = crop.class_name != result.crops[suspect].class_name
    title = f"{crop.class_name}: {crop.name}"
    if itself:
        title += f"\nscore {result.outlier[suspect]:.2f}"
    axes.set_title(title, size=8, color="red" if itself else "#0072b2" if other else "black")
    axes.set(xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set(color="red" if itself else "black", linewidth=2 if itself else 0.5)


def write_cleaned(result: Screening, folder: Path) -> list[Path]:
    """Write copies of the annotations without the suspicious shapes, images beside them.

    Args:
        result: a screening of outlined crops.
        folder: a folder other than the annotations' own.

    Returns:
        The annotations written, one for each that crops came from.

    Raises:
        InputError: when a copy would replace the user's own file, or two have the same name.
    """
    sources = list(dict.fromkeys(crop.source for crop in result.crops if crop.index is not None))
    names = [source.name.casefold() for source in sources]
    for source in sources:
        if source.resolve().parent == Path(folder).resolve():
            raise InputError(f"{source}: the cleaned copy would replace it; choose another --out.")
        if names.count(source.name.casefold()) > 1:
            raise InputError(f"{source}: two annotations have this name; clean them one by one.")
    files.make_folder(folder)
    written = []
    for source in sources:
        wrong = {
            crop.index
            for crop, suspected in zip(result.crops, result.suspected, strict=True)
            if suspected and crop.source == source
        }
        annotation = read_annotation(source)
        annotation.shapes = [s for i, s in enumerate(annotation.shapes) if i not in wrong]
        annotation.image_name = _copy_image(annotation, folder, source.stem)
        path = Path(folder) / source.name
        write_annotation(path, annotation)
        written.append(path)
    return written


def _copy_image(annotation, folder: Path, stem: str) -> str:
    """Copy the annotation's image file, or unpack the embedded one; return its name."""
    if annotation.image_bytes is not None:
        name = f"{stem}.png"
        data = annotation.image_bytes
        if data.startswith(b"\x89PNG"):
            files.write_bytes(Path(folder) / name, data)
        else:
            from spm.io.images import write_image

            write_image(Path(folder) / name, annotation.read_image())
        return name
    image = annotation.image_path()
    with files.atomic_path(Path(folder) / image.name) as temporary:
        shutil.copyfile(image, temporary)
    return image.name
