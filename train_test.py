"""Train the detector on train_dataset/; weights land in logs/.

    python train_test.py                     with the settings below
    python train_test.py --init-with last    go on from the last weights

Edit `Training` and `ShapesConfig` (a graphics card) or `LightConfig` (no graphics card) below, and
run it again. Every run folder in logs/ holds weights (`keep`), losses.csv, losses.png,
settings.json and TensorBoard events (`tensorboard --logdir logs`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from mrcnn.config import Config
from spm.run import command_line
from spm.run.setting_kinds import Count, Range, Seed, Whole
from spm.run.settings import Settings, old_names, takes

if TYPE_CHECKING:
    from engine.recipes import Recipes


# --- settings: change the values, the text below each says what it is ---------------------------
class Training(Settings):
    """What the network is trained on, from what, and how long."""

    class_names: list[str] | None = None
    """The classes of molecules. None takes them from the labels of your outlines (the label 003a12
    belongs to the class 003a, as number 12), or from the weights that training goes on with. Named,
    with spaces or commas between them, a label of none of them is an error."""
    init_with: str = "auto"
    """What training starts from: auto (mask_rcnn_coco.h5 beside the script, if it is there; else
    with a graphics card that file, if it can be fetched, and without one the weights of invented
    molecules that come with the program), coco, imagenet, last (the last weights in log_dir), none,
    or a weights file, also one of other molecules."""
    recipe: Literal["auto", "gpu", "cpu"] = "auto"
    """gpu (ShapesConfig), cpu (LightConfig), or auto: by whether there is a graphics card."""
    augment: Literal["folder", "online"] | None = None
    """folder: the copies in dataset_dir; online: the annotated images in source_dir alone, with
    geometry and colours drawn anew for every step. None takes the copies, but online with
    corrected predictions (--add), where copies of whole images would cost minutes and gigabytes."""
    dataset_dir: Path = Path("train_dataset")
    """Folder of the dataset (for folder)."""
    source_dir: Path = Path("aug_test_in")
    """Folder of your annotated images."""
    log_dir: Path = Path("logs")
    """Where the run folders go."""
    coco_weights: Path = Path("mask_rcnn_coco.h5")
    """matterport's COCO weights."""
    validation_share: Annotated[float, Range(0, 0.5)] = 0.1
    """Share of the L1 images that training never sees, 0 to 0.5; losses on them are reported, and
    the score threshold is chosen on them."""
    head_epochs: Whole | None = None
    """Of the epochs, those of the heads alone, when starting from pretrained weights. None takes
    the recipe's HEAD_EPOCHS."""
    epochs: Count | None = None
    """Epochs in all, 1 or more. None takes the recipe's EPOCHS, or SCRATCH_EPOCHS when training
    starts from nothing."""
    steps_per_epoch: Count | None = None
    """Steps of an epoch, 1 or more. None takes the recipe's STEPS_PER_EPOCH."""
    seed: Seed = 0
    """Of everything random, 0 to 4294967295; another number gives another, equally good run."""
    keep: Literal["best", "all"] = "best"
    """Weights that stay in the run folder: best (of the last epoch, and of the one with the lowest
    loss on validation images), or all (of every epoch). The optimiser's state stays until the
    training has ended."""
    view_colours: bool = True
    """Each view gets its own brightness, contrast, shading, blur, noise and dropout. Without, a
    training sees the colours of its images as they are."""
    partial: bool = False
    """Your annotated images show molecules that are not outlined: what is not outlined teaches
    nothing, as with the flag `partial`. Corrected predictions (workflow.py --add) count as complete
    all the same. After --examples it is so by itself."""
    mirror: bool = True
    """Images are mirrored too. False when two classes are mirror images of one another (chiral
    molecules): images are then only turned, mirrored copies in dataset_dir are left out, and views
    of prediction is at most 4."""

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the class names, the weights to start from, the epochs, and the
        recipes below."""
        from engine.recipe_check import problems_of_training

        yield from problems_of_training(self, recipes())

    @classmethod
    def defaults_in_words(cls) -> dict[str, str]:
        """Return what the recipes below say, for `--help`."""
        names = {name: name.upper() for name in ("head_epochs", "epochs", "steps_per_epoch")}
        return {
            name: f"{getattr(LightConfig, upper)} (cpu), {getattr(ShapesConfig, upper)} (gpu)"
            for name, upper in names.items()
        }


class ShapesConfig(Config):
    """The paper's network and training: ResNet-50, 512 x 512 pixels, two images a step."""

    NAME = "shapes"
    BACKBONE = "resnet50"
    GPU_COUNT = 1
    IMAGES_PER_GPU = 2
    IMAGE_MIN_DIM = 512
    IMAGE_MAX_DIM = 512
    RPN_ANCHOR_SCALES = (48, 96, 192, 384, 768)
    TRAIN_ROIS_PER_IMAGE = 100
    MAX_GT_INSTANCES = 200
    STEPS_PER_EPOCH = 5000
    VALIDATION_STEPS = 50
    DETECTION_MIN_CONFIDENCE = 0.05  # lower ones are never reported; see score_threshold
    DETECTION_MAX_INSTANCES = 200
    IGNORE_OVERLAP = 0.3
    COMPUTE_DTYPE = "auto"  # mixed_bfloat16 where the processor or card has it, else float32
    # Settings of this project: diameter of the median molecule in network pixels, epochs of the
    # heads, and in all.
    MOLECULE_PIXELS = 74
    HEAD_EPOCHS = 1
    EPOCHS = 2
    # Where training starts from nothing: epochs (None: the same), and the part of LEARNING_RATE.
    SCRATCH_EPOCHS = None
    SCRATCH_RATE = 1.0
    # When training starts from weights of our own (corrections): epochs, and the part of
    # LEARNING_RATE.
    RETRAIN_EPOCHS = 1
    RETRAIN_RATE = 0.1
    VIEW_COLOURS = True  # replaced by the run's setting, as is the next one
    MIRROR = True


