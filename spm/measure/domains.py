"""Domains and vacancies of a molecular layer: which molecules share a lattice, which are missing.

A lattice found by `spm.measure.lattice` is grown from neighbour to neighbour
(`spm.measure.sublattices`), so that drift and creep may bend it; molecules of one growth share a
domain. Then the next lattice is looked for among the molecules that are left.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from spm.measure import sublattices as growth
from spm.measure.lattice import TOLERANCE, Lattice, find_vectors, neighbour_distance, reduce_basis
from spm.measure.sublattices import Patch

MOST_LATTICES = 8
_AROUND = [(n, m) for n in (-1, 0, 1) for m in (-1, 0, 1) if (n, m) != (0, 0)]


@dataclass
class Vacancy:
    """An empty place inside a domain, or one taken by another class.

    Attributes:
        x, y: where the molecule should be, pixels.
        class_name: the class that is missing.
        domain: number of the domain.
        taken_by: class of the molecule there, "" for an empty place.
    """

    x: float
    y: float
    class_name: str
    domain: int
    taken_by: str = ""


@dataclass
class Domain:
    """Molecules on one lattice without an interruption.

    Attributes:
        members: (n,) int, indices of the molecules.
        lattice: fitted to these members.
    """

    members: np.ndarray
    lattice: Lattice


@dataclass
class Order:
    """What is ordered in an image; domains largest first.

    Attributes:
        domains: may be empty.
        domain_of: (N,) int, the domain of each molecule, -1 for none.
        vacancies: empty and wrongly taken places.
    """

    domains: list[Domain] = field(default_factory=list)
    domain_of: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    vacancies: list[Vacancy] = field(default_factory=list)


@dataclass(frozen=True)
class _Layer:
    """The molecules of an image.

    Attributes:
        points: (N, 2) float64 centroids (x, y), pixels.
        kinds: (N,) int, the class of each, a number of `names`.
        names: the classes.
        spacing: usual distance of neighbours, pixels.
        height, width: of the image, pixels.
    """

    points: np.ndarray
    kinds: np.ndarray
    names: list[str]
    spacing: float
    height: int
    width: int


def analyse(
    points: np.ndarray,
    class_names: list[str],
    height: int,
    width: int,
    whole: np.ndarray | None = None,
    turns: np.ndarray | None = None,
) -> Order:
    """Find lattices, domains and vacancies.

    Args:
        points: (N, 2) float64 centroids (x, y), pixels.
        class_names: class of each point.
        height, width: size of the image, pixels.
        whole: (N,) bool, False for molecules cut by the image's border: their centroids are
            those of the visible part, so that they only show that a place is not empty. Defaults
            to all True.
        turns: (N,) complex, exp(i * symmetry * orientation) of each molecule, NaN for round ones:
            a cell repeats directions too. Defaults to None, directions not known.
    """
    points = np.asarray(points, np.float64).reshape(-1, 2)
    order = Order(domain_of=np.full(len(points), -1))
    if turns is None:
        turns = np.full(len(points), complex(np.nan))
    usable = np.ones(len(points), bool) if whole is None else np.asarray(whole, bool)
    names = sorted({str(name) for name in class_names})
    kinds = np.array([names.index(name) for name in class_names], int)
    spacing = neighbour_distance(points)
    layer = _Layer(points, kinds, names, spacing, height, width)
    left = np.flatnonzero(usable)
    found = []
    for _ in range(MOST_LATTICES):
        vectors = find_vectors(points[left], kinds[left], height, width, TOLERANCE * spacing)
        if vectors is None:
            break
        groups = growth.grow(points[left], kinds[left], vectors, spacing)
        if not groups:
            break
        taken = np.zeros(len(left), bool)
        for patches in groups:
            for patch in patches:
                taken[patch.members] = True
                patch.members = left[patch.members]
            found.append(growth.true_cell(points, turns, patches))
        left = left[~taken]
    found.sort(key=lambda patches: -sum(len(p.members) for p in patches))
    for number, patches in enumerate(found):
        members = np.concatenate([patch.members for patch in patches])
        order.domain_of[members] = number
        order.domains.append(Domain(np.sort(members), fit(points, patches)))
    for number, patches in enumerate(found):
        _find_vacancies(order, number, patches, layer)
    return order


def fit(points: np.ndarray, patches: list[Patch]) -> Lattice:
    """Fit vectors and one offset for each patch to the members' places by least squares.

    Molecules farther than 4 robust standard deviations from their place are left out of a second
    fit. The covariance comes from the scatter of the rest.
    """
    design, target = growth.design_matrix(points, patches)
    keep = np.ones(len(target), bool)
    for _ in range(2):
        solution, *_ = np.linalg.lstsq(design[keep], target[keep], rcond=None)
        distance = np.hypot(*(target - design @ solution).T)
        # The median of a two-dimensional normal distribution's distance is 1.18 sigma.
        keep = distance <= max(4 * np.median(distance) / 1.18, 1e-9)
    squares = float((distance[keep] ** 2).sum())
    freedom = max(1, 2 * int(keep.sum()) - 2 * design.shape[1])
    normal = np.linalg.pinv(design[keep].T @ design[keep])[:2, :2]
    vectors, change = reduce_basis(solution[:2])
    return Lattice(
        vectors=vectors,
        covariance=change @ (normal * squares / freedom) @ change.T,
        residual=float(np.sqrt(squares / keep.sum())),
        molecules=int(keep.sum()),
    )


def _find_vacancies(order: Order, number: int, patches: list[Patch], layer: _Layer) -> None:
    """Add the domain's vacancies to `order` and molecules a cell to its lattice."""
    from scipy.spatial import cKDTree

    points, kinds, names, spacing = layer.points, layer.kinds, layer.names, layer.spacing
    tree = cKDTree(points)
    vectors = growth.raw_vectors(points, patches)
    occupied: dict[str, list[tuple[int, int]]] = {}
    for site in _sites(patches, layer, vectors):
        name = names[kinds[next(iter(site.values()))]]
        empty = 0
        for place in _surrounded(site):
            neighbours = [(n, m) for n, m in _AROUND if (place[0] + n, place[1] + m) in site]
            where = np.mean(
                [
                    points[site[place[0] + n, place[1] + m]] - np.array([n, m]) @ vectors
                    for n, m in neighbours
                ],
                axis=0,
            )
            margin = min(*where, layer.width - where[0], layer.height - where[1])
            if margin < spacing / 2:
                continue
            near = tree.query_ball_point(where, 0.55 * spacing)
            others = [i for i in near if order.domain_of[i] != number]
            close = [i for i in near if np.hypot(*(points[i] - where)) < 0.35 * spacing]
            if any(kinds[i] == kinds[site[next(iter(site))]] for i in close):
                continue  # there is one, only out of place
            if others and not close:
                continue  # the place lies across the border to another domain
            taken_by = names[kinds[close[0]]] if close else ""
            order.vacancies.append(
                Vacancy(float(where[0]), float(where[1]), name, number, taken_by)
            )
            empty += 1
        occupied.setdefault(name, []).append((len(site), empty))
    order.domains[number].lattice.per_cell = {
        name: _occupancy(counts) for name, counts in occupied.items()
    }


