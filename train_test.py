"""Train the detector on train_dataset/; weights land in logs/.

    python train_test.py                     with the settings below
    python train_test.py --init-with last    go on from the last weights

Edit `ShapesConfig` (a graphics card) or `LightConfig` (no graphics card) and run it again. Every
run folder in logs/ holds the weights of each epoch, losses.csv, losses.png, settings.json and
TensorBoard events (`tensorboard --logdir logs`).
"""

from __future__ import annotations

import io
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from engine.callbacks import announce, callbacks
from engine.initial_weights import Start, find_interrupted, find_start
from Images_Augmentation.online_aug import COLOUR_CHANGES, Scene, ViewSettings, draw_view
from mrcnn import distributed, utils
from mrcnn.config import Config
from mrcnn.devices import has_accelerator
from spm.dataset.anchors import anchor_scales, box_sides, network_scale
from spm.dataset.annotated_images import (
    Source,
    check_labels,
    folder_sources,
    median_diameter,
    outlined_sources,
    split,
)
from spm.errors import InputError
from spm.run import command_line
from spm.run.files import folder_lock, remove_leftovers
from spm.run.provenance import write_record
from spm.structures.classes import check_class_names, class_of

# --- settings ----------------------------------------------------------------------------------
# The molecules, by the names that their labels start with: label 003a12 belongs to class 003a.
CLASS_NAMES = ["003a", "020a"]
# What training starts from: "auto" (mask_rcnn_coco.h5 beside this script if it is there or can be
# fetched, else nothing), "coco", "imagenet", "last" (the last weights in LOG_DIR), "none", or a
# weights file.
INIT_WITH = "auto"
# "auto" (by whether there is a graphics card), "gpu" (ShapesConfig) or "cpu" (LightConfig).
RECIPE = "auto"
# "folder": the copies in DATASET_DIR; "online": the annotated pictures in SOURCE_DIR alone, with
# geometry and colours drawn anew for every step.
AUGMENT = "folder"
DATASET_DIR = Path("train_dataset")
SOURCE_DIR = Path("aug_test_in")
LOG_DIR = Path("logs")
COCO_WEIGHTS = Path("mask_rcnn_coco.h5")
# Share of the L1 pictures that training never sees, 0..0.5; losses on them are reported, and the
# score threshold is chosen on them.
VALIDATION_SHARE = 0.1
# Epochs: of the heads alone (only when starting from pretrained weights), and in all. None takes
# the recipe's.
HEAD_EPOCHS = None
EPOCHS = None
STEPS_PER_EPOCH = None
SEED = 0
# Whether each view gets its own brightness, contrast, shading, blur, noise and dropout. Without,
# a training sees the colours of its pictures as they are.
VIEW_COLOURS = True
# Whether pictures are mirrored too. False when two classes are mirror images of one another (chiral
# molecules); pictures are then only turned, and mirrored copies in DATASET_DIR are left out.
MIRROR = True
# -----------------------------------------------------------------------------------------------


class ShapesConfig(Config):
    """The paper's network and training: ResNet-50, 512 x 512 pixels, two pictures a step."""

    NAME = "shapes"
    BACKBONE = "resnet50"
    NUM_CLASSES = 1 + len(CLASS_NAMES)
    GPU_COUNT = 1
    IMAGES_PER_GPU = 2
    IMAGE_MIN_DIM = 512
    IMAGE_MAX_DIM = 512
    RPN_ANCHOR_SCALES = (48, 96, 192, 384, 768)
    TRAIN_ROIS_PER_IMAGE = 100
    MAX_GT_INSTANCES = 200
    STEPS_PER_EPOCH = 5000
    VALIDATION_STEPS = 50
    DETECTION_MIN_CONFIDENCE = 0.05  # lower ones are never reported; see SCORE_THRESHOLD
    DETECTION_MAX_INSTANCES = 200
    IGNORE_OVERLAP = 0.3
    COMPUTE_DTYPE = "auto"  # mixed_bfloat16 where the processor or card has it, else float32
    # Settings of this project: diameter of the median molecule in network pixels, epochs of the
    # heads, and in all.
    MOLECULE_PIXELS = 74
    HEAD_EPOCHS = 1
    EPOCHS = 2
    # When training starts from weights of our own (corrections): epochs, and the part of
    # LEARNING_RATE.
    RETRAIN_EPOCHS = 1
    RETRAIN_RATE = 0.1
    VIEW_COLOURS = True  # replaced by the run's setting, as is the next one
    MIRROR = True


