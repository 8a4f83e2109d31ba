"""Loading: from a dataset's image to what the network is fed.

Molding subtracts the mean colour; the image's meta vector carries its history (sizes, window,
scale) through the network; `load_image_gt` gives one image with its resized ground truth; the
RPN's targets are made in `rpn_targets.py`. Nothing here needs keras.
"""

import numpy as np

from mrcnn import box_tools, mask_tools, resizing
from mrcnn.config import Config
from mrcnn.rpn_targets import build_rpn_targets as build_rpn_targets  # part of loading for callers

# Masks that are augmented in one call: as shares of a pixel they take 4 bytes a pixel.
MASKS_AT_ONCE = 16


def mold_image(images: np.ndarray, config: Config) -> np.ndarray:
    """Subtract the mean colour.

    Args:
        images: (..., H, W, C) RGB.
        config: its MEAN_PIXEL counts.

    Returns:
        float32 of the same shape.
    """
    molded = np.empty(np.shape(images), np.float32)
    # In float64 and then rounded, as the convention has it: the last bit depends on it.
    return np.subtract(images, config.MEAN_PIXEL, molded, dtype=np.float64, casting="same_kind")


def unmold_image(normalized_images: np.ndarray, config: Config) -> np.ndarray:
    """Add the mean colour again: the exact inverse of `mold_image` on uint8 images.

    Returns:
        (..., H, W, C) uint8 RGB.
    """
    images = np.add(normalized_images, config.MEAN_PIXEL, dtype=np.float64)
    return np.clip(np.rint(images), 0, 255).astype(np.uint8)


def compose_image_meta(
    image_id, original_image_shape, image_shape, window, scale, active_class_ids
):
    """Put the attributes of an image into one vector.

    Args:
        image_id: our id in the dataset, or 0 where there is none.
        original_image_shape: (H, W, C) before resizing.
        image_shape: (H, W, C) after resizing and padding.
        window: (y1, x1, y2, x2) of the image within the padding, in pixels.
        scale: network pixels per image pixel.
        active_class_ids: (NUM_CLASSES,) 1 for the classes that the image's source annotates,
            else 0.

    Returns:
        (12 + NUM_CLASSES,) float64.
    """
    parts = [[image_id], original_image_shape, image_shape, window, [scale], active_class_ids]
    return np.concatenate([np.asarray(part, np.float64).ravel() for part in parts])


def parse_image_meta(meta: np.ndarray) -> dict[str, np.ndarray]:
    """Take the vectors of `compose_image_meta` apart.

    Args:
        meta: (batch, 12 + NUM_CLASSES).

    Returns:
        dict of image_id (batch,), original_image_shape (batch, 3), image_shape (batch, 3), window
        (batch, 4), scale (batch,), active_class_ids (batch, NUM_CLASSES); scale is float32, the
        others are int32.
    """
    meta = np.asarray(meta)
    return {
        "image_id": meta[:, 0].astype(np.int32),
        "original_image_shape": meta[:, 1:4].astype(np.int32),
        "image_shape": meta[:, 4:7].astype(np.int32),
        "window": meta[:, 7:11].astype(np.int32),
        "scale": meta[:, 11].astype(np.float32),
        "active_class_ids": meta[:, 12:].astype(np.int32),
    }


