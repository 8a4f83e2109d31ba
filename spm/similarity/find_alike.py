"""From a few outlined molecules of each class: all others in the image, with their outlines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from spm.geometry.cropped_mask import CroppedMask
from spm.geometry.polygons import clip_polygon, polygon_area
from spm.similarity.pose_match import Poses, PoseSearch
from spm.similarity.templates import Cut, OutlinedExample, Template

MOST = 4  # examples of a class that are looked for: each takes its time
OVERLAP = 0.2  # share of the smaller one that two molecules may have in common
OVER = 0.03  # how far an outline may reach beyond the image's border, in diameters
SEEN = 0.5  # likeness from which a place takes part in choosing the threshold
FEWEST = 3  # molecules whose mean says more than one example
MEANS = 2  # times that the mean is taken
SEARCH = 0.7  # share of the time until all places are found
LEAST = 0.6  # likeness below which nothing is proposed
UNSURE = 0.85  # likeness from which everything is proposed
# What is this far below the median likeness, both as Fisher's z (atanh), only resembles molecules.
FAR = 1.0
# Where nothing has a likeness between two that are this far apart (as z), of which the lower one is
# below UNSURE, the upper group are the molecules.
GAP = 0.35

Outlined = Sequence[tuple[str, np.ndarray]]  # class name and outline (n, 2) of each molecule


@dataclass(frozen=True, eq=False)
class Proposal:
    """A molecule that was found.

    Attributes:
        class_name: of the example that it is most like.
        points: (n, 2) x, y, that example's outline laid onto it.
        likeness: correlation of brightness with the example, at most 1.
    """

    class_name: str
    points: np.ndarray
    likeness: float


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A place: the number of its `Poses`, its own number there, outline and likeness."""

    poses: int
    place: int
    points: np.ndarray
    likeness: float


class Examples:
    """Outlined molecules, made ready to be looked for.

    Args:
        images: of each image its pixels, (H, W, 3) uint8, and (class name, outline (n, 2) x, y) of
            each molecule that is outlined in it; all images at one scale.
        mirror: whether mirror images are the same molecule.
        most: examples of a class that are used: whole ones of the usual size first.

    Attributes:
        templates: the examples; empty where no outline encloses anything.
        molecule: median diameter, pixels; 0 without any.
    """

    def __init__(
        self, images: Sequence[tuple[np.ndarray, Outlined]], mirror: bool = True, most: int = MOST
    ):
        chosen: list[tuple[np.ndarray, str, np.ndarray]] = []
        for name in dict.fromkeys(name for _, outlined in images for name, _ in outlined):
            own = [
                (image, np.asarray(points, float))
                for image, outlined in images
                for other, points in outlined
                if other == name
            ]
            chosen += [(image, name, points) for image, points in _usual(own)[:most]]
        examples = [OutlinedExample.cut_out(*one) for one in chosen]
        diameters = [example.diameter for example in examples]
        self.molecule = float(np.median(diameters)) if diameters else 0.0
        self.templates = [Template(example, self.molecule, mirror) for example in examples]


def find_alike(
    image: np.ndarray,
    outlined: Outlined,
    mirror: bool = True,
    progress: Callable[[float], None] | None = None,
) -> list[Proposal]:
    """Find what is like outlined molecules and has no outline yet.

    Molecules that the image's border cuts are left out.

    Args:
        image: (H, W, 3) uint8.
        outlined: (class name, outline (n, 2) x, y) of each molecule that is outlined.
        mirror: whether mirror images are the same molecule.
        progress: called with the share that is done, 0 to 1.

    Returns:
        The molecules, the most alike first.
    """
    return search(image, Examples([(image, outlined)], mirror), outlined, progress)[0]


def search(
    image: np.ndarray,
    examples: Examples,
    outlined: Outlined = (),
    progress: Callable[[float], None] | None = None,
) -> tuple[list[Proposal], list[Proposal]]:
    """Find what is like examples, which may be another image's.

    Args:
        image: (H, W, 3) uint8, at the scale of the examples.
        examples: what is looked for.
        outlined: (class name, outline) of what is outlined in this image already.
        progress: called with the share that is done, 0 to 1.

    Returns:
        The molecules, and what only resembles them (see `likeness_threshold`); each the most alike
        first.
    """
    if not examples.templates:
        return [], []
    poses_of = PoseSearch(image.sum(axis=2, dtype=np.float32), examples.molecule)

    def searched(share: float) -> None:
        if progress:
            progress(SEARCH * share)

    taken = CroppedMask.of_polygons([points for _, points in outlined], *image.shape[:2])
    poses = poses_of.find(examples.templates, searched)
    judged = _judged(poses, taken, image.shape[:2])
    for done in range(MEANS):
        poses = _by_mean(poses_of, poses, judged[0])
        judged = _judged(poses, taken, image.shape[:2])
        if progress:
            progress(SEARCH + (1 - SEARCH) * (done + 1) / MEANS)
    found, unsure = (
        [_proposal(one, poses, image.shape[:2]) for one in candidates] for candidates in judged
    )
    return found, unsure


