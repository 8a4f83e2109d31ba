"""Batches for training, made while the step before is computed."""

import itertools
import math
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np

from .box_tools import extract_bboxes
from .distributed import own_share
from .graphs import pixel_anchors
from .loading import build_rpn_targets, compose_image_meta, load_image_gt, mold_image
from .mask_tools import minimize_mask


class DataGenerator(keras.utils.PyDataset):
    """Serves batches of a `Dataset` in the training graph's input order.

    Every picture is drawn once before any is drawn again, over the borders of epochs too. A batch
    depends on the seed and on its place in the run alone, never on threads or timing.

    A dataset may have a method `load_sample(image_id, rng)` that draws an augmented picture at the
    network's size: (image (H, W, 3) uint8, class ids (N,), masks (H, W, N) bool, ignored boxes
    (K, 4) pixels). Otherwise pictures come from `load_image` and `load_mask` through
    `load_image_gt`.

    Args:
        dataset: prepared `Dataset`.
        config: `Config`.
        shuffle: False serves the pictures in order.
        augmentation: an imgaug augmenter for pictures and masks, or None.
        no_augmentation_sources: names of sources whose pictures are left alone.
        augment: True mirrors every second picture.
        batch_size: pictures a batch, by default the config's.
        steps: batches an epoch, by default all pictures once.
        seed: of shuffling and augmentation.
        workers: threads that prepare batches.
    """

    def __init__(
        self,
        dataset,
        config,
        shuffle=True,
        augmentation=None,
        no_augmentation_sources=(),
        steps=None,
        seed=0,
        workers=2,
        first_epoch=0,
        augment=False,
        batch_size=None,
    ):
        super().__init__(workers=workers, use_multiprocessing=False, max_queue_size=8)
        if len(dataset.image_ids) == 0:
            raise ValueError("The dataset has no pictures; add some and call prepare().")
        self.dataset = dataset
        self.config = config
        self.shuffle = shuffle
        self.augmentation = augmentation
        self.augment = augment
        self.no_augmentation_sources = set(no_augmentation_sources or ())
        self.batch_size = batch_size or config.BATCH_SIZE
        self.steps = steps or math.ceil(len(dataset.image_ids) / self.batch_size)
        self.seed = seed
        self.epoch = first_epoch
        self.anchors = pixel_anchors(config, config.IMAGE_SHAPE[:2])
        self._active = np.zeros(dataset.num_classes, np.int32)
        self._active[:] = 1

    def __len__(self):
        return self.steps

    def on_epoch_end(self):
        self.epoch += 1

    def __getitem__(self, index):
        """Batch `index` of the current epoch: (inputs,), seven arrays in graph order."""
        return self.batch(self.epoch * self.steps + index)

    def batch(self, number):
        """This process's share of batch `number` of the run, counted from 0 over all epochs."""
        first, count = own_share(self.batch_size)
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
        return (
            mold_image(image.astype(np.float32), self.config),
            meta.astype(np.float32),
            match[:, None].astype(np.int32),
            deltas.astype(np.float32),
            _padded(class_ids, self.config.MAX_GT_INSTANCES, np.int32),
            _padded(boxes, self.config.MAX_GT_INSTANCES, np.float32),
            _padded_masks(masks, self.config.MAX_GT_INSTANCES),
        )

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
        boxes = extract_bboxes(masks)
        seen = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        boxes, masks, class_ids = boxes[seen], masks[:, :, seen], np.asarray(class_ids)[seen]
        if self.config.USE_MINI_MASK:
            masks = minimize_mask(boxes, masks, self.config.MINI_MASK_SHAPE)
        room = max(self.config.MAX_GT_INSTANCES - len(boxes), 0)
        ignored = np.asarray(ignored, dtype=np.float64).reshape(-1, 4)[:room]
        boxes = np.concatenate([boxes, ignored]).astype(np.float32)
        class_ids = np.concatenate([class_ids, np.full(len(ignored), -1)]).astype(np.int32)
        blank = np.zeros((*masks.shape[:2], len(ignored)), bool)
        masks = np.concatenate([masks.astype(bool), blank], axis=2)
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


class BatchStream:
    """The batches of a run in their order, from one on without an end; threads prepare the next.

    Keras's own loader of a `PyDataset` hands out the batches of an epoch in an order that depends
    on timing (Keras 3.15: it starts the next epoch's threads before this one has ended), and then a
    run that goes on takes other steps than one that was not interrupted.

    Use it in a `with` block; `generator()` is for Keras's `fit`, with `steps_per_epoch`.

    Args:
        batches: `DataGenerator`.
        first: number of the first batch.
        ahead: batches that are kept ready.
    """

    def __init__(self, batches, first=0, ahead=8):
        self.batches = batches
        self.ahead = ahead
        self._numbers = itertools.count(first)
        self._waiting = deque()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(max(batches.workers, 1), "batches")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        """Stops the threads; the generator then ends."""
        with self._lock:
            pool, self._pool = self._pool, None
        pool.shutdown(cancel_futures=True)

    def generator(self):
        while (batch := self._next()) is not None:
            yield batch

    def _next(self):
        """The next batch, or None after the `with` block."""
        with self._lock:
            if self._pool is None:
                return None
            while len(self._waiting) <= self.ahead:
                self._waiting.append(self._pool.submit(self.batches.batch, next(self._numbers)))
            return self._waiting.popleft().result()


def data_generator(
    dataset,
    config,
    shuffle=True,
    augment=False,
    augmentation=None,
    random_rois=0,
    batch_size=None,
    detection_targets=False,
    no_augmentation_sources=None,
    **settings,
):
    """Endless batches of `DataGenerator`, for scripts that loop over them by hand: yields
    (inputs, outputs) with an empty list of outputs.

    Raises:
        ValueError: for RoIs from the generator; here the network draws them.
    """
    if random_rois or detection_targets:
        raise ValueError(
            "random_rois and detection_targets are not served: the training graph draws RoIs and "
            "makes their targets itself; look at them with `run_graph` or `mrcnn.targets`."
        )
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
    while True:
        for index in range(len(batches)):
            yield list(batches[index][0]), []
        batches.on_epoch_end()