def _occupancy(counts: list[tuple[int, int]]) -> tuple[float, float]:
    """Return molecules a cell and the standard error from (full, empty) counts of each site."""
    full, empty = np.array(counts, float).T
    share = full / (full + empty)
    return float(share.sum()), float(np.sqrt((share * (1 - share) / (full + empty)).sum()))


def _sites(
    patches: list[Patch], layer: _Layer, vectors: np.ndarray
) -> list[dict[tuple[int, int], int]]:
    """Return for each site of the cell the places (n, m) that are taken -> index of the molecule.

    Patches of one class whose offsets differ by whole lattice vectors are one site that a gap cut
    into pieces.
    """
    inverse = np.linalg.inv(vectors)
    sites: list[tuple[int, np.ndarray, dict[tuple[int, int], int]]] = []
    for patch in sorted(patches, key=lambda p: -len(p.members)):
        kind = int(layer.kinds[patch.members[0]])
        offset = (layer.points[patch.members] - patch.places @ vectors).mean(axis=0) @ inverse
        shift = np.zeros(2, int)
        for other_kind, other, site in sites:
            steps = np.rint(offset - other).astype(int)
            apart = np.hypot(*((offset - other - steps) @ vectors))
            if kind == other_kind and apart < 0.3 * layer.spacing:
                shift, target = steps, site
                break
        else:
            target = {}
            sites.append((kind, offset, target))
        for i, place in zip(patch.members.tolist(), patch.places + shift, strict=True):
            target.setdefault((int(place[0]), int(place[1])), i)
    return [site for _, _, site in sites]


def _surrounded(site: dict[tuple[int, int], int]) -> list[tuple[int, int]]:
    """Return the empty places with at least 6 of their 8 neighbours taken."""
    count: dict[tuple[int, int], int] = {}
    for n, m in site:
        for dn, dm in _AROUND:
            place = (n + dn, m + dm)
            if place not in site:
                count[place] = count.get(place, 0) + 1
    return sorted(place for place, neighbours in count.items() if neighbours >= 6)
