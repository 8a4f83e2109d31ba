"""The network of a weights file as an ONNX file, which other programs run without Keras.

    python -m mrcnn.export_onnx logs/RUN/mask_rcnn_NAME_0010.h5 [--out FILE.onnx] [--side PIXELS]

Inputs: `image` (1, side, side, 3) float32, RGB 0..255; `window` (1, 4) float32, the place
(y1, x1, y2, x2) of the image in it in pixels, [0, 0, side, side] when it fills it.

Outputs: `boxes` (1, D, 4) float32 (y1, x1, y2, x2) in pixels of `image`; `class_ids` (1, D) int32,
0 where there is no detection; `scores` (1, D) by falling score; `masks` (1, D, 28, 28)
probabilities inside the box; `class_scores` (1, D, C) of each of `class_names`, the background
left out, as `MaskRCNN.detect` gives them.

The file's metadata hold `class_names` (JSON, without the background), `scale` (pixels of `image`
per pixel of the image) and `score_threshold`, as far as the weights file knows them.
"""

import argparse
import json
import logging
import os
import sys
import warnings
from pathlib import Path

import numpy as np

if __name__ == "__main__" and not __package__:  # started by its file
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    __package__ = "mrcnn"

from .weights import WeightsError, read_metadata, whole_file

PACKAGES = ("onnx", "tf2onnx", "onnxruntime")
# Lower detections than this are left out; where to cut is the reader's choice.
MIN_CONFIDENCE = 0.05


class ExportError(RuntimeError):
    """An export that is not possible; the message says why and what to do."""


def export_onnx(weights, out=None, side=None):
    """Write the network of a weights file as ONNX, and run the file once.

    Args:
        weights: file of `MaskRCNN.save_weights`.
        out: file to write, by default `weights` with the ending `.onnx`.
        side: of the network's image in pixels; by default that of prediction's tiles.

    Returns:
        Path of the written file.

    Raises:
        WeightsError: when the weights file cannot be used.
        ExportError: when a package is missing, or the backend is not TensorFlow.
    """
    weights = Path(weights)
    out = Path(out) if out else weights.with_suffix(".onnx")
    metadata = read_metadata(weights)
    _check_packages()
    network = _network(weights, metadata, side)
    with whole_file(out) as temporary:
        _export(_plain_graph(network), temporary)
        _finish(temporary, metadata)
        _try(temporary, int(network.config.IMAGE_SHAPE[0]))
    return out


def _check_packages():
    from importlib.util import find_spec

    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise ExportError(
            f"the export needs {', '.join(missing)}; install with: "
            "python -m pip install -r requirements-onnx.txt"
        )
    from .devices import backend

    if backend() != "tensorflow":
        raise ExportError(
            f"the export works with the TensorFlow backend only, this is {backend()}; "
            "set KERAS_BACKEND=tensorflow for this command (any weights file will do)."
        )


def _network(weights, metadata, side):
    """The detector of a weights file, for one image of `side` x `side` pixels."""
    from .config import Config
    from .model import MaskRCNN

    if not metadata["class_names"] or not metadata["config"]:
        raise WeightsError(
            f"{weights}: the file carries no class names or no settings, so the network cannot be "
            "built from it alone; use one that was trained here."
        )
    changes = {
        "NUM_CLASSES": 1 + len(metadata["class_names"]),
        "GPU_COUNT": 1,
        "IMAGES_PER_GPU": 1,
        "COMPUTE_DTYPE": "float32",
        "DETECTION_MIN_CONFIDENCE": MIN_CONFIDENCE,
    }
    config = Config.from_dict(metadata["config"], **changes)
    side = int(side or config.TILE_DIM or config.IMAGE_SHAPE[0])
    square = {"IMAGE_RESIZE_MODE": "square", "IMAGE_MIN_DIM": side, "IMAGE_MAX_DIM": side}
    network = MaskRCNN(
        "inference",
        Config.from_dict(metadata["config"], **changes, **square),
        str(weights.parent),
    )
    network.load_weights(str(weights))
    return network


def _plain_graph(network):
    """A Keras model with the inputs and outputs that the module's docstring lists."""
    import keras
    from keras import ops

    from .graphs import Compute, Constant

    config = network.config
    shape = tuple(int(n) for n in config.IMAGE_SHAPE)
    image = keras.Input(shape, name="image")
    window = keras.Input((4,), name="window")
    mean = [float(v) for v in config.MEAN_PIXEL]
    molded = Compute(lambda x: x - ops.convert_to_tensor(mean))(image)
    # Of an image's meta only the window counts at prediction.
    meta = Compute(lambda x: ops.pad(x, [[0, 0], [7, config.IMAGE_META_SIZE - 11]]))(window)
    anchors = Constant(network.get_anchors(shape)[None])(image)
    detections, masks, probabilities = network.detection_graph(shape)([molded, meta, anchors])
    sides = [shape[0] - 1, shape[1] - 1] * 2

    def pixels(x):
        shift = ops.convert_to_tensor([0.0, 0.0, 1.0, 1.0])
        boxes = x[..., :4] * ops.convert_to_tensor(sides, "float32") + shift
        return ops.where(x[..., 4:5] > 0, boxes, 0.0)

    outputs = {
        "boxes": Compute(pixels)(detections),
        "class_ids": Compute(lambda x: ops.cast(x[..., 4], "int32"))(detections),
        "scores": Compute(lambda x: x[..., 5])(detections),
        "masks": masks,
        "class_scores": Compute(lambda x: x[..., 1:])(probabilities),
    }
    return keras.Model([image, window], outputs)


def _export(model, path):
    import keras

    # tf2onnx tells of every pass, and Keras's patch of it looks for names that NumPy 2 has not.
    warnings.filterwarnings("ignore", category=FutureWarning, module="keras")
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    spec = [
        [keras.InputSpec(shape=(1, *x.shape[1:]), dtype=x.dtype, name=x.name) for x in model.inputs]
    ]
    model.export(str(path), format="onnx", verbose=False, input_signature=spec)


def _finish(path, metadata):
    """Store what prediction needs to know in the file."""
    import onnx

    model = onnx.load(str(path))
    known = {
        key: json.dumps(metadata[key], ensure_ascii=False)
        for key in ("class_names", "scale", "score_threshold")
        if metadata[key] is not None
    }
    onnx.helper.set_model_props(model, known)
    onnx.save(model, str(path))


def _try(path, side):
    """Run the file on an empty image; a step that ONNX does not have shows here."""
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        session.run(
            None,
            {
                "image": np.zeros((1, side, side, 3), np.float32),
                "window": np.array([[0, 0, side, side]], np.float32),
            },
        )
    except Exception as error:  # onnxruntime's own classes share no other base
        raise ExportError(f"onnxruntime cannot run what was written: {error}") from error


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path, help="weights file (.h5)")
    parser.add_argument("--out", type=Path, help="file to write; WEIGHTS with .onnx by default")
    parser.add_argument("--side", type=int, help="of the network's image, in pixels")
    chosen = parser.parse_args(arguments)
    try:
        print(export_onnx(chosen.weights, chosen.out, chosen.side))
    except (WeightsError, ExportError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    sys.exit(main())
