"""Brushes of `visualize`: colours, tinted pixels, and boxes and outlines in axes.

Boxes are pixel boxes (y1, x1, y2, x2) with y2, x2 exclusive, colours RGB from 0 to 1.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LUMA = (0.299, 0.587, 0.114)  # grey of a colour, by ITU-R BT.601


def as_rgb(image: np.ndarray) -> np.ndarray:
    """Copy any image into one that can be drawn.

    Args:
        image: (H, W) or (H, W, 1) grey; (H, W, 2) grey and transparency; (H, W, 3 or more), whose
            first three channels are red, green and blue. Values are 0 to 255; 0 to 1 in an image
            of floats that has no others, and in one of bool; 0 to 65535 in one of uint16.

    Returns:
        (H, W, 3) uint8; values beyond the range are cut off, NaN is black.

    Raises:
        ValueError: the array is no image.
    """
    image = np.asarray(image)
    if image.ndim not in (2, 3) or 0 in image.shape[2:]:
        raise ValueError(f"An image is (H, W) or (H, W, channels). Received: shape {image.shape}.")
    image = image[..., None] if image.ndim == 2 else image
    if image.shape[2] < 3:
        image = np.repeat(image[..., :1], 3, axis=2)
    image = image[..., :3]
    if image.dtype == np.uint8:
        return image.copy()
    if image.dtype == np.uint16:
        return np.rint(image / 257).astype(np.uint8)
    values = np.nan_to_num(image.astype(np.float64), nan=0.0)
    if image.dtype == bool or (
        image.dtype.kind == "f" and values.size and values.min() >= 0 and values.max() <= 1
    ):
        values *= 255
    return np.clip(values, 0, 255).astype(np.uint8)


def random_colors(N: int, bright: bool = True) -> list[tuple[float, float, float]]:
    """Make N colours that are easy to tell apart, in mixed order; the same ones in every run.

    Args:
        N: how many.
        bright: False for darker ones.

    Returns:
        list of N (red, green, blue) from 0 to 1.
    """
    value = 1.0 if bright else 0.7
    hues = np.random.default_rng(0).permutation(N) / max(N, 1)
    return [colorsys.hsv_to_rgb(hue, 1, value) for hue in hues]


def apply_mask(
    image: np.ndarray, mask: np.ndarray, color: Sequence[float], alpha: float = 0.5
) -> np.ndarray:
    """Tint the pixels of a mask, in place.

    Args:
        image: (H, W, 3 or more) of values 0 to 255, of which the first three channels are tinted;
            or (H, W) or (H, W, 1), tinted with the grey of the colour.
        mask: (H, W); pixels of 1 are tinted.
        color: (red, green, blue) from 0 to 1.
        alpha: share of the colour.

    Returns:
        `image`.
    """
    inside = np.asarray(mask) == 1
    channels = image[..., None] if image.ndim == 2 else image[..., :3]
    tint = alpha * 255 * np.asarray(color[:3], np.float64)
    if channels.shape[2] < 3:
        channels, tint = channels[..., :1], tint @ _LUMA
    channels[inside] = (channels[inside] * (1 - alpha) + tint).astype(image.dtype)
    return image


def draw_box(image: np.ndarray, box: Sequence[int], color: Sequence[int]) -> np.ndarray:
    """Draw a frame of two pixels onto an image, in place.

    Args:
        image: (H, W, C) or (H, W) image.
        box: (4,) box; the frame lies within it.
        color: one value a channel, of the image's kind, such as (255, 0, 0). Of a colour, a grey
            image takes its grey, and a fourth channel becomes opaque.

    Returns:
        `image`.
    """
    height, width = image.shape[:2]
    y1, x1, y2, x2 = np.clip(np.asarray(box[:4], int), 0, [height, width, height, width])
    color = np.atleast_1d(color)
    count = image.shape[2] if image.ndim == 3 else 1
    if count == 1 and len(color) >= 3:
        color = color[:3] @ _LUMA
    elif len(color) == 3 < count:
        opaque = np.iinfo(image.dtype).max if image.dtype.kind in "iu" else color.max()
        color = np.concatenate([color, np.full(count - 3, opaque)])
    view = image[y1:y2, x1:x2]
    view[:2] = view[-2:] = color
    view[:, :2] = view[:, -2:] = color
    return image


def add_box(ax: Axes, box: Sequence[float], color: Sequence[float], **style) -> None:
    """Add a box to axes; `style` as for matplotlib's Rectangle."""
    from matplotlib.patches import Rectangle

    y1, x1, y2, x2 = (float(side) for side in box[:4])
    # imshow puts the centre of pixel 0 at 0, so that its edge is at -0.5.
    corner = (x1 - 0.5, y1 - 0.5)
    style = {"linewidth": 2, "alpha": 0.7, "linestyle": "dashed"} | style
    ax.add_patch(Rectangle(corner, x2 - x1, y2 - y1, edgecolor=color, facecolor="none", **style))


def add_outline(ax: Axes, mask: np.ndarray, color: Sequence[float]) -> None:
    """Add the outline of an (H, W) mask to axes, halfway between its pixels and those beyond,
    holes included."""
    from matplotlib.patches import Polygon
    from skimage.measure import find_contours

    region = np.asarray(mask) == 1
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    if not len(rows):
        return
    region = region[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    # A rim, so that the outline closes where the mask touches the edge.
    for outline in find_contours(np.pad(region, 1).astype(float), 0.5):
        points = outline + [rows[0] - 1, columns[0] - 1]
        ax.add_patch(Polygon(points[:, ::-1], facecolor="none", edgecolor=color))


def show_image(ax: Axes, image: np.ndarray, margin: float) -> None:
    """Show an (H, W, 3) uint8 image in axes, without scales, with a margin around it, which is
    given as a share of its sides: what lies at the edge or beyond can be seen."""
    height, width = image.shape[:2]
    ax.imshow(image)
    ax.set(
        xlim=(-margin * width, (1 + margin) * width), ylim=((1 + margin) * height, -margin * height)
    )
    ax.axis("off")
