"""The mask of one molecule, cut to its surroundings.

A mask of the whole image for each molecule costs H x W bytes; a thousand molecules on 4096 x 4096
pixels would fill 16 GB. A cropped mask is as large as its molecule.

Which pixels belong to a polygon says `spm.geometry.polygon_filling`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from spm.geometry.mask_outline import mask_outline
from spm.geometry.polygon_filling import fill_polygons
from spm.geometry.rings import bridged, mask_rings, oriented

FILLED_AT_ONCE = 1_000_000  # pixels of polygons' boxes: the filling keeps ten bytes for each
DRAWN_TOLERANCE = 0.6  # pixels by which a border for drawing may be off: slants are no staircases


@dataclass(frozen=True, slots=True, eq=False)  # arrays have no single truth value to compare
class CroppedMask:
    """The mask of one molecule inside its bounding box, or a box around that.

    Attributes:
        pixels: (h, w) bool; may be (0, 0).
        top, left: row and column of its first pixel in the image.
    """

    pixels: np.ndarray
    top: int = 0
    left: int = 0

    @classmethod
    def of_mask(cls, mask: np.ndarray, top: int = 0, left: int = 0) -> CroppedMask:
        """Cut a mask down to the pixels that are set.

        Args:
            mask: (h, w) bool or number, foreground is not 0.
            top, left: of its first pixel in the image.

        Returns:
            The mask, a copy; (0, 0) at (0, 0) when no pixel is set.
        """
        inside = np.asarray(mask) != 0
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        if not len(rows):
            return EMPTY
        pixels = inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
        return cls(pixels, int(top + rows[0]), int(left + columns[0]))

    @classmethod
    def of_polygon(cls, points: np.ndarray, height: int, width: int) -> CroppedMask:
        """Fill a polygon (n, 2) x, y in an image of height x width."""
        return cls.of_polygons([points], height, width)[0]

    @classmethod
    def of_polygons(
        cls, polygons: Sequence[np.ndarray], height: int, width: int
    ) -> list[CroppedMask]:
        """Fill many polygons, which takes less time than one after the other."""
        return list(cls.each_of_polygons(polygons, height, width))

    @classmethod
    def each_of_polygons(
        cls, polygons: Sequence[np.ndarray], height: int, width: int
    ) -> Iterator[CroppedMask]:
        """Yield what `of_polygons` returns, of which only some are in memory at a time."""
        batch: list[np.ndarray] = []
        pixels = 0.0
        for points in polygons:
            own = float(np.prod(np.ptp(points, axis=0) + 2)) if len(points) else 0.0
            if batch and pixels + own > FILLED_AT_ONCE:
                yield from (cls(*filled) for filled in fill_polygons(batch, height, width))
                batch, pixels = [], 0.0
            batch.append(points)
            pixels += own
        yield from (cls(*filled) for filled in fill_polygons(batch, height, width))

    @property
    def bottom(self) -> int:
        """Row after the last one."""
        return self.top + self.pixels.shape[0]

    @property
    def right(self) -> int:
        """Column after the last one."""
        return self.left + self.pixels.shape[1]

    @property
    def box(self) -> tuple[int, int, int, int]:
        """(y1, x1, y2, x2) of `pixels` in the image, ends exclusive."""
        return self.top, self.left, self.bottom, self.right

    @property
    def place(self) -> tuple[slice, slice]:
        """Rows and columns of the image that `pixels` covers."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def area(self) -> int:
        """Number of pixels that are set."""
        return int(np.count_nonzero(self.pixels))

    @property
    def centroid(self) -> tuple[float, float]:
        """(x, y) of the pixels that are set, in continuous coordinates; nan without any."""
        sums = cv2.moments(self.pixels.view(np.uint8), binaryImage=True)
        if not sums["m00"]:
            return math.nan, math.nan
        x, y = (sums[key] / sums["m00"] + 0.5 for key in ("m10", "m01"))
        return self.left + x, self.top + y

    def clipped(self, height: int, width: int) -> CroppedMask:
        """Return the part within an image of height x width."""
        top, left = max(0, -self.top), max(0, -self.left)
        pixels = self.pixels[top : max(top, height - self.top), left : max(left, width - self.left)]
        return CroppedMask(pixels, self.top + top, self.left + left) if pixels.size else EMPTY

    def full(self, height: int, width: int) -> np.ndarray:
        """Return the mask of the whole image, (height, width) bool."""
        mask = np.zeros((height, width), bool)
        part = self.clipped(height, width)
        mask[part.place] = part.pixels
        return mask

    def outline(self, tolerance: float = 0.7) -> np.ndarray:
        """Return the border of the largest part as polygon (n, 2); see `mask_outline`."""
        return mask_outline(self.pixels, tolerance) + (self.left, self.top)

    def region(self) -> np.ndarray:
        """Return one polygon (n, 2) of all parts with their holes; of a single whole part its
        `outline`. Filled by the even-odd rule it covers them; see `spm.geometry.rings`."""
        rings = mask_rings(self.pixels)
        return self.outline() if len(rings) == 1 else bridged(rings) + (self.left, self.top)

    def without_specks(self, share: float) -> CroppedMask:
        """Return the mask without parts, and with holes filled, that are small.

        Args:
            share: of the largest part's pixels, below which a part or a hole is small.
        """
        labels, counts = _parts(self.pixels)
        holes, hole_counts = _parts(~_framed(self.pixels), corners=True)
        if len(counts) == len(hole_counts) == 2:
            return self  # one part without holes, as most are
        least = share * counts[1:].max(initial=0)
        small = np.flatnonzero(counts < least)
        around = holes[0, 0]
        filled = [k for k in np.flatnonzero(hole_counts < least) if k != around]
        if not len(small) and not filled:
            return self
        pixels = self.pixels & ~np.isin(labels, small) | np.isin(holes, filled)[1:-1, 1:-1]
        return CroppedMask.of_mask(pixels, self.top, self.left)

    def borders(self) -> list[np.ndarray]:
        """Return the borders of all parts and holes as polygons (n, 2), simplified like `outline`.

        The first is that of the largest part. Outer borders have a positive area, those of holes a
        negative one (`spm.geometry.polygons.signed_area`).
        """
        labels, counts = _parts(self.pixels)
        found = []
        for k in np.argsort(-counts[1:], kind="stable") + 1:
            part = _framed(labels == k)
            found.append(oriented(mask_outline(part)))
            holes, hole_counts = _parts(~part, corners=True)
            inner = [h for h in range(1, len(hole_counts)) if h != holes[0, 0]]
            found += [oriented(mask_outline(holes == h))[::-1] for h in inner]
        return [points - 1 + (self.left, self.top) for points in found]

    def drawn_borders(self) -> list[np.ndarray]:
        """Return what `borders` does for drawing, in an eighth of its time: through the middles of
        the border's pixels to DRAWN_TOLERANCE, without holes."""
        found, _ = cv2.findContours(
            self.pixels.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
        )
        found = sorted(found, key=cv2.contourArea, reverse=True)
        simple = (cv2.approxPolyDP(border, DRAWN_TOLERANCE, True) for border in found)
        drawn = (s if cv2.contourArea(s) else b for s, b in zip(simple, found, strict=True))
        return [oriented(border[:, 0] + 0.5) + (self.left, self.top) for border in drawn]

    def common_pixels(self, other: CroppedMask) -> int:
        """Return how many pixels two masks share."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        bottom, right = min(self.bottom, other.bottom), min(self.right, other.right)
        if bottom <= top or right <= left:
            return 0
        mine, yours = (
            m.pixels[top - m.top : bottom - m.top, left - m.left : right - m.left]
            for m in (self, other)
        )
        return int(np.count_nonzero(mine & yours))

    def union(self, other: CroppedMask) -> CroppedMask:
        """Return the mask of the pixels that are set in either."""
        if not (self.pixels.size and other.pixels.size):
            return self if self.pixels.size else other
        top, left = min(self.top, other.top), min(self.left, other.left)
        size = max(self.bottom, other.bottom) - top, max(self.right, other.right) - left
        pixels = np.zeros(size, bool)
        for mask in (self, other):
            rows, columns = mask.place
            pixels[
                rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
            ] |= mask.pixels
        return CroppedMask(pixels, top, left)

    def iou(self, other: CroppedMask) -> float:
        """Return the intersection over union of two masks, 0..1; 0 when both are empty."""
        common = self.common_pixels(other)
        return common / (self.area + other.area - common) if common else 0.0

    def pack(self) -> PackedMask:
        """Return the mask with eight pixels in a byte."""
        bits = np.packbits(self.pixels)
        return PackedMask(bits, self.pixels.shape, self.top, self.left, self.area)


@dataclass(frozen=True, slots=True, eq=False)
class PackedMask:
    """A `CroppedMask` with eight pixels in a byte: a large image has 100,000 of them.

    Attributes:
        bits: the h * w pixels, row by row.
        shape: (h, w).
        top, left: row and column of its first pixel in the image.
        area: number of pixels that are set.
    """

    bits: np.ndarray
    shape: tuple[int, int]
    top: int
    left: int
    area: int

    def unpack(self) -> CroppedMask:
        """Return the mask as it was packed."""
        pixels = np.unpackbits(self.bits, count=self.shape[0] * self.shape[1]).view(bool)
        return CroppedMask(pixels.reshape(self.shape), self.top, self.left)


EMPTY = CroppedMask(np.zeros((0, 0), bool))


def _framed(mask: np.ndarray) -> np.ndarray:
    """Return a mask with a pixel of ground all around; `np.pad` takes ten times as long."""
    height, width = mask.shape
    framed = np.zeros((height + 2, width + 2), bool)
    framed[1:-1, 1:-1] = mask
    return framed


def _parts(mask: np.ndarray, corners: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of its part for each pixel, 0 where the mask is not, and the parts' pixels.

    Args:
        corners: whether pixels that touch at a corner only belong together. What lies around parts
            that do not must: a hole has a closed border.
    """
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8 if corners else 4)
    counts = np.bincount(labels.ravel(), minlength=count)
    counts[0] = mask.size  # the ground is no part, and not small
    return labels, counts
