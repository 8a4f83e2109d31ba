"""Batches for scripts that loop over them by hand, with RoIs and targets of the heads if wanted.

The network's own training draws RoIs from its proposals (`mrcnn.targets`); what is made here is
for a look at data and targets, as in matterport's notebooks. No keras is needed for the targets.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mrcnn.batches import DataGenerator
from mrcnn.box_tools import box_refinement, compute_overlaps
from mrcnn.config import Config
from mrcnn.dataset import Dataset
from mrcnn.mask_tools import expand_mask
from mrcnn.random_rois import generate_random_rois
from mrcnn.resizing import resize

POSITIVE_IOU = 0.5  # a RoI with more than this IoU with an instance is positive


def build_detection_targets(
    rpn_rois: np.ndarray,
    gt_class_ids: np.ndarray,
    gt_boxes: np.ndarray,
    gt_masks: np.ndarray,
    config: Config,
    rng: np.random.Generator | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw training RoIs of one image and make the targets of the heads, in NumPy.

    ROI_POSITIVE_RATIO of the RoIs are positive where there are enough; the others are negative,
    repeated where there are too few.

    Args:
        rpn_rois: (R, 4) pixel boxes to draw from.
        gt_class_ids: (N,) int; rows with an id of 0 or less are left out.
        gt_boxes: (N, 4) pixel boxes.
        gt_masks: (H, W, N) bool, or (h, w, N) mini masks when USE_MINI_MASK is set.
        config: read are TRAIN_ROIS_PER_IMAGE (T), ROI_POSITIVE_RATIO, BBOX_STD_DEV, NUM_CLASSES
            (K), MASK_SHAPE, USE_MINI_MASK and, with that, IMAGE_SHAPE.
        rng: numpy Generator for the drawing; a fresh one when None.

    Returns:
        rois (T, 4) pixels; class ids (T,) int32, 0 for negative ones; deltas (T, K, 4) float32 over
        BBOX_STD_DEV, in the place of the RoI's class; masks (T, h, w, K) float32, likewise.

    Raises:
        ValueError: for no RoI, or no instance.
    """
    rng = np.random.default_rng() if rng is None else rng
    rois, real = np.asarray(rpn_rois), np.asarray(gt_class_ids) > 0
    if not len(rois) or not real.any():
        raise ValueError(
            "build_detection_targets needs at least one RoI and one instance. "
            f"Received: {len(rois)} RoIs, {int(real.sum())} instances."
        )
    ids, boxes, masks = gt_class_ids[real], np.asarray(gt_boxes)[real], gt_masks[:, :, real]
    overlap = compute_overlaps(rois.astype(np.float64), boxes.astype(np.float64))
    kept, positives = _draw(overlap.max(axis=1), config, rng)
    match = overlap.argmax(axis=1)[kept]
    rois, total = rois[kept], len(kept)

    class_ids = np.zeros(total, np.int32)
    class_ids[:positives] = ids[match[:positives]]
    deltas = np.zeros((total, config.NUM_CLASSES, 4), np.float32)
    target_masks = np.zeros((total, *config.MASK_SHAPE, config.NUM_CLASSES), np.float32)
    for row in range(positives):
        deltas[row, class_ids[row]] = (
            box_refinement(rois[row : row + 1], boxes[match[row] : match[row] + 1])[0]
            / config.BBOX_STD_DEV
        )
        target_masks[row, :, :, class_ids[row]] = _mask_inside(
            rois[row], boxes[match[row]], masks[:, :, match[row]], config
        )
    return rois, class_ids, deltas, target_masks


def _draw(best_iou: np.ndarray, config: Config, rng) -> tuple[np.ndarray, int]:
    """Which RoIs are drawn, the positive ones first, and how many of these there are."""
    total = int(config.TRAIN_ROIS_PER_IMAGE)
    positive = np.flatnonzero(best_iou > POSITIVE_IOU)
    negative = np.flatnonzero(best_iou <= POSITIVE_IOU)
    limit = total if not len(negative) else int(total * config.ROI_POSITIVE_RATIO)
    first = rng.choice(positive, min(limit, len(positive)), replace=False)
    wanted = total - len(first)
    if not len(negative):  # every RoI lies on an instance: some of them twice
        return np.concatenate([first, rng.choice(positive, wanted)]), total
    second = rng.choice(negative, wanted, replace=wanted > len(negative))
    return np.concatenate([first, second]), len(first)


