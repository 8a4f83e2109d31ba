"""A weights file as a detector that prediction can use: the only place that knows both halves."""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from engine.checkpoints import no_weights_file
from engine.exported import load_exported
from spm.errors import InputError
from spm.geometry.cropped_mask import CroppedMask
from spm.inference.detector import Detections, Detector
from spm.inference.outline_bias import OutlineBias
from spm.inference.predict import Settings

# Threshold for weights of an unfinished training, and of others than ours, which carry none.
UNTUNED_THRESHOLD = 0.5
# Share of the score threshold below which the network's answers are dropped. Lower ones cost time
# and hardly count: what is reported must reach the threshold, alone or in the mean of the views, by
# the sum of its classes' scores. So the more classes, up to MOST_ALIKE, the lower the share.
LOWEST_SHARE = 0.5
MOST_ALIKE = 10
# The settings of the 2022 scripts' ShapesConfig that prediction needs and weights do not show, with
# one exception: their RPN kept every proposal of an IoU of up to 0.99 with another, which shows the
# heads the same place again and again. Its limits here are matterport's.
OLDER_CONFIG = {
    "NAME": "shapes",
    "IMAGE_MIN_DIM": 1024,
    "IMAGE_MAX_DIM": 1024,
    "IMAGES_PER_GPU": 1,
    "BACKBONE_STRIDES": [4, 8, 16, 32, 64],
    "RPN_ANCHOR_SCALES": [32, 64, 128, 256, 512],
    "RPN_ANCHOR_RATIOS": [0.5, 1, 2],
    "RPN_NMS_THRESHOLD": 0.7,
    "PRE_NMS_LIMIT": 6000,
    "POST_NMS_ROIS_INFERENCE": 1000,
    "DETECTION_NMS_THRESHOLD": 0.2,
    "DETECTION_MAX_INSTANCES": 200,
}


def load_detector(
    weights: Path,
    batch_size: int | None = None,
    settings: Settings | None = None,
    class_names: Sequence[str] | None = None,
    engine: str = "auto",
) -> Detector:
    """Builds the network of a weights file once, for any number of images.

    Args:
        weights: .h5 file written by training, by the 2022 scripts or by matterport's code.
        batch_size: tiles at once; None takes the training's images a step.
        settings: its score threshold, if set, says how low the network's answers need to reach.
        class_names: for a file that does not say them, see `describe_weights`.
        engine: what runs the network, see `engine.exported.load_exported`.

    Raises:
        InputError: when the file is missing, broken, of another network, or its classes have no
            names.
    """
    weights, settings = Path(weights), settings or Settings()
    # TensorFlow takes seconds to import: only after all that can go wrong quickly has been checked.
    metadata = describe_weights(weights, class_names)
    threshold = metadata["score_threshold"]
    wanted = threshold if settings.score_threshold is None else settings.score_threshold
    lowest = lowest_answer(wanted, len(metadata["class_names"]))
    more: dict = {}
    if exported := load_exported(weights, metadata["config"], engine):
        more = {"prepare": exported.prepare, "release": exported.release}
        sides, batch_size, runs = exported.sides, 1, f"OpenVINO, {exported.dtype}"
        look = functools.partial(exported.detect_cropped, lowest_score=lowest)
    else:
        network = _build(weights, metadata, batch_size, lowest)
        sides, batch_size = [int(network.config.IMAGE_SHAPE[0])], network.config.BATCH_SIZE
        runs = f"Keras, {network.config.COMPUTE_DTYPE}"
        look = network.detect_cropped
    return Detector(
        class_names=metadata["class_names"],
        scale=metadata["scale"],
        input_size=sides[0],
        larger_sizes=tuple(sides[1:]),
        score_threshold=threshold,
        detect=functools.partial(_detect, look),
        batch_size=batch_size,
        molecule_size=(metadata["extra"] or {}).get("molecule_size"),
        name=f"{weights.parent.name}/{weights.name}",
        engine=runs,
        mirror=bool(metadata["config"].get("MIRROR", True)),
        outline_bias=_outline_biases(weights, metadata),
        appearance=metadata["extra"] or {},
        **more,
    )


def lowest_answer(threshold: float, class_count: int) -> float:
    """Return the score of the best class below which an answer cannot be reported."""
    return threshold * min(LOWEST_SHARE, 1 / min(class_count, MOST_ALIKE))


