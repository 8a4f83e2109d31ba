"""From what each tile and view shows to one answer per place.

Everything here lives on the picture's lattice (see `spm.inference.tiles`), which all tiles share
pixel for pixel, so that masks of different tiles and views are compared without resampling.

Overlaps are measured on masks, not on boxes: the boxes of two slanted rods lying side by side
overlap by half while the molecules do not touch, and two answers for one molecule share most of
their mask.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

# A lower answer goes when at least this share of its own mask lies inside a better one, even if
# the IoU is small: a single lobe reported inside a whole molecule, a piece left by a tile border.
INSIDE = 0.7
# Two answers name the same molecule (for the second class, and for the vote) above this IoU.
SAME_MOLECULE = 0.5
# A box nearer than this share of the tile to an inner border counts as cut by it. The network's
# box of a cut molecule often stops a few pixels short of the border.
CUT_MARGIN = 0.015


@dataclass(slots=True, eq=False)
class Detection:
    """One answer of the detector, or of a vote.

    Attributes:
        box: (4,) float64 (y1, x1, y2, x2) on the lattice.
        class_scores: (C,) float32, score of each class, background left out.
        corner: (row, column) of the mask's first pixel on the lattice.
        shape: (h, w) of the mask.
        bits: the mask's h * w pixels, packed 8 to a byte: a large picture has 100,000 of them.
        pixels: number of pixels of the mask.
        view: index of the view that showed it.
        whole: False when a tile border may have cut it and no other tile shows the place better.
    """

    box: np.ndarray
    class_scores: np.ndarray
    corner: tuple[int, int]
    shape: tuple[int, int]
    bits: np.ndarray
    pixels: int
    view: int = 0
    whole: bool = True

    @classmethod
    def from_mask(cls, box, class_scores, mask, corner=(0, 0), view=0) -> Detection:
        """Makes a detection of a (h, w) bool mask, cropped here to the pixels that are set.

        A mask without pixels (the network is sure of the box only) is replaced by the box.
        """
        box = np.asarray(box, np.float64)
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if rows.size == 0:
            y1, x1 = np.floor(box[:2]).astype(int)
            y2, x2 = np.maximum(np.ceil(box[2:]).astype(int), (y1 + 1, x1 + 1))
            crop, corner = np.ones((y2 - y1, x2 - x1), bool), (int(y1), int(x1))
        else:
            crop = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            corner = (int(corner[0] + rows[0]), int(corner[1] + columns[0]))
        return cls(
            box,
            np.asarray(class_scores, np.float32),
            corner,
            crop.shape,
            np.packbits(crop),
            int(np.count_nonzero(crop)),
            view,
        )

    @property
    def mask(self) -> np.ndarray:
        """The (h, w) bool mask; its first pixel is `corner`."""
        count = self.shape[0] * self.shape[1]
        return np.unpackbits(self.bits, count=count).view(bool).reshape(self.shape)

    @property
    def class_index(self) -> int:
        """Index of the best class, 0 for the first class after the background."""
        return int(np.argmax(self.class_scores))

    @property
    def score(self) -> float:
        """Score of the best class."""
        return float(self.class_scores.max())


def common_pixels(a: Detection, b: Detection) -> int:
    """Returns how many pixels two masks share."""
    top, left = max(a.corner[0], b.corner[0]), max(a.corner[1], b.corner[1])
    bottom = min(a.corner[0] + a.shape[0], b.corner[0] + b.shape[0])
    right = min(a.corner[1] + a.shape[1], b.corner[1] + b.shape[1])
    if bottom <= top or right <= left:
        return 0
    parts = [
        d.mask[
            top - d.corner[0] : bottom - d.corner[0],
            left - d.corner[1] : right - d.corner[1],
        ]
        for d in (a, b)
    ]
    return int(np.count_nonzero(parts[0] & parts[1]))


def mask_iou(a: Detection, b: Detection) -> float:
    """Returns the intersection over union of two masks, 0..1."""
    common = common_pixels(a, b)
    return common / (a.pixels + b.pixels - common) if common else 0.0


class _Neighbours:
    """Detections in the cells of a square grid, to find those near a place quickly."""

    def __init__(self, detections: list[Detection]):
        sides = [max(d.shape) for d in detections]
        self._cell = max(8, int(np.median(sides))) if sides else 8
        self._cells: dict[tuple[int, int], list[int]] = {}

    def _touched(self, detection: Detection) -> Iterable[tuple[int, int]]:
        (y, x), (h, w), cell = detection.corner, detection.shape, self._cell
        for row in range(y // cell, (y + h - 1) // cell + 1):
            for column in range(x // cell, (x + w - 1) // cell + 1):
                yield row, column

    def add(self, index: int, detection: Detection) -> None:
        for cell in self._touched(detection):
            self._cells.setdefault(cell, []).append(index)

    def near(self, detection: Detection) -> list[int]:
        found = {i for cell in self._touched(detection) for i in self._cells.get(cell, ())}
        return sorted(found)


def suppress(
    detections: list[Detection], iou: float = 0.3, across_classes: bool = True
) -> list[Detection]:
    """Leaves one answer per place: greedy NMS over all classes, the best kept.

    Detections are taken whole ones first, then by falling score. One that overlaps a *kept* one by
    more than `iou`, or lies inside it (INSIDE), goes; what has gone suppresses nothing. When a
    suppressed one names the same molecule (SAME_MOLECULE) as another class, the kept one remembers
    that class's score in its `class_scores`, below its own.

    Args:
        detections: of all tiles, any classes.
        iou: mask IoU above which the lower of two goes.
        across_classes: False leaves one answer per place and class, as Mask R-CNN alone would.

    Returns:
        The kept detections in the order taken.
    """
    neighbours = _Neighbours(detections)
    kept: list[Detection] = []
    for detection in sorted(detections, key=_rank):
        rival = None
        for index in neighbours.near(detection):
            if not across_classes and kept[index].class_index != detection.class_index:
                continue
            common = common_pixels(kept[index], detection)
            union = kept[index].pixels + detection.pixels - common
            gone = common > iou * union or common > INSIDE * detection.pixels
            if gone and (rival is None or common > rival[1]):
                rival = (index, common, union)
        if rival is None:
            neighbours.add(len(kept), detection)
            kept.append(detection)
        elif rival[1] > SAME_MOLECULE * rival[2]:
            _remember_other_class(kept[rival[0]], detection)
    return kept


def _rank(detection: Detection) -> tuple:
    # The place settles ties, so that the answer does not depend on the order of the tiles.
    return not detection.whole, -detection.score, *detection.corner


def _remember_other_class(best: Detection, other: Detection) -> None:
    index = other.class_index
    if index == best.class_index:
        return
    # Never above the winner: a cut detection may have a higher score than the whole one.
    scores = best.class_scores.copy()
    scores[index] = max(scores[index], min(other.score, best.score * (1 - 1e-6)))
    best.class_scores = scores


def vote(detections: list[Detection], views: int, iou: float = SAME_MOLECULE) -> list[Detection]:
    """Merges what several views of one place show into one answer for each molecule.

    Detections are grouped by mask IoU around the best of them. In a group the class scores are
    averaged over all views, a view that shows nothing counting as zero (a view that shows the
    molecule twice counts with the better score of each class); box and mask are the averages,
    weighted by score. So a molecule seen by half of the views ends with half of its score.

    Args:
        detections: of all views of a place, in common coordinates, `view` set.
        views: number of views that were looked at.
        iou: mask IoU with the group's best from which a detection joins it.

    Returns:
        One Detection a group, by falling score.
    """
    neighbours = _Neighbours(detections)
    groups: list[list[Detection]] = []
    for detection in sorted(detections, key=_rank):
        best, best_iou = None, iou
        for index in neighbours.near(detection):
            overlap = mask_iou(groups[index][0], detection)
            if overlap >= best_iou:
                best, best_iou = index, overlap
        if best is None:
            neighbours.add(len(groups), detection)
            groups.append([detection])
        else:
            groups[best].append(detection)
    return sorted((_average(group, views) for group in groups), key=_rank)


def _average(group: list[Detection], views: int) -> Detection:
    """Returns the mean detection of one group of `vote`."""
    by_view: dict[int, np.ndarray] = {}
    for member in group:
        seen = by_view.setdefault(member.view, np.zeros_like(member.class_scores))
        np.maximum(seen, member.class_scores, out=seen)
    class_scores = sum(by_view.values()) / views
    weights = np.array([member.score for member in group]) + 1e-9
    weights /= weights.sum()
    top, left = (min(member.corner[axis] for member in group) for axis in (0, 1))
    bottom, right = (
        max(member.corner[axis] + member.shape[axis] for member in group) for axis in (0, 1)
    )
    mean_mask = np.zeros((bottom - top, right - left))
    for member, weight in zip(group, weights, strict=True):
        y, x = member.corner[0] - top, member.corner[1] - left
        mean_mask[y : y + member.shape[0], x : x + member.shape[1]] += weight * member.mask
    box = weights @ np.array([member.box for member in group])
    fused = Detection.from_mask(box, class_scores, mean_mask >= 0.5, (top, left), group[0].view)
    fused.whole = group[0].whole
    return fused