def _mask_inside(roi: np.ndarray, box: np.ndarray, mask: np.ndarray, config: Config) -> np.ndarray:
    """An instance's mask inside a RoI, MASK_SHAPE, of 0 and 1."""
    if config.USE_MINI_MASK:
        mask = expand_mask(box[None], mask[:, :, None], config.IMAGE_SHAPE)[:, :, 0]
    y1, x1, y2, x2 = roi.astype(int)
    part = mask[y1:y2, x1:x2].astype(np.float32)
    return np.round(np.asarray(resize(part, config.MASK_SHAPE), np.float32))


def _background(rois: np.ndarray, config: Config, rng) -> tuple:
    """The answer of `build_detection_targets` for an image without instances."""
    total, classes = int(config.TRAIN_ROIS_PER_IMAGE), config.NUM_CLASSES
    return (
        rng.choice(rois, total),
        np.zeros(total, np.int32),
        np.zeros((total, classes, 4), np.float32),
        np.zeros((total, *config.MASK_SHAPE, classes), np.float32),
    )


def data_generator(
    dataset: Dataset,
    config: Config,
    shuffle: bool = True,
    augment: bool = False,
    augmentation=None,
    random_rois: int = 0,
    batch_size: int = 1,
    detection_targets: bool = False,
    no_augmentation_sources: list[str] | None = None,
    **settings,
) -> Iterator[tuple[list[np.ndarray], list[np.ndarray]]]:
    """Give batches without an end.

    Args:
        dataset, config, shuffle, augment, augmentation, no_augmentation_sources, settings: see
            `mrcnn.batches.DataGenerator`.
        random_rois: RoIs to draw for each image, 0 for none.
        batch_size: images a batch.
        detection_targets: make the targets of the heads for these RoIs too.

    Yields:
        (inputs, outputs). inputs: the arrays of the training graph, then with `random_rois` RoIs
        (B, R, 4) int32 pixels, then with `detection_targets` the drawn ones (B, T, 4). outputs:
        empty, or with `detection_targets` class ids (B, T, 1), deltas (B, T, K, 4), masks
        (B, T, h, w, K); see `build_detection_targets`.
    """
    batches = DataGenerator(
        dataset,
        config,
        shuffle,
        augmentation,
        no_augmentation_sources or (),
        augment=augment,
        batch_size=batch_size,
        **settings,
    )
    rng = np.random.default_rng([settings.get("seed", 0), 3])
    while True:
        for index in range(len(batches)):
            inputs, outputs = list(batches[index][0]), []
            if random_rois:
                rois, targets = _with_rois(inputs, random_rois, detection_targets, config, rng)
                inputs += rois
                outputs += targets
            yield inputs, outputs
        batches.on_epoch_end()


def _with_rois(inputs: list[np.ndarray], count: int, targets: bool, config: Config, rng) -> tuple:
    """The further inputs and the outputs of a batch."""
    images, class_ids, boxes, masks = inputs[0], *inputs[4:7]
    proposals = [
        generate_random_rois(image.shape, count, ids[ids != 0], own[ids != 0], rng)
        for image, ids, own in zip(images, class_ids, boxes, strict=True)
    ]
    if not targets:
        return [np.stack(proposals)], []
    made = [
        build_detection_targets(rois, ids, own.astype(np.int32), mask, config, rng)
        if (ids > 0).any()
        else _background(rois, config, rng)
        for rois, ids, own, mask in zip(proposals, class_ids, boxes, masks, strict=True)
    ]
    rois, ids, deltas, target_masks = (np.stack(column) for column in zip(*made, strict=True))
    return [np.stack(proposals), rois], [ids[..., None], deltas, target_masks]
