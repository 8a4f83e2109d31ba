"""t-SNE screening: can the classes be told apart, and which crops look wrong?

Two kinds of evidence make a crop suspicious:
- its *neighbours* belong to another class, counted over repeats, each with a new random rotation
  of every crop and a new random start of t-SNE, both in pixel space and on the map (a wrong label);
- it is *strange* to its own class: farther from its relatives than is usual there, or rougher or
  smoother than they are (a bad scan).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from spm.errors import InputError
from spm.similarity.crop_distances import make_views, pixel_distances, roughness, scored_views
from spm.similarity.crops import Crop
from spm.similarity.rotation_match import Turn

NEIGHBOURS = 5  # crops that vote on a crop's class
STRANGE_NEIGHBOURS = (5, 15)  # own-class relatives whose mean distance tells how strange one is
STRANGE_AT = 4.5  # robust standard deviations from what is usual in the class: score 0.5
USUAL_SPREAD = 0.2  # spread of log distances and log roughness among well scanned molecules
LEAST_SPREAD = 0.1  # differences of a tenth are never strange, however alike a class is
PIXEL_SHARE = 0.6  # weight of pixel space beside the map, which sees the surroundings too
SUSPICIOUS = 0.55  # outlier score from which a crop is listed
# Crops of the smaller class from which the map has a say whether two classes are separable: it
# parts few crops of many classes badly, however different they are (docs/tsne.md).
MAP_FROM = 30
SEPARABLE = 0.8  # nearest-neighbour accuracy from which two classes count as separable


@dataclass
class Settings:
    """The paper's settings (scikit-learn's TSNE) and ours."""

    perplexity: float = 10.0
    learning_rate: float = 100.0
    iterations: int = 2000
    angle: float = 0.1  # accuracy of Barnes-Hut, 0..1, 0 is exact
    rotation: float = 10.0  # each crop is turned at random by up to this many degrees
    repeats: int = 10
    normalise: bool = False  # equal brightness and contrast for t-SNE too
    seed: int = 0
    jobs: int = 0  # processes; 0 takes one per core

    def check(self) -> None:
        """Raise InputError for a setting that makes no sense."""
        limits = {
            "perplexity": (1, 1000),
            "learning_rate": (1e-3, 1e5),
            "iterations": (250, 1_000_000),
            "angle": (0, 1),
            "rotation": (0, 180),
            "repeats": (1, 10_000),
            "seed": (0, 2**63),
            "jobs": (0, 1024),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(f"{name} must lie between {low} and {high}. Received: {value}.")


@dataclass
class Pair:
    """How well two classes separate. Accuracies are balanced leave-one-out nearest-neighbour
    accuracies (0.5 is chance), silhouettes -1..1; means over the repeats."""

    first: str
    second: str
    pixel_accuracy: float
    map_accuracy: float
    pixel_silhouette: float
    map_silhouette: float
    count: int
    smallest: int

    @property
    def accuracy(self) -> float:
        """In pixel space and, where each class has MAP_FROM crops, on the map."""
        if self.smallest < MAP_FROM:
            return self.pixel_accuracy
        return PIXEL_SHARE * self.pixel_accuracy + (1 - PIXEL_SHARE) * self.map_accuracy

    @property
    def conclusion(self) -> str:
        """`separable`, `not separable`, or `too few crops`.

        Besides SEPARABLE, the accuracy must be beyond what chance gives at the 1 % level.
        """
        if self.smallest < 3:
            return "too few crops"
        by_chance = 0.5 + 2.33 * np.sqrt(0.25 / self.count)
        return "separable" if self.accuracy >= max(SEPARABLE, by_chance) else "not separable"


@dataclass
class Screening:
    """Result for N crops, in their order.

    Args:
        crops: the crops.
        views: (N, VIEW, VIEW) float32, turned crops without the random rotation.
        positions: (N, 2) float64, the map with the lowest divergence among the repeats.
        pixel_other, map_other: (N,) share of neighbours of another class, 0..1.
        strangeness: (N,) robust standard deviations from what is usual in the own class.
        outlier: (N,) score 0..1, higher is more suspicious.
        neighbours: (N, k) int, nearest crops in pixel space.
        pairs: one `Pair` for every two classes.
        notices: sentences for the user.
    """

    crops: list[Crop]
    views: np.ndarray
    positions: np.ndarray
    pixel_other: np.ndarray
    map_other: np.ndarray
    strangeness: np.ndarray
    outlier: np.ndarray
    neighbours: np.ndarray
    pairs: list[Pair]
    notices: list[str] = field(default_factory=list)

    @property
    def suspected(self) -> np.ndarray:
        """(N,) bool."""
        return self.outlier > SUSPICIOUS

    @property
    def ranking(self) -> np.ndarray:
        """(N,) int, the most suspicious crop first."""
        return np.argsort(-self.outlier, kind="stable")


def screen(
    crops: Sequence[Crop], turns: Sequence[Turn] | None = None, settings: Settings | None = None
) -> Screening:
    """Map the crops by t-SNE and score them.

    Args:
        crops: at least four, of one class or more.
        turns: how to turn each crop (`turning.find_turns`); None leaves them as they are.
        settings: t-SNE's settings. Defaults to the paper's.

    Raises:
        InputError: for fewer than four crops.
    """
    crops, settings = list(crops), settings or Settings()
    settings.check()
    turns = list(turns) if turns is not None else [Turn() for _ in crops]
    if len(crops) < 4:
        raise InputError(f"t-SNE needs at least 4 crops; received {len(crops)}.")
    labels = np.array([crop.class_name for crop in crops])
    perplexity, notices = _perplexity(settings.perplexity, len(crops))
    views, weight = scored_views(crops, turns)
    distances = pixel_distances(views, weight)
    repeats = _run_repeats(crops, turns, settings, perplexity)
    pairs = _pairs(labels, repeats)
    inseparable = {frozenset((p.first, p.second)) for p in pairs if p.conclusion != "separable"}
    pixel_other = np.mean([other_share(r.pixel_distances, labels, inseparable) for r in repeats], 0)
    map_other = np.mean(
        [other_share(_euclidean(r.positions), labels, inseparable) for r in repeats], 0
    )
    strange = strangeness(distances, roughness(views, weight), labels)
    for name, count in zip(*np.unique(labels, return_counts=True), strict=True):
        if count < 3:
            notices.append(f"class {name} has {count} crops, too few to judge them.")
    best = min(repeats, key=lambda r: r.divergence)
    return Screening(
        crops=crops,
        views=make_views([crop.patch for crop in crops], turns),
        positions=best.positions,
        pixel_other=pixel_other,
        map_other=map_other,
        strangeness=strange,
        outlier=outlier_score(pixel_other, map_other, strange),
        neighbours=_order(distances)[:, : min(NEIGHBOURS, len(crops) - 1)],
        pairs=pairs,
        notices=notices,
    )


def _perplexity(wanted: float, count: int) -> tuple[float, list[str]]:
    """Lower the perplexity to a third of the neighbours there are (van der Maaten's limit)."""
    possible = (count - 1) / 3
    if wanted <= possible:
        return wanted, []
    return possible, [f"perplexity lowered from {wanted:g} to {possible:.3g}: {count} crops only."]


def _euclidean(points: np.ndarray) -> np.ndarray:
    return np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1))


