"""The detector as an object: build, load, train, detect. Matterport's public interface.

model = MaskRCNN(mode="inference", config=config, model_dir="logs")
model.load_weights("mask_rcnn_shapes_0002.h5")
result = model.detect([image])[0]  # rois, class_ids, scores, masks
"""

import datetime
import re
from pathlib import Path

import keras
import numpy as np

from . import distributed
from . import weights as weights_file
from .anchor_tools import pixel_anchors
from .any_size import runner
from .batches import BatchStream, DataGenerator, own_errors
from .box_tools import norm_boxes
from .devices import has_accelerator, loader_processes
from .event_log import EventLog
from .graphs import OwnMask, anchors_per_cell, inference_graph, training_graph
from .layers import LayerBank
from .loading import (
    build_rpn_targets,
    compose_image_meta,
    load_image_gt,
    log,
    mold_image,
    parse_image_meta,
    unmold_image,
)
from .mask_tools import unmold_masks
from .matterport import inspection, names
from .matterport.files import KerasFace
from .matterport.names import *  # noqa: F403 -- matterport's functions and layers
from .optimizer_schedule import make_optimizer
from .resizing import resize_image
from .run_folders import last_weights, run_of
from .training import STAGES, TrainingModel
from .training_callbacks import LossTable, StopOnNonFinite
from .training_state import (
    read_state,
    remove_older_states,
    restore_state,
    save_state,
    state_path,
)
from .unmolding import unmold_boxes, unmold_cropped
from .weights import WeightsError

__all__ = [
    *names.__all__,
    "DataGenerator",
    "MaskRCNN",
    "WeightsError",
    "build_rpn_targets",
    "compose_image_meta",
    "load_image_gt",
    "log",
    "mold_image",
    "parse_image_meta",
    "unmold_image",
]

MAX_GRAPHS = 4  # of batch sizes and kinds of images, kept for the next call
MAX_ANCHOR_SETS = 16  # of image sizes


class _Trainer(KerasFace, TrainingModel):
    pass


class _SharedTrainer(distributed.SharedStep, _Trainer):
    pass


class _Detector(KerasFace, keras.Model):
    is_trained = False