def _proposal(one: _Candidate, poses: list[Poses], shape: tuple[int, int]) -> Proposal:
    points = np.clip(one.points, 0, shape[::-1])
    return Proposal(poses[one.poses].template.class_name, points, one.likeness)


def _judged(
    poses: list[Poses], taken: list[CroppedMask], shape: tuple[int, int]
) -> tuple[list[_Candidate], list[_Candidate]]:
    """Return which places are molecules, and which only resemble them, the most alike first."""
    found = _without_doubles(_candidates(poses, shape), taken, shape)
    least = likeness_threshold(np.array([one.likeness for one in found]))
    count = sum(one.likeness >= least for one in found)
    return found[:count], found[count:]


def _by_mean(search: PoseSearch, poses: list[Poses], found: list[_Candidate]) -> list[Poses]:
    """Return all places compared with the mean of each example's most alike molecules.

    One example shows its own neighbours and noise too; in the mean they fade.
    """
    cuts: dict[int, Cut] = {}
    for template in {id(one.template): one.template for one in poses}.values():
        own = [one for one in found if poses[one.poses].template is template]
        own = own[: max(len(own) // 2, FEWEST)]
        if len(own) < FEWEST:
            continue
        patches = [search.patches(poses[k], [one.place for one in own if one.poses == k])
                   for k in {one.poses for one in own}]  # fmt: skip
        cuts[id(template)] = template.fine.of_mean(np.concatenate(patches))
    return [
        search.refined_again(one, cuts[id(one.template)]) if id(one.template) in cuts else one
        for one in poses
    ]


def likeness_threshold(likeness: np.ndarray) -> float:
    """Return the likeness that divides molecules from what only resembles them.

    Args:
        likeness: (N,) of all places found.
    """
    if not len(likeness):
        return LEAST
    z = np.sort(np.arctanh(np.minimum(likeness, 0.9999)))
    first = _division(z)
    least = np.median(z[first:]) - FAR
    if first:
        least = max(least, (z[first - 1] + z[first]) / 2)
    return float(np.clip(np.tanh(least), LEAST, UNSURE))


def _division(z: np.ndarray) -> int:
    """Return where the upper of two groups of sorted numbers begins; 0 where they are one group."""
    gaps = np.where(z[:-1] < np.arctanh(UNSURE), np.diff(z), 0.0)
    return int(gaps.argmax()) + 1 if len(gaps) and gaps.max() >= GAP else 0


def _usual(
    outlined: list[tuple[np.ndarray, np.ndarray]],
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the (image, outline) that enclose something of the image, whole ones of the usual size
    first."""
    outlined = [
        (image, points)
        for image, points in outlined
        if polygon_area(clip_polygon(points, image.shape[1], image.shape[0])) > 1
    ]
    usual = np.median([polygon_area(points) for _, points in outlined]) if outlined else 1.0

    def oddness(one: tuple[np.ndarray, np.ndarray]) -> tuple[bool, float]:
        image, points = one
        return _beyond(points, image.shape) > -1, abs(np.log(polygon_area(points) / usual))

    return sorted(outlined, key=oddness)


def _candidates(poses: list[Poses], shape: tuple[int, int]) -> list[_Candidate]:
    """Return what resembles an example and lies within the image, the most alike first."""
    found = []
    for number, group in enumerate(poses):
        over = OVER * group.template.diameter
        for place, points in enumerate(group.outlines()):
            likeness = float(group.likeness[place])
            if likeness >= SEEN and _beyond(points, shape) <= over:
                found.append(_Candidate(number, place, points, likeness))
    return sorted(found, key=lambda one: -one.likeness)


def _beyond(points: np.ndarray, shape: Sequence[int]) -> float:
    """Return how far a polygon reaches beyond the border of an image (height, width, ...), pixels;
    negative where it lies within."""
    low, high = points.min(axis=0), points.max(axis=0) - (shape[1], shape[0])
    return float(max(-low.min(), high.max()))


def _without_doubles(
    found: list[_Candidate], taken: list[CroppedMask], shape: tuple[int, int]
) -> list[_Candidate]:
    """Return those that share no place with a more alike one, or with one that is taken."""
    if not found:
        return []
    masks = taken + CroppedMask.of_polygons([one.points for one in found], *shape)
    centres = np.array([((m.left + m.right) / 2, (m.top + m.bottom) / 2) for m in masks])
    reach = max(np.hypot(*mask.pixels.shape) for mask in masks)
    near = cKDTree(centres).query_ball_point(centres, reach)
    areas = np.array([max(mask.area, 1) for mask in masks])
    kept = np.zeros(len(masks), bool)
    kept[: len(taken)] = True
    for k in range(len(taken), len(masks)):
        kept[k] = not any(
            kept[j] and masks[k].common_pixels(masks[j]) > OVERLAP * min(areas[k], areas[j])
            for j in near[k]
        )
    return [one for one, keep in zip(found, kept[len(taken) :], strict=True) if keep]
