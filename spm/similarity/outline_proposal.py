"""One click in a molecule proposes its outline.

Where molecules are outlined already, the example that fits best is laid onto the place. Without
any, or where none fits, the outline follows the flank around it (`spm.similarity.flank`).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from spm.errors import InputError
from spm.geometry.cropped_mask import CroppedMask
from spm.geometry.polygons import clip_polygon, polygon_centroid
from spm.similarity.find_alike import Examples
from spm.similarity.flank import (
    FAINT,
    NEAR,
    WINDOW,
    Relief,
    blurred,
    fits,
    flank_region,
    region_outline,
)
from spm.similarity.pose_match import Poses, PoseSearch

SAMPLES = 512  # side of the reduced image whose brightness says what stands out
DARKEST, BRIGHTEST = 0.02, 0.97  # quantiles of brightness: ground and molecules
GOOD = 0.75  # likeness from which an example's outline is laid onto a place
AROUND = 2.2  # half the side of what is searched for an example, in its largest radii
# An example's outline that follows the flank so much less than around the example itself (mask IoU)
# lies on a molecule of another class.
APART = 0.08
SIZED = 90.0  # diameter of molecules of known size in the window, pixels, at most


class OutlineProposer:
    """Proposes outlines in one image; keep it for the next click.

    Args:
        image: (H, W, 3) uint8.
        examples: (class name, outline (n, 2) x, y) of molecules outlined in it.
        molecule_size: their diameter, pixels; defaults to that of the examples, and without any
            it is taken from the place that is clicked.
        mirror: whether mirror images are the same molecule.
    """

    def __init__(
        self,
        image: np.ndarray,
        examples: Sequence[tuple[str, np.ndarray]] = (),
        molecule_size: float | None = None,
        mirror: bool = True,
    ):
        self.image = image
        self.examples = Examples([(image, examples)], mirror)
        self.size = molecule_size or self.examples.molecule or None
        step = max(1, min(image.shape[:2]) // SAMPLES)
        few = image[::step, ::step].sum(axis=2, dtype=np.float32)
        low, high = np.quantile(few, (DARKEST, BRIGHTEST))
        self.range = float(high - low)
        self._usual: dict[int, float] = {}  # mask IoU of an example's outline with the flank

    def propose(self, x: float, y: float) -> np.ndarray:
        """Propose the outline of the molecule at a place.

        Args:
            x, y: of the place, pixels; (0, 0) is the image's corner.

        Returns:
            (n, 2) float64 x, y within the image.

        Raises:
            InputError: the place is not in the image, or nothing stands out there.
        """
        height, width = self.image.shape[:2]
        if not (0 <= x <= width and 0 <= y <= height):
            raise InputError(
                f"the place ({x:.0f}, {y:.0f}) is outside the image of {width} x {height} pixels; "
                "click on a molecule."
            )
        flank = self._flank(x, y)
        laid = self._laid(x, y) if self.examples.templates else None
        points = flank if laid is None or self._strays(*laid, flank) else laid[0]
        if points is None:
            raise InputError(
                f"nothing stands out at ({x:.0f}, {y:.0f}); click on the middle of a molecule, or "
                "outline it point by point."
            )
        return points

    def _laid(self, x: float, y: float) -> tuple[np.ndarray, int] | None:
        """Return the outline of the example that fits a place best, and that one's number; None
        where none does."""
        templates, molecule = self.examples.templates, self.examples.molecule
        reach = AROUND * max(template.reach for template in templates)
        left, top = max(0, int(x - reach)), max(0, int(y - reach))
        part = self.image[top : int(y + reach) + 1, left : int(x + reach) + 1]
        best, found = GOOD, None
        search = PoseSearch(part.sum(axis=2, dtype=np.float32), molecule)
        for poses in search.find(templates):
            for k in np.flatnonzero(poses.likeness >= best):
                outline = _outline_at(poses, k, (x - left, y - top))
                if outline is not None and poses.likeness[k] >= best:
                    best = poses.likeness[k]
                    found = outline + (left, top), templates.index(poses.template)
        if found is None:
            return None
        height, width = self.image.shape[:2]
        return clip_polygon(found[0], width, height), found[1]

    def _strays(self, laid: np.ndarray, number: int, flank: np.ndarray | None) -> bool:
        """Return whether the outline of an example follows the flank less than around itself."""
        if flank is None:
            return False
        if number not in self._usual:
            outline = self.examples.outlines[number]
            own = self._flank(*polygon_centroid(outline))
            self._usual[number] = 0.0 if own is None else self._iou(outline, own)
        return self._iou(laid, flank) < self._usual[number] - APART

    def _iou(self, one: np.ndarray, other: np.ndarray) -> float:
        first, second = CroppedMask.of_polygons([one, other], *self.image.shape[:2])
        return first.iou(second)

    def _flank(self, x: float, y: float) -> np.ndarray | None:
        """Return the flank around a place, in windows of growing size until it fits into one."""
        factor = 1 if self.size is None else int(np.ceil(self.size / SIZED))
        while True:
            half = WINDOW * factor
            left, top = max(0, int(x) - half), max(0, int(y) - half)
            part = self.image[top : int(y) + half, left : int(x) + half]
            size = [max(1, round(side / factor)) for side in part.shape[1::-1]]
            grey = part.sum(axis=2, dtype=np.float32)
            if factor > 1:
                grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
            scale = np.array(part.shape[1::-1]) / size
            region = self._region(grey, *((x, y) - np.array([left, top])) / scale, factor)
            whole = part.shape == self.image.shape
            if region is not None and (whole or fits(region)):
                return region_outline(region) * scale + (left, top)
            if region is None or whole or self.size is not None:
                return None
            factor *= 2

    def _region(self, grey: np.ndarray, x: float, y: float, factor: int) -> np.ndarray | None:
        """Return the molecule at a place in a window, (h, w) bool, or None.

        What is darker than the middle between the darkest and the brightest is a dark molecule.
        """
        row, column = min(int(y), grey.shape[0] - 1), min(int(x), grey.shape[1] - 1)
        heights = blurred(grey, self.range)
        low, high = (float(v) for v in np.quantile(heights, (DARKEST, BRIGHTEST)))
        if high - low < FAINT * self.range:
            return None
        if heights[row, column] < (low + high) / 2:
            heights, low, high = -heights, -high, -low
        size = None if self.size is None else self.size / factor
        return flank_region(Relief(heights, low, high - low), row, column, size)


def propose_outline(
    image: np.ndarray,
    x: float,
    y: float,
    examples: Sequence[tuple[str, np.ndarray]] = (),
    molecule_size: float | None = None,
) -> np.ndarray:
    """Propose the outline of the molecule at a place, once; see `OutlineProposer`."""
    return OutlineProposer(image, examples, molecule_size).propose(x, y)


def _outline_at(poses: Poses, k: int, place: tuple[float, float]) -> np.ndarray | None:
    """Return the outline (n, 2) of one pose where the place lies in it or just outside."""
    outline = poses.outlines()[k]
    distance = cv2.pointPolygonTest(outline.astype(np.float32)[:, None], place, True)
    return outline if distance >= -NEAR * poses.template.diameter else None
