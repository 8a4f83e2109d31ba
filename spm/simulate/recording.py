"""What lies on the surface besides molecules, and what the electronics add line by line.

Heights are relative: 0 is the bare surface, 1 the top of an ordinary molecule.  "In place" arrays
are float32.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.fft import irfft, rfft

from spm.simulate.appearance import Appearance


def record(height: np.ndarray, ap: Appearance, scale: float, rng) -> np.ndarray:
    """Add what the electronics add: levelling, offsets, jitter, noise, scars.

    Args:
        height: (H, W) float32 heights; changed in place.

    Returns:
        (H, W) float32, 0..1 between the first and last colour of the map.
    """
    rows, cols = height.shape
    if ap.line_levelling > 0:
        means = height.mean(axis=1)
        height -= (ap.line_levelling * (means - means.mean()))[:, None]
    if ap.line_jitter > 0:
        height = _jittered(height, rng.normal(0.0, ap.line_jitter * scale, rows))
    # Offsets wander a little and are levelled out again: half white, half a bounded random walk.
    offsets = rng.normal(0.0, ap.line_offsets, rows)
    walk = np.cumsum(rng.normal(0.0, ap.line_offsets / 4, rows))
    walk -= cv2.blur(walk[:, None], (1, 61), borderType=cv2.BORDER_REFLECT)[:, 0]
    height += (0.7 * offsets + walk).astype(np.float32)[:, None]
    _scar(height, ap, scale, rng)
    if ap.bad_lines > 0:
        _streak(height, rng.random(rows) < ap.bad_lines, scale, rng)
    if ap.flicker > 0:
        height += ap.flicker * flicker_noise(rows, cols, rng)
    if ap.noise > 0:
        white = rng.standard_normal((rows, cols), dtype=np.float32)
        smoothing = np.array([[0.25, 0.5, 0.25]], np.float32) / np.sqrt(0.375)
        height += ap.noise * cv2.filter2D(white, -1, smoothing.astype(np.float32))
    return np.clip((height - ap.floor) / (ap.ceiling - ap.floor), 0.0, 1.0)


def _jittered(height: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    rows, cols = height.shape
    map_x = np.arange(cols, dtype=np.float32)[None, :] + shifts.astype(np.float32)[:, None]
    map_y = np.repeat(np.arange(rows, dtype=np.float32)[:, None], cols, axis=1)
    return cv2.remap(height, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def flicker_noise(rows: int, cols: int, rng) -> np.ndarray:
    """Return 1/f noise (rows, cols) float32 of unit variance, in the order of the scan.

    Frequencies below one per four lines are left out: programs level them away.
    """
    samples = 1 << (rows * cols - 1).bit_length()
    white = rng.standard_normal(samples, dtype=np.float32)
    spectrum = rfft(white)
    frequency = np.arange(spectrum.size, dtype=np.float32)
    lowest = samples / (4.0 * cols)
    shape = 1.0 / np.sqrt(np.maximum(frequency, lowest))
    shape[frequency < lowest / 4] = 0.0
    noise = irfft(spectrum * shape, samples)[: rows * cols].reshape(rows, cols)
    return (noise / noise.std()).astype(np.float32)


def _scar(height: np.ndarray, ap: Appearance, scale: float, rng) -> None:
    """Draw short dashes along the scan lines where the tip jumped for a moment."""
    rows, cols = height.shape
    for _ in range(int(rng.poisson(ap.scars * rows / 100.0))):
        row, first = int(rng.integers(rows)), int(rng.integers(cols))
        length = int(rng.exponential(14 * scale)) + 2
        height[row, first : first + length] += rng.normal(0.0, 0.12)


def _streak(height: np.ndarray, bad: np.ndarray, scale: float, rng) -> None:
    """Spoil whole lines: a jump to another height that decays, and a shift along x."""
    cols = height.shape[1]
    for row in np.flatnonzero(bad):
        first = int(rng.integers(cols))
        decay = np.exp(-np.arange(cols - first) / (cols * rng.uniform(0.05, 0.5)))
        shift = int(round(rng.normal(0.0, 4.0 * scale)))
        height[row, first:] = np.roll(height[row, first:], shift) + rng.normal(0, 0.25) * decay


def scramble(height: np.ndarray, centre, radius: float, rng) -> None:
    """Spoil one molecule by tip noise: lines torn sideways, jumps in height, streaks.

    Args:
        height: (H, W) float32; changed in place within `radius` pixels of `centre` (x, y).
    """
    rows, cols = height.shape
    x, y = centre
    low, high = max(int(y - radius), 0), min(int(y + radius) + 1, rows)
    left, right = max(int(x - radius), 0), min(int(x + radius) + 1, cols)
    if low >= high or left >= right:
        return
    window = height[low:high, left:right].copy()
    line = 0
    while line < high - low:  # bundles of one to five lines share one jump
        bundle = slice(line, line + int(rng.integers(1, 6)))
        shift = int(round(rng.normal(0.0, 0.25 * radius)))
        window[bundle] = np.roll(window[bundle], shift, axis=1) + rng.normal(0.0, 0.14)
        line = bundle.stop
    window += rng.normal(0.0, 0.03, window.shape)
    yy, xx = np.mgrid[low:high, left:right] + 0.5
    inside = np.clip((radius - np.hypot(xx - x, yy - y)) / (0.15 * radius), 0.0, 1.0)
    height[low:high, left:right] += (inside * (window - height[low:high, left:right])).astype(
        np.float32
    )


def slow_background(shape: tuple[int, int], amplitude: float, rng) -> np.ndarray:
    """Return a tilted and gently bent plane (H, W) float32 within about +-amplitude."""
    height, width = shape
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    tilt_x, tilt_y, bend_x, bend_y, twist = rng.normal(0, 0.5, 5).astype(np.float32)
    plane = tilt_x * x + tilt_y * y + 0.5 * (bend_x * x * x + bend_y * y * y) + 0.5 * twist * x * y
    return amplitude * (plane - plane.mean())


def add_adsorbates(height: np.ndarray, centres, radius: float, rng) -> None:
    """Add bright blobs with streaky lower rims at `centres` [(x, y)], radius in pixels, in place"""
    rows, cols = height.shape
    y, x = np.ogrid[:rows, :cols]
    for cx, cy in centres:
        size = radius * rng.uniform(0.6, 1.1)
        bumps = rng.uniform(-0.6, 0.6, (4, 2)) * size
        for bx, by in [(0.0, 0.0), *bumps.tolist()]:
            reach = int(3 * size)
            low, high = max(int(cy + by) - reach, 0), min(int(cy + by) + reach, rows)
            left, right = max(int(cx + bx) - reach, 0), min(int(cx + bx) + reach, cols)
            if low >= high or left >= right:
                continue
            d2 = (x[:, left:right] - cx - bx) ** 2 + (y[low:high] - cy - by) ** 2
            blob = rng.uniform(0.4, 0.8) * np.exp(-d2 / (2 * (0.45 * size) ** 2))
            height[low:high, left:right] += blob.astype(np.float32)
        for _ in range(int(rng.integers(2, 7))):
            row = int(cy + rng.uniform(0.3, 1.6) * size)
            first = int(cx + rng.uniform(-1.2, 0.6) * size)
            if 0 <= row < rows:
                height[row : row + 2, max(first, 0) : first + int(size)] += rng.uniform(-0.4, 0.5)