class LightConfig(ShapesConfig):
    """A network that learns from nothing within minutes on a processor: ResNet-18, narrower
    pyramid and heads, small pictures. The choices are measured in docs/recipe.md."""

    BACKBONE = "resnet18"
    BACKBONE_STRIDES = [8, 16, 32, 64]
    TOP_DOWN_PYRAMID_SIZE = 128
    RPN_CHANNELS = 128
    MASK_HEAD_CHANNELS = 64
    EXACT_ROI_ALIGN = True
    EXACT_MASKS = True
    MASK_ROI_ERROR = 0.25
    MASK_FINE_FEATURES = True
    FPN_CLASSIF_FC_LAYERS_SIZE = 256
    IMAGES_PER_GPU = 4
    IMAGE_MIN_DIM = 192
    IMAGE_MAX_DIM = 192
    RPN_ANCHOR_SCALES = (37, 74, 148, 296)  # replaced by what the outlines' sizes ask for
    PRE_NMS_LIMIT = 1000
    POST_NMS_ROIS_TRAINING = 300
    POST_NMS_ROIS_INFERENCE = 600
    TILE_DIM = 448
    TRAIN_ROIS_PER_IMAGE = 32
    ROI_POSITIVE_RATIO = 0.25
    MINI_MASK_SHAPE = (56, 56)
    TRAIN_BN = True
    BN_MOMENTUM = 0.9
    OPTIMIZER = "adamw"
    SCHEDULE = "cosine"
    LEARNING_RATE = 0.001
    WEIGHT_DECAY = 0.01
    WARMUP_STEPS = 40
    ADD_GT_ROIS = True
    FILL_NEGATIVES = True
    LOSS_WEIGHTS = {**Config.LOSS_WEIGHTS, "mrcnn_bbox_loss": 3.0, "mrcnn_mask_loss": 2.0}
    STEPS_PER_EPOCH = 50
    VALIDATION_STEPS = 5
    MOLECULE_PIXELS = 44
    HEAD_EPOCHS = 0
    EPOCHS = 20
    RETRAIN_EPOCHS = 4
    RETRAIN_RATE = 0.5


class SmallConfig(ShapesConfig):
    """The paper's network on small pictures: for pretrained weights without a graphics card."""

    IMAGE_MIN_DIM = 192
    IMAGE_MAX_DIM = 192
    RPN_ANCHOR_SCALES = (16, 32, 64, 128, 256)
    PRE_NMS_LIMIT = 1000
    POST_NMS_ROIS_TRAINING = 300
    POST_NMS_ROIS_INFERENCE = 600
    TRAIN_ROIS_PER_IMAGE = 48
    MINI_MASK_SHAPE = (28, 28)
    OPTIMIZER = "adamw"
    SCHEDULE = "cosine"
    LEARNING_RATE = 0.0003
    WARMUP_STEPS = 40
    ADD_GT_ROIS = True
    FILL_NEGATIVES = True
    TRAIN_BN = False
    STEPS_PER_EPOCH = 50
    VALIDATION_STEPS = 5
    MOLECULE_PIXELS = 44
    TILE_DIM = 384
    HEAD_EPOCHS = 1
    EPOCHS = 8
    RETRAIN_EPOCHS = 4


class MoleculeDataset(utils.Dataset):
    """Annotated pictures as the detector takes them.

    `load_shapes` fills it. `load_image` and `load_mask` give whole pictures; `load_sample` draws a
    random view of the network's size, and is what training uses.
    """

    def load_shapes(self, sources: list[Source], class_names: list[str], views) -> None:
        """Adds classes and pictures.

        Args:
            sources: see `spm.dataset.annotated_images`.
            class_names: without the background.
            views: `Images_Augmentation.online_aug.ViewSettings`.
        """
        self.views = views
        self._scenes = {}
        for number, name in enumerate(class_names, 1):
            self.add_class("shapes", number, name)
        for source in sources:
            self.add_image("shapes", image_id=source.name, path=str(source.path), source_of=source)
        self.prepare()

    def load_image(self, image_id) -> np.ndarray:
        """The whole picture (H, W, 3) uint8 RGB."""
        return self.image_info[image_id]["source_of"].read_picture()

    def load_mask(self, image_id) -> tuple[np.ndarray, np.ndarray]:
        """Masks (H, W, N) bool and class ids (N,) int32 of the whole picture."""
        source = self.image_info[image_id]["source_of"]
        return source.read_masks().astype(bool), self._class_ids(source)

    def load_sample(self, image_id, rng: np.random.Generator):
        """A random view: picture (S, S, 3) uint8, class ids (N,), masks (S, S, N) bool, and boxes
        (K, 4) of regions that are neither target nor background."""
        view = draw_view(self._scene(image_id), self.views, rng)
        return view.picture, view.class_ids, view.masks, view.ignored

    def _scene(self, image_id) -> Scene:
        """What views are drawn from. The user's own pictures are few and stay in memory."""
        if image_id in self._scenes:
            return self._scenes[image_id]
        source = self.image_info[image_id]["source_of"]
        stored = source.masks_are_stored
        scene = Scene(
            source.read_picture(),
            None if stored else source.read_outlines(),
            self._class_ids(source),
            source.valid,
            source.partial,
            source.read_cropped_masks() if stored else None,
            source.unclear,
        )
        if not stored:
            self._scenes[image_id] = scene
        return scene

    def _class_ids(self, source: Source) -> np.ndarray:
        names = self.class_names[1:]
        return np.array([names.index(class_of(x, names)) + 1 for x in source.labels], np.int32)

    def image_reference(self, image_id) -> str:
        """Path of the picture."""
        return self.image_info[image_id]["path"]


