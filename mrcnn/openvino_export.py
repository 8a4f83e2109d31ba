"""The network of a weights file, exported for OpenVINO; see `exported.py` for what reads it.

    python -m mrcnn.openvino_export logs/RUN/mask_rcnn_NAME_0010.h5

Needs Keras with TensorFlow; what it writes needs neither.
"""

import argparse
import contextlib
import io
import json
import os
import sys
import tempfile
from pathlib import Path

from .exported import ExportedError, ExportedNetwork, exported_path, import_openvino, write_exported
from .weights import WeightsError, digest, read_metadata, whole_file


def export(weights, settings=None):
    """Write the network of a weights file beside it, and run it once.

    Args:
        weights: weights file that `MaskRCNN.load_weights` reads.
        settings: dict of its network's settings (`Config.to_dict`), for a file that does not hold
            them.

    Returns:
        Path of the written file.

    Raises:
        WeightsError: when the weights cannot be used.
        ExportedError: when OpenVINO cannot run what was written.
        OSError: when it cannot be written.
    """
    import numpy as np

    weights, out = Path(weights), exported_path(weights)
    config = _tile_config(weights, settings or read_metadata(weights)["config"])
    side = int(config.IMAGE_SHAPE[0])
    model = _converted(weights, config)
    with whole_file(out) as temporary:
        write_exported(temporary, *_as_bytes(model), {"weights": digest(weights), "side": side})
        ExportedNetwork(temporary).detect_cropped([np.zeros((side, side, 3), np.uint8)], 0.0)
    return out


def _tile_config(weights, settings):
    """The `Config` for one tile at a time, all of whose detections are answered."""
    from .config import Config

    if not settings:
        raise WeightsError(f"{weights}: the file does not hold the settings of its network.")
    changes = {
        "GPU_COUNT": 1,
        "IMAGES_PER_GPU": 1,
        "COMPUTE_DTYPE": "float32",  # OpenVINO chooses by itself
        "DETECTION_MIN_CONFIDENCE": 0.0,
    }
    side = int(settings.get("TILE_DIM") or Config.from_dict(settings, **changes).IMAGE_SHAPE[0])
    square = {"IMAGE_RESIZE_MODE": "square", "IMAGE_MIN_DIM": side, "IMAGE_MAX_DIM": side}
    return Config.from_dict(settings, **changes, **square)


def _converted(weights, config):
    """The `openvino.Model` of a weights file."""
    import tensorflow as tf

    from .graphs import tile_graph
    from .model import MaskRCNN

    network = MaskRCNN("inference", config, str(weights.parent))
    with contextlib.redirect_stdout(io.StringIO()):  # what does not fit is refused
        network.load_weights(str(weights))
    import keras

    graph = keras.Model(*tile_graph(network.bank, config))
    signature = [tf.TensorSpec(x.shape, x.dtype, x.name) for x in graph.inputs]

    @tf.function(input_signature=signature, autograph=False)
    def answer(image, lowest_score):
        return graph([image, lowest_score], training=False)

    model = import_openvino().convert_model(answer.get_concrete_function())
    _sort_faster(model)
    return model


def _sort_faster(model):
    """Replace every stable TopK of many values by a NonMaxSuppression of boxes without an area,
    which suppresses nothing and sorts: equal scores by rising index, as TensorFlow does.

    OpenVINO 2026.4 takes 100 ms for the stable 1000 of 12,495 values (findings/openvino_cpu.sh).
    """
    import numpy as np
    from openvino import opset13 as op

    for node in model.get_ordered_ops():
        if node.get_type_name() != "TopK" or node.output(0).shape[-1] == 1:
            continue
        rows, count = node.input_value(0).shape
        scores, kept = node.input_value(0), node.output(0).shape[-1]
        chosen = op.non_max_suppression(
            op.constant(np.zeros((1, count, 4), np.float32)),
            op.unsqueeze(scores, op.constant(np.int64(1))),
            op.constant(np.int64(kept)),
            op.constant(np.float32(1)),
            op.constant(np.float32(-1e30)),
            op.constant(np.float32(0)),
            box_encoding="corner",
            sort_result_descending=True,
            output_type="i32",
        )
        index = op.gather(chosen.output(0), op.constant(np.int32(2)), op.constant(np.int32(1)))
        index = op.reshape(index, op.constant(np.array([rows, kept])), special_zero=False)
        values = op.gather(scores, op.reshape(index, op.constant([kept]), special_zero=False),
                           op.constant(np.int32(1)))  # fmt: skip
        node.output(0).replace(values.output(0))
        node.output(1).replace(index.output(0))
    model.validate_nodes_and_infer_types()


def _as_bytes(model):
    """The graph's XML and its constants."""
    openvino = import_openvino()
    with tempfile.TemporaryDirectory(prefix="exported") as folder:
        xml = Path(folder, "network.xml")
        openvino.save_model(model, xml, compress_to_fp16=False)
        return xml.read_bytes(), xml.with_suffix(".bin").read_bytes()


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path, help="weights file (.h5)")
    parser.add_argument("--settings", type=json.loads, help="the network's, as JSON, for a file "
                        "that does not hold them")  # fmt: skip
    chosen = parser.parse_args(arguments)
    try:
        print(export(chosen.weights, chosen.settings))
    except (WeightsError, ExportedError, ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    os.environ["KERAS_BACKEND"] = "tensorflow"
    sys.exit(main())
