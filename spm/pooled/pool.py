"""All results of a folder together: numbers with their intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spm.errors import InputError
from spm.measure.handedness import Directions, Excess, excess, hands
from spm.measure.uncertainty import ClassIntervals, Interval, Recognition, class_intervals
from spm.pooled.conditions import Conditions
from spm.pooled.results import ImageResult
from spm.run.language import counted_phrase, phrase, phrase_or_name


@dataclass
class Pool:
    """What is known of all images.

    Attributes:
        results: image by image.
        flags: columns that count molecules apart.
        conditions: the user's own columns.
        recognition: class -> how well it is recognised, where that was evaluated.
        mirror_classes: the two that are mirror images of one another, or none.
        notes: sentences about what does not fit together.
    """

    results: list[ImageResult]
    flags: list[str]
    conditions: Conditions = field(default_factory=Conditions)
    recognition: dict[str, Recognition] = field(default_factory=dict)
    mirror_classes: tuple[str, str] | None = None
    notes: list[str] = field(default_factory=list)

    def __post_init__(self):
        names: dict[str, None] = {}
        for result in self.results:
            names |= dict.fromkeys(result.counts)
        self.class_names = list(names)
        units = Counter(result.unit for result in self.results if result.unit)
        self.unit = "nm" if units["nm"] else "px"
        self.hands = common_hands(self.comparable)

    @property
    def names(self) -> list[str]:
        """NAME of each image's results."""
        return [result.name for result in self.results]

    @property
    def comparable(self) -> list[ImageResult]:
        """The images whose lengths are in the pool's unit: only they can be taken together."""
        return [result for result in self.results if result.unit == self.unit]

    def counts(self, name: str, which: str = "count") -> int:
        """Molecules of a class in all images; see `ImageResult.count`."""
        return sum(result.count(name, which) for result in self.results)

    def densities(self) -> np.ndarray:
        """Return (images, classes) densities of the comparable images."""
        return np.array([[r.density(n) for n in self.class_names] for r in self.comparable])

    def intervals(self) -> ClassIntervals | None:
        """Return densities and shares of all classes; None where no image's size is known."""
        if not self.comparable or not self.class_names:
            return None
        areas = np.array([result.area for result in self.comparable])
        recognition = [self.recognition.get(name) for name in self.class_names]
        return class_intervals(self.densities() * areas[:, None], areas, recognition)

    def excess(self, results: Sequence[ImageResult] | None = None) -> Excess | None:
        """Return the excess of the first of the mirror classes over some images, by default all."""
        if self.mirror_classes is None:
            return None
        first, second = self.mirror_classes
        chosen = self.results if results is None else results
        return excess([r.count(first) for r in chosen], [r.count(second) for r in chosen])

    def domain_excess(self) -> Excess | None:
        """Return the excess of molecules in domains of one hand; None where none has a hand."""
        numbers: dict[str, Counter] = {}
        for (name, number), hand in self.hands.items():
            if hand:
                domain = self._domain(name, number)
                numbers.setdefault(name, Counter())[hand] += domain["molecules"]
        if not numbers:
            return None
        return excess([n["A"] for n in numbers.values()], [n["B"] for n in numbers.values()])

    def _domain(self, name: str, number: int) -> dict[str, Any]:
        result = next(result for result in self.results if result.name == name)
        return result.domains[number]


def images_text(count: int) -> str:
    """Return "1 image" or "7 images"."""
    return counted_phrase(count, "{count} image", "{count} images")


def common_hands(results: Sequence[ImageResult]) -> dict[tuple[str, int], str]:
    """Return the hand of each domain of all images, "A" that of the largest one of them all.

    Returns:
        (NAME, number of the domain from 0) -> "A", "B" or "".
    """
    places, seen, sizes = [], [], []
    for result in results:
        factor = result.summary.get("image", {}).get("nm_per_pixel") or 1.0
        for number, domain in enumerate(result.domains):
            if "directions" not in domain:
                continue  # of an earlier version
            vectors = np.array(domain["vectors_px"]) * factor
            places.append((result.name, number))
            seen.append(Directions.of_stored(vectors, domain["directions"]))
            sizes.append(domain["molecules"])
    order = sorted(range(len(seen)), key=lambda i: -sizes[i])
    told = hands([seen[i] for i in order])
    by_size = {places[i]: hand for i, hand in zip(order, told, strict=True)}
    return {place: by_size[place] for place in places}


def mirror_pair(
    asked: Sequence[str], results: Sequence[ImageResult], class_names: Sequence[str]
) -> tuple[str, str] | None:
    """Return the two classes that are mirror images of one another.

    Args:
        asked: the user's two, or none: then they are the two classes of a network that was trained
            without mirror images.
        results: of all images.
        class_names: all classes.

    Raises:
        InputError: when not two are named, or one is no class of the results.
    """
    if asked:
        if len(asked) != 2 or asked[0] == asked[1]:
            raise InputError(f"mirror_classes: name two classes. Received: {', '.join(asked)}.")
        for name in asked:
            if name not in class_names:
                raise InputError(
                    f"mirror_classes: {name} is no class of these results "
                    f"({', '.join(class_names)}); correct it."
                )
        return asked[0], asked[1]
    without = all(result.settings.get("mirror") is False for result in results)
    return (class_names[0], class_names[1]) if without and len(class_names) == 2 else None


def notes_of(pool: Pool) -> list[str]:
    """Return sentences about what does not fit together."""
    notes = []
    left_out = len(pool.results) - len(pool.comparable)
    if left_out:
        notes.append(_of_unknown_size(pool, left_out))
    for key in ("weights", "score threshold", "network pixels per image pixel", "views"):
        values = {str(r.settings[key]) for r in pool.results if key in r.settings}
        if len(values) > 1:
            notes.append(
                phrase(
                    "the images were predicted with different {what}: {values}",
                    what=phrase_or_name(key),
                    values=_first_few(sorted(values)),
                )
            )
    unknown = pool.conditions.unknown(pool.names)
    if unknown:
        notes.append(
            phrase(
                "{path}: {count} of its images have no results here: {names}",
                path=pool.conditions.path,
                count=len(unknown),
                names=_first_few(unknown),
            )
        )
    return notes


def _of_unknown_size(pool: Pool, count: int) -> str:
    if pool.unit != "nm":
        return phrase(
            "the size of {count} images is not known; densities are those of the others",
            count=count,
        )
    return phrase(
        "{count} of {total} images have no known scale; densities, areas and lattices of all "
        "images are those of the others",
        count=count,
        total=len(pool.results),
    )


def _first_few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:4])
    if len(names) <= 4:
        return shown
    return phrase("{names} and {count} more", names=shown, count=len(names) - 4)


def spread(values: np.ndarray) -> tuple[float, float]:
    """Return mean and standard deviation of some images' values, nan where there are too few."""
    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values)]
    mean = float(values.mean()) if len(values) else np.nan
    return mean, float(values.std(ddof=1)) if len(values) > 1 else np.nan


def mean_areas(pool: Pool, name: str) -> np.ndarray:
    """Return the mean area of a class's molecules in each comparable image that has some."""
    return np.array(
        [r.areas[name].mean() for r in pool.comparable if len(r.areas.get(name, ()))], np.float64
    )


def corrected_count(pool: Pool, name: str, densities: ClassIntervals) -> Interval:
    """Return the molecules of a class on the comparable images' whole area, with its interval."""
    area = sum(result.area for result in pool.comparable)
    entry = densities.densities[pool.class_names.index(name)]
    return entry.through(lambda density: density * area)
