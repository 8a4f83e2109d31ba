"""Toy images and what else the processes that make batches are given, without keras: they import
this module only, and are ready in a second."""

from __future__ import annotations

import numpy as np

from mrcnn import utils
from mrcnn.config import Config
from mrcnn.samples import ImagesError


class TinyConfig(Config):
    """The smallest network that has every part."""

    NAME = "tiny"
    NUM_CLASSES = 3
    IMAGES_PER_GPU = 1
    STEPS_PER_EPOCH, VALIDATION_STEPS = 2, 1
    BACKBONE = "resnet18"
    TOP_DOWN_PYRAMID_SIZE, RPN_CHANNELS = 64, 64
    FPN_CLASSIF_FC_LAYERS_SIZE, MASK_HEAD_CHANNELS = 64, 32
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 128
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
    RPN_TRAIN_ANCHORS_PER_IMAGE, MAX_GT_INSTANCES = 64, 8
    PRE_NMS_LIMIT, POST_NMS_ROIS_TRAINING, POST_NMS_ROIS_INFERENCE = 400, 60, 60
    TRAIN_ROIS_PER_IMAGE, DETECTION_MAX_INSTANCES = 16, 20
    DETECTION_MIN_CONFIDENCE = 0.0
    MINI_MASK_SHAPE = (28, 28)


class Toys(utils.Dataset):
    """Images of 128 x 128 pixels with discs (class 1) and squares (class 2)."""

    def load(self, count, seed=0, toys=3):
        self.add_class("toy", 1, "disc")
        self.add_class("toy", 2, "square")
        for number in range(count):
            rng = np.random.default_rng([seed, number])
            drawn = [
                (*rng.integers(20, 108, 2), rng.integers(8, 20), 1 + k % 2) for k in range(toys)
            ]
            self.add_image("toy", number, None, toys=drawn, noise=int(rng.integers(1 << 30)))
        self.prepare()
        return self

    def load_mask(self, image_id):
        y, x = np.mgrid[:128, :128]
        toys = self.image_info[image_id]["toys"]
        masks = np.zeros((128, 128, len(toys)), bool)
        for k, (cy, cx, size, kind) in enumerate(toys):
            away = np.hypot(y - cy, x - cx) if kind == 1 else np.maximum(abs(y - cy), abs(x - cx))
            masks[..., k] = away <= size
        return masks, np.array([kind for *_, kind in toys], np.int32)

    def load_image(self, image_id):
        masks, class_ids = self.load_mask(image_id)
        rng = np.random.default_rng(self.image_info[image_id]["noise"])
        image = rng.normal(60, 10, (128, 128, 3)) + 50 * (masks @ class_ids)[..., None]
        return image.clip(0, 255).astype(np.uint8)


class SomeEmpty(Toys):
    """Every third image has no instance; what `load_mask` gives then has no fixed shape."""

    def load_image(self, image_id):
        return np.full((128, 128, 3), image_id, np.uint8)

    def load_mask(self, image_id):
        if image_id % 3 == 0:
            return np.empty((0, 0, 0)), np.empty(0, np.int32)
        return super().load_mask(image_id)


class Damaged(Toys):
    """Images of which some cannot be loaded."""

    bad = ()

    def load_image(self, image_id):
        if image_id in self.bad:
            raise OSError(f"no image\nin scan {image_id}.png")
        return super().load_image(image_id)


class Heavy(Toys):
    """A dataset whose batches take long to hand over: 400 MB each."""

    def batch(self, number):
        return bytes(4 * 10**8 if number else 1)

    unreadable = {}


class Refusal(Exception):
    """An error that pickle cannot make again: its arguments are not those of its class."""

    def __init__(self, one, other):
        super().__init__(f"{one} {other}")


class Refusing(Heavy):
    def batch(self, number):
        raise (Refusal("no", "batch"), ImagesError("no image"))[number]
