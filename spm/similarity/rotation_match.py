"""Turning crops to a common orientation by matching them to their classes' mean images.

Molecules with a threefold axis have no principal axis, so every rotation is tried: the zero-mean
normalised cross-correlation (ZNCC) of a crop with each turned template, over all small shifts at
once by FFT. All crops are matched to *all* classes and turned by the best match, whatever their
label: a molecule with the wrong label is then turned like its true relatives, and two classes that
look the same do not differ merely because each was turned by its own template.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy import fft

from spm.similarity.crops import PATCH, VIEW, Crop

STEP = 5  # degrees between the rotations tried first
HALF = PATCH // 2  # the search runs at half resolution
REACH = 3  # shifts tried, half-resolution pixels: an outline's centre may be 6 crop pixels off
RADIUS = VIEW / 4 - 1  # radius of the matched disc at half resolution, pixels
LEARN_FROM = 150  # crops per class that a template is learnt from, at most
SEEDS = 6  # crops tried as a template's beginning
ROUNDS = 4  # means taken, each matched to the one before
KEEP = 0.8  # share of the best matching crops that enter the mean: the rest may be wrong


@dataclass
class Turn:
    """How to turn a patch: `angle` in degrees counter-clockwise, then the view's centre moves by
    (dx, dy) pixels in the turned patch; `match` is the ZNCC, -1..1."""

    angle: float = 0.0
    dx: float = 0.0
    dy: float = 0.0
    match: float = 0.0


def turned_view(array: np.ndarray, turn: Turn, extra: float = 0.0, size: int = VIEW) -> np.ndarray:
    """Turn a patch (PATCH, PATCH) and cut its (size, size) view; `extra` degrees on top."""
    middle = (PATCH - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), turn.angle, 1.0)
    matrix[:, 2] -= (turn.dx, turn.dy)
    if extra:
        more = np.vstack([cv2.getRotationMatrix2D((middle, middle), extra, 1.0), [0, 0, 1]])
        matrix = (more @ np.vstack([matrix, [0, 0, 1]]))[:2]
    matrix[:, 2] -= (PATCH - size) / 2
    return cv2.warpAffine(
        array, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def disc(size: int, radius: float, soft: float = 2.0) -> np.ndarray:
    """Return a (size, size) float32 disc, 1 inside, falling to 0 over `soft` pixels at `radius`."""
    grid = np.arange(size) - (size - 1) / 2
    return np.clip((radius - np.hypot(*np.meshgrid(grid, grid))) / soft, 0, 1).astype(np.float32)


def find_turns(crops: list[Crop], within: int = 180, seed: int = 0) -> list[Turn]:
    """Find for each crop the turn and shift onto its best matching class mean.

    Args:
        crops: the crops of all classes.
        within: largest rotation tried, degrees; 180 tries all, 0 only shifts.
        seed: chooses the crops that the means begin with.

    Returns:
        One `Turn` per crop, in their order.
    """
    angles = np.arange(0, 360) if within >= 180 else np.arange(-within, within + 1)
    search = [_Search(crop.scored) for crop in crops]
    templates: list[_Template] = []
    for name in sorted({crop.class_name for crop in crops}):
        members = [s for s, crop in zip(search, crops, strict=True) if crop.class_name == name]
        mean = _learn_mean(members, angles, np.random.default_rng(seed))
        if templates:  # bring the classes' means to each other first
            mean = turned_view(mean, Turn(_Search(mean).best(templates[0]).angle), size=PATCH)
        templates.append(_Template(mean, angles))
    return [max((s.best(t) for t in templates), key=lambda turn: turn.match) for s in search]


def _learn_mean(members: list[_Search], angles: np.ndarray, rng) -> np.ndarray:
    """Learn a class's mean patch (PATCH, PATCH) from crops of unknown orientation.

    It begins with the crop that most others resemble, and only the best matching share enters,
    so that a few wrong labels or bad scans leave no trace in it.
    """
    if len(members) > LEARN_FROM:
        members = [members[i] for i in rng.choice(len(members), LEARN_FROM, replace=False)]
    keep = max(1, round(KEEP * len(members)))
    best_fit, mean = -np.inf, members[0].patch
    for i in rng.choice(len(members), min(SEEDS, len(members)), replace=False):
        template = _Template(members[i].patch, angles)
        matches = np.sort([s.best(template, fine=False).match for s in members])
        if matches[-keep:].mean() > best_fit:
            best_fit, mean = matches[-keep:].mean(), members[i].patch
    for _ in range(ROUNDS):
        template = _Template(mean, angles)
        turns = [s.best(template) for s in members]
        chosen = np.argsort([-turn.match for turn in turns], kind="stable")[:keep]
        # Without this the mean keeps the place where the first crop happened to show its molecule.
        dx, dy = np.median([(turn.dx, turn.dy) for turn in turns], 0)
        turns = [replace(turn, dx=turn.dx - dx, dy=turn.dy - dy) for turn in turns]
        mean = np.mean([turned_view(members[i].patch, turns[i], size=PATCH) for i in chosen], 0)
    return mean


class _Template:
    """A mean patch turned by minus each angle: spectra of zero-mean, unit-norm discs."""

    window = disc(HALF, RADIUS)

    def __init__(self, patch: np.ndarray, angles: np.ndarray):
        self.angles = angles
        kernels = np.empty((len(angles), HALF, HALF), np.float32)
        for kernel, angle in zip(kernels, angles, strict=True):
            turned = turned_view(patch, Turn(-float(angle)), size=PATCH)
            small = cv2.resize(turned, (HALF, HALF), interpolation=cv2.INTER_AREA)
            small = small - (small * self.window).sum() / self.window.sum()
            norm = np.sqrt((small**2 * self.window).sum())
            kernel[:] = small * self.window / max(float(norm), 1e-6)
        self.spectra = np.conj(fft.rfft2(kernels))


class _Search:
    """A patch made ready for matching: its spectrum and its local spread at half resolution."""

    def __init__(self, patch: np.ndarray):
        self.patch = patch
        small = cv2.resize(patch, (HALF, HALF), interpolation=cv2.INTER_AREA)
        small = small - small.mean()
        self.spectrum = fft.rfft2(small)
        window = np.conj(fft.rfft2(_Template.window))
        total = _Template.window.sum()
        mean = self._near(fft.irfft2(self.spectrum * window, s=small.shape))
        square = self._near(fft.irfft2(fft.rfft2(small**2) * window, s=small.shape))
        self.spread = np.sqrt(np.maximum(square - mean**2 / total, 1e-3 * total))

    @staticmethod
    def _near(plane: np.ndarray) -> np.ndarray:
        """Cut the shifts -REACH..REACH out of periodic planes (..., HALF, HALF)."""
        return np.roll(plane, (REACH, REACH), (-2, -1))[..., : 2 * REACH + 1, : 2 * REACH + 1]

    def best(self, template: _Template, fine: bool = True) -> Turn:
        """Return the best turn of this patch onto a template: to STEP degrees, or to one."""
        coarse = np.arange(0, len(template.angles), STEP)
        coarse = np.union1d(coarse, np.flatnonzero(template.angles == 0))
        best, zncc = self._match(template, coarse)
        if fine:
            around = best + np.arange(1 - STEP, STEP)
            if len(template.angles) == 360:
                around %= 360
            else:
                around = around[(around >= 0) & (around < len(template.angles))]
            best, zncc = self._match(template, around)
        angle = float(template.angles[best])
        dx, dy = _peak(zncc)
        # The template, turned back by `angle`, was found at (dx, dy) in the patch as it is. The
        # patch is turned forward, and that place with it.
        cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        return Turn(angle, cos * dx + sin * dy, -sin * dx + cos * dy, float(zncc.max()))

    def _match(self, template: _Template, which: np.ndarray) -> tuple[int, np.ndarray]:
        """Return the best of the angles `which` and its ZNCC over the shifts."""
        planes = fft.irfft2(self.spectrum * template.spectra[which], s=(HALF, HALF))
        zncc = self._near(planes) / self.spread
        first = zncc.max((1, 2)).argmax()
        return int(which[first]), zncc[first]


def _peak(zncc: np.ndarray) -> tuple[float, float]:
    """Return the (dx, dy) of a plane's maximum in full-resolution pixels, by parabolas."""
    row, column = np.unravel_index(zncc.argmax(), zncc.shape)

    def between(line: np.ndarray, at: int) -> float:
        if not 0 < at < len(line) - 1:
            return float(at)
        left, middle, right = line[at - 1 : at + 2]
        bend = left - 2 * middle + right
        return at + 0.5 * (left - right) / bend if bend < -1e-9 else float(at)

    return 2 * (between(zncc[row], column) - REACH), 2 * (between(zncc[:, column], row) - REACH)
