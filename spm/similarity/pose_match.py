"""Where in an image an outlined molecule lies once more, and how it is turned there.

First the example is moved over the reduced image at every angle (normalised cross-correlation
inside its outline). Then each place found is refined until the brightness fits best: position and
angle by Gauss-Newton steps, all places at once (the inverse compositional form of Baker and
Matthews, "Lucas-Kanade 20 Years On", International Journal of Computer Vision 56, 2004).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy import fft

from spm.similarity.templates import COARSE, FINE, Cut, ReducedImage, Template

GAINS = (0.4, 2.5)  # contrast of a molecule over the example's
PEAK = 0.45  # correlation from which a place is refined
APART = 0.3  # of two places nearer than this, in diameters, the better one is refined
ROUNDS, AGAIN = 6, 2  # Gauss-Newton steps, and those onto another picture of the example
LONGEST = (0.05, 0.05, 0.15)  # step in x, y (in diameters) and angle (radians)
FARTHEST = 0.3  # from the place where it began, in diameters
PIXELS = 1 << 20  # that are correlated at once: the memory grows with them
AT_ONCE = 512  # places that are refined at once: the memory grows with it
THREADED = 1 << 18  # pixels from which it pays to start threads


@dataclass(frozen=True, eq=False)
class Poses:
    """How an example comes to lie on molecules: mirrored first, then turned, then moved.

    Attributes:
        template: the example.
        mirrored: whether all of them are (y becomes -y).
        centres: (N, 2) x, y that its centroid comes to, image pixels.
        angles: (N,) radians, from x to y.
        likeness: (N,) correlation of brightness inside the outline, at most 1; -1 where the
            contrast is another one.
    """

    template: Template
    mirrored: bool
    centres: np.ndarray
    angles: np.ndarray
    likeness: np.ndarray

    def outlines(self) -> np.ndarray:
        """Return (N, n, 2) the example's outline laid onto each molecule, image pixels."""
        points = self.template.outline * (1, -1 if self.mirrored else 1)
        cosine, sine = np.cos(self.angles)[:, None], np.sin(self.angles)[:, None]
        x = cosine * points[:, 0] - sine * points[:, 1]
        y = sine * points[:, 0] + cosine * points[:, 1]
        return np.stack([x, y], axis=2) + self.centres[:, None]


class PoseSearch:
    """Looks for examples in an image.

    Args:
        grey: (H, W) float32.
        molecule: the diameter that the templates were made for, pixels.
    """

    def __init__(self, grey: np.ndarray, molecule: float):
        self.coarse = ReducedImage(grey, molecule, COARSE)
        self.fine = ReducedImage(grey, molecule, FINE)

    def find(
        self, templates: Sequence[Template], progress: Callable[[float], None] | None = None
    ) -> list[Poses]:
        """Return all places that resemble an example, for each one and its mirror image.

        Args:
            templates: the examples; at least one.
            progress: called with the share that is done, 0 to 1.
        """
        half = max(template.bank.half for template in templates)
        correlator = _Correlator(self.coarse.grey, half)
        total = sum(len(template.bank.kernels) for template in templates)
        done, found = 0, []
        for template in templates:
            bank = template.bank
            best = np.full(self.coarse.grey.shape, -1.0, np.float32)
            which = np.zeros(best.shape, np.int16)
            for some in correlator.portions(len(bank.kernels)):
                responses = correlator.correlate(bank.kernels[some], bank.masks[some])
                highest = responses.argmax(axis=0)
                response = np.take_along_axis(responses, highest[None], axis=0)[0]
                better = response > best
                best[better], which[better] = response[better], highest[better] + some.start
                done += len(responses)
                if progress:
                    progress(done / total)
            found += self._refined(template, best, which)
        return found

    def _refined(self, template: Template, best: np.ndarray, which: np.ndarray) -> list[Poses]:
        side = 2 * max(1, round(APART * self.coarse.molecule)) + 1
        peaks = (best == cv2.dilate(best, np.ones((side, side)))) & (best >= PEAK)
        rows, columns = np.nonzero(peaks)
        kernels = which[rows, columns]
        centres = (np.stack([columns, rows], axis=1) + 0.5) / self.coarse.factor
        found = []
        for mirrored in (False, True):
            own = template.bank.mirrored[kernels] == mirrored
            if own.any():
                angles = template.bank.angles[kernels[own]]
                aligned = _Aligner(template.fine, mirrored, self.fine).align(centres[own], angles)
                alike = aligned[2] >= PEAK
                if alike.any():
                    kept = (values[alike] for values in aligned)
                    found.append(Poses(template, mirrored, *kept))
        return found

    def refined_again(self, poses: Poses, cut: Cut) -> Poses:
        """Return poses brought onto another picture of the same example."""
        aligner = _Aligner(cut, poses.mirrored, self.fine, AGAIN)
        return Poses(poses.template, poses.mirrored, *aligner.align(poses.centres, poses.angles))

    def patches(self, poses: Poses, chosen: Sequence[int]) -> np.ndarray:
        """Return chosen molecules brought onto their example, brightness and contrast made its own.

        Returns:
            (N, 2 half + 1, 2 half + 1) float32, see `Cut.of_mean`.
        """
        cut = poses.template.fine
        axis = np.arange(-cut.half, cut.half + 1, dtype=np.float32)
        x, y = (values.ravel() for values in np.meshgrid(axis, axis))
        centres = poses.centres[chosen] * self.fine.factor
        turned_y = -y if poses.mirrored else y
        values = _sampled(self.fine.grey, centres, poses.angles[chosen], x, turned_y)
        inside = cut.mask().ravel() > 0.5
        values -= values[:, inside].mean(axis=1, keepdims=True)
        contrast = float(cut.sampled(x[None], y[None])[0, inside].std())
        values *= contrast / np.maximum(values[:, inside].std(axis=1, keepdims=True), 1e-6)
        return values.reshape(-1, axis.size, axis.size)


