"""Growing a lattice from molecule to molecule: patches of one sublattice, numbered by place."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from spm.measure.lattice import TOLERANCE, partner_of

LEAST_MEMBERS = 6  # molecules of a domain
LEAST_IN_COSET = 6  # molecules of each part, for a larger cell to be tried
# Steps (n, m) from a molecule to its neighbours; the long ones bridge a vacancy.
_STEPS = np.array([(1, 0), (0, 1), (1, 1), (1, -1), (2, 0), (0, 2)])
# Lattices of two and three times the cell, as rows of whole numbers of a and b.
_SUPERCELLS = [
    np.array(rows)
    for rows in (
        ((2, 0), (0, 1)),
        ((1, 0), (0, 2)),
        ((1, 1), (1, -1)),
        ((3, 0), (0, 1)),
        ((1, 0), (0, 3)),
        ((1, 1), (0, 3)),
        ((1, -1), (0, 3)),
    )
]


@dataclass
class Patch:
    """Molecules of one class joined by lattice steps: their indices (n,) and places (n, 2) int."""

    members: np.ndarray
    places: np.ndarray


def grow(
    points: np.ndarray, kinds: np.ndarray, vectors: np.ndarray, spacing: float
) -> list[list[Patch]]:
    """Return the domains on a lattice, each as the patches of its sublattices."""
    tolerance = min(1.4 * TOLERANCE * spacing, 0.25 * np.hypot(*vectors.T).min())
    links: list[list[tuple[int, int]]] = [[] for _ in points]
    for k, step in enumerate(_STEPS):
        partner = partner_of(points, kinds, step @ vectors, tolerance)
        for i in np.flatnonzero(partner >= 0):
            links[i].append((int(partner[i]), k))
            links[partner[i]].append((int(i), -k - 1))
    patches = [p for p in _connected(links) if len(p.members) >= 3]
    return [
        group
        for group in _interwoven(patches, points, vectors)
        if sum(_sizes(group)) >= LEAST_MEMBERS and _fill_a_plane(group)
    ]


def _connected(links: list[list[tuple[int, int]]]) -> list[Patch]:
    """Return the connected groups with lattice places counted from their first member.

    A link (j, k) is step k forwards to j, (j, -k - 1) the same step backwards.
    """
    place: dict[int, np.ndarray] = {}
    patches = []
    for start in range(len(links)):
        if start in place:
            continue
        place[start] = np.zeros(2, int)
        members, queue = [start], deque([start])
        while queue:
            i = queue.popleft()
            for j, k in links[i]:
                if j not in place:
                    place[j] = place[i] + (_STEPS[k] if k >= 0 else -_STEPS[-k - 1])
                    members.append(j)
                    queue.append(j)
        patches.append(Patch(np.array(members), np.array([place[i] for i in members])))
    return patches


def _interwoven(patches: list[Patch], points: np.ndarray, vectors: np.ndarray) -> list[list[Patch]]:
    """Join the patches that fill the same cells: sublattices of one domain."""
    inverse = np.linalg.inv(vectors)
    groups: list[tuple[set[tuple[int, int]], list[Patch]]] = []
    for patch in sorted(patches, key=lambda p: -len(p.members)):
        cells = {tuple(c) for c in np.floor(points[patch.members] @ inverse).astype(int).tolist()}
        common = [len(cells & other) / len(cells) for other, _ in groups]
        if common and max(common) >= 0.4:
            other, group = groups[int(np.argmax(common))]
            other |= cells
            group.append(patch)
        else:
            groups.append((cells, [patch]))
    return [group for _, group in groups]


def true_cell(points: np.ndarray, turns: np.ndarray, patches: list[Patch]) -> list[Patch]:
    """Return the patches numbered in a larger cell where that fits clearly better.

    Molecules that are shifted by less than the tolerance, alternately one way and the other, look
    like a lattice of half the cell; but their distances to its places are not random. And the
    centroids of a herringbone know nothing of the molecules' directions.

    Args:
        points: (N, 2) float64 centroids.
        turns: (N,) complex, exp(i * symmetry * orientation) of each molecule, NaN without one.
        patches: all of one domain.
    """
    for _ in range(2):
        spread = _spread(turns, patches)
        best, best_gain = None, 0.0
        for cell in _SUPERCELLS:
            split = [part for patch in patches for part in _split(patch, cell)]
            if min(_sizes(split)) < LEAST_IN_COSET or not _fill_a_plane(split):
                continue
            gain = _gain(points, patches, split)
            if spread > 0.1 and (better := 1 - _spread(turns, split) / spread) > 0.6:
                gain += better
            if gain > best_gain:
                best, best_gain = split, gain
        if best is None:
            break
        patches = best
    return patches


def _fill_a_plane(patches: list[Patch]) -> bool:
    """Return whether the places determine both vectors: single rows of molecules do not."""
    spread = np.concatenate([patch.places - patch.places.mean(axis=0) for patch in patches])
    return bool(np.linalg.matrix_rank(spread, tol=1e-6) == 2)


def _split(patch: Patch, cell: np.ndarray) -> list[Patch]:
    """Return the sublattices of a patch in a larger cell, numbered in that cell."""
    count = round(abs(np.linalg.det(cell)))
    # Whole numbers throughout: adj(cell) * place is `count` times the place in the new cell.
    adjugate = np.array([[cell[1, 1], -cell[0, 1]], [-cell[1, 0], cell[0, 0]]])
    scaled = patch.places @ (adjugate * round(np.linalg.det(cell) / count))
    cosets = scaled % count
    return [
        Patch(patch.members[mine], scaled[mine] // count)
        for coset in np.unique(cosets, axis=0)
        if (mine := (cosets == coset).all(axis=1)).any()
    ]


def _gain(points: np.ndarray, patches: list[Patch], split: list[Patch]) -> float:
    """Return by which share the larger cell reduces the variance about the places.

    0 where that is less than a quarter, or could be chance (an F ratio below 6).
    """
    squares, freedom = _squares(points, patches)
    fewer_squares, less_freedom = _squares(points, split)
    exact = 1e-4 * freedom  # 0.01 pixel a molecule: nothing left but rounding
    if less_freedom <= 0 or squares < exact:
        return 0.0
    variance = max(fewer_squares / less_freedom, 1e-12)
    gain = 1 - variance / (squares / freedom)
    ratio = (squares - fewer_squares) / max(1, freedom - less_freedom) / variance
    return gain if gain > 0.25 and ratio > 6 else 0.0


def _squares(points: np.ndarray, patches: list[Patch]) -> tuple[float, int]:
    """Return the sum of squared distances to the fitted places and the degrees of freedom left."""
    design, target = design_matrix(points, patches)
    solution, *_ = np.linalg.lstsq(design, target, rcond=None)
    return float(((target - design @ solution) ** 2).sum()), target.size - 2 * design.shape[1]


def _spread(turns: np.ndarray, patches: list[Patch]) -> float:
    """Return the mean square deviation of the directions from their patch's mean, 0 to 1."""
    deviations = []
    for patch in patches:
        mine = turns[patch.members]
        mine = mine[np.isfinite(mine)]
        if len(mine):
            deviations.append(np.abs(mine - mine.mean()) ** 2)
    return float(np.concatenate(deviations).mean()) if deviations else 0.0


def design_matrix(points: np.ndarray, patches: list[Patch]) -> tuple[np.ndarray, np.ndarray]:
    """Return the linear model (M, 2 + patches) of the members' positions, and these (M, 2)."""
    members = np.concatenate([patch.members for patch in patches])
    design = np.zeros((len(members), 2 + len(patches)))
    design[:, :2] = np.concatenate([patch.places for patch in patches])
    design[np.arange(len(members)), 2 + np.repeat(range(len(patches)), _sizes(patches))] = 1
    return design, points[members]


def _sizes(patches: list[Patch]) -> list[int]:
    return [len(patch.members) for patch in patches]


def raw_vectors(points: np.ndarray, patches: list[Patch]) -> np.ndarray:
    """Return the vectors in which the patches' places are counted (not reduced)."""
    largest = max(patches, key=lambda p: len(p.members))
    design = np.column_stack([largest.places, np.ones(len(largest.members))])
    return np.linalg.lstsq(design, points[largest.members], rcond=None)[0][:2]