class MaskRCNN:
    """A Mask R-CNN detector.

    Args:
        mode: "training" or "inference".
        config: instance of a `Config` subclass.
        model_dir: folder for run folders with weights and logs.

    Attributes:
        keras_model: the Keras model of the mode's graph.
        metadata: dict that goes into the weights files: `class_names` (set by `train` from the
            dataset when missing), `scale`, `score_threshold`, `extra`.
        epoch: number of trained epochs.
        log_dir: the run folder.
    """

    def __init__(self, mode, config, model_dir):
        if mode not in ("training", "inference"):
            raise ValueError(f"mode must be 'training' or 'inference'. Received: {mode!r}")
        self.mode = mode
        self.config = config
        self.model_dir = str(model_dir)
        self.metadata = {}
        if mode == "training":
            distributed.join()
            distributed.check(config)
        self._runners = {}
        self._anchor_cache = {}
        self.bank = LayerBank(config, training=mode == "training")
        self.keras_model = self.build(mode, config)
        self.set_log_dir()

    def build(self, mode, config):
        """The Keras model of a mode's graph: to train on images of `config.IMAGE_SHAPE`, to
        detect on those of any size."""
        if mode == "training":
            inputs, outputs = training_graph(self.bank, config)
            trainer = _SharedTrainer if distributed.processes() > 1 else _Trainer
            model = trainer(inputs, outputs, name="mask_rcnn")
            model.configure(config.LOSS_WEIGHTS)
        else:
            self._batch = config.BATCH_SIZE
            inputs, outputs = self._any_size = inference_graph(self.bank, config, None)
            model = _Detector(inputs, outputs[:7], name="mask_rcnn")
            model.compile(jit_compile=jit(config, sizes=None))
        model.bank = self.bank
        model.rpn_settings = (
            config.RPN_ANCHOR_STRIDE,
            anchors_per_cell(config),
            config.TOP_DOWN_PYRAMID_SIZE,
            config.RPN_CHANNELS,
        )
        return model

    # --- weights -------------------------------------------------------------------------------

    def load_weights(self, filepath, by_name=True, exclude=None, other_classes=False):
        """Load a weights file by layer name and print what became of it.

        Args:
            filepath: matterport's layout as any Keras wrote it, or for training a Keras ResNet-50
                ImageNet file.
            by_name: for matterport's signature; loading is always by name.
            exclude: layer names to leave as they are.
            other_classes: the file was trained for other classes, whose last layers are the new
                ones' start (see `class_layers.py`).

        Returns:
            LoadReport

        Raises:
            WeightsError: one sentence that says what does not fit and what to do.
        """
        report = self.keras_model.load_weights(
            filepath, exclude=exclude or (), other_classes=other_classes
        )
        print(report)
        self.set_log_dir(filepath)
        return report

    def save_weights(self, filepath):
        """Write weights, class names, scale and config to one file."""
        names = {**self.metadata, "config": self.config.to_dict()}
        weights_file.save_weights(filepath, self.bank.layers.values(), names)

    def get_imagenet_weights(self):
        """Fetch Keras's ImageNet weights of ResNet-50 and give the path of a file for
        `load_weights`. It is fetched once and kept in the model folder.

        Raises:
            WeightsError: when they are not in Keras's own folder and cannot be fetched.
        """
        path = Path(self.model_dir) / "resnet50_imagenet.h5"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                trunk = keras.applications.ResNet50(weights="imagenet", include_top=False)
            except Exception as error:  # a plain Exception is what Keras raises without internet
                raise WeightsError(
                    f"The ImageNet weights cannot be downloaded ({error}); download that file on "
                    f"another computer and put it here as {path}."
                ) from error
            weights_file.save_weights(path, trunk.layers)
        return str(path)

    def find_last(self):
        """Path of the last weights file of the newest run of this config's name, renamed or not.

        Raises:
            FileNotFoundError: when there is none.
        """
        return str(last_weights(self.model_dir, self.config.NAME.lower()))

    def set_log_dir(self, model_path=None):
        """Choose the run folder: that of `model_path` when it is one of ours (training goes on
        there), else a new one named after the config and the minute."""
        self.epoch = 0
        now = datetime.datetime.now()
        found = run_of(model_path) if model_path else None
        if found:
            now, self.epoch = found
        name = self.config.NAME.lower()
        folder = Path(self.model_dir) / f"{name}{now:%Y%m%dT%H%M}"
        while not found and any(folder.glob("*.h5")):  # another run of this minute
            now += datetime.timedelta(minutes=1)
            folder = Path(self.model_dir) / f"{name}{now:%Y%m%dT%H%M}"
        if self.mode == "training":  # the clocks of several machines differ
            folder = distributed.from_first(lambda: folder)
        self.log_dir = str(folder)
        self.checkpoint_path = str(Path(self.log_dir) / f"mask_rcnn_{name}_{{epoch:04d}}.h5")

    # --- training ------------------------------------------------------------------------------

    def set_trainable(self, layer_regex, verbose=1):
        """Make the layers whose whole name matches trainable, and all others not."""
        for layer in self.bank.layers.values():
            layer.trainable = bool(re.fullmatch(layer_regex, layer.name))
        if verbose:
            print(f"Training {len(self.get_trainable_layers())} layers.")

    def get_trainable_layers(self):
        """Layers that have weights and are trainable."""
        return [x for x in self.bank.layers.values() if x.weights and x.trainable]

    def find_trainable_layer(self, layer):
        """The layer itself, or the one that a wrapper holds."""
        while hasattr(layer, "layer"):
            layer = layer.layer
        return layer

    def train(
        self,
        train_dataset,
        val_dataset,
        learning_rate,
        epochs,
        layers,
        augmentation=None,
        custom_callbacks=None,
        no_augmentation_sources=None,
        seed=0,
        verbose=1,
    ):
        """Train up to epoch number `epochs`, writing weights and losses after each.

        When the weights of an epoch were loaded from this run's folder, and it trained the same
        `layers` then, the optimiser goes on from its state of that epoch.

        Args:
            train_dataset, val_dataset: prepared `Dataset`s; `val_dataset` may be None.
            learning_rate: of the first step (after the warm-up).
            epochs: number of the last epoch, counted over all calls; earlier stages count.
            layers: "heads", "3+", "4+", "5+", "all", or a regular expression of layer names.
            augmentation: imgaug augmenter for images and masks, or None.
            custom_callbacks: further Keras callbacks; with several processes, of this one.
            no_augmentation_sources: dataset sources that are left as they are.
            seed: of the order of images and of augmentation.
            verbose: as in Keras's `fit`.

        Returns:
            Keras's History.

        Raises:
            ImagesError: more than five images of a dataset cannot be loaded, or none has an
                instance.
        """
        if self.mode != "training":
            raise RuntimeError("This detector was made for inference; use mode='training'.")
        if epochs <= self.epoch:
            print(f"Epoch {epochs} has been reached already (epoch {self.epoch}); nothing to do.")
            return None
        config = self.config
        self.metadata.setdefault("class_names", list(train_dataset.class_names[1:]))
        training = DataGenerator(
            train_dataset,
            config,
            augmentation=augmentation,
            no_augmentation_sources=no_augmentation_sources,
            steps=config.STEPS_PER_EPOCH,
            seed=seed,
        )
        validation = None
        if val_dataset is not None and len(val_dataset.image_ids) and config.VALIDATION_STEPS:
            validation = DataGenerator(
                val_dataset, config, shuffle=False, steps=config.VALIDATION_STEPS, seed=seed
            )
        first = distributed.rank() == 0  # of several processes one writes and prints
        verbose = verbose if first else 0
        stage = self._compile(STAGES.get(layers, layers), learning_rate, epochs, verbose)
        callbacks = [StopOnNonFinite(), *(custom_callbacks or [])]
        if first:
            Path(self.log_dir).mkdir(parents=True, exist_ok=True)
            save = keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: self._save_epoch(epoch + 1, stage)
            )
            callbacks[1:1] = [LossTable(self.log_dir), save, EventLog(self.log_dir)]
        processes = config.LOADER_PROCESSES
        if processes == "auto":
            processes = loader_processes(config.STEPS_PER_EPOCH)
        first_batch = self.epoch * config.STEPS_PER_EPOCH
        with (
            own_errors(training, validation),
            BatchStream(training, first_batch, processes) as stream,
        ):
            history = self.keras_model.fit(
                stream.generator(),
                steps_per_epoch=config.STEPS_PER_EPOCH,
                initial_epoch=self.epoch,
                epochs=epochs,
                shuffle=False,
                validation_data=validation,
                callbacks=callbacks,
                verbose=verbose,
            )
        self.epoch = max(self.epoch, epochs)
        return history

    def compile(self, learning_rate, momentum):
        """Prepare `keras_model` for training steps by hand (`train` does it by itself): SGD with
        this momentum, the config's clipping of the gradient, the losses and the weight decay."""
        optimizer = make_optimizer(self.config, learning_rate, None, momentum)
        self.keras_model.compile(optimizer=optimizer, jit_compile=jit(self.config))

    def _compile(self, layer_regex, learning_rate, epochs, verbose):
        """Prepare a stage, or the rest of one that was interrupted, and describe it."""
        self.set_trainable(layer_regex, verbose=verbose)
        stage = {
            "layers": layer_regex,
            "learning_rate": float(learning_rate),
            "first_epoch": self.epoch,
        }
        path = state_path(self.checkpoint_path.format(epoch=self.epoch))
        state = distributed.from_first(lambda: read_state(path, layer_regex))
        # The schedule runs over the whole stage, also when only its rest is still to do.
        first = state[0]["first_epoch"] if state else self.epoch
        total = (epochs - first) * self.config.STEPS_PER_EPOCH
        optimizer = make_optimizer(self.config, learning_rate, total)
        self.keras_model.compile(optimizer=optimizer, jit_compile=jit(self.config))
        # With its variables made now, the step is traced once and not twice.
        optimizer.build(self.keras_model.trainable_variables)
        if state and restore_state(path, self.keras_model, state, stage["learning_rate"]):
            stage["first_epoch"] = first
        if distributed.processes() > 1:
            self.keras_model.share()
        return stage

    def _save_epoch(self, epoch, stage):
        """Write an epoch's weights and the state of training, in an order that leaves a pair of
        both at whatever moment the run is killed."""
        path = self.checkpoint_path.format(epoch=epoch)
        save_state(state_path(path), self.keras_model, stage)
        self.save_weights(path)
        remove_older_states(state_path(path))

    # --- detection -----------------------------------------------------------------------------

    def mold_inputs(self, images):
        """Images as the network takes them.

        Args:
            images: list of (H, W, 3) uint8 RGB.

        Returns:
            molded images (N, h, w, 3) float32, metas (N, M), windows (N, 4) pixels.

        Raises:
            ValueError: when the resize mode gives images of different sizes.
        """
        config = self.config
        molded, metas, windows = [], [], []
        for image in images:
            resized, window, scale, _, _ = resize_image(
                image,
                min_dim=config.IMAGE_MIN_DIM,
                max_dim=config.IMAGE_MAX_DIM,
                min_scale=config.IMAGE_MIN_SCALE,
                mode=config.IMAGE_RESIZE_MODE,
            )
            active = np.zeros(config.NUM_CLASSES, np.int32)
            molded.append(mold_image(resized, config))
            metas.append(compose_image_meta(0, image.shape, resized.shape, window, scale, active))
            windows.append(window)
        if len({m.shape for m in molded}) > 1:
            raise ValueError(
                "All images of one detect() must have one size after resizing. "
                f"Received: {sorted({m.shape for m in molded})}"
            )
        return np.stack(molded), np.stack(metas), np.stack(windows)

    def unmold_detections(self, detections, mrcnn_mask, original_image_shape, image_shape, window):
        """Detections of one image in its own pixels.

        Args:
            detections: (D, 6) normalised boxes, class id, score; padded with zeros.
            mrcnn_mask: (D, 28, 28, K), or (D, 28, 28) of the detected class.
            original_image_shape: (H, W, 3) of the image.
            image_shape: (h, w, 3) of the network's image.
            window: (y1, x1, y2, x2), the image's place in it, in pixels.

        Returns:
            boxes (N, 4) int32, class ids (N,) int32, scores (N,), masks (H, W, N) bool.
        """
        boxes, class_ids, scores, kept = unmold_boxes(
            detections, original_image_shape, image_shape, window
        )
        boxes = np.around(boxes).astype(np.int32)
        small = mrcnn_mask[kept]
        if small.ndim == 4:
            small = small[np.arange(len(kept)), :, :, class_ids]
        return boxes, class_ids, scores, unmold_masks(small, boxes, original_image_shape)

    def detect(self, images, verbose=0):
        """Find the molecules of images.

        Args:
            images: list of (H, W, 3) uint8 RGB, any number.
            verbose: 1 prints the arrays' shapes.

        Returns:
            a dict per image: rois (N, 4) int32 boxes (y1, x1, y2, x2) in pixels; class_ids (N,)
            int32; scores (N,) float32; masks (H, W, N) bool; class_scores (N, K - 1) float32, the
            probability of each class without the background.
        """
        return [self._result(*found) for found in self._look(images, verbose)]

    def detect_cropped(self, images):
        """`detect` with masks cut to their boxes, instead of an image's size for each detection.

        Args:
            images: list of (H, W, 3) uint8 RGB, any number.

        Returns:
            a dict per image, detections by falling score: boxes (N, 4) float64 (y1, x1, y2, x2) in
            pixels, not rounded; class_ids (N,) int32; scores (N,) float32; class_scores (N, K - 1)
            float32, the probability of each class without the background; masks, list of N
            (pixels, top, left), see `mask_tools.crop_masks`.
        """
        return [unmold_cropped(*found) for found in self._look(images)]

    def _look(self, images, verbose=0):
        """Per image: its shape, the network's, the window, and what `_detections` gives."""
        if self.mode != "inference":
            raise RuntimeError("This detector was made for training; use mode='inference'.")
        if not len(images):
            return []
        molded, metas, windows = self.mold_inputs(images)
        if verbose:
            log(f"Processing {len(images)} images")
            log("molded_images", molded)
        return [
            (image.shape, molded.shape[1:], window, *found)
            for image, window, found in zip(
                images, windows, self._detections(molded, metas), strict=True
            )
        ]

    def detect_molded(self, molded_images, image_metas, verbose=0):
        """`detect` on images (N, h, w, 3) and metas (N, M) that `load_image_gt` gave; boxes and
        masks are in pixels of these images, the padding included."""
        molded, metas = np.asarray(molded_images, np.float32), np.asarray(image_metas)
        if verbose:
            log("molded_images", molded)
        shape = molded.shape[1:]
        window = (0, 0, *shape[:2])
        return [
            self._result(shape, shape, window, *found) for found in self._detections(molded, metas)
        ]

    def _result(self, original_shape, image_shape, window, detections, masks, probabilities):
        boxes, class_ids, scores, masks = self.unmold_detections(
            detections, masks, original_shape, image_shape, window
        )
        kept = unmold_boxes(detections, original_shape, image_shape, window)[3]
        return {
            "rois": boxes,
            "class_ids": class_ids,
            "scores": scores,
            "masks": masks,
            "class_scores": probabilities[kept, 1:],
        }

    def _detections(self, molded, metas):
        """Per image: detections (D, 6), masks of their class (D, 28, 28), probabilities (D, K).

        The network sees whole batches; the last one is filled up with its first image.
        """
        run = self._runner(molded.shape[1:3])
        anchors = self.get_anchors(molded.shape[1:])
        batch = self.config.BATCH_SIZE
        anchors = np.broadcast_to(anchors, (batch, *anchors.shape))
        found = []
        for start in range(0, len(molded), batch):
            rows = np.arange(start, start + batch)
            rows[rows >= len(molded)] = start
            outputs = run([molded[rows], metas[rows].astype(np.float32), anchors])
            found += list(zip(*outputs, strict=True))[: len(molded) - start]
        return found

    def _runner(self, image_shape):
        """The function that runs the network on batches of the config's BATCH_SIZE: one for
        images of the config's IMAGE_SHAPE, and one for those of all other sizes."""
        side = tuple(int(n) for n in image_shape[:2])
        if side != tuple(self.config.IMAGE_SHAPE[:2]):
            side = None
        key = side, self.config.BATCH_SIZE
        if key not in self._runners:
            graph = self.detection_graph(side)
            run = graph.predict_on_batch if side else runner(graph)
            remember(self._runners, key, run, MAX_GRAPHS)
        return self._runners[key]

    def detection_graph(self, image_shape):
        """The graph that gives only what `detect` needs, for one image size, or, when that is
        None, for any."""
        if image_shape is None and self._batch == self.config.BATCH_SIZE:
            inputs, outputs = self._any_size
        else:
            inputs, outputs = inference_graph(self.bank, self.config, image_shape)
        detections, masks, probabilities = outputs[0], outputs[3], outputs[7]
        graph = keras.Model(inputs, [detections, OwnMask()([masks, detections]), probabilities])
        graph.compile(jit_compile=jit(self.config, sizes=1 if image_shape else None))
        return graph

    def get_anchors(self, image_shape):
        """Normalised anchors (A, 4) float32 for a network image of `image_shape`. The pixel
        anchors of the last call stay in `self.anchors`."""
        key = tuple(int(n) for n in image_shape[:2])
        if key not in self._anchor_cache:
            pixels = pixel_anchors(self.config, key)
            anchors = pixels, norm_boxes(pixels, key).astype(np.float32)
            remember(self._anchor_cache, key, anchors, MAX_ANCHOR_SETS)
        self.anchors, normalised = self._anchor_cache[key]
        return normalised

    # --- looking inside ------------------------------------------------------------------------

    def ancestor(self, tensor, name):
        """The nearest tensor that `tensor` was computed from and that has this name, or None: a
        layer's, or one of matterport's inside the layer "ROI" (`ROI/refined_anchors:0`)."""
        return inspection.ancestor(tensor, name)

    def run_graph(self, images, outputs, image_metas=None):
        """Values of named tensors of the inference graph for images.

        Args:
            images: list of (H, W, 3) uint8 RGB, any number.
            outputs: list of (name, tensor of `keras_model`).
            image_metas: when given, `images` are molded already.

        Returns:
            dict of name -> array (B, ...). What the network computes for all RoIs of a batch at
            once, such as `get_layer("mrcnn_mask").output`, comes out as (B, N, ...).

        Raises:
            ValueError: for a tensor that is None, or sides of an image that do not fit.
        """
        if self.mode != "inference":
            raise RuntimeError("This detector was made for training; use mode='inference'.")
        if image_metas is None:
            molded, image_metas, _ = self.mold_inputs(images)
        else:
            molded = np.asarray(images, np.float32)
        anchors = self.get_anchors(molded.shape[1:])
        arrays = [
            molded,
            np.asarray(image_metas, np.float32),
            np.broadcast_to(anchors, (len(molded), *anchors.shape)),
        ]
        answer = inspection.values(self.keras_model, outputs, arrays, self._batch)
        for name, value in answer.items():
            log(name, value)
        return answer


def remember(store, key, value, limit):
    """Put a value into a dict that keeps the newest `limit` of them."""
    store[key] = value
    while len(store) > limit:
        del store[next(iter(store))]


def jit(config, sizes=1):
    """Whether to compile with XLA. On the CPU TensorFlow's own kernels are faster than XLA's, and
    for images of any size (`sizes` None) it would compile for each size anew."""
    if config.JIT_COMPILE != "auto":
        return bool(config.JIT_COMPILE)
    backend = keras.backend.backend()
    return backend == "jax" or (backend == "tensorflow" and sizes == 1 and has_accelerator())
