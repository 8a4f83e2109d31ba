"""A weights file as a detector that prediction can use: the only place that knows both halves."""

from __future__ import annotations

import contextlib
import functools
import io
from pathlib import Path

import numpy as np

from spm.errors import InputError
from spm.inference.detector import CroppedMask, Detections, Detector
from spm.inference.predict import Settings

# Threshold for weights of an unfinished training, which carry none.
UNTUNED_THRESHOLD = 0.5


def load_detector(
    weights: Path, batch_size: int | None = None, settings: Settings | None = None
) -> Detector:
    """Builds the network of a weights file once, for any number of pictures.

    Args:
        weights: .h5 file written by training.
        batch_size: tiles at once; None takes the training's pictures a step.
        settings: its score threshold, if set, and its uncertain_ratio say how low the network's
            answers need to reach.

    Raises:
        InputError: when the file is missing, broken, of another network, or says no class names.
    """
    weights, settings = Path(weights), settings or Settings()
    if not weights.is_file():
        raise InputError(f"{weights}: there is no such weights file; check the name.")
    # TensorFlow takes seconds to import: only after all that can go wrong quickly has been checked.
    from mrcnn.weights import WeightsError, read_metadata

    try:
        metadata = read_metadata(weights)
        _check_metadata(metadata, weights)
        threshold = metadata["score_threshold"]
        threshold = UNTUNED_THRESHOLD if threshold is None else float(threshold)
        wanted = threshold if settings.score_threshold is None else settings.score_threshold
        # A second class below the ratio makes no difference; lower answers only cost time.
        network = _build(weights, metadata, batch_size, wanted * settings.uncertain_ratio)
    except WeightsError as error:
        raise InputError(str(error)) from error
    return Detector(
        class_names=list(metadata["class_names"]),
        scale=float(metadata["scale"]),
        input_size=int(network.config.IMAGE_SHAPE[0]),
        score_threshold=threshold,
        detect=functools.partial(_detect, network),
        batch_size=network.config.BATCH_SIZE,
        molecule_size=(metadata["extra"] or {}).get("molecule_size"),
        name=f"{weights.parent.name}/{weights.name}",
        mirror=bool(metadata["config"].get("MIRROR", True)),
    )


def _detect(network, images: list[np.ndarray]) -> list[Detections]:
    """What a `MaskRCNN` says of images."""
    return [
        Detections(r["boxes"], r["class_scores"], [CroppedMask(*mask) for mask in r["masks"]])
        for r in network.detect_cropped(images)
    ]


def _check_metadata(metadata: dict, weights: Path) -> None:
    """Raises InputError unless class names, scale and threshold are what training writes."""
    names, scale, threshold = (metadata[k] for k in ("class_names", "scale", "score_threshold"))
    if not names or not scale:
        raise InputError(
            f"{weights}: the file carries no class names or no scale, so it was not made by "
            "train_test.py; train first, or name another file."
        )
    sound = (
        isinstance(names, list)
        and all(isinstance(name, str) and name for name in names)
        and _is_number(scale, 1e-3, 1e3)
        and (threshold is None or _is_number(threshold, 0, 1))
        and isinstance(metadata["config"], dict)
        and isinstance(metadata["extra"] or {}, dict)
    )
    if not sound:
        raise InputError(
            f"{weights}: its class names, scale, threshold or settings are damaged; name another "
            "file."
        )


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
    except WeightsError:
        raise
    except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        raise InputError(
            f"{weights}: no network can be built from the settings in the file ({error}); name "
            "another file."
        ) from error
    with contextlib.redirect_stdout(io.StringIO()):  # what does not fit is refused
        network.load_weights(str(weights), by_name=True)
    return network