def _sampled(
    grey: np.ndarray, centres: np.ndarray, angles: np.ndarray, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """Return (N, M) float32 the brightness at places (M,) turned and moved to N centres."""
    cosine, sine = (f(angles)[:, None].astype(np.float32) for f in (np.cos, np.sin))
    middle = (centres - 0.5).astype(np.float32)  # remap counts in pixel centres
    columns = middle[:, :1] + cosine * x - sine * y
    rows = middle[:, 1:] + sine * x + cosine * y
    return cv2.remap(grey, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


class _Correlator:
    """Correlates an image with kernels, by FFT.

    Args:
        grey: (h, w) float32.
        half: of the largest kernel, (2 half + 1, 2 half + 1) pixels.
    """

    def __init__(self, grey: np.ndarray, half: int):
        self.shape, self.half = grey.shape, half
        centred = grey - grey.mean()
        padded = cv2.copyMakeBorder(centred, half, half, half, half, cv2.BORDER_REPLICATE)
        self.size = [fft.next_fast_len(side, real=True) for side in padded.shape]
        self.workers = -1 if padded.size > THREADED else 1
        self.waves, self.square_waves = self._waves(padded), self._waves(padded**2)

    def portions(self, count: int) -> Iterator[slice]:
        """Yield which of `count` kernels to correlate at once: the memory grows with them."""
        step = max(1, PIXELS // (self.size[0] * self.size[1]))
        return (slice(k, k + step) for k in range(0, count, step))

    def correlate(self, kernels: np.ndarray, masks: np.ndarray) -> np.ndarray:
        """Return (K, h, w) normalised correlations; -1 where the contrast is another one.

        Args:
            kernels, masks: (K, s, s) of a `Bank`.
        """
        total = np.maximum(masks.sum(axis=(1, 2), keepdims=True), 1e-6)
        weighted = kernels**2 / np.maximum(masks, 1e-3)
        spread = np.maximum(weighted.sum(axis=(1, 2), keepdims=True), 1e-6)
        mask_waves, side = self._waves(masks).conj(), masks.shape[1]
        mean = self._inverse(self.waves * mask_waves, side) / total
        square = self._inverse(self.square_waves * mask_waves, side)
        product = self._inverse(self.waves * self._waves(kernels).conj(), side)
        own = np.maximum(square - total * mean**2, 1e-6 * spread)
        alike = (product > GAINS[0] * spread) & (product < GAINS[1] * spread)
        return np.where(alike, product / np.sqrt(own * spread), -1.0)

    def _waves(self, planes: np.ndarray) -> np.ndarray:
        return fft.rfft2(planes, self.size, workers=self.workers)

    def _inverse(self, waves: np.ndarray, side: int) -> np.ndarray:
        planes = fft.irfft2(waves, self.size, workers=self.workers)
        first = self.half - side // 2
        return planes[:, first : first + self.shape[0], first : first + self.shape[1]]


class _Aligner:
    """Brings an example onto places of an image by Gauss-Newton steps.

    Its pixels inside the mask, M, are compared; whatever the brightness and contrast.
    """

    def __init__(self, cut: Cut, mirrored: bool, image: ReducedImage, rounds: int = ROUNDS):
        self.image, self.rounds = image, rounds
        flip = -1 if mirrored else 1
        rows, columns = np.nonzero(cut.mask() > 0.5)
        # Of the example as it is after the mirroring.
        x, y = (columns - cut.half).astype(np.float32), (rows - cut.half).astype(np.float32) * flip
        self.x, self.y = x, y

        def sampled(x: np.ndarray, y: np.ndarray) -> np.ndarray:
            return cut.sampled(x[None], flip * y[None])[0].astype(float)

        values = sampled(x, y)
        values -= values.mean()
        self.spread = max(float(values @ values), 1e-6)
        along_x = sampled(x + 0.5, y) - sampled(x - 0.5, y)
        along_y = sampled(x, y + 0.5) - sampled(x, y - 0.5)
        slopes = np.stack([along_x, along_y, x * along_y - y * along_x], axis=1)
        # What looks like a change of brightness or contrast does not count.
        slopes -= slopes.mean(axis=0)
        slopes -= np.outer(values, values @ slopes / self.spread)
        # (M, 4): from brightness to the steps in x, y and angle, and to the contrast.
        steps = np.column_stack([np.linalg.pinv(slopes).T, values / self.spread])
        self.steps = steps.astype(np.float32)

    def align(self, centres: np.ndarray, angles: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return refined centres (N, 2), image pixels, angles (N,) and the likeness (N,)."""
        parts = [
            self._aligned(centres[k : k + AT_ONCE] * self.image.factor, angles[k : k + AT_ONCE])
            for k in range(0, len(centres), AT_ONCE)
        ]
        centres, angles, likeness = (np.concatenate(part) for part in zip(*parts, strict=True))
        return centres / self.image.factor, angles, likeness

    def _aligned(self, start: np.ndarray, angles: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the best of all steps, in pixels of the reduced image."""
        longest = np.array(LONGEST) * (self.image.molecule, self.image.molecule, 1)
        centres, best = start, (start.copy(), angles.copy(), np.full(len(start), -np.inf))
        for _ in range(self.rounds + 1):
            change, likeness = self._compared(centres, angles)
            better = likeness > best[2]
            for kept, new in zip(best, (centres, angles, likeness), strict=True):
                kept[better] = new[better]
            change = np.clip(change, -longest, longest)
            cosine, sine = np.cos(angles), np.sin(angles)
            x = cosine * change[:, 0] - sine * change[:, 1]
            y = sine * change[:, 0] + cosine * change[:, 1]
            away = centres - np.stack([x, y], axis=1) - start
            reach = FARTHEST * self.image.molecule
            away *= np.minimum(1, reach / np.maximum(np.hypot(*away.T), 1e-9))[:, None]
            centres, angles = start + away, angles - change[:, 2]
        return best

    def _compared(self, centres: np.ndarray, angles: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the steps (N, 3) in x, y and angle towards a better fit, and the likeness (N,)."""
        values = _sampled(self.image.grey, centres, angles, self.x, self.y)
        values -= values.mean(axis=1, keepdims=True)
        found = (values @ self.steps).astype(float)
        change, gain = found[:, :3], found[:, 3]
        own = np.maximum(np.einsum("nm,nm->n", values, values), 1e-6)
        likeness = gain * np.sqrt(self.spread / own)
        likeness[(gain <= GAINS[0]) | (gain >= GAINS[1])] = -1.0
        return change / np.maximum(gain, GAINS[0])[:, None], likeness
