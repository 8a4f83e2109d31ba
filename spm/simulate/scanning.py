"""From molecules on a surface to the heights that a tip reports.

`stamp` draws the surface; drift and creep (`spm.simulate.distortion`) are applied between it and
`trace`, which moves a blunt, double or changing tip over it.  Heights are relative: 0 is the bare
surface, 1 the top of an ordinary molecule.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from spm.simulate.appearance import Appearance
from spm.simulate.frame import Frame
from spm.simulate.lattice import Placement
from spm.simulate.molecules import OVERSAMPLING


def stamp(
    placements: list[Placement], frame: Frame, margin: int, class_heights: dict[str, float]
) -> np.ndarray:
    """Draw all molecules on the surface; where two meet, the higher one shows.

    Returns:
        (height + 2 margin, width + 2 margin) float32, surface (0, 0) at pixel corner
        (margin, margin).
    """
    (height, width), scale = frame.shape, frame.scale
    surface = np.zeros((height + 2 * margin, width + 2 * margin), np.float32)
    for placement in placements:
        drawing = frame.drawings[placement.class_name]
        grid = drawing.grid(scale)
        half = int(np.ceil((drawing.radius + 12) * scale)) + 1
        left, top = int(placement.x) + margin - half, int(placement.y) + margin - half
        window = surface[max(top, 0) : top + 2 * half, max(left, 0) : left + 2 * half]
        if window.size == 0 or top + 2 * half <= 0 or left + 2 * half <= 0:
            continue
        # Pixel centres of the window -> grid points of the drawing (turned back by the angle).
        c, s = np.cos(np.radians(placement.angle)), np.sin(np.radians(placement.angle))
        turn = np.array([[c, s], [-s, c]]) * OVERSAMPLING
        first = np.array([max(left, 0), max(top, 0)]) + 0.5 - margin
        offset = turn @ (first - (placement.x, placement.y)) + grid.shape[0] // 2
        matrix = np.concatenate([turn, offset[:, None]], axis=1)
        drawn = cv2.warpAffine(
            grid,
            matrix,
            window.shape[::-1],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        )
        drawn *= placement.height * class_heights.get(placement.class_name, 1.0)
        np.maximum(window, drawn, out=window)
    return surface


def trace(surface: np.ndarray, ap: Appearance, scale: float, pad: int, rng) -> np.ndarray:
    """Return the heights (float32, rim `pad` removed) that the tip reports over `surface`."""
    rows = surface.shape[0]
    tips = [ap] + [_changed_tip(ap, rng) for _ in range(ap.tip_changes)]
    cuts = np.sort(rng.uniform(0.15, 0.9, ap.tip_changes)) * (rows - 2 * pad) + pad
    borders = [0, *cuts.astype(int).tolist(), rows]
    height = np.empty_like(surface)
    overlap = 3 * pad // 2
    for tip, low, high in zip(tips, borders[:-1], borders[1:], strict=True):
        first, last = max(low - overlap, 0), min(high + overlap, rows)
        part = _scan(surface[first:last], tip, scale)
        height[low:high] = part[low - first : high - first]
    for index, low in enumerate(borders[1:-1]):
        height[low:] += rng.normal(0.0, 0.06) * 0.7**index
    return _inner(height, pad)


def _changed_tip(ap: Appearance, rng) -> Appearance:
    """Draw a tip of another shape, blunter on average, sometimes double."""
    double = None
    if rng.random() < 0.6:
        double = tuple(rng.uniform(-12, 12, 2).tolist())
    return replace(
        ap,
        blur=ap.blur * rng.uniform(0.85, 1.6),
        blur_ratio=rng.uniform(0.8, 1.25),
        double_tip=double,
        double_tip_height=rng.uniform(0.3, 0.7),
    )


def _scan(surface: np.ndarray, tip: Appearance, scale: float) -> np.ndarray:
    if tip.double_tip is not None:
        dx, dy = np.array(tip.double_tip) * scale
        shift = np.array([[1.0, 0.0, dx], [0.0, 1.0, dy]])
        ghost = cv2.warpAffine(surface, shift, surface.shape[::-1], flags=cv2.INTER_LINEAR)
        surface = np.maximum(surface, ghost * tip.double_tip_height)
    ratio = np.sqrt(tip.blur_ratio)
    sharp = _blurred(surface, tip.blur * scale / ratio, tip.blur * scale * ratio)
    if tip.skirt_share > 0:
        blunt = _blurred(surface, tip.skirt * scale / ratio, tip.skirt * scale * ratio)
        sharp = (1 - tip.skirt_share) * sharp + tip.skirt_share * blunt
    if tip.compression > 0:
        # Constant current: the height grows with the logarithm of the density of states.
        sharp = np.log1p(tip.compression * sharp) / np.float32(np.log1p(tip.compression))
    return _lagging(sharp, tip.feedback * scale)


def _blurred(image: np.ndarray, sigma_x: float, sigma_y: float) -> np.ndarray:
    return cv2.GaussianBlur(
        image, (0, 0), max(sigma_x, 0.1), sigmaY=max(sigma_y, 0.1), borderType=cv2.BORDER_REFLECT
    )


def _lagging(image: np.ndarray, length: float) -> np.ndarray:
    """Smear along the scan direction as a slow feedback does, without moving the mean position."""
    if length < 0.1:
        return image
    decay = np.exp(-np.arange(np.ceil(5 * length) + 1) / length)
    decay /= decay.sum()
    # The mean lag is taken out: whole pixels by the anchor, the rest by mixing two kernels.
    lag, rest = divmod(float(decay @ np.arange(decay.size)), 1.0)
    centred = (1 - rest) * np.append(0.0, decay) + rest * np.append(decay, 0.0)
    # filter2D correlates: the newest sample is the last of the row, older ones lie to its left.
    row = centred[::-1].astype(np.float32)[None, :]
    anchor = (decay.size - 1 - int(lag), 0)
    return cv2.filter2D(image, -1, row, anchor=anchor, borderType=cv2.BORDER_REFLECT)


def _inner(image: np.ndarray, pad: int) -> np.ndarray:
    return image[pad:-pad, pad:-pad] if pad else image
