"""The techniques that change grey levels and colours, with OpenCV and NumPy.

Each is what the paper's scripts asked imgaug for: the same formulas, and parameters drawn from the
same ranges (named in each docstring as imgaug's arguments). tests/Images_Augmentation/
test_photometric.py holds them to imgaug, pixel by pixel. All take and return (H, W, 3) uint8 RGB.
"""

from __future__ import annotations

import cv2
import numpy as np

SUPERPIXELS_SIDE = (
    128  # pixels: imgaug's max_size, above which superpixels are made of a smaller one
)

UNCHANGED = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], np.float32)
LAPLACE = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.float32)
AROUND = np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]], np.float32)
ACROSS = np.array([[-1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
SLOPE = np.array([[-1, -1, 0], [-1, 0, 1], [0, 1, 1]], np.float32)


# --- with parameters drawn ----------------------------------------------------------------------


def superpixels(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """In half of the cases: 20-100 segments, of which each has some chance of being filled with its
    mean colour (Sometimes(0.5, Superpixels((0, 1), (20, 100))))."""
    if rng.random() < 0.5:
        return image.copy()
    chance, count = rng.uniform(0, 1), int(rng.integers(20, 101))
    return filled_segments(image, count, rng.random(count) < chance)


def blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """GaussianBlur((0, 3)), AverageBlur((2, 7)) or MedianBlur((3, 11))."""
    kind = rng.integers(3)
    if kind == 0:
        return gaussian_blur(image, rng.uniform(0, 3))
    if kind == 1:
        side = int(rng.integers(2, 8))
        return cv2.blur(image, (side, side))
    return cv2.medianBlur(image, int(rng.integers(3, 12)) | 1)


def sharpen(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Sharpen(alpha=(0, 1), lightness=(0.75, 1.5))."""
    return filtered(image, sharpening(rng.uniform(0.75, 1.5)), rng.uniform(0, 1))


def emboss(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Emboss(alpha=(0, 1), strength=(0, 2))."""
    return filtered(image, embossing(rng.uniform(0, 2)), rng.uniform(0, 1))


def edge_detect(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """EdgeDetect((0, 0.7)) or DirectedEdgeDetect((0, 0.7), direction=(0, 1))."""
    directed = rng.random() < 0.5
    kernel = edges_from(int(rng.uniform(0, 360))) if directed else LAPLACE
    return filtered(image, kernel, rng.uniform(0, 0.7))


def gaussian_noise(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """AdditiveGaussianNoise(scale=(0, 0.05 * 255), per_channel=0.5)."""
    channels = 3 if rng.random() < 0.5 else 1
    sigma = rng.uniform(0, 0.05 * 255)
    noise = sigma * rng.standard_normal((*image.shape[:2], channels), np.float32)
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


def invert(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Invert(1)."""
    return 255 - image


def add(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add((-10, 10), per_channel=0.5), whole grey levels."""
    values = _one_or_each(rng, lambda count: rng.integers(-10, 11, count))
    return np.clip(image.astype(np.int16) + values, 0, 255).astype(np.uint8)


def multiply(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Multiply((0.5, 1.5), per_channel=0.5)."""
    return scaled(image, _one_or_each(rng, lambda count: rng.uniform(0.5, 1.5, count)), 0)


def contrast(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """LinearContrast((0.5, 2), per_channel=0.5): grey levels go away from 127, or towards it."""
    return scaled(image, _one_or_each(rng, lambda count: rng.uniform(0.5, 2, count)), 127)


def grayscale(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Grayscale(alpha=(0, 1)): colours fade."""
    return greyed(image, rng.uniform(0, 1))


def _one_or_each(rng: np.random.Generator, draw) -> np.ndarray:
    """Return (3,) values, in half of the cases one for all channels."""
    return np.broadcast_to(draw(3 if rng.random() < 0.5 else 1), 3)


# --- with given parameters ----------------------------------------------------------------------


def filled_segments(image: np.ndarray, count: int, chosen: np.ndarray) -> np.ndarray:
    """Return the image with some of `count` superpixels filled with their mean colour.

    A large image is made small before and large again, as imgaug does it: what is not filled is
    blurred (findings/imaug_superpixels.sh).

    Args:
        chosen: bool by number; more segments than it names begin it anew.
    """
    from skimage.segmentation import slic

    if not chosen.any():
        return image.copy()
    height, width = image.shape[:2]
    factor = min(SUPERPIXELS_SIDE / max(height, width), 1)
    size = max(int(width * factor), 1), max(int(height * factor), 1)
    large = factor < 1
    small = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR) if large else image.copy()
    segments = slic(small, n_segments=count, compactness=10, start_label=0)
    _, numbers = np.unique(segments, return_inverse=True)
    numbers = numbers.reshape(segments.shape)
    pixels = np.bincount(numbers.ravel())
    means = [np.bincount(numbers.ravel(), small[:, :, k].ravel()) / pixels for k in range(3)]
    filled = chosen[np.arange(len(pixels)) % len(chosen)][numbers]
    small[filled] = np.stack(means, axis=1)[numbers[filled]].astype(np.uint8)
    if not large:
        return small
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def gaussian_blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Return the image blurred by `sigma` pixels, 0 to 3; the window holds 99 % of the weight."""
    if sigma < 1e-3:
        return image.copy()
    side = int(max(3.3 * sigma, 5)) | 1
    return cv2.GaussianBlur(image, (side, side), sigma, borderType=cv2.BORDER_REFLECT_101)


def filtered(image: np.ndarray, kernel: np.ndarray, alpha: float) -> np.ndarray:
    """Return the image filtered by a 3 x 3 kernel, in the share `alpha`."""
    mixed = (1 - alpha) * UNCHANGED + alpha * kernel
    return cv2.filter2D(image, -1, mixed.astype(np.float32))


def sharpening(lightness: float) -> np.ndarray:
    """Return the kernel that sharpens; 1 keeps the brightness."""
    return AROUND + lightness * UNCHANGED


def embossing(strength: float) -> np.ndarray:
    """Return the kernel that shades the image as if light came from the upper left."""
    return ACROSS + strength * SLOPE


def edges_from(degrees: int) -> np.ndarray:
    """Return the kernel of edges seen from a direction, clockwise from the top."""
    angle = np.deg2rad(degrees - 90)
    rows, columns = np.mgrid[-1:2, -1:2].astype(float)
    with np.errstate(invalid="ignore"):  # the middle has no direction
        cosine = (columns * np.cos(angle) + rows * np.sin(angle)) / np.hypot(columns, rows)
    likeness = (1 - np.arccos(np.clip(cosine, -1, 1)) / np.pi) ** 4
    likeness[1, 1] = 0
    kernel = -likeness / likeness.sum()
    kernel[1, 1] = 1
    return kernel.astype(np.float32)


def scaled(image: np.ndarray, factors: np.ndarray, centre: int) -> np.ndarray:
    """Return grey levels multiplied, as distances from `centre`, by the (3,) factors; cut off to
    whole ones."""
    levels = np.arange(256, dtype=np.float32)[:, None] - centre
    table = np.clip(centre + levels * factors.astype(np.float32), 0, 255).astype(np.uint8)
    return cv2.LUT(image, np.ascontiguousarray(table[None]))


def greyed(image: np.ndarray, alpha: float) -> np.ndarray:
    """Return the image mixed with its grey levels, in the share `alpha`."""
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(grey, alpha, image, 1 - alpha, 0)
