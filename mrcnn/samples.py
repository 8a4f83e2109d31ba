"""What a batch holds: pictures of a dataset with their targets, in the training graph's order.

Nothing here needs keras, so that a process that only makes batches starts fast and stays small.
"""

from types import SimpleNamespace

import numpy as np

from .anchor_tools import pixel_anchors
from .box_tools import extract_bboxes
from .loading import build_rpn_targets, compose_image_meta, load_image_gt, mold_image
from .mask_tools import minimize_mask
from .random_rois import generate_random_rois


class BatchMaker:
    """Makes any batch of a run by its number.

    Args:
        dataset: see `mrcnn.batches.DataGenerator`, as are the next ones.
        config: `Config`.
        batch_size, shuffle, augment, augmentation, no_augmentation_sources, seed: likewise.
        share: (first, count) of the batch's pictures that this process makes.
    """

    def __init__(
        self,
        dataset,
        config,
        *,
        batch_size,
        share,
        shuffle,
        augment,
        augmentation,
        no_augmentation_sources,
        seed,
    ):
        self.dataset = dataset
        # Plain values: the classes of a run's settings are made on the spot and cannot be sent to
        # another process.
        self.config = SimpleNamespace(**config.to_dict())
        self.batch_size, self.share = batch_size, share
        self.shuffle, self.augment, self.augmentation = shuffle, augment, augmentation
        self.no_augmentation_sources = set(no_augmentation_sources or ())
        self.seed = seed
        self.anchors = pixel_anchors(config, config.IMAGE_SHAPE[:2])
        self._active = np.ones(dataset.num_classes, np.int32)

    def batch(self, number):
        """This process's share of batch `number` of the run, counted from 0 over all epochs."""
        first, count = self.share
        first += number * self.batch_size
        samples = [self._sample(first + k) for k in range(count)]
        return (tuple(np.stack(column) for column in zip(*samples, strict=True)),)

    def _image_id(self, position):
        """The picture at a position of the endless sequence of passes through the dataset."""
        ids = self.dataset.image_ids
        turn, place = divmod(position, len(ids))
        if self.shuffle:
            ids = np.random.default_rng([self.seed, 1, turn]).permutation(ids)
        return ids[place]

    def _sample(self, position):
        image_id = self._image_id(position)
        rng = np.random.default_rng([self.seed, 2, position])
        if hasattr(self.dataset, "load_sample"):
            sample = self._own_sample(image_id, rng)
        else:
            sample = self._loaded_sample(image_id, rng)
        image, meta, class_ids, boxes, masks = self._limit(*sample, rng)
        match, deltas = build_rpn_targets(
            image.shape, self.anchors, class_ids, boxes, self.config, rng
        )
        arrays = [
            mold_image(image, self.config),
            meta.astype(np.float32),
            match[:, None].astype(np.int32),
            deltas.astype(np.float32),
            _padded(class_ids, self.config.MAX_GT_INSTANCES, np.int32),
            _padded(boxes, self.config.MAX_GT_INSTANCES, np.float32),
            _padded_masks(masks, self.config.MAX_GT_INSTANCES),
        ]
        if not self.config.USE_RPN_ROIS:
            count = self.config.POST_NMS_ROIS_TRAINING
            arrays.append(generate_random_rois(image.shape, count, class_ids, boxes, rng))
        return arrays

    def _loaded_sample(self, image_id, rng):
        source = self.dataset.image_info[image_id]["source"]
        augmentation = None if source in self.no_augmentation_sources else self.augmentation
        return load_image_gt(
            self.dataset,
            self.config,
            image_id,
            augment=self.augment and source not in self.no_augmentation_sources,
            augmentation=augmentation,
            use_mini_mask=self.config.USE_MINI_MASK,
            rng=rng,
        )

    def _own_sample(self, image_id, rng):
        image, class_ids, masks, ignored = self.dataset.load_sample(image_id, rng)
        boxes, class_ids = extract_bboxes(masks), np.asarray(class_ids)
        seen = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        if not seen.all():
            boxes, masks, class_ids = boxes[seen], masks[:, :, seen], class_ids[seen]
        if self.config.USE_MINI_MASK:
            masks = minimize_mask(boxes, masks, self.config.MINI_MASK_SHAPE)
        room = max(self.config.MAX_GT_INSTANCES - len(boxes), 0)
        ignored = np.asarray(ignored, dtype=np.float64).reshape(-1, 4)[:room]
        boxes = np.concatenate([boxes, ignored]).astype(np.float32)
        class_ids = np.concatenate([class_ids, np.full(len(ignored), -1)]).astype(np.int32)
        blank = np.zeros((*masks.shape[:2], len(ignored)), bool)
        masks = np.concatenate([masks.astype(bool, copy=False), blank], axis=2)
        window = (0, 0, image.shape[0], image.shape[1])
        meta = compose_image_meta(image_id, image.shape, image.shape, window, 1.0, self._active)
        return image, meta, class_ids, boxes, masks

    def _limit(self, image, meta, class_ids, boxes, masks, rng):
        """At most MAX_GT_INSTANCES instances; which ones, is drawn at random."""
        limit = self.config.MAX_GT_INSTANCES
        if len(class_ids) > limit:
            kept = rng.choice(len(class_ids), limit, replace=False)
            class_ids, boxes, masks = class_ids[kept], boxes[kept], masks[:, :, kept]
        return image, meta, class_ids, boxes, masks


def _padded(array, length, dtype):
    """An array with its first axis filled up to `length` with zeros."""
    answer = np.zeros((length, *np.shape(array)[1:]), dtype)
    answer[: len(array)] = array
    return answer


def _padded_masks(masks, length):
    """Masks (h, w, N) -> (h, w, length) bool."""
    answer = np.zeros((*masks.shape[:2], length), bool)
    answer[:, :, : masks.shape[2]] = masks
    return answer