class LightConfig(ShapesConfig):
    """A network that learns within minutes on a processor: ResNet-18, narrower
    pyramid and heads, small images. The choices are measured in docs/recipe.md."""

    BACKBONE = "resnet18"
    BACKBONE_STRIDES = [8, 16, 32, 64]
    STAGE5_WIDTH = 128
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
    POST_NMS_ROIS_INFERENCE = 300
    TILE_DIM = 448
    TRAIN_ROIS_PER_IMAGE = 32
    ROI_POSITIVE_RATIO = 0.25
    MINI_MASK_SHAPE = (56, 56)
    TRAIN_BN = True
    BN_MOMENTUM = 0.9
    OPTIMIZER = "adamw"
    SCHEDULE = "cosine"
    LEARNING_RATE = 0.002
    WEIGHT_DECAY = 0.01
    WARMUP_STEPS = 40
    ADD_GT_ROIS = True
    FILL_NEGATIVES = True
    LOSS_WEIGHTS = {**Config.LOSS_WEIGHTS, "mrcnn_bbox_loss": 3.0, "mrcnn_mask_loss": 2.0}
    STEPS_PER_EPOCH = 50
    VALIDATION_STEPS = 5
    MOLECULE_PIXELS = 58
    HEAD_EPOCHS = 0
    EPOCHS = 7
    SCRATCH_EPOCHS = 20
    SCRATCH_RATE = 0.5
    RETRAIN_EPOCHS = 4
    RETRAIN_RATE = 0.25


class SmallConfig(ShapesConfig):
    """The paper's network on small images: for pretrained weights without a graphics card."""

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


# ------------------------------------------------------------------------------------------------


def recipes() -> Recipes:
    """Return the three recipes, as they stand above."""
    from engine.recipes import Recipes

    return Recipes(paper=ShapesConfig, light=LightConfig, small=SmallConfig)


@takes(Training)
def train_main(settings: Training) -> Path:
    """Train the detector and return the weights file of the last epoch.

    Raises:
        InputError: when there is nothing to train on, a label is unknown, a setting cannot be, or
            the weights to start from do not fit.
    """
    from engine.train import train

    return train(settings, recipes())


# Names of before this file was only settings.
__getattr__ = old_names(
    Training,
    MoleculeDataset="engine.dataset",
    view_settings="engine.dataset",
    Start="engine.initial_weights",
    find_start="engine.initial_weights",
    build="engine.train",
)


if __name__ == "__main__":
    command_line.run(train_main)
