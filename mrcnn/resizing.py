"""Resizing images to the network's input, the four ways of config.IMAGE_RESIZE_MODE.

Its interpolation is that of `skimage.transform.resize(order=1, mode="constant",
anti_aliasing=False, preserve_range=True)` to the last bit: bilinear between pixel centres, with
zeros around the image. It is done by `scipy.ndimage.zoom`, channel by channel, which is several
times faster.
"""

from __future__ import annotations

import numpy as np

MODES = ("none", "square", "pad64", "crop")


def resize_bilinear(image: np.ndarray, output_shape: tuple[int, ...]) -> np.ndarray:
    """Resize an image bilinearly, as training and prediction do.

    Args:
        image: (H, W) or (H, W, C) array.
        output_shape: (height, width) to reach.

    Returns:
        float64 array of that size, in the range of values of `image`.
    """
    from scipy import ndimage  # some tenths of a second to import

    image = np.asarray(image)
    height, width = (int(side) for side in output_shape[:2])
    channels = image.reshape(*image.shape[:2], -1)
    result = np.empty((height, width, channels.shape[2]))
    if result.size == 0:
        return result.reshape(height, width, *image.shape[2:])
    zoom = (height / image.shape[0], width / image.shape[1])
    for channel in range(channels.shape[2]):
        ndimage.zoom(
            channels[..., channel].astype(np.float64),
            zoom,
            output=result[..., channel],
            order=1,
            mode="grid-constant",
            grid_mode=True,
        )
    if channels.size:
        np.clip(result, channels.min(), channels.max(), out=result)
    return result.reshape(height, width, *image.shape[2:])


def resize(
    image: np.ndarray,
    output_shape: tuple[int, ...],
    order: int = 1,
    mode: str = "constant",
    cval: float = 0,
    clip: bool = True,
    preserve_range: bool = False,
    anti_aliasing: bool = False,
    anti_aliasing_sigma: float | tuple[float, ...] | None = None,
) -> np.ndarray:
    """Resize an image for scripts: `skimage.transform.resize` with matterport's defaults.

    Args:
        image: (H, W) or (H, W, C) array.
        output_shape: (height, width) to reach, or with the channels.
        order, mode, cval, clip, anti_aliasing, anti_aliasing_sigma: as scikit-image has them.
        preserve_range: whether to keep the range of values. Otherwise integers are divided by the
            greatest value of their dtype: uint8 comes out between 0 and 1.

    Returns:
        float array of that size (order 0: of the dtype of `image`); masks of bool count as floats.
    """
    from skimage import transform  # some tenths of a second to import

    image = np.asarray(image)
    if image.dtype == bool and order > 0:  # which scikit-image refuses, and its old versions took
        image = image.astype(np.float64)
    return transform.resize(
        image,
        output_shape,
        order=order,
        mode=mode,
        cval=cval,
        clip=clip,
        preserve_range=preserve_range,
        anti_aliasing=anti_aliasing,
        anti_aliasing_sigma=anti_aliasing_sigma,
    )


def resize_image(image, min_dim=None, max_dim=None, min_scale=None, mode="square", rng=None):
    """Resize an image and pad or crop it to the network's input.

    Modes: "none" changes nothing. "square" scales the image so that it fits into a square of
    side `max_dim` and pads it with zeros, centred. "pad64" scales it and pads both sides to
    multiples of 64, `max_dim` being ignored. "crop" scales it, then takes a random square of side
    `min_dim`. In all of them the image is enlarged, never shrunk, until its short side is
    `min_dim`; only `max_dim` in mode "square" shrinks.

    Args:
        image: (H, W) or (H, W, C) array.
        min_dim: least short side in pixels, or None.
        max_dim: greatest long side in pixels, or None.
        min_scale: least enlargement, applied even where `min_dim` asks for less, or None.
        mode: one of MODES.
        rng: numpy Generator for the place of the crop; a fresh one when None.

    Returns:
        image: resized image, of the dtype of `image` (rounded down where that is an integer).
        window: (y1, x1, y2, x2) of the image within the result, without the padding.
        scale: network pixels per image pixel.
        padding: [(top, bottom), (left, right), (0, 0)] in pixels; two pairs for a grey image.
        crop: (y, x, height, width) of the crop within the scaled image, or None.

    Raises:
        ValueError: the mode is unknown or lacks a size it needs.
    """
    _check_mode(mode, min_dim, max_dim)
    height, width = image.shape[:2]
    padding = [(0, 0)] * image.ndim
    if mode == "none":
        return image, (0, 0, height, width), 1, padding, None

    scale = _scale(height, width, min_dim, max_dim, min_scale, mode)
    dtype = image.dtype
    if scale != 1:
        height, width = round(height * scale), round(width * scale)
        # The cast rounds down, as the convention has it.
        image = resize_bilinear(image, (height, width)).astype(dtype)

    if mode == "crop":
        if height < min_dim or width < min_dim:  # a min_scale below 1 cannot lead here
            raise ValueError(f"crop needs sides of min_dim. Received: {height} x {width}.")
        rng = np.random.default_rng() if rng is None else rng
        top = int(rng.integers(0, height - min_dim, endpoint=True))
        left = int(rng.integers(0, width - min_dim, endpoint=True))
        crop = (top, left, min_dim, min_dim)
        image = image[top : top + min_dim, left : left + min_dim]
        return image, (0, 0, min_dim, min_dim), scale, padding, crop

    if mode == "square":
        goal_height = goal_width = max_dim
    else:
        goal_height, goal_width = -(-height // 64) * 64, -(-width // 64) * 64
    top, left = (goal_height - height) // 2, (goal_width - width) // 2
    padding[0] = (top, goal_height - height - top)
    padding[1] = (left, goal_width - width - left)
    window = (top, left, top + height, left + width)
    return np.pad(image, padding), window, scale, padding, None


def _check_mode(mode, min_dim, max_dim):
    if mode not in MODES:
        raise ValueError(f"IMAGE_RESIZE_MODE must be one of {MODES}. Received: {mode!r}.")
    if mode == "square" and not max_dim:
        raise ValueError(f"Mode 'square' needs a max_dim. Received: {max_dim!r}.")
    if mode == "crop" and not min_dim:
        raise ValueError(f"Mode 'crop' needs a min_dim. Received: {min_dim!r}.")
    if mode == "pad64" and min_dim and min_dim % 64:
        raise ValueError(f"Mode 'pad64' needs a min_dim divisible by 64. Received: {min_dim}.")


def _scale(height, width, min_dim, max_dim, min_scale, mode):
    scale = 1
    if min_dim:
        scale = max(1, min_dim / min(height, width))
    if min_scale:
        scale = max(scale, min_scale)
    if mode == "square" and round(max(height, width) * scale) > max_dim:
        scale = max_dim / max(height, width)
    return scale
