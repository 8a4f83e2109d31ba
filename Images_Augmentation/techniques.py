"""The L2/L3 techniques by name, with the paper's parameters.

The paper's scripts took them from imgaug. Here they are written with OpenCV and NumPy, with the
same distributions: imgaug brings 300 MB and a second OpenCV, with which labelme does not start on
Linux.
With elastic distortion the outlines move with the pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from Images_Augmentation import photometric
from Images_Augmentation.elastic import ALPHA, Field, random_field
from spm.errors import InputError


def check_names(names: Sequence[str]) -> list[str]:
    """Return the technique names as a list.

    Raises:
        InputError: for an unknown or repeated name, or none.
    """
    names = list(names)
    known = ", ".join(TECHNIQUES)
    if not names:
        raise InputError(f"techniques: name at least one of {known}.")
    for i, name in enumerate(names):
        if name not in TECHNIQUES:
            raise InputError(f"techniques: {name!r} is not known; choose among {known}.")
        if name in names[:i]:
            raise InputError(f"techniques: {name!r} is named twice; remove one.")
    return names


def apply(
    name: str, image: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, Field | None]:
    """Apply one technique with parameters drawn from `rng`.

    Args:
        name: a key of TECHNIQUES.
        image: (H, W, 3) uint8 RGB; is not changed.

    Returns:
        The new image, same shape and type, and the field that moved its pixels, if any.
    """
    result = TECHNIQUES[name](image, rng)
    return result if isinstance(result, tuple) else (result, None)


def dropout(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blacken 1-10 % of single pixels, or 3-15 % in blocks (2-5 % of the pixels' resolution).

    In half of the pixel dropouts and a fifth of the block dropouts each channel is drawn for itself
    (imgaug: Dropout((0.01, 0.1), per_channel=0.5), CoarseDropout((0.03, 0.15),
    size_percent=(0.02, 0.05), per_channel=0.2), one of them).
    """
    height, width = image.shape[:2]
    if rng.random() < 0.5:
        part = rng.uniform(0.01, 0.1)
        channels = 3 if rng.random() < 0.5 else 1
        drop = rng.integers(0, 65536, (height, width, channels), np.uint16) < part * 65536
    else:
        part = rng.uniform(0.03, 0.15)
        size = rng.uniform(0.02, 0.05)
        channels = 3 if rng.random() < 0.2 else 1
        rows, columns = (max(3, int(side * size)) for side in (height, width))
        coarse = (rng.random((rows, columns, channels)) < part).astype(np.uint8)
        drop = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST) > 0
        drop = drop.reshape(height, width, channels)
    kept = image.copy()
    if channels == 1:
        kept[drop[:, :, 0]] = 0
    else:
        kept[drop] = 0
    return kept


def elastic(image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, Field]:
    """Distort by a field of 0.5 to 3.5 pixels; see `elastic.py`."""
    field = random_field(rng, *image.shape[:2], alpha=rng.uniform(*ALPHA))
    return field.move_image(image), field


# Grey levels and colours; the results of one seed changed once, when imgaug made them before.
PHOTOMETRIC = {
    "superpixels": photometric.superpixels,
    "blur": photometric.blur,
    "sharpen": photometric.sharpen,
    "emboss": photometric.emboss,
    "edge_detect": photometric.edge_detect,
    "gaussian_noise": photometric.gaussian_noise,
    "invert": photometric.invert,
    "add": photometric.add,
    "multiply": photometric.multiply,
    "contrast": photometric.contrast,
    "grayscale": photometric.grayscale,
}
TECHNIQUES = {**PHOTOMETRIC, "dropout": dropout, "elastic": elastic}