def describe_weights(weights: Path, class_names: Sequence[str] | None = None) -> dict:
    """Says what prediction needs to know of a weights file, without building the network.

    A file of the 2022 scripts or of matterport's code holds nothing but weights. Its network
    follows from their shapes and OLDER_CONFIG; its classes must be named.

    Args:
        weights: .h5 file.
        class_names: in the order of training, for a file that does not say them. A single text
            with commas counts as several where so many classes are in the file.

    Returns:
        dict of `class_names` (list), `scale` (None where the file has none), `score_threshold`
        (UNTUNED_THRESHOLD where it has none), `config` (dict), `extra` (dict or None).

    Raises:
        InputError: when the file is missing or broken, or the names do not fit it.
    """
    weights = Path(weights)
    if missing := no_weights_file(weights):
        raise InputError(missing)
    from mrcnn.weights import WeightsError, read_metadata
    from mrcnn.weights_shapes import count_classes, settings_of_shapes

    try:
        metadata = read_metadata(weights)
        known = metadata["class_names"]
        if not known:
            count = count_classes(weights) - 1
            metadata["class_names"] = _named(weights, class_names, count)
        metadata["config"] = metadata["config"] or OLDER_CONFIG | settings_of_shapes(weights)
    except WeightsError as error:
        raise InputError(str(error)) from error
    if metadata["score_threshold"] is None:
        metadata["score_threshold"] = UNTUNED_THRESHOLD
    _check_metadata(metadata, weights)
    if known and class_names and _split(class_names, len(known)) != known:
        raise InputError(
            f"{weights}: this network was trained for {', '.join(known)}, which cannot be called "
            f"otherwise; leave class_names = None (no --class-names). Received: "
            f"{', '.join(class_names)}."
        )
    return metadata


def _named(weights: Path, class_names: Sequence[str] | None, count: int) -> list[str]:
    """Returns the names for a file without any, or says how many it needs."""
    classes = "one class" if count == 1 else f"{count} classes"
    advice = (
        f"name {'it' if count == 1 else 'them in the order of training'} with --class-names or as "
        "class_names at the top of predict_big_pic.py (evaluate.py: --classes)"
    )
    if not class_names:
        raise InputError(
            f"{weights}: the network knows {classes} of molecule, and the file does not say what "
            f"{'it is' if count == 1 else 'they are'} called; {advice}."
        )
    names = _split(class_names, count)
    if len(names) != count or len(set(names)) != count:
        raise InputError(
            f"{weights}: the network knows {classes} of molecule; {advice}. Received: "
            f"{len(names)} ({', '.join(names)})."
        )
    return names


def _split(class_names: Sequence[str], count: int) -> list[str]:
    """Returns the names; parted at commas where that, and only that, gives the right number."""
    names = [class_names] if isinstance(class_names, str) else list(class_names)
    parts = [part.strip() for name in names for part in name.split(",") if part.strip()]
    return parts if len(names) != count else names


def _detect(look: Callable, images: list[np.ndarray]) -> list[Detections]:
    """What a network says of images, `look` being its `detect_cropped`."""
    return [
        Detections(r["boxes"], r["class_scores"], [CroppedMask(*mask) for mask in r["masks"]])
        for r in look(images)
    ]


def _check_metadata(metadata: dict, weights: Path) -> None:
    """Raises InputError unless class names, scale, threshold and settings are what they can be."""
    names, scale, threshold = (metadata[k] for k in ("class_names", "scale", "score_threshold"))
    sound = (
        isinstance(names, list)
        and all(isinstance(name, str) and name for name in names)
        and (scale is None or _is_number(scale, 1e-3, 1e3))
        and _is_number(threshold, 0, 1)
        and isinstance(metadata["config"], dict)
        and isinstance(metadata["extra"] or {}, dict)
    )
    if not sound:
        raise InputError(
            f"{weights}: its class names, scale, threshold or settings are damaged; name another "
            "file."
        )


def _outline_biases(weights: Path, metadata: dict) -> dict[str, OutlineBias]:
    """Returns the mean errors of outlines that training measured, by class; older files have none.

    Raises:
        InputError: when they are damaged.
    """
    stored = (metadata["extra"] or {}).get("outline_bias") or {}
    try:
        return {name: OutlineBias.read(bias) for name, bias in dict(stored).items()}
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{weights}: what it says of its outlines is damaged ({error}); name another file."
        ) from error


def _is_number(value, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _build(weights: Path, metadata: dict, batch_size: int | None, min_confidence: float):
    """Returns the MaskRCNN of a weights file, for tiles of exactly its input size."""
    from mrcnn.config import Config
    from mrcnn.model import MaskRCNN, WeightsError

    stored = metadata["config"]
    changes = {
        "NAME": stored.get("NAME") or "molecules",
        "NUM_CLASSES": 1 + len(metadata["class_names"]),
        "GPU_COUNT": 1,
        "COMPUTE_DTYPE": "auto",  # what suits this machine, not the one that trained
        "IMAGES_PER_GPU": batch_size or stored.get("IMAGES_PER_GPU", 1),
        "DETECTION_MIN_CONFIDENCE": min_confidence,
    }
    try:
        side = int(stored.get("TILE_DIM") or Config.from_dict(stored, **changes).IMAGE_SHAPE[0])
        # A tile is exactly the network's input: nothing to resize or pad.
        changes |= {
            "IMAGE_RESIZE_MODE": "square",
            "IMAGE_MIN_DIM": side,
            "IMAGE_MAX_DIM": side,
            "IMAGE_MIN_SCALE": 0,
        }
        config = Config.from_dict(stored, **changes)
        network = MaskRCNN("inference", config, str(weights.parent))
        with contextlib.redirect_stdout(io.StringIO()):  # what does not fit is refused
            network.load_weights(str(weights), by_name=True)
    except WeightsError as error:
        raise InputError(str(error)) from error
    except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        raise InputError(
            f"{weights}: no network can be built from the settings in the file ({error}); name "
            "another file."
        ) from error
    return network