# --- the run's settings ------------------------------------------------------------------------


def make_config(
    light: bool, start: Start, class_names: list[str], sources: list[Source], **changes
) -> Config:
    """The settings of a run: those of the recipe, with what follows from the outlines.

    Returns:
        An instance with two settings more: SCALE (network pixels per picture pixel) and
        MOLECULE_SIZE (median diameter in picture pixels).
    """
    base = LightConfig if light else ShapesConfig
    if light and start.pretrained:
        base = SmallConfig
    if start.made:
        return _same_network(base, start, class_names, changes)
    sides = box_sides(sources)
    diameter = median_diameter(sources)
    scale = network_scale(diameter, base.MOLECULE_PIXELS)
    levels = len(base.BACKBONE_STRIDES)
    settings = {
        "NUM_CLASSES": 1 + len(class_names),
        # None trains it too.
        "TRAIN_BN": base.TRAIN_BN is not False or not (start.pretrained or start.goes_on),
        "SCALE": scale,
        "MOLECULE_SIZE": diameter,
        **{name: value for name, value in changes.items() if value is not None},
    }
    if light:
        settings["RPN_ANCHOR_SCALES"] = anchor_scales(
            sides, scale, levels, base.BACKBONE_STRIDES[0]
        )
    return type("RunConfig", (base,), settings)()


def recipe_of(made: dict | None) -> type[Config] | None:
    """The recipe that a weights file was trained with, by what it says of itself, if known."""
    stored = made["config"] if made else {}
    for recipe in (LightConfig, SmallConfig, ShapesConfig):
        marks = ("BACKBONE", "IMAGE_MAX_DIM")
        if all(stored.get(mark) == getattr(recipe, mark) for mark in marks):
            return recipe
    return None


def _same_network(base, start: Start, class_names: list[str], changes: dict) -> Config:
    """The settings for going on with weights of our own: what they were trained for stays."""
    made, stored = start.made, start.made["config"]
    if made["class_names"] != list(class_names):
        raise InputError(
            f"{start.weights}: was trained for {', '.join(made['class_names'])}, but CLASS_NAMES "
            f"are {', '.join(class_names)}; train anew (INIT_WITH = 'auto'), or correct the names."
        )
    base = recipe_of(made) or base
    kept = ["TRAIN_BN", "MINI_MASK_SHAPE"]
    if len(stored.get("RPN_ANCHOR_SCALES") or ()) == len(base.BACKBONE_STRIDES):
        kept.append("RPN_ANCHOR_SCALES")
    settings = {
        "NUM_CLASSES": 1 + len(class_names),
        "SCALE": float(made["scale"]),
        "MOLECULE_SIZE": (made["extra"] or {}).get("molecule_size"),
        # Older files know only matterport's way.
        "EXACT_ROI_ALIGN": stored.get("EXACT_ROI_ALIGN", False),
        "EXACT_MASKS": stored.get("EXACT_MASKS", False),
        "MASK_FINE_FEATURES": stored.get("MASK_FINE_FEATURES", False),
        **{key: stored[key] for key in kept if key in stored},
        **{name: value for name, value in changes.items() if value is not None},
    }
    return type("RunConfig", (base,), settings)()


