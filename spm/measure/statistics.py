"""What a surface-science group reads off an image: counts, sizes, neighbours, lattice.

Lengths are nanometres where the scale is known and pixels where it is not; each number stands
beside its unit, and no unit is invented. Angles are degrees anticlockwise from the image's right,
as seen (y upwards). Molecules cut by the image's border count for density by the share of a
whole molecule that is visible, and are left out of sizes, neighbours and lattice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spm.errors import InputError
from spm.geometry.cropped_mask import CroppedMask
from spm.measure import domains
from spm.measure.domain_summary import domain_summaries
from spm.measure.uncertainty import Recognition, confidence_summary
from spm.run.files import without_nan, write_json
from spm.run.provenance import plain
from spm.structures.molecule import Molecule

ANGLE_BINS = 24  # bins of an orientation or direction histogram over its period
# The surface below the molecules is taken at this percentile of all heights.
BASE_PERCENTILE = 2.0


@dataclass
class Pair:
    """The nearest molecules of one class seen from another.

    Attributes:
        first, second: class that looks and class that is looked for.
        distances: (n,) float64, pixels.
        directions: (n,) float64, degrees in [0, 360).
    """

    first: str
    second: str
    distances: np.ndarray
    directions: np.ndarray


@dataclass
class Statistics:
    """All measurements of an image.

    Attributes:
        molecules: what was measured.
        class_names: in the order of their colours.
        height, width: of the image, pixels.
        nm_per_pixel: None where it is not known.
        pairs: nearest neighbours for each ordered pair of classes.
        order: lattices, domains, vacancies.
        heights_nm: (N,) float64 height of each molecule above the surface, None if not known.
        shown: all molecules; `molecules` are those without the unfamiliar ones.
        recognition: class -> how well it is recognised, where that was evaluated.
        scanned: share of the frame that the scan fills; less than 1 for a corrected image.
        summary: what NAME_summary.json holds.
    """

    molecules: list[Molecule]
    class_names: list[str]
    height: int
    width: int
    nm_per_pixel: float | None
    pairs: list[Pair]
    order: domains.Order
    heights_nm: np.ndarray | None = None
    shown: list[Molecule] = field(default_factory=list)
    recognition: Mapping[str, Recognition] = field(default_factory=dict)
    scanned: float = 1.0
    summary: dict[str, Any] = field(default_factory=dict)

    @property
    def pixels(self) -> float:
        """Pixels that were scanned."""
        return self.height * self.width * self.scanned

    @property
    def unit(self) -> str:
        """The unit of lengths: "nm" or "px"."""
        return "nm" if self.nm_per_pixel else "px"

    @property
    def factor(self) -> float:
        """Units of length a pixel."""
        return self.nm_per_pixel or 1.0


def measure(
    molecules: Sequence[Molecule],
    height: int,
    width: int,
    nm_per_pixel: float | None = None,
    *,
    heights_nm: np.ndarray | None = None,
    class_names: Sequence[str] | None = None,
    recognition: Mapping[str, Recognition] | None = None,
) -> Statistics:
    """Measure the molecules of an image.

    Args:
        molecules: may be empty. Unfamiliar ones are counted apart and take no part in anything
            else.
        height, width: of the image, pixels.
        nm_per_pixel: nanometres a pixel. Defaults to None, not known.
        heights_nm: (height, width) float, levelled heights of the image. Defaults to None.
        class_names: all classes, in the order of their colours. Defaults to those met, sorted.
        recognition: class -> how well it is recognised, by which confidence intervals of counts
            and shares are corrected. Defaults to none, not evaluated.

    Raises:
        InputError: when the heights are of another size than the image.
    """
    shown = list(molecules)
    molecules = [m for m in shown if not m.unfamiliar]
    met = sorted({m.class_name for m in molecules})
    names = list(class_names or met)
    names += [name for name in met if name not in names]
    whole = np.array([not m.edge for m in molecules], bool)
    points = np.array([m.centroid for m in molecules], np.float64).reshape(-1, 2)
    turns = np.exp([1j * math.radians(m.symmetry * m.orientation) for m in molecules])
    turns[[m.symmetry == 0 for m in molecules]] = np.nan
    found = Statistics(
        molecules=molecules,
        class_names=names,
        height=height,
        width=width,
        nm_per_pixel=nm_per_pixel,
        pairs=nearest_pairs(molecules, names, height, width),
        order=domains.analyse(
            points, [m.class_name for m in molecules], height, width, whole, turns
        ),
        heights_nm=_molecule_heights(molecules, heights_nm, height, width),
        shown=shown,
        recognition=recognition or {},
    )
    found.summary = summarise(found)
    return found


def write_statistics(
    stem_path: Path,
    molecules: Sequence[Molecule],
    height: int,
    width: int,
    nm_per_pixel: float | None = None,
    *,
    heights_nm: np.ndarray | None = None,
    class_names: Sequence[str] | None = None,
) -> Statistics:
    """Measure the molecules and write NAME_summary.json and NAME_statistics.png.

    Args:
        stem_path: the folder and NAME of the results, such as img_cache/NAME.
        molecules, height, width, nm_per_pixel, heights_nm, class_names: see `measure`.
    """
    from spm.measure.figures import figures, save_sheet, sheet

    found = measure(
        molecules, height, width, nm_per_pixel, heights_nm=heights_nm, class_names=class_names
    )
    save_summary(stem_path, found)
    save_sheet(stem_path, sheet(figures(found)))
    return found


def save_summary(stem_path: Path, found: Statistics, **more: Any) -> None:
    """Write NAME_summary.json.

    Args:
        stem_path: the folder and NAME of the results, such as img_cache/NAME.
        found: of `measure`.
        more: what the summary holds besides, such as `settings` that made the result.
    """
    stem_path = Path(stem_path)
    write_json(
        stem_path.with_name(f"{stem_path.name}_summary.json"),
        without_nan(found.summary | plain(more)),
    )


def nearest_pairs(
    molecules: Sequence[Molecule], class_names: Sequence[str], height: int, width: int
) -> list[Pair]:
    """Return the nearest neighbours for each ordered pair of classes.

    A molecule nearer to the image's border than to its neighbour is left out: a nearer one may
    lie outside.
    """
    from scipy.spatial import cKDTree

    points = np.array([m.centroid for m in molecules], np.float64).reshape(-1, 2)
    whole = np.array([not m.edge for m in molecules], bool)
    names = np.array([m.class_name for m in molecules], object)
    pairs = []
    for second in class_names:
        others = np.flatnonzero(whole & (names == second))
        tree = cKDTree(points[others]) if len(others) else None
        for first in class_names:
            mine = points[whole & (names == first)]
            rank = 2 if first == second else 1  # the nearest to itself is itself
            if tree is None or len(others) < rank or not len(mine):
                continue
            distance, index = tree.query(mine, k=[rank])
            distance, neighbour = distance[:, 0], points[others[index[:, 0]]]
            x, y = mine.T
            sure = distance <= np.minimum.reduce([x, y, width - x, height - y])
            dx, dy = (neighbour - mine)[sure].T
            directions = np.degrees(np.arctan2(-dy, dx)) % 360
            pairs.append(Pair(first, second, distance[sure], directions))
    return sorted(pairs, key=lambda p: (class_names.index(p.first), class_names.index(p.second)))


def summarise(found: Statistics) -> dict[str, Any]:
    """Return the summary: plain numbers, each beside its unit."""
    factor, unit = found.factor, found.unit
    area = found.pixels * factor**2
    masks = coverage_masks(found.molecules, found.height, found.width)
    confidence = _confidence(found, area)
    summary: dict[str, Any] = {
        "image": {
            "height_px": found.height,
            "width_px": found.width,
            "nm_per_pixel": found.nm_per_pixel,
            "area": area,
            "area_unit": f"{unit}^2",
        },
        "length_unit": unit,
        "total": {
            "count": len(found.molecules),
            "unfamiliar": sum(m.unfamiliar for m in found.shown),
            "density": sum(visible_shares(found.molecules)) / area,
            "density_unit": f"1/{unit}^2",
            "coverage": _share(list(masks.values()), found.pixels),
        },
        "classes": {
            name: _class_summary(found, name, area, masks) | {"confidence": confidence[name]}
            for name in found.class_names
        },
        "neighbours": [
            {
                "from": pair.first,
                "to": pair.second,
                "distance": distribution(pair.distances * factor, unit),
                "direction_histogram": _histogram(pair.directions, 360.0),
            }
            for pair in found.pairs
        ],
        "domains": domain_summaries(found.order, found.molecules, factor, unit),
        "vacancies": [
            {
                "x_px": round(v.x, 2),
                "y_px": round(v.y, 2),
                "class": v.class_name,
                "domain": v.domain + 1,
                "taken_by": v.taken_by,
            }
            for v in found.order.vacancies
        ],
    }
    if not found.order.domains:
        summary["no_lattice"] = (
            "no repeating cell was found: too few molecules of a class, or no order"
        )
    return summary


def _class_summary(
    found: Statistics, name: str, area: float, masks: dict[str, np.ndarray]
) -> dict[str, Any]:
    mine = [i for i, m in enumerate(found.molecules) if m.class_name == name]
    whole = [i for i in mine if not found.molecules[i].edge]
    members = [found.molecules[i] for i in mine]
    areas = np.array([found.molecules[i].area for i in whole])
    result: dict[str, Any] = {
        "count": len(mine),
        "cut_by_border": len(mine) - len(whole),
        "uncertain": sum(m.uncertain for m in members),
        "density": sum(visible_shares(members)) / area,
        "density_unit": f"1/{found.unit}^2",
        "coverage": _share([masks[name]] if name in masks else [], found.pixels),
        "score": distribution(np.array([m.score for m in members]), ""),
        "area": distribution(areas * found.factor**2, f"{found.unit}^2"),
        "orientation": orientation_summary([found.molecules[i] for i in whole]),
    }
    if found.heights_nm is not None:
        result["height"] = distribution(found.heights_nm[whole], "nm")
    return result


def _confidence(found: Statistics, area: float) -> dict[str, dict[str, Any]]:
    """Return class -> what the summary says of its confidence intervals."""
    counts = {
        name: sum(visible_shares([m for m in found.molecules if m.class_name == name]))
        for name in found.class_names
    }
    return confidence_summary(counts, area, f"1/{found.unit}^2", found.recognition)


def visible_shares(molecules: Sequence[Molecule]) -> list[float]:
    """Return the share of each molecule that lies in the image, 0 to 1.

    For one that is cut by the border it is its area over its class's median area: their sum over a
    image's area estimates the density without the bias of counting cut molecules as whole ones.
    """
    medians: dict[str, float] = {}
    for name in {m.class_name for m in molecules}:
        areas = [m.area for m in molecules if m.class_name == name and not m.edge]
        medians[name] = float(np.median(areas)) if areas else 0.0
    return [
        min(1.0, m.area / medians[m.class_name]) if m.edge and medians[m.class_name] else 1.0
        for m in molecules
    ]


def distribution(values: np.ndarray, unit: str) -> dict[str, Any]:
    """Return n, mean, sd and quartiles of some numbers; only n and unit where there are none."""
    result: dict[str, Any] = {"n": len(values), "unit": unit}
    if len(values):
        low, median, high = np.percentile(values, [25, 50, 75])
        result |= {
            "mean": float(np.mean(values)),
            "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
            "quartile_1": float(low),
            "median": float(median),
            "quartile_3": float(high),
        }
    return result


def orientation_summary(molecules: Sequence[Molecule]) -> dict[str, Any]:
    """Return the orientations of one class modulo its rotational symmetry.

    `alignment` is the length of the mean unit vector of symmetry * angle: 1 when all molecules are
    parallel (up to their symmetry), near 0 when they point everywhere or in opposite ways.
    """
    # Molecules of one class carry the same symmetry; 0 stands for round ones without a direction.
    order = max((m.symmetry for m in molecules), default=0)
    angles = np.array([m.orientation for m in molecules if np.isfinite(m.orientation)])
    result: dict[str, Any] = {"symmetry": order, "n": len(angles) if order else 0}
    if order and len(angles):
        period = 360.0 / order
        mean = np.exp(1j * np.radians(angles * order)).mean()
        result |= {
            "period_deg": period,
            "mean_deg": float(np.degrees(np.angle(mean)) / order % period),
            "alignment": float(abs(mean)),
            "histogram": _histogram(angles % period, period),
        }
    return result


def coverage_masks(molecules: Sequence[Molecule], height: int, width: int) -> dict[str, np.ndarray]:
    """Return class -> (height, width) bool, True where one of its molecules is."""
    masks: dict[str, np.ndarray] = {}
    filled = CroppedMask.each_of_polygons([m.region for m in molecules], height, width)
    for m, own in zip(molecules, filled, strict=True):
        if m.class_name not in masks:
            masks[m.class_name] = np.zeros((height, width), bool)
        masks[m.class_name][own.place] |= own.pixels
    return masks


def _share(masks: list[np.ndarray], pixels: float) -> float:
    return float(np.logical_or.reduce(masks).sum() / pixels) if masks else 0.0


def _histogram(angles: np.ndarray, period: float) -> list[int]:
    counts, _ = np.histogram(angles, bins=ANGLE_BINS, range=(0, period))
    return counts.tolist()


def _molecule_heights(
    molecules: Sequence[Molecule], heights_nm: np.ndarray | None, height: int, width: int
) -> np.ndarray | None:
    """Return the 95th percentile of the heights inside each molecule above the surface: (N,)."""
    if heights_nm is None:
        return None
    if heights_nm.shape != (height, width):
        raise InputError(
            f"the heights have {heights_nm.shape[0]} x {heights_nm.shape[1]} pixels and the "
            f"image {height} x {width}; convert the instrument file again."
        )
    base = np.nanpercentile(heights_nm, BASE_PERCENTILE)
    tops = np.full(len(molecules), np.nan)
    filled = CroppedMask.each_of_polygons([m.region for m in molecules], height, width)
    for i, mask in enumerate(filled):
        inside = heights_nm[mask.place][mask.pixels]
        if len(inside):
            tops[i] = np.percentile(inside, 95) - base
    return tops
