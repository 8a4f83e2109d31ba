"""The files of an image's averages: NAME_averages.png and .npz, a TIFF for each mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spm.io.figure_style import save_figure
from spm.measure.averages import Mean, MeanCell, MeanMolecule, mean_cell, mean_molecule
from spm.measure.statistics import Statistics
from spm.report.average_figures import average_figure
from spm.run.files import atomic_path, safe_name

MOST_DOMAINS = 4  # the largest ones
TILE_STEP = 1.0  # side of a pixel in a cell's TIFF, image pixels
_TIFF = r"_(cell_\d+|mean_.+)\.tif"


@dataclass(frozen=True)
class Averages:
    """What repeats in an image.

    Attributes:
        cells: the mean cells of the largest domains.
        molecules: a mean molecule for each class that has one.
        unit: of the values: "nm" or "grey levels".
        nm_per_pixel: of the image; None where it is not known.
    """

    cells: list[MeanCell]
    molecules: list[MeanMolecule]
    unit: str
    nm_per_pixel: float | None


def averages_of(
    found: Statistics, image: np.ndarray, heights_nm: np.ndarray | None
) -> Averages | None:
    """Return the mean unit cells and mean molecules of an image, or None where nothing repeats.

    Args:
        found: of `spm.measure.statistics.measure`.
        image: (H, W, 3) uint8 RGB; its brightness is averaged where heights are not known.
        heights_nm: (H, W) levelled heights, or None.
    """
    values, unit = image_values(image, heights_nm)
    domains = enumerate(found.order.domains[:MOST_DOMAINS], start=1)
    cells = [c for k, d in domains if (c := mean_cell(values, d, k, found.molecules))]
    classes = [
        m for name in found.class_names if (m := mean_molecule(values, found.molecules, name))
    ]
    return Averages(cells, classes, unit, found.nm_per_pixel) if cells or classes else None


def save_averages(stem_path: Path, averages: Averages | None) -> Path | None:
    """Write the mean unit cells and mean molecules of an image: `save_values`, `save_drawing`.

    Returns:
        NAME_averages.png, or None without averages.
    """
    save_values(stem_path, averages)
    return save_drawing(stem_path, averages)


def save_drawing(stem_path: Path, averages: Averages | None) -> Path | None:
    """Write NAME_averages.png, which shows the averages; return it, or None without averages."""
    if averages is None:
        return None
    figure = average_figure(
        averages.cells, averages.molecules, averages.nm_per_pixel, averages.unit
    )
    return save_figure(figure, Path(stem_path).with_name(f"{Path(stem_path).name}_averages.png"))


def save_values(stem_path: Path, averages: Averages | None) -> None:
    """Write the averages as numbers, after removing all that an earlier run wrote of them.

    NAME_averages.npz holds for each cell k `cell_k_mean`, `_sd` (pixels along a and b),
    `_vectors_px`, `_count`, `_noise`, `_sites`, `_site_classes`, and for each class the same
    with `molecule_CLASS` (pixels as in the image), `_symmetrised`, `_symmetry`, with
    `value_unit` and `nm_per_pixel` (nan where not known). NAME_cell_k.tif is the mean layer,
    NAME_mean_CLASS.tif the mean molecule, both as 32-bit float stacks of mean and standard
    deviation with the scale the way ImageJ reads it.

    Args:
        stem_path: the folder and NAME of the results, such as img_cache/NAME.
        averages: None only removes.
    """
    stem_path = Path(stem_path)
    remove_averages(stem_path)
    if averages is None:
        return
    scale = averages.nm_per_pixel
    arrays: dict[str, Any] = {"value_unit": averages.unit, "nm_per_pixel": scale or np.nan}
    for cell in averages.cells:
        arrays |= _cell_arrays(cell)
        name = f"{stem_path.name}_cell_{cell.domain}.tif"
        layers = [cell.tiled(TILE_STEP)[0], cell.spread().tiled(TILE_STEP)[0]]
        _write_tiff(stem_path.with_name(name), layers, scale and scale * TILE_STEP)
    for molecule in averages.molecules:
        arrays |= _molecule_arrays(molecule)
        name = f"{stem_path.name}_mean_{safe_name(molecule.class_name)}.tif"
        layers = [molecule.average.mean, molecule.average.sd]
        _write_tiff(stem_path.with_name(name), layers, scale)
    with atomic_path(stem_path.with_name(f"{stem_path.name}_averages.npz")) as temporary:
        np.savez_compressed(temporary, **arrays)


def image_values(image: np.ndarray, heights_nm: np.ndarray | None) -> tuple[np.ndarray, str]:
    """Return what is averaged, (H, W), and its unit: heights, or the image's brightness."""
    if heights_nm is not None:
        return heights_nm, "nm"
    return image.mean(axis=2, dtype=np.float32), "grey levels"


def remove_averages(stem_path: Path) -> None:
    """Delete the averages that an earlier run wrote for NAME, and nobody else's."""
    known = re.compile(re.escape(stem_path.name) + rf"({_TIFF}|_averages\.(png|npz))")
    for path in stem_path.parent.glob(f"{_escaped(stem_path.name)}_*"):
        if known.fullmatch(path.name):
            path.unlink()


def _escaped(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)


def _average_arrays(key: str, average: Mean) -> dict[str, Any]:
    names = ("mean", "sd", "count", "noise")
    return {f"{key}_{name}": getattr(average, name) for name in names}


def _cell_arrays(cell: MeanCell) -> dict[str, Any]:
    key = f"cell_{cell.domain}"
    return {
        **_average_arrays(key, cell.average),
        f"{key}_vectors_px": cell.places.vectors,
        f"{key}_sites": cell.places.sites,
        f"{key}_site_classes": np.array(cell.places.site_classes),
        f"{key}_followed": cell.places.followed,
    }


def _molecule_arrays(molecule: MeanMolecule) -> dict[str, Any]:
    key = f"molecule_{molecule.class_name}"
    return {
        **_average_arrays(key, molecule.average),
        f"{key}_symmetrised": molecule.symmetrised,
        f"{key}_symmetry": molecule.symmetry,
        **{f"{key}_likeness_{name}": value for name, value in molecule.likeness.items()},
    }


def _write_tiff(path: Path, layers: list[np.ndarray], scale: float | None) -> None:
    import tifffile

    options: dict[str, Any] = {"metadata": {"axes": "ZYX"}}
    if scale:
        options["resolution"] = (1 / scale, 1 / scale)
        options["metadata"]["unit"] = "nm"
    options["metadata"]["Labels"] = ["mean", "standard deviation"]
    with atomic_path(path) as temporary:
        tifffile.imwrite(temporary, np.array(layers, np.float32), imagej=True, **options)