def view_settings(config: Config) -> ViewSettings:
    """How views are drawn for a config."""
    side = int(config.IMAGE_SHAPE[0])
    colours = {} if config.VIEW_COLOURS else dict.fromkeys(COLOUR_CHANGES, 0.0)
    return ViewSettings(
        size=side, scale=config.SCALE, cell=max(side // 16, 4), flip=config.MIRROR, **colours
    )


def build(config: Config, start: Start, log_dir: Path, seed: int):
    """The detector in training mode, with the weights that it starts from.

    Raises:
        InputError: when the weights do not fit; the sentence says why.
    """
    import keras

    from mrcnn.memory import keep_freed_memory
    from mrcnn.model import MaskRCNN, WeightsError

    keep_freed_memory()
    keras.utils.set_random_seed(seed)
    model = MaskRCNN("training", config, str(log_dir))
    try:
        if start.weights == Path("imagenet"):
            model.load_weights(model.get_imagenet_weights())
            model.set_log_dir()
        elif start.weights:
            model.load_weights(str(start.weights), exclude=list(start.exclude))
            if not start.goes_on:
                model.set_log_dir()
    except WeightsError as error:
        raise InputError(str(error)) from error
    except (OSError, ValueError) as error:
        raise InputError(f"{start.weights}: cannot be loaded ({error}).") from error
    return model


def _sources(augment: str, dataset_dir: Path, source_dir: Path, mirror: bool) -> list[Source]:
    if augment == "folder":
        found = [s for s in folder_sources(dataset_dir) if mirror or not s.mirrored]
        if not found:
            raise InputError(
                f"{dataset_dir}: all pictures are mirrored copies, and MIRROR is False; run "
                "workflow.py, which makes others."
            )
        return found
    if augment == "online":
        return outlined_sources(source_dir)
    raise InputError(f"AUGMENT must be 'folder' or 'online'. Received: {augment!r}.")


def _dataset(sources: list[Source], class_names: list[str], config: Config) -> MoleculeDataset:
    dataset = MoleculeDataset()
    dataset.load_shapes(sources, class_names, view_settings(config))
    return dataset


def _is_light(recipe: str) -> bool:
    if recipe not in ("auto", "gpu", "cpu"):
        raise InputError(f"RECIPE must be 'auto', 'gpu' or 'cpu'. Received: {recipe!r}.")
    return recipe == "cpu" or (recipe == "auto" and not has_accelerator())


# --- the run -----------------------------------------------------------------------------------


def train_main(
    *,
    class_names: list[str] = CLASS_NAMES,
    init_with: str = INIT_WITH,
    recipe: str = RECIPE,
    augment: str = AUGMENT,
    dataset_dir: Path = DATASET_DIR,
    source_dir: Path = SOURCE_DIR,
    log_dir: Path = LOG_DIR,
    validation_share: float = VALIDATION_SHARE,
    head_epochs: int | None = HEAD_EPOCHS,
    epochs: int | None = EPOCHS,
    steps_per_epoch: int | None = STEPS_PER_EPOCH,
    seed: int = SEED,
    view_colours: bool = VIEW_COLOURS,
    mirror: bool = MIRROR,
) -> Path:
    """Trains the detector.

    Args:
        class_names: the molecules' names, as their labels start
        init_with: auto, coco, imagenet, last, none, or a weights file
        recipe: auto, gpu or cpu
        augment: folder (the copies in dataset_dir) or online (drawn anew from source_dir)
        dataset_dir: folder of the dataset
        source_dir: folder of the user's annotated pictures
        log_dir: folder for the run folders
        validation_share: share of the L1 pictures kept for validation, 0 to 0.5
        head_epochs: epochs of the heads alone
        epochs: epochs in all
        steps_per_epoch: steps of an epoch
        seed: of everything random
        view_colours: change brightness, contrast, noise and the like anew in every view
        mirror: mirror pictures too; not when two classes are mirror images of one another

    Returns:
        The weights file of the last epoch.

    Raises:
        InputError: when there is nothing to train on, a label is unknown, or the weights to start
            from do not fit.
    """
    start = time.perf_counter()
    _join_processes()
    if problems := check_class_names(class_names):
        raise InputError.joined(problems)
    sources = _sources(augment, Path(dataset_dir), Path(source_dir), mirror)
    counts = check_labels(sources, class_names)
    training, validation = split(sources, validation_share, seed)
    light = _is_light(recipe)
    beginning = distributed.from_first(
        lambda: find_start(str(init_with), light, Path(log_dir), class_names, COCO_WEIGHTS)
    )
    config = make_config(
        light, beginning, class_names, training, STEPS_PER_EPOCH=steps_per_epoch,
        VIEW_COLOURS=view_colours, MIRROR=mirror, GPU_COUNT=_process_count(),
    )  # fmt: skip
    stages = _stages(config, beginning, head_epochs, epochs)
    announce(config, beginning, counts, training, validation, stages, augment)

    record = {
        "class_names": class_names, "starts_from": beginning.words, "augment": augment,
        "seed": seed, "pictures": [source.name for source in training],
        "validation_pictures": [source.name for source in validation],
        "stages": stages, "config": config.to_dict(),
    }  # fmt: skip
    interrupted = distributed.from_first(
        lambda: (
            None
            if beginning.goes_on
            else find_interrupted(Path(log_dir), record, ShapesConfig.NAME)
        )
    )
    if interrupted:
        beginning = Start("an interrupted run", interrupted, goes_on=True)
        print(f"  going on with the interrupted run {interrupted.parent}")
    model = build(config, beginning, Path(log_dir), seed)
    model.metadata.update(
        class_names=list(class_names),
        scale=config.SCALE,
        extra={"molecule_size": config.MOLECULE_SIZE},
    )
    train_set = _dataset(training, class_names, config)
    val_set = _dataset(validation, class_names, config) if validation else None
    first = distributed.rank() == 0  # of several processes one writes
    # Another run that started in the same minute, or goes on with the same weights, is refused.
    with folder_lock(model.log_dir) if first else nullcontext():
        if first:
            remove_leftovers(Path(model.log_dir))  # of a killed run
            if not interrupted:
                write_record(Path(model.log_dir) / "settings.json", record)
        last = 0 if interrupted else model.epoch
        for layers, count, factor in stages:
            last += count
            if last > model.epoch:
                _train_stage(
                    model, train_set, val_set, config.LEARNING_RATE * factor, last, layers, seed
                )
        weights = Path(model.checkpoint_path.format(epoch=model.epoch))
        if first:
            set_threshold(model, weights, validation or training, class_names)
    print(f"{weights}: trained in {(time.perf_counter() - start) / 60:.1f} minutes")
    return weights


def _join_processes() -> None:
    """Under torchrun (docs/scaling.md): joins the others; of all processes one speaks.

    Raises:
        InputError: when the backend cannot train over processes.
    """
    try:
        distributed.join()
    except ValueError as error:
        raise InputError(str(error)) from error
    if distributed.rank() > 0:
        sys.stdout = io.StringIO()


def _process_count() -> int | None:
    """What GPU_COUNT is under torchrun, else None: it stays what the recipe says."""
    return distributed.processes() if distributed.processes() > 1 else None


def _train_stage(model, train_set, val_set, rate, last, layers, seed) -> None:
    """Trains `layers` up to epoch `last`.

    Raises:
        InputError: when a loss is not finite any more, or too many images cannot be loaded.
    """
    from mrcnn.samples import ImagesError
    from mrcnn.training import NonFiniteLoss

    try:
        model.train(
            train_set, val_set, rate, last, layers,
            custom_callbacks=callbacks() if distributed.rank() == 0 else [],
            seed=seed,
            verbose=1 if sys.stdout.isatty() else 0,
        )  # fmt: skip
    except (ImagesError, NonFiniteLoss) as error:
        raise InputError(str(error)) from error


def set_threshold(model, weights: Path, sources: list[Source], class_names: list[str]) -> None:
    """Chooses the score threshold on the validation pictures and stores it in the weights file."""
    from engine.detector import load_detector
    from spm.evaluation.threshold import LOWEST, choose_threshold
    from spm.inference.predict import Settings

    detector = load_detector(weights, settings=Settings(score_threshold=LOWEST))
    threshold = choose_threshold(detector, sources, class_names)
    model.metadata["score_threshold"] = round(threshold, 3)
    model.save_weights(weights)
    print(f"Molecules are reported from a score of {threshold:.2f}")


def _stages(config, start: Start, head_epochs, epochs) -> list[tuple[str, int, float]]:
    """(layers, epochs, factor of the learning rate) of each stage that has epochs."""
    heads = config.HEAD_EPOCHS if head_epochs is None else head_epochs
    total = config.EPOCHS if epochs is None else epochs
    if start.made and not start.goes_on:
        total = config.RETRAIN_EPOCHS if epochs is None else epochs
        return [("all", total, config.RETRAIN_RATE)]
    if not start.pretrained:
        heads = 0
    heads = min(heads, total)
    stages = [("heads", heads, 1.0), ("all", total - heads, 0.1 if heads else 1.0)]
    return [stage for stage in stages if stage[1] > 0]


if __name__ == "__main__":
    command_line.run(train_main)
