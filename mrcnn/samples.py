"""What a batch holds: images of a dataset with their targets, in the training graph's order.

Nothing here needs keras, so that a process that only makes batches starts fast and stays small.
"""

from types import SimpleNamespace

import numpy as np

from .anchor_tools import pixel_anchors
from .box_tools import extract_bboxes
from .loading import build_rpn_targets, compose_image_meta, load_image_gt, mold_image
from .mask_tools import minimize_mask
from .random_rois import generate_random_rois

MOST_UNREADABLE = 5  # images that may be left out before training stops
_TRIES = 100  # of a small dataset whose random crops may miss all instances


class ImagesError(RuntimeError):
    """The images of a dataset cannot be trained on; the message says which and why."""


class BatchMaker:
    """Makes any batch of a run by its number.

    An image that cannot be loaded is left out, as is one of `load_image_gt` without an instance;
    the next one of the pass stands in for it, always the same one.

    Args:
        dataset: see `mrcnn.batches.DataGenerator`, as are the next ones.
        config: `Config`.
        batch_size, shuffle, augment, augmentation, no_augmentation_sources, seed: likewise.
        share: (first, count) of the batch's images that this process makes.

    Attributes:
        unreadable: dict of image id -> a line about it, of the images left out so far.
        last_error: what the last of them raised, or None.
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
        self.unreadable, self.last_error = {}, None

    def batch(self, number):
        """This process's share of batch `number` of the run, counted from 0 over all epochs."""
        first, count = self.share
        first += number * self.batch_size
        samples = [self._sample(first + k) for k in range(count)]
        return (tuple(np.stack(column) for column in zip(*samples, strict=True)),)

    def _image_ids(self, position):
        """The image at a position of the endless sequence of passes through the dataset, and the
        stand-ins for it: those that follow in this pass, which is taken for a ring."""
        ids = self.dataset.image_ids
        turn, place = divmod(position, len(ids))
        if self.shuffle:
            ids = np.random.default_rng([self.seed, 1, turn]).permutation(ids)
        for step in range(max(len(ids), _TRIES)):
            yield ids[(place + step) % len(ids)]

    def _sample(self, position):
        for step, image_id in enumerate(self._image_ids(position)):
            if image_id in self.unreadable:
                continue
            # The first image's numbers do not hang on whether it may need a stand-in.
            rng = np.random.default_rng([self.seed, 2, position, step][: 4 if step else 3])
            try:
                sample = self._load(image_id, rng)
            except MemoryError:
                raise
            except Exception as error:  # whatever a dataset's own code may raise
                self._leave_out(image_id, error)
                continue
            if sample is not None:
                return self._arrays(sample, rng)
        last = list(self.unreadable.values())[-1:] or ["none of them has an instance."]
        raise ImagesError(f"The dataset has no image to train on: {last[0]}")

    def _leave_out(self, image_id, error):
        text = " ".join(str(error).split())
        self.last_error = error
        self.unreadable[image_id] = f"{self._name(image_id)}: {type(error).__name__}: {text}"
        check_unreadable(self.unreadable, error)

    def _name(self, image_id):
        """What people know an image by."""
        info = self.dataset.image_info[image_id]
        return info.get("path") or f"image {info['id']} of {info['source']}"

    def _load(self, image_id, rng):
        """Image, meta, class ids, boxes and masks; None where nothing is to be learned from it."""
        if hasattr(self.dataset, "load_sample"):
            return self._own_sample(image_id, rng)
        sample = self._loaded_sample(image_id, rng)
        return sample if (sample[2] > 0).any() else None

    def _arrays(self, sample, rng):
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


def check_unreadable(unreadable, error=None):
    """Raise an ImagesError, from `error`, when more images are unreadable than may be left out.

    Args:
        unreadable: dict of image id -> a line about it.
    """
    if len(unreadable) > MOST_UNREADABLE:
        raise ImagesError(
            f"Training stopped, {len(unreadable)} images cannot be loaded; mend them or leave them "
            f"out of the dataset. The last one is {list(unreadable.values())[-1]}"
        ) from error


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
