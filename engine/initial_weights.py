"""What a training starts from: nothing, a file, or the last weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from engine.checkpoints import made_by_us, no_weights_file, weights_to_continue
from mrcnn import class_layers
from mrcnn.config import Config
from spm.errors import InputError, raise_problems
from spm.run.provenance import plain
from spm.structures.classes import Classes

LIGHT_BACKBONE = "resnet18"  # LightConfig's trunk, which learns without pretrained weights


@dataclass
class Start:
    """What training starts from.

    Attributes:
        words: for messages.
        weights: file to load, or None.
        exclude: layers of it that are not loaded.
        other_classes: it was trained for other classes, whose last layers are the new ones' start.
        pretrained: the trunk knows something: the heads are trained alone first, and BatchNorm
            keeps its statistics.
        goes_on: the file is a run of ours, which is continued.
        made: what the file says of itself when train_test made it, else None: its network, scale
            and anchors are kept.
        network: settings of the recipe that the file's network has otherwise.
    """

    words: str
    weights: Path | None = None
    exclude: tuple = ()
    pretrained: bool = False
    goes_on: bool = False
    made: dict | None = None
    other_classes: bool = False
    network: dict = field(default_factory=dict)


# Made by studies/light_start.py.
SHIPPED = Path(__file__).resolve().parent / "pretrained" / "light_start.h5"
# Settings that say of what layers a network consists, and what their weights mean.
NETWORK = (
    "BACKBONE", "BACKBONE_STRIDES", "STAGE5_WIDTH", "TOP_DOWN_PYRAMID_SIZE", "RPN_CHANNELS",
    "RPN_ANCHOR_RATIOS", "FPN_CLASSIF_FC_LAYERS_SIZE", "POOL_SIZE", "MASK_HEAD_CHANNELS",
    "MASK_FINE_FEATURES", "EXACT_ROI_ALIGN", "EXACT_MASKS", "IMAGE_CHANNEL_COUNT",
)  # fmt: skip
CLASS_LAYERS = tuple(class_layers.CLASS_LAYERS)
WORDS = ("auto", "coco", "imagenet", "last", "none")


def unknown_start(init_with: str) -> Iterator[str]:
    """Yields a sentence when `init_with` is neither a word that is known nor a file."""
    if init_with in WORDS or Path(init_with).is_file():
        return
    if Path(init_with).is_dir() or len(Path(init_with).parts) > 1 or Path(init_with).suffix:
        yield f"init_with={no_weights_file(Path(init_with))}"
    else:
        yield (
            f"init_with={init_with}: neither one of {', '.join(WORDS)} nor a weights file; "
            "correct it."
        )


def find_start(
    init_with: str,
    light: type[Config] | None,
    log_dir: Path,
    classes: Classes,
    coco_weights: Path = Path("mask_rcnn_coco.h5"),
) -> Start:
    """Works out what to start from.

    Args:
        init_with: see init_with in train_test.py.
        light: the recipe for a machine without a graphics card, when it is that which is trained.
        log_dir: folder of the runs.
        classes: those that are trained.
        coco_weights: where matterport's file is, or is put.

    Raises:
        InputError: when the wanted weights are not there and cannot be fetched.
    """
    if init_with == "none":
        return Start("nothing (BatchNorm is trained too)")
    if init_with == "imagenet":
        return Start("ImageNet weights", Path("imagenet"), pretrained=True)
    if init_with == "last":
        path = weights_to_continue(log_dir)
        try:
            made = made_by_us(path)
        except InputError as error:
            raise InputError(
                f"{error} Or delete it: then training goes on from the epoch before."
            ) from error
        return Start(f"the last weights, {path}", path, goes_on=True, made=made)
    if init_with == "coco" or (init_with == "auto" and coco_weights.exists()):
        if not coco_weights.exists():
            _fetch_coco(coco_weights)
        return Start("COCO weights", coco_weights, CLASS_LAYERS, pretrained=True)
    if init_with != "auto":
        raise_problems(unknown_start(init_with))
        return _start_from_file(Path(init_with), classes)
    if light:
        return _shipped_start(light)
    try:
        _fetch_coco(coco_weights)
    except InputError as error:
        print(error)
        return Start("nothing, since no COCO weights can be had (BatchNorm is trained too)")
    return Start("COCO weights", coco_weights, CLASS_LAYERS, pretrained=True)


def _start_from_file(path: Path, classes: Classes) -> Start:
    """A weights file; of one of other molecules the class layers are left out, or, the network
    being the light one, are the new ones' start."""
    made = made_by_us(path)
    known = made["class_names"] if made else None
    if known == list(classes):
        return Start(f"{path}", path, made=made)
    words = f"{path} (of {', '.join(known or ['unnamed classes'])})"
    # The light network's trunk learns on with all layers; a deep one first gets its new heads.
    if made is None or made["config"].get("BACKBONE") != LIGHT_BACKBONE:
        return Start(words, path, CLASS_LAYERS, pretrained=True)
    network = {"STAGE5_WIDTH": made["config"].get("STAGE5_WIDTH")}
    return Start(words, path, other_classes=True, network=network)


def _shipped_start(light: type[Config]) -> Start:
    """The weights that come with the program, which know invented molecules; nothing where the
    user's recipe describes another network."""
    stored = made_by_us(SHIPPED)["config"]
    other = [name for name in NETWORK if stored.get(name) != plain(getattr(light, name))]
    if other:
        return Start(f"nothing, as {', '.join(other)} is not that of {SHIPPED.name}")
    return Start("the weights of invented molecules", SHIPPED, other_classes=True)


def _fetch_coco(path: Path) -> None:
    from mrcnn import utils

    try:
        utils.download_trained_weights(str(path))
    except ConnectionError as error:
        raise InputError(
            f"{path}: the COCO weights are not here and cannot be fetched ({error}); put "
            "the file there, or start from nothing (init_with = 'none')."
        ) from error
