"""The colours in which images are drawn, from dark to bright, and drawing others in them.

Whatever program drew an image of heights, its colours lie on a line through RGB. Along nearly all
colour maps the luminance rises, so that the mean colour of each luminance is that line. It is all
that is needed to draw a grey image, or one of another colour map, as the annotated images are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import cv2
import numpy as np

from spm.io.known_maps import places_on_map

STEP = 3  # luminances between two stored colours: 255 is a multiple of it
LOW, HIGH = 1.0, 99.0  # percentiles of the luminance between which the contrast is matched
OCCUPIED = 2e-4  # share of the pixels from which a luminance counts
FEWEST_LEVELS = 8  # luminances, below which there is no line
MOST_SPREAD = 12.0  # levels off the line, in the mean, above which the colours are on none
OTHER = 10.0  # levels between two lines, in the mean, above which they are two colour maps
MOST_GAIN = 3.0  # by which the contrast is raised at most: noise of bare ground stays noise


@dataclass(frozen=True, eq=False)
class ColourCurve:
    """The line that the colours of images lie on.

    Attributes:
        table: (256, 3) float64, RGB 0 to 255 of each luminance; beyond those that occur, the last
            colour that does.
        occurs: (256,) bool, the luminances that occur.
        low, high: luminance of the darkest and the brightest percent, in the mean over the images.
    """

    table: np.ndarray
    occurs: np.ndarray
    low: float
    high: float

    @classmethod
    def of(cls, images: Sequence[np.ndarray]) -> Self | None:
        """Return the line of some images; None where their colours lie on none, or on several.

        Args:
            images: (H, W, 3) uint8 RGB each.
        """
        counts, sums, squares, ends = np.zeros(256), np.zeros((256, 3)), np.zeros((256, 3)), []
        for image in images:
            levels = luminance(image).ravel()
            own = np.bincount(levels, minlength=256)
            counts += own / levels.size  # a large image does not outweigh the others
            for k in range(3):
                channel = image[..., k].ravel().astype(np.float64)
                sums[:, k] += np.bincount(levels, channel, 256) / levels.size
                squares[:, k] += np.bincount(levels, channel**2, 256) / levels.size
            shares = np.cumsum(own) / levels.size * 100
            ends.append([float(np.searchsorted(shares, share)) for share in (LOW, HIGH)])
        occurs = counts > OCCUPIED * len(images)
        if occurs.sum() < FEWEST_LEVELS:
            return None
        means = sums[occurs] / counts[occurs, None]
        variances = squares[occurs] / counts[occurs, None] - means**2
        spread = np.sqrt(np.maximum(variances, 0).sum(axis=1)).mean()
        low, high = np.mean(ends, axis=0)
        if spread > MOST_SPREAD or high - low < FEWEST_LEVELS:
            return None
        return cls(_table(np.flatnonzero(occurs), means), occurs, float(low), float(high))

    @property
    def grey(self) -> bool:
        """Whether the colours are greys."""
        return bool(np.ptp(self.table[self.occurs], axis=1).max() < OTHER)

    def holds(self, other: ColourCurve) -> bool:
        """Return whether another line's colours lie on this one, where both have luminances."""
        first, last = np.flatnonzero(self.occurs)[[0, -1]]
        both = np.flatnonzero(other.occurs)
        both = both[(both >= first) & (both <= last)]
        if len(both) < FEWEST_LEVELS:
            return True  # nothing tells them apart
        apart = np.linalg.norm(other.table[both, None] - self.table[None], axis=2).min(axis=1)
        return bool(apart.mean() <= OTHER)

    def by_heights(self) -> Self | None:
        """Return the line with a colour for each height instead of each luminance, where it is that
        of a known map whose luminance rises or falls all along; else None.

        Brightness and height are not the same: the same heights in grey and in `hot`, as a
        microscope's program saves them, differ in their luminances.
        """
        levels = np.flatnonzero(self.occurs)
        places = places_on_map(self.table[levels], np.ones(len(levels)))
        if places is None:
            return None
        if places[0] > places[-1]:
            places = 255 - places
        places = np.maximum.accumulate(places)
        table = np.stack(
            [np.interp(np.arange(256), places, c) for c in self.table[levels].T], axis=1
        )
        heights = np.arange(256)
        occurs = (heights >= places[0]) & (heights <= places[-1])
        low, high = np.interp((self.low, self.high), levels, places)
        if high - low < FEWEST_LEVELS:
            return None
        return type(self)(table, occurs, float(low), float(high))

    def draw(self, image: np.ndarray, other: ColourCurve, inverted: bool = False) -> np.ndarray:
        """Return an image in the colours of this line, its contrast matched.

        Between the darkest and the brightest percent the luminance is moved linearly: matching
        whole histograms makes molecules of the ground where an image shows fewer of them.

        Args:
            image: (H, W, 3) uint8 RGB.
            other: the line of its colours.
            inverted: whether its dark is the bright of this line.

        Returns:
            (H, W, 3) uint8 RGB.
        """
        levels = np.arange(256.0)
        dark, bright = (255 - other.high, 255 - other.low) if inverted else (other.low, other.high)
        levels = 255 - levels if inverted else levels
        gain = min((self.high - self.low) / (bright - dark), MOST_GAIN)
        moved = np.clip(self.low + (levels - dark) * gain, 0, 255)
        colours = [np.interp(moved, np.arange(256), channel) for channel in self.table.T]
        return np.round(np.stack(colours, axis=1)).astype(np.uint8)[luminance(image)]

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads: about a kilobyte."""
        first, last = np.flatnonzero(self.occurs)[[0, -1]]
        return {
            "colours": np.round(self.table[::STEP]).astype(int).tolist(),
            "range": [int(first), int(last)],
            "contrast": [round(self.low, 1), round(self.high, 1)],
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Return the line that `to_json` stored.

        Raises:
            ValueError: when the record is not whole.
        """
        try:
            colours = np.array(record["colours"], float)
            (first, last), (low, high) = record["range"], record["contrast"]
            sound = 0 <= int(first) < int(last) <= 255 and 0 <= float(low) < float(high) <= 255
            if not sound or not ((colours >= 0) & (colours <= 255)).all():
                raise ValueError("a number that cannot be")
            table = _table(np.arange(0, 256, STEP), colours)
            levels = np.arange(256)
            occurs = (levels >= int(first)) & (levels <= int(last))
            return cls(table, occurs, float(low), float(high))
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error


def luminance(image: np.ndarray) -> np.ndarray:
    """(H, W) uint8: the brightness of each pixel of an RGB image."""
    return cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)


def _table(levels: np.ndarray, colours: np.ndarray) -> np.ndarray:
    return np.stack([np.interp(np.arange(256), levels, c) for c in colours.T], axis=1)