def load_image_gt(
    dataset, config, image_id, augment=False, augmentation=None, use_mini_mask=False, rng=None
):
    """Load an image with its ground truth, resized to the network's input.

    Args:
        dataset: a prepared `Dataset`.
        config: its IMAGE_* settings, and MINI_MASK_SHAPE, count.
        image_id: our id in the dataset.
        augment: mirror left and right in half of the calls.
        augmentation: an imgaug augmenter for image and masks, or None.
        use_mini_mask: cut the masks to their boxes and shrink them.
        rng: numpy Generator for all that is drawn: the place of the crop, mirroring,
            augmentation; a fresh one when None.

    Returns:
        image: (H, W, C) of the dataset's dtype, not yet molded.
        image_meta: (12 + NUM_CLASSES,) as of `compose_image_meta`.
        class_ids: (N,) int32; negative for regions to ignore.
        bbox: (N, 4) int32 pixel boxes.
        mask: (H, W, N) bool, or (*MINI_MASK_SHAPE, N) with `use_mini_mask`.

    Instances of which resizing, cropping or augmentation left no pixel are dropped.
    """
    rng = np.random.default_rng() if rng is None else rng
    image = dataset.load_image(image_id)
    mask, class_ids = dataset.load_mask(image_id)
    original_shape = image.shape
    class_ids = np.asarray(class_ids, np.int32)
    if not len(class_ids):  # whatever shape the dataset gives for "nothing"
        mask = np.zeros((*original_shape[:2], 0), bool)
    _check_masks(image_id, original_shape, mask, class_ids)

    image, window, scale, padding, crop = resizing.resize_image(
        image,
        min_dim=config.IMAGE_MIN_DIM,
        max_dim=config.IMAGE_MAX_DIM,
        min_scale=config.IMAGE_MIN_SCALE,
        mode=config.IMAGE_RESIZE_MODE,
        rng=rng,
    )
    mask = mask_tools.resize_mask(mask, scale, padding, crop)

    if augment and rng.random() < 0.5:
        image, mask = image[:, ::-1], mask[:, ::-1]
        window = (window[0], image.shape[1] - window[3], window[2], image.shape[1] - window[1])
    if augmentation is not None:
        image, mask = augment_image_and_mask(augmentation, image, mask, rng)

    bbox = box_tools.extract_bboxes(mask)
    there = bbox.any(axis=1)
    bbox, class_ids = bbox[there], class_ids[there]
    if not there.all():
        mask = mask[..., there]
    if use_mini_mask:
        mask = mask_tools.minimize_mask(bbox, mask, config.MINI_MASK_SHAPE)
    else:
        mask = np.ascontiguousarray(mask, bool)

    active = np.zeros(dataset.num_classes, np.int32)
    active[dataset.source_class_ids[dataset.image_info[image_id]["source"]]] = 1
    meta = compose_image_meta(image_id, original_shape, image.shape, window, scale, active)
    return np.ascontiguousarray(image), meta, class_ids, bbox, mask


def _check_masks(image_id, image_shape, mask, class_ids):
    if mask.shape != (*image_shape[:2], len(class_ids)):
        raise ValueError(
            f"load_mask({image_id}) must give one (H, W) mask a class id, of the image's size. "
            f"Received: image {image_shape}, masks {mask.shape}, {len(class_ids)} class ids."
        )


def augment_image_and_mask(augmentation, image, mask, rng):
    """Draw one random change and apply it to an image and to its masks alike.

    Changes of colour leave the masks alone; whatever moves pixels (elastic distortion too) moves
    the masks with them. They are interpolated as images are, and a pixel belongs to a mask from
    one half on: imgaug's maps of labels, which it moves by the nearest pixel, end up to 0.43 pixels
    beside the image (findings/imaug_masks_shift.sh).

    Args:
        augmentation: an imgaug augmenter that keeps the image's size.
        image: (H, W, C) uint8.
        mask: (H, W, N) bool.
        rng: numpy Generator that decides the change, whatever the augmenter's own seed.

    Returns:
        image and mask, changed.
    """
    from imgaug.augmentables.heatmaps import HeatmapsOnImage

    image = np.ascontiguousarray(image)
    # A copy with a seed of its own: threads share the augmenter, and must not share its draws.
    augmentation = augmentation.deepcopy()
    augmentation.seed_(int(rng.integers(2**31)))
    same = augmentation.to_deterministic()  # the same change in every call
    changed = same(image=image)
    if changed.shape != image.shape:
        raise _changed_size(image.shape, changed.shape)
    moved = np.empty(mask.shape, bool)
    for first in range(0, mask.shape[2], MASKS_AT_ONCE):
        some = slice(first, first + MASKS_AT_ONCE)
        maps = HeatmapsOnImage(np.asarray(mask[..., some] != 0, np.float32), shape=image.shape)
        shares = same(heatmaps=maps).get_arr()
        if shares.shape != moved[..., some].shape:
            raise _changed_size(image.shape, shares.shape)
        moved[..., some] = shares >= 0.5
    return changed, moved


def _changed_size(before, after):
    return ValueError(
        "The augmentation must keep the image's size. "
        f"Received: {tuple(before)} before, {tuple(after)} after."
    )


def log(text: str, array: np.ndarray | None = None) -> None:
    """Print a text, with shape, range and dtype of an array if one is given."""
    if array is not None:
        array = np.asarray(array)
        text = f"{text:25}  shape: {array.shape!s:20}  "
        if array.size:
            text += f"min: {array.min():10.5f}  max: {array.max():10.5f}"
        else:
            text += f"min: {'':10}  max: {'':10}"
        text += f"  {array.dtype}"
    print(text)
