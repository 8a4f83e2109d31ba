"""What a training starts from: nothing, a file, the last weights, or a run that was cut off."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from spm.errors import InputError
from spm.run.files import natural_key
from spm.run.provenance import plain, read_settings

WEIGHTS_NAME = re.compile(r"mask_rcnn_.+_(\d{4,})\.h5")
RUN_NAME = re.compile(r".*?(\d{8}T\d{4})")
LIGHT_BACKBONE = "resnet18"  # LightConfig's trunk, which learns without pretrained weights


@dataclass
class Start:
    """What training starts from.

    Attributes:
        words: for messages.
        weights: file to load, or None.
        exclude: layers of it that are not loaded.
        pretrained: the trunk knows something: the heads are trained alone first, and BatchNorm
            keeps its statistics.
        goes_on: the file is a run of ours, which is continued.
        made: what the file says of itself when train_test made it, else None: its network, scale
            and anchors are kept.
    """

    words: str
    weights: Path | None = None
    exclude: tuple = ()
    pretrained: bool = False
    goes_on: bool = False
    made: dict | None = None


CLASS_LAYERS = ("mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask")


def find_start(
    init_with: str,
    light: bool,
    log_dir: Path,
    class_names: list[str],
    coco_weights: Path = Path("mask_rcnn_coco.h5"),
) -> Start:
    """Works out what to start from.

    Args:
        init_with: see INIT_WITH in train_test.py.
        light: whether the light network is trained, which learns from nothing.
        log_dir: folder of the runs.
        class_names: without the background.
        coco_weights: where matterport's file is, or is put.

    Raises:
        InputError: when the wanted weights are not there and cannot be fetched.
    """
    if init_with == "none":
        return Start("nothing (BatchNorm is trained too)")
    if init_with == "imagenet":
        return Start("ImageNet weights", Path("imagenet"), pretrained=True)
    if init_with == "last":
        path = newest_weights(log_dir)
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
        path = Path(init_with)
        if not path.is_file():
            raise InputError(
                f"INIT_WITH={init_with}: neither one of auto, coco, imagenet, last, none nor a "
                "weights file; correct it."
            )
        return _start_from_file(path, class_names)
    if light:
        return Start("nothing (the light network learns without; BatchNorm is trained too)")
    try:
        _fetch_coco(coco_weights)
    except InputError as error:
        print(error)
        return Start("nothing, since no COCO weights can be had (BatchNorm is trained too)")
    return Start("COCO weights", coco_weights, CLASS_LAYERS, pretrained=True)


def _start_from_file(path: Path, class_names: list[str]) -> Start:
    """A weights file; where it was trained for other molecules, what its heads know of them is
    left out."""
    made = made_by_us(path)
    known = made["class_names"] if made else None
    if known == list(class_names):
        return Start(f"{path}", path, made=made)
    words = f"{path} (of {', '.join(known or ['unnamed classes'])})"
    # The light network's trunk learns on with all layers; a deep one first gets its new heads.
    light = made is not None and made["config"].get("BACKBONE") == LIGHT_BACKBONE
    return Start(words, path, CLASS_LAYERS, pretrained=not light)


def made_by_us(path: Path) -> dict | None:
    """What a weights file of train_test's says of itself; None for one of another origin.

    Raises:
        InputError: when the file is broken.
    """
    from mrcnn.weights import WeightsError, read_metadata

    try:
        metadata = read_metadata(path)
    except WeightsError as error:
        raise InputError(str(error)) from error
    return metadata if metadata["class_names"] and metadata["scale"] else None


def last_finished(log_dir: Path) -> Path:
    """The last weights; where they belong to a retraining that was cut off, what it began with.

    Raises:
        InputError: when there are none.
    """
    path = newest_weights(log_dir)
    if (made_by_us(path) or {"score_threshold": None})["score_threshold"] is None:
        settings = read_settings(path.parent / "settings.json") or {}
        begun = Path(str(settings.get("starts_from")))
        if begun.suffix == ".h5" and begun.is_file():
            return begun
    return path


def _fetch_coco(path: Path) -> None:
    from mrcnn import utils

    try:
        utils.download_trained_weights(str(path))
    except ConnectionError as error:
        raise InputError(
            f"{path}: the COCO weights are not here and cannot be fetched ({error}); put "
            "the file there, or start from nothing (INIT_WITH = 'none')."
        ) from error


def newest_weights(log_dir: Path) -> Path:
    """Returns the last epoch's weights of the last run that has some.

    Runs are ordered by the time in their folder's name, epochs by the number in the file's.

    Raises:
        InputError: when there are none.
    """
    runs = [path for path in log_dir.glob("*") if path.is_dir() and RUN_NAME.fullmatch(path.name)]
    runs.sort(key=lambda path: (RUN_NAME.fullmatch(path.name)[1], natural_key(path)), reverse=True)
    for run in runs:
        epochs = [path for path in run.glob("*.h5") if WEIGHTS_NAME.fullmatch(path.name)]
        if epochs:
            return max(epochs, key=lambda path: int(WEIGHTS_NAME.fullmatch(path.name)[1]))
    raise InputError(
        f"{log_dir}: there are no trained weights; run train_test.py first, or name a file with "
        "--weights."
    )


def find_interrupted(log_dir: Path, record: dict, name: str) -> Path | None:
    """The last weights of the newest run, when that run was asked for the same and not finished.

    Args:
        log_dir: folder of the runs.
        record: what is asked for now, as in a run's settings.json.
        name: NAME of the config, with which run folders begin.

    A finished run has a score threshold in its last weights. A damaged file (a loss of power on a
    disk that did not keep its word) is passed over.
    """
    from mrcnn.weights import WeightsError, read_metadata

    runs = sorted(log_dir.glob(f"{name}*T*/settings.json"))
    if not runs:
        return None
    weights = sorted(runs[-1].parent.glob("mask_rcnn_*_[0-9][0-9][0-9][0-9].h5"))
    if not weights or read_settings(runs[-1]) != plain(record):
        return None
    for path in reversed(weights):
        try:
            finished = read_metadata(path)["score_threshold"] is not None
        except WeightsError as error:
            print(f"  {error} It is passed over.")
            continue
        return None if finished else path
    return None
