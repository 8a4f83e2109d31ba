"""Brushes of `visualize`: colours, tinted pixels, and boxes and outlines in axes.

Pictures are (H, W, 3) of values 0 to 255, boxes pixel boxes (y1, x1, y2, x2) with y2, x2
exclusive, colours RGB from 0 to 1.
"""

import colorsys

import numpy as np


def random_colors(N, bright=True):
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


def apply_mask(image, mask, color, alpha=0.5):
    """Tint the pixels of a mask, in place.

    Args:
        image: (H, W, 3) of values 0 to 255.
        mask: (H, W); pixels of 1 are tinted.
        color: (red, green, blue) from 0 to 1.
        alpha: share of the colour.

    Returns:
        `image`.
    """
    inside = np.asarray(mask) == 1
    tint = alpha * 255 * np.asarray(color[:3])
    image[inside] = (image[inside] * (1 - alpha) + tint).astype(image.dtype)
    return image


def draw_box(image, box, color):
    """Draw a frame of two pixels onto a picture, in place.

    Args:
        image: (H, W, 3) picture.
        box: (4,) box; the frame lies within it.
        color: three values of the picture's kind, such as (255, 0, 0).

    Returns:
        `image`.
    """
    height, width = image.shape[:2]
    y1, x1, y2, x2 = np.clip(np.asarray(box[:4], int), 0, [height, width, height, width])
    view = image[y1:y2, x1:x2]
    view[:2] = view[-2:] = color
    view[:, :2] = view[:, -2:] = color
    return image


def add_box(ax, box, color, **style):
    """Add a box to axes; `style` as for matplotlib's Rectangle."""
    from matplotlib.patches import Rectangle

    y1, x1, y2, x2 = (float(side) for side in box[:4])
    # imshow puts the centre of pixel 0 at 0, so that its edge is at -0.5.
    corner = (x1 - 0.5, y1 - 0.5)
    style = {"linewidth": 2, "alpha": 0.7, "linestyle": "dashed"} | style
    ax.add_patch(Rectangle(corner, x2 - x1, y2 - y1, edgecolor=color, facecolor="none", **style))


def add_outline(ax, mask, color):
    """Add the outline of an (H, W) mask to axes, holes included."""
    import cv2
    from matplotlib.patches import Polygon

    region = np.ascontiguousarray(np.asarray(mask) == 1, np.uint8)
    outlines, _ = cv2.findContours(region, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    for outline in outlines:
        ax.add_patch(Polygon(outline[:, 0], facecolor="none", edgecolor=color))


def show_picture(ax, image):
    """Show a picture in axes, without scales."""
    height, width = image.shape[:2]
    ax.imshow(image.astype(np.uint8))
    # A rim, so that what lies at the edge can be seen.
    ax.set(xlim=(-0.02 * width, 1.02 * width), ylim=(1.02 * height, -0.02 * height))
    ax.axis("off")
