"""Single-molecule crops for the t-SNE screening, and the folders that users keep them in.

A crop is kept as a *patch*: grey, PATCH x PATCH pixels, the molecule in the middle. The crop
proper, VIEW x VIEW pixels as in the paper, is what remains after turning and shifting the patch;
the rim around it gives the turned crop real corners.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from spm.errors import InputError
from spm.io import images

VIEW = 60  # side of the crop that t-SNE sees, pixels (the paper's)
PATCH = 96  # side of the patch: VIEW * sqrt(2) for any rotation, and 5 pixels of shift


@dataclass
class Crop:
    """One molecule.

    Args:
        name: file name without suffix, or what `spm.structures.shape.titles` says.
        class_name: the class the user gave it.
        source: the crop's file, or the annotation it was cut from.
        index: position of the shape in the annotation; None for a crop file.
        patch: (PATCH, PATCH) float32, grey 0..255: what is shown and mapped.
        scored: the same with the surroundings masked, where an outline is known.
        weight: (PATCH, PATCH) float32, 0 where the patch reaches beyond the image, else 1.
    """

    name: str
    class_name: str
    source: Path
    index: int | None
    patch: np.ndarray = field(repr=False)
    scored: np.ndarray = field(repr=False)
    weight: np.ndarray = field(repr=False)


def read_crop_folder(folder: Path, class_name: str | None = None) -> list[Crop]:
    """Read the crops of one class; the class is the folder's name unless given.

    Raises:
        InputError: when the folder is missing, holds no image, or an image cannot be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give one folder of crops per class.")
    paths = images.list_images(folder)
    if not paths:
        raise InputError(f"{folder}: holds no images; put the crops of one class there.")
    name = class_name or folder.resolve().name
    return [crop_from_file(path, name) for path in paths]


def crop_from_file(path: Path, class_name: str) -> Crop:
    """Read one crop file: grey, transparent parts filled, resized to VIEW x VIEW.

    A crop that is not square is completed to a square by repeating its border, not squashed.
    """
    grey = cv2.cvtColor(images.read_image(path), cv2.COLOR_RGB2GRAY).astype(np.float32)
    if min(grey.shape) < 4:
        raise InputError(
            f"{path}: the crop is {grey.shape[1]} x {grey.shape[0]} pixels; crop a whole molecule."
        )
    alpha = _read_alpha(path)
    if alpha is not None and alpha.shape == grey.shape:
        grey = _fill_hidden(grey, alpha > 127)
    patch, weight = _square_patch(grey)
    return Crop(Path(path).stem, class_name, Path(path), None, patch, patch, weight)


def _read_alpha(path: Path) -> np.ndarray | None:
    """Return the (H, W) uint8 transparency of an image file, or None when it has none."""
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        image = ImageOps.exif_transpose(image)
        if "A" not in image.getbands() and "transparency" not in image.info:
            return None
        return np.asarray(image.convert("RGBA"))[..., 3]


def _fill_hidden(grey: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Fill what is not shown with the mean of the rim of what is shown.

    A constant such as black would be a new edge in the crop, as strong as any molecule's.
    """
    if shown.all() or not shown.any():
        return grey
    rim = shown & cv2.dilate((~shown).astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    filled = grey.copy()
    filled[~shown] = grey[rim].mean()
    return filled


def _square_patch(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Complete a crop to a square, resize it to VIEW and surround it by its repeated border."""
    height, width = grey.shape
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    grey = cv2.copyMakeBorder(
        grey, top, side - height - top, left, side - width - left, cv2.BORDER_REPLICATE
    )
    shrink = cv2.INTER_AREA if side > VIEW else cv2.INTER_LINEAR
    grey = cv2.resize(grey, (VIEW, VIEW), interpolation=shrink)
    rim = (PATCH - VIEW) // 2
    patch = cv2.copyMakeBorder(grey, rim, rim, rim, rim, cv2.BORDER_REPLICATE)
    return patch, np.ones((PATCH, PATCH), np.float32)
