"""By how much the network's outlines of a class are off in the mean, and how that is put right.

A network that has seen some twenty outlines rounds corners and bulges between them. The error is
the same on every molecule of a class, each time turned as the molecule is: measured on the user's
own outlines at the end of training (`spm.evaluation.outline_bias`), it is taken off again. Only the
mean error goes; how a molecule differs from its like stays as the network saw it.

The error is a distance along rays from the centroid, as a share of the mean radius. Where that
says nothing, the outline stays: rings and other shapes that a ray crosses more than once, masks in
several parts, molecules that do not look like their class (cut ones among them).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from spm.geometry.cropped_mask import CroppedMask
from spm.geometry.polygons import following, polygon_area, polygon_centroid
from spm.geometry.profiles import DIRECTIONS, best_turn, near_turns, radial_profile

# Share of the area by which a mask may differ from the polygon of its radial profile.
STAR_SHAPED = 0.03
TOLERANCE = 0.3  # by which the outline may be off after its points were thinned out, pixels
# Weights of an outline's point and its neighbours, a pixel and less apart, in the running mean.
SMOOTHING = np.array([1, 2, 3, 2, 1]) / 9
AS_NEAR = 1.2  # difference to the profile, in that of the best turn, up to which a turn counts
LARGEST = 0.15  # an error beyond this share of the mean radius is no rounded corner


@dataclass(frozen=True, eq=False)
class OutlineBias:
    """The mean error of a class's outlines.

    Attributes:
        profile: (DIRECTIONS,) mean radial profile of the network's outlines, over its mean.
        error: (DIRECTIONS,) what is missing there to the true outlines, over the same mean.
        reach: root mean square difference from `profile` up to which an outline is of this shape.
    """

    profile: np.ndarray
    error: np.ndarray
    reach: float

    def stored(self) -> dict:
        """Return what a weights file keeps of it: JSON's own types."""
        return {
            "profile": np.round(self.profile, 4).tolist(),
            "error": np.round(self.error, 4).tolist(),
            "reach": round(self.reach, 4),
        }

    @classmethod
    def read(cls, stored: object) -> OutlineBias:
        """Return it as `stored` gave it.

        Raises:
            ValueError: when it is something else.
        """
        if not isinstance(stored, Mapping) or set(stored) != {"profile", "error", "reach"}:
            raise ValueError("an outline bias has a profile, an error and a reach.")
        try:
            profile, error = (np.array(stored[key], float) for key in ("profile", "error"))
            reach = float(stored["reach"])
        except (TypeError, ValueError) as problem:
            raise ValueError(f"an outline bias consists of numbers ({problem}).") from problem
        sound = profile.shape == error.shape == (DIRECTIONS,) and (profile > 0).all()
        if not (sound and np.isfinite(profile).all() and (np.abs(error) <= LARGEST).all()):
            raise ValueError("an outline bias has positive radii and small errors.")
        if not math.isfinite(reach):
            raise ValueError("the reach of an outline bias is a number.")
        return cls(profile, error, reach)

    def corrected(self, mask: CroppedMask) -> np.ndarray | None:
        """Return the outline (n, 2) x, y of a mask of this class without the mean error; None where
        the mask has another shape."""
        seen = star_shape(mask)
        if seen is None:
            return None
        outline, centre, profile = seen
        mean = profile.mean()
        _, apart = best_turn(profile / mean, self.profile)
        if apart > self.reach:
            return None
        # Which of a symmetric molecule's turns fits best is chance: the mean of all is steadier.
        turns = near_turns(profile / mean, self.profile, AS_NEAR)
        error = np.mean([turn.undo(self.error) for turn in turns], axis=0)
        return _moved(outline, centre, error * mean)


def star_shape(mask: CroppedMask) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return outline (n, 2), centroid (2,) and radial profile (DIRECTIONS,) of a mask in one piece
    that every ray from its centroid leaves once; None for others. The outline's points are about
    a pixel apart, and the staircases of the mask's pixels are smoothed away."""
    border = mask.outline(0.1)
    if len(border) < 3:
        return None
    centre = np.array(polygon_centroid(border))
    outline = _of_area(_smoothed(border), centre, polygon_area(border))
    profile = radial_profile(outline, centre)
    if profile is None:
        return None
    star = 0.5 * np.sin(2 * np.pi / DIRECTIONS) * float(profile @ following(profile))
    areas = np.array([mask.area, polygon_area(outline)])
    return (outline, centre, profile) if (abs(areas / star - 1) < STAR_SHAPED).all() else None


def _smoothed(outline: np.ndarray) -> np.ndarray:
    """Return the running mean of a closed outline's points."""
    beyond = len(SMOOTHING) // 2
    ring = np.concatenate((outline[-beyond:], outline, outline[:beyond]))
    shifted = (ring[k : k + len(outline)] for k in range(len(SMOOTHING)))
    return sum(share * points for share, points in zip(SMOOTHING, shifted, strict=True))


def _of_area(outline: np.ndarray, centre: np.ndarray, area: float) -> np.ndarray:
    """Return an outline enlarged or made smaller about a centre until it has an area."""
    own = polygon_area(outline)
    return centre + (outline - centre) * math.sqrt(area / own) if own else outline


def _moved(outline: np.ndarray, centre: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Return a closed outline, each point moved away from the centre by the distance of its
    direction, with as few points as shape (to TOLERANCE) and area allow."""
    offset = outline - centre
    radius = np.maximum(np.hypot(*offset.T), 1e-9)
    direction = np.arctan2(offset[:, 1], offset[:, 0]) * (DIRECTIONS / (2 * np.pi))
    distance = np.interp(direction, np.arange(DIRECTIONS), distances, period=DIRECTIONS)
    moved = centre + offset * ((radius + distance) / radius)[:, None]
    simple = cv2.approxPolyDP(moved[:, None].astype(np.float32), TOLERANCE, True)[:, 0]
    return _of_area(simple.astype(np.float64), centre, polygon_area(moved))
