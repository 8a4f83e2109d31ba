"""The tables of all images: all_molecules.csv, all_images.csv, all_classes.csv, all_domains.csv."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from spm.errors import InputError
from spm.measure.handedness import Excess, excess
from spm.measure.uncertainty import Interval
from spm.pooled.conditions import Conditions
from spm.pooled.pool import Pool, corrected_count, mean_areas, spread
from spm.pooled.results import ImageResult, columns_of, name_of, read_result
from spm.run.files import atomic_path, write_csv


def pool_tables(
    paths: Sequence[Path], target: Path, conditions: Conditions
) -> tuple[list[ImageResult], list[str], list[InputError]]:
    """Write all molecules into one table, and return what they say of each image.

    The rows go through one after another, so that memory holds one image's.

    Args:
        paths: NAME_molecules.csv of each image.
        target: all_molecules.csv.
        conditions: the user's columns, which stand behind the image's name.

    Returns:
        The results, the flags, and what is wrong with images that are left out.
    """
    columns, flags, paths, problems = _columns(paths)
    own = _free_names(conditions.columns, ["image", *columns], conditions.path)
    results = []
    with (
        atomic_path(target, durable=False) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["image", *own, *columns])
        for path in paths:
            try:
                result, header, rows = read_result(path, flags)
            except InputError as error:
                problems.append(error)
                continue
            results.append(result)
            start = [result.name, *conditions.of(result.name)]
            if header == columns:
                writer.writerows(start + row for row in rows)
            else:
                place = [header.index(c) if c in header else None for c in columns]
                writer.writerows(start + ["" if k is None else row[k] for k in place]
                                 for row in rows)  # fmt: skip
    return results, flags, problems


def _columns(
    paths: Sequence[Path],
) -> tuple[list[str], list[str], list[Path], list[InputError]]:
    """Return columns and flags of the tables that can be read, these, and what is wrong else."""
    good, problems = [], []
    for path in paths:
        try:
            columns_of([path])
            good.append(path)
        except InputError as error:
            problems.append(error)
    return *columns_of(good), good, problems


def _free_names(own: Sequence[str], taken: Iterable[str], path: Path | None) -> list[str]:
    both = sorted(set(own) & set(taken))
    if both:
        raise InputError(
            f"{path}: the tables have a column {both[0]!r} already; give yours another name."
        )
    return list(own)


def write_images(path: Path, pool: Pool) -> None:
    """Write all_images.csv: a line for each image.

    Lengths and areas are in `length_unit` (and its square), errors are standard errors of the
    lattice's fit; counts of a class are all, those without any flag, and those with each.
    """
    columns: dict[str, Callable[[ImageResult], Any]] = {
        "image": lambda r: r.name,
        **{c: (lambda r, k=k: pool.conditions.of(r.name)[k])
           for k, c in enumerate(pool.conditions.columns)},
        "molecules": lambda r: sum(r.count(name) for name in pool.class_names),
        "coverage": lambda r: r.summary.get("total", {}).get("coverage"),
    }  # fmt: skip
    for name in pool.class_names:
        columns |= _class_columns(name, pool.flags)
    columns |= {
        "length_unit": lambda r: r.unit,
        "image_area": lambda r: r.area,
        **{key: (lambda r, key=key: r.summary.get("image", {}).get(key))
           for key in ("width_px", "height_px", "nm_per_pixel")},
        **_lattice_columns(),
    }  # fmt: skip
    if pool.mirror_classes:
        columns |= _excess_columns(lambda r: pool.excess([r]))
    settings = dict.fromkeys(key for r in pool.results for key in r.settings)
    columns |= {f"{key} (prediction)": (lambda r, key=key: r.settings.get(key)) for key in settings}
    columns["date"] = lambda r: r.summary.get("settings", {}).get("run", {}).get("date")
    clash = set(pool.conditions.columns) & (set(columns) - set(pool.conditions.columns))
    if clash or "molecules" in pool.conditions.columns:
        raise InputError(
            f"{pool.conditions.path}: all_images.csv has a column of that name already "
            f"({', '.join(sorted(clash) or ['molecules'])}); give yours another name."
        )
    rows = ([cell(get(r)) for get in columns.values()] for r in pool.results)
    write_csv(path, list(columns), rows)


def _class_columns(name: str, flags: Sequence[str]) -> dict[str, Callable[[ImageResult], Any]]:
    def area(result: ImageResult) -> float | None:
        values = result.areas.get(name, ())
        return values.mean() if len(values) else None

    counted = ("count", "unflagged", *flags)
    return {
        **{f"{name} {which}": (lambda r, w=which: r.count(name, w)) for which in counted},
        f"{name} density": lambda r: r.density(name),
        f"{name} coverage": lambda r: r.summary.get("classes", {}).get(name, {}).get("coverage"),
        f"{name} mean area": area,
    }


def _lattice_columns() -> dict[str, Callable[[ImageResult], Any]]:
    """Return the columns of the largest domain."""

    def of(key: str, part: str) -> Callable[[ImageResult], Any]:
        return lambda r: r.domains[0][key][part] if r.domains else None

    columns: dict[str, Callable[[ImageResult], Any]] = {"domains": lambda r: len(r.domains)}
    for key in ("a", "b", "angle", "cell_area"):
        columns |= {key: of(key, "value"), f"{key} error": of(key, "error")}
    columns["vacancies"] = lambda r: len(r.summary.get("vacancies", []))
    return columns


def _excess_columns(get: Callable[[Any], Excess | None]) -> dict[str, Callable[[Any], Any]]:
    parts = {"": "value", " low": "low", " high": "high"}
    return {
        f"enantiomeric excess{ending}": (
            lambda r, part=part: getattr(found.excess, part) if (found := get(r)) else None
        )
        for ending, part in parts.items()
    }


def write_classes(path: Path, pool: Pool) -> None:
    """Write all_classes.csv: a line for each class, with 95 % confidence intervals."""
    unit = pool.unit
    header = ["class", "images", "molecules", "unflagged", *pool.flags]
    header += [f"share{end}" for end in ("", " low", " high")]
    header += [f"density (1/{unit}^2){end}" for end in ("", " low", " high")]
    header += [f"estimated molecules{end}" for end in ("", " low", " high")]
    header += ["corrected by precision and recall", "mean density of images"]
    header += ["sd of images' densities", f"mean area ({unit}^2)", "sd of images' mean areas"]
    found, rows = pool.intervals(), []
    densities = pool.densities()
    for k, name in enumerate(pool.class_names):
        row: list[Any] = [name, sum(r.count(name) > 0 for r in pool.results)]
        row += [pool.counts(name, which) for which in ("count", "unflagged", *pool.flags)]
        if found:
            for interval in (
                found.shares[k],
                found.densities[k],
                corrected_count(pool, name, found),
            ):
                row += _three(interval)
            row += [int(name in pool.recognition), *spread(densities[:, k])]
            row += spread(mean_areas(pool, name))
        rows.append([cell(v) for v in row + [""] * (len(header) - len(row))])
    write_csv(path, header, rows)


def write_domains(path: Path, pool: Pool) -> None:
    """Write all_domains.csv: a line for each domain of each image."""
    header = ["image", *pool.conditions.columns, "domain", "molecules", "hand", "length_unit"]
    for key in ("a", "b", "angle", "direction_of_a", "cell_area"):
        header += [key, f"{key} error"]
    header += ["scatter", "vacancies", *(f"{name} count" for name in pool.class_names)]
    pair = pool.mirror_classes
    header += (
        ["enantiomeric excess", "enantiomeric excess low", "enantiomeric excess high"]
        if pair
        else []
    )
    write_csv(path, header, _domain_rows(pool))


def _domain_rows(pool: Pool) -> Iterator[list[str]]:
    for result in pool.results:
        for number, domain in enumerate(result.domains):
            counts = domain.get("classes", {})
            row = [result.name, *pool.conditions.of(result.name), number + 1, domain["molecules"]]
            row += [pool.hands.get((result.name, number), ""), result.unit]
            for key in ("a", "b", "angle", "direction_of_a", "cell_area"):
                row += [domain[key]["value"], domain[key]["error"]]
            row += [domain["scatter"]["value"], domain["vacancies"]]
            row += [counts.get(name, 0) for name in pool.class_names]
            if pool.mirror_classes:
                first, second = (counts.get(name, 0) for name in pool.mirror_classes)
                row += _three(excess([first], [second]).excess)
            yield [cell(v) for v in row]


def _three(interval: Interval) -> list[float]:
    return [interval.value, interval.low, interval.high]


def cell(value: Any) -> str:
    """Return a value as the tables write it: six digits, nothing for what is not known."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def names_of(paths: Sequence[Path]) -> list[str]:
    """Return NAME of each table."""
    return [name_of(path) for path in paths]
