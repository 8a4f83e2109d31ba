"""Batches for training, made while the step before is computed."""

import contextlib
import itertools
import math
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pickle import PicklingError

import keras

from . import batch_workers
from .distributed import own_share
from .samples import BatchMaker, ImagesError, check_unreadable


class DataGenerator(keras.utils.PyDataset):
    """Serves batches of a `Dataset` in the training graph's input order.

    Every image is drawn once before any is drawn again, over the borders of epochs too. A batch
    depends on the seed and on its place in the run alone, never on threads or timing.

    A dataset may have a method `load_sample(image_id, rng)` that draws an augmented image at the
    network's size: (image (H, W, 3) uint8, class ids (N,), masks (H, W, N) bool, ignored boxes
    (K, 4) pixels). Otherwise images come from `load_image` and `load_mask` through
    `load_image_gt`; those without an instance are passed over, as matterport does. Of both kinds,
    up to five images that cannot be loaded are left out, each named in one line; one more raises
    an ImagesError.

    Args:
        dataset: prepared `Dataset`.
        config: `Config`.
        shuffle: False serves the images in order.
        augmentation: an imgaug augmenter for images and masks, or None.
        no_augmentation_sources: names of sources whose images are left alone.
        augment: True mirrors every second image.
        batch_size: images a batch, by default the config's.
        steps: batches an epoch, by default all images once.
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
            raise ValueError("The dataset has no images; add some and call prepare().")
        self.batch_size = batch_size or config.BATCH_SIZE
        self.steps = steps or math.ceil(len(dataset.image_ids) / self.batch_size)
        self.epoch = first_epoch
        self.maker = BatchMaker(
            dataset,
            config,
            batch_size=self.batch_size,
            share=own_share(self.batch_size),
            shuffle=shuffle,
            augment=augment,
            augmentation=augmentation,
            no_augmentation_sources=no_augmentation_sources,
            seed=seed,
        )
        self.anchors = self.maker.anchors
        self.error = None  # what ended the batches, for `own_errors`
        self._unreadable = {}
        self._lock = threading.Lock()

    def __len__(self):
        return self.steps

    def on_epoch_end(self):
        self.epoch += 1

    def __getitem__(self, index):
        """Batch `index` of the current epoch: (inputs,), in the training graph's order."""
        return self.batch(self.epoch * self.steps + index)

    def batch(self, number):
        """This process's share of batch `number` of the run, counted from 0 over all epochs."""
        try:
            batch = self.maker.batch(number)
            self.tell(dict(self.maker.unreadable))
        except ImagesError as error:
            self.error = self.error or error
            self.tell(dict(self.maker.unreadable), check=False)
            raise
        return batch

    def tell(self, unreadable, check=True):
        """Print a line about each image that was left out, once, whichever process met it.

        Args:
            unreadable: dict of image id -> a line about it.
            check: whether to raise an error when there are more than may be left out.

        Raises:
            ImagesError: see `check`.
        """
        with self._lock:
            for image_id, reason in unreadable.items():
                if image_id not in self._unreadable:
                    self._unreadable[image_id] = reason
                    print(f"Image left out: {reason}")
            if check:
                check_unreadable(self._unreadable, self.maker.last_error)


@contextlib.contextmanager
def own_errors(*generators):
    """Raise the ImagesError that ended the batches of a `DataGenerator` as it was: TensorFlow wraps
    what a generator raises into an error of its own, with the traceback for a message."""
    try:
        yield
    except Exception:
        for batches in generators:
            if batches is not None and batches.error is not None:
                # Keras takes the cause off on the way.
                cause = batches.maker.last_error or batches.error.__cause__
                raise batches.error from cause
        raise


class BatchStream:
    """The batches of a run in their order, from one on without an end; threads or processes
    prepare the next.

    Keras's own loader of a `PyDataset` hands out the batches of an epoch in an order that depends
    on timing (Keras 3.15: it starts the next epoch's threads before this one has ended), and then a
    run that goes on takes other steps than one that was not interrupted.

    Use it in a `with` block; `generator()` is for Keras's `fit`, with `steps_per_epoch`.

    Args:
        batches: `DataGenerator`; without processes its `workers` are the threads.
        first: number of the first batch.
        processes: how many processes make the batches; 0 for threads. Where processes cannot be
            had or end before their time, threads do the work: the batches are the same.
        ahead: batches that are kept ready.
    """

    def __init__(self, batches, first=0, processes=0, ahead=None):
        self.batches = batches
        self.ahead = ahead or max(8, 2 * processes)
        self._numbers = itertools.count(first)
        self._waiting = deque()  # of (number, its future)
        self._lock = threading.Lock()
        self._make, self._workers = self._in_thread, None
        if processes:
            self._start_processes(processes)
        count = processes if self._workers else max(batches.workers, 1)
        self._pool = ThreadPoolExecutor(count, "batches")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        """Stops the workers; the generator then ends."""
        with self._lock:
            pool, self._pool = self._pool, None
        pool.shutdown(cancel_futures=True)
        if self._workers:
            self._workers.close()

    def generator(self):
        while (batch := self._next()) is not None:
            yield batch

    def _next(self):
        """The next batch, or None after the `with` block."""
        with self._lock:
            if self._pool is None:
                return None
            try:
                return self._oldest()
            except batch_workers.WorkerEnded:
                self._go_on_with_threads()
                return self._oldest()

    def _oldest(self):
        while len(self._waiting) <= self.ahead:
            number = next(self._numbers)
            self._waiting.append((number, None))  # known, should the pool break now
            self._waiting[-1] = number, self._pool.submit(self._make, number)
        try:
            batch, unreadable = self._waiting[0][1].result()
            self.batches.tell(unreadable)
        except ImagesError as error:
            self.batches.error = self.batches.error or error
            raise
        self._waiting.popleft()
        return batch

    def _in_thread(self, number):
        return self.batches.batch(number), {}

    def _start_processes(self, count):
        if batch_workers.script_without_guard():
            print(
                "Batches are made by threads: each process would run the script again, since it "
                "has no line `if __name__ == '__main__':` around what it does."
            )
            return
        try:
            self._workers = batch_workers.BatchWorkers(self.batches.maker, count)
            self._make = self._workers.make
        except (PicklingError, AttributeError, TypeError) as error:
            print(f"Batches are made by threads: the dataset stays in its process ({error}).")

    def _go_on_with_threads(self):
        print("The processes that made batches ended before their time; threads go on.")
        self._pool.shutdown(cancel_futures=True)
        self._workers.close()
        self._workers = None
        self._pool = ThreadPoolExecutor(max(self.batches.workers, 1), "batches")
        self._make = self._in_thread
        numbers = [number for number, _ in self._waiting]
        self._waiting = deque((n, self._pool.submit(self._make, n)) for n in numbers)
