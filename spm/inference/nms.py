"""From what each tile and view shows to one answer per place.

Everything here lives on the image's lattice (see `spm.inference.tiles`), which all tiles share
pixel for pixel, so that masks of different tiles and views are compared without resampling.

Overlaps are measured on masks, not on boxes: the boxes of two slanted rods lying side by side
overlap by half while the molecules do not touch, and two answers for one molecule share most of
their mask.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from spm.geometry.cropped_mask import CroppedMask, PackedMask

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
        packed: its mask on the lattice.
        view: index of the view that showed it.
        objectness: probability that it is a molecule of any class, 0..1; where classes look alike
            they share it among their scores.
        whole: False when a tile border may have cut it and no other tile shows the place better.
        outline: (n, 2) polygon x, y on the lattice where it is known more exactly than the mask's
            pixels; else None.
    """

    box: np.ndarray
    class_scores: np.ndarray
    packed: PackedMask
    view: int = 0
    objectness: float = 0.0
    whole: bool = True
    outline: np.ndarray | None = None

    @classmethod
    def from_mask(cls, box, class_scores, mask: CroppedMask, view: int = 0) -> Detection:
        """Makes a detection of a mask, cropped here to the pixels that are set.

        A mask without pixels (the network is sure of the box only) is replaced by the box.
        """
        box = np.asarray(box, np.float64)
        cropped = CroppedMask.of_mask(mask.pixels, mask.top, mask.left)
        if not cropped.pixels.size:
            y1, x1 = np.floor(box[:2]).astype(int)
            y2, x2 = np.maximum(np.ceil(box[2:]).astype(int), (y1 + 1, x1 + 1))
            cropped = CroppedMask(np.ones((y2 - y1, x2 - x1), bool), int(y1), int(x1))
        class_scores = np.asarray(class_scores, np.float32)
        objectness = min(1.0, float(class_scores.sum()))
        return cls(box, class_scores, cropped.pack(), view, objectness)

    @property
    def mask(self) -> CroppedMask:
        """The mask, unpacked."""
        return self.packed.unpack()

    @property
    def area(self) -> int:
        """Number of pixels of the mask."""
        return self.packed.area

    @property
    def class_index(self) -> int:
        """Index of the best class, 0 for the first class after the background."""
        return int(np.argmax(self.class_scores))

    @property
    def score(self) -> float:
        """Score of the best class."""
        return float(self.class_scores.max())

    def moved(self, box: np.ndarray, down: int, right: int, whole: bool) -> Detection:
        """Returns the detection with another box and its mask moved by whole pixels."""
        packed = replace(self.packed, top=self.packed.top + down, left=self.packed.left + right)
        return replace(self, box=box, packed=packed, whole=whole)


def common_pixels(a: Detection, b: Detection) -> int:
    """Returns how many pixels two masks share."""
    first, second = a.packed, b.packed
    apart = (
        first.top + first.shape[0] <= second.top
        or second.top + second.shape[0] <= first.top
        or first.left + first.shape[1] <= second.left
        or second.left + second.shape[1] <= first.left
    )
    return 0 if apart else a.mask.common_pixels(b.mask)


class _Neighbours:
    """Detections in the cells of a square grid, to find those near a place quickly."""

    def __init__(self, detections: list[Detection]):
        sides = [max(d.packed.shape) for d in detections]
        self._cell = max(8, int(np.median(sides))) if sides else 8
        self._cells: dict[tuple[int, int], list[int]] = {}

    def _touched(self, detection: Detection) -> Iterable[tuple[int, int]]:
        (h, w), cell = detection.packed.shape, self._cell
        y, x = detection.packed.top, detection.packed.left
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
            union = kept[index].area + detection.area - common
            gone = common > iou * union or common > INSIDE * detection.area
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
    return not detection.whole, -detection.score, detection.packed.top, detection.packed.left


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

    Detections are grouped by mask IoU around the best of them. In a group class scores and
    objectness are averaged over all views, a view that shows nothing counting as zero (one that
    shows the molecule twice counts with the better score of each class); box and mask are the
    averages, weighted by score. So a molecule seen by half of the views ends with half of its
    score.

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
            overlap = groups[index][0].mask.iou(detection.mask)
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
        shown = np.append(member.class_scores, member.objectness)
        by_view[member.view] = np.maximum(by_view.get(member.view, 0), shown)
    *class_scores, objectness = sum(by_view.values()) / views
    weights = np.array([member.score for member in group]) + 1e-9
    weights /= weights.sum()
    masks = [member.mask for member in group]
    top, left = min(m.top for m in masks), min(m.left for m in masks)
    bottom, right = max(m.bottom for m in masks), max(m.right for m in masks)
    mean = np.zeros((bottom - top, right - left))
    for mask, weight in zip(masks, weights, strict=True):
        mean[mask.top - top : mask.bottom - top, mask.left - left : mask.right - left] += (
            weight * mask.pixels
        )
    box = weights @ np.array([member.box for member in group])
    fused = Detection.from_mask(
        box, class_scores, CroppedMask(mean >= 0.5, top, left), group[0].view
    )
    fused.objectness, fused.whole = float(objectness), group[0].whole
    return fused