def _order(distances: np.ndarray) -> np.ndarray:
    """Return for each crop all crops, nearest first, itself last."""
    distances = distances.copy()
    np.fill_diagonal(distances, np.inf)
    return np.argsort(distances, 1, kind="stable")


# --- the repeats ----------------------------------------------------------------------------


@dataclass
class _Repeat:
    pixel_distances: np.ndarray  # (N, N)
    positions: np.ndarray  # (N, 2)
    divergence: float


def _run_repeats(crops, turns, settings: Settings, perplexity: float) -> list[_Repeat]:
    from joblib import Parallel, delayed, parallel_config

    jobs = min(settings.jobs or os.cpu_count() or 1, settings.repeats)
    numbers = range(settings.repeats)
    if jobs <= 1:
        return [_repeat(crops, turns, settings, perplexity, number) for number in numbers]
    with parallel_config("loky", n_jobs=jobs, inner_max_num_threads=1):
        return Parallel()(
            delayed(_repeat)(crops, turns, settings, perplexity, number) for number in numbers
        )


def _repeat(crops, turns, settings: Settings, perplexity: float, number: int) -> _Repeat:
    """Turn every crop at random, map them once. The draw depends on seed and number only."""
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng([settings.seed, number])
    extra = rng.uniform(-settings.rotation, settings.rotation, len(crops))
    vectors = make_views([crop.patch for crop in crops], turns, extra).reshape(len(crops), -1)
    if settings.normalise:
        vectors = vectors - vectors.mean(1, keepdims=True)
        vectors = vectors * (50 / np.maximum(vectors.std(1, keepdims=True), 1.0))
    tsne = TSNE(
        perplexity=perplexity,
        learning_rate=settings.learning_rate,
        max_iter=settings.iterations,
        angle=settings.angle,
        init="random",
        random_state=int(rng.integers(2**31)),
    )
    # So few points gain nothing from threads, which would fight with the other repeats.
    with threadpool_limits(1):
        positions = tsne.fit_transform(vectors).astype(np.float64)
        distances = pixel_distances(*scored_views(crops, turns, extra))
    return _Repeat(distances, positions, float(tsne.kl_divergence_))


# --- scores ---------------------------------------------------------------------------------


def other_share(
    distances: np.ndarray, labels: np.ndarray, inseparable: set[frozenset[str]] = frozenset()
) -> np.ndarray:
    """Return the share of each crop's nearest neighbours that belong to another class, (N,).

    Args:
        distances: (N, N).
        labels: (N,) class names.
        inseparable: pairs of classes that look the same, which therefore count as one.

    A class of n crops lets only n - 1 neighbours vote, at least one; a class of one crop cannot be
    judged and gets 0.
    """
    order = _order(distances)
    same = labels[:, None] == labels[None]
    for a, b in inseparable:
        same |= (labels[:, None] == a) & (labels[None] == b)
        same |= (labels[:, None] == b) & (labels[None] == a)
    sizes = (labels[:, None] == labels[None]).sum(1)
    shares = np.zeros(len(labels))
    for i, size in enumerate(sizes):
        voters = order[i, : min(NEIGHBOURS, size - 1)]
        if len(voters):
            shares[i] = np.mean(~same[i, voters])
    return shares


def strangeness(distances: np.ndarray, roughness: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return how much each crop differs from what is usual in its own class, (N,).

    The larger of two robust deviations: of the log mean distance to the nearest relatives, and of
    the log roughness, up (streaks, noise) or down (blur), which a distance between smooth shapes
    does not see. A class of fewer than three crops gets 0.
    """
    result = np.zeros(len(labels))
    for name in np.unique(labels):
        members = np.flatnonzero(labels == name)
        if len(members) < 3:
            continue
        own = distances[np.ix_(members, members)].copy()
        np.fill_diagonal(own, np.inf)
        own.sort(axis=1)
        evidence = [np.abs(_deviation(np.log(roughness[members])))]
        for k in STRANGE_NEIGHBOURS:
            k = min(k, max(1, (len(members) - 1) // 2))
            evidence.append(_deviation(np.log(np.maximum(own[:, :k].mean(1), 1e-3))))
        result[members] = np.maximum(np.max(evidence, 0), 0)
    return result


def _deviation(values: np.ndarray) -> np.ndarray:
    """Return (values - median) / spread; spread is 1.4826 * median absolute deviation, drawn
    towards USUAL_SPREAD where the values are few, and at least LEAST_SPREAD."""
    n, usual = len(values), np.median(values)
    spread = 1.4826 * np.median(np.abs(values - usual))
    spread = np.sqrt((n * spread**2 + 10 * USUAL_SPREAD**2) / (n + 10))
    return (values - usual) / max(float(spread), LEAST_SPREAD)


def outlier_score(
    pixel_other: np.ndarray, map_other: np.ndarray, strange: np.ndarray
) -> np.ndarray:
    """Join the evidence, 0..1: wrong label *or* bad scan, as independent chances are joined."""
    wrong_label = PIXEL_SHARE * pixel_other + (1 - PIXEL_SHARE) * map_other
    bad_scan = 1 / (1 + np.exp(-(strange - STRANGE_AT)))
    return 1 - (1 - wrong_label) * (1 - bad_scan)


def _pairs(labels: np.ndarray, repeats: list[_Repeat]) -> list[Pair]:
    names = sorted(set(labels.tolist()))
    pairs = []
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            chosen = np.flatnonzero((labels == first) | (labels == second))
            part = np.ix_(chosen, chosen)
            pixel = [separation(r.pixel_distances[part], labels[chosen]) for r in repeats]
            on_map = [separation(_euclidean(r.positions[chosen]), labels[chosen]) for r in repeats]
            pixel, on_map = np.mean(pixel, 0), np.mean(on_map, 0)
            smallest = min((labels == first).sum(), (labels == second).sum())
            pairs.append(
                Pair(
                    first, second, float(pixel[0]), float(on_map[0]),
                    float(pixel[1]), float(on_map[1]), len(chosen), int(smallest),
                )
            )  # fmt: skip
    return pairs


def separation(distances: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return the balanced leave-one-out nearest-neighbour accuracy and the mean silhouette.

    Args:
        distances: (N, N) between the crops of two classes.
        labels: (N,).
    """
    from sklearn.metrics import silhouette_score

    right = labels[_order(distances)[:, 0]] == labels
    accuracy = float(np.mean([right[labels == name].mean() for name in np.unique(labels)]))
    if len(labels) < 3:
        return accuracy, 0.0
    distances = distances.copy()
    np.fill_diagonal(distances, 0)
    return accuracy, float(silhouette_score(distances, labels, metric="precomputed"))
