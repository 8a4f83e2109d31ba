"""The network of a weights file, exported for OpenVINO; see `exported.py` for what reads it.

    python -m mrcnn.openvino_export logs/RUN/mask_rcnn_NAME_0010.h5

Needs Keras with TensorFlow; what it writes needs neither.
"""

import argparse
import contextlib
import io
import json
import os
import re
import sys
import tempfile
from pathlib import Path

from .exported import ExportedError, ExportedNetwork, exported_path, import_openvino, write_exported
from .weights import WeightsError, digest, read_metadata, whole_file

LARGER = 8 / 7  # side of the larger tiles over the recipe's, in whole SIDE_STEP
SIDE_STEP = 64  # pixels: the coarsest map of the pyramid has cells of that size
LARGEST_SMALL = 512  # pixels: larger tiles than these get no larger ones, for their memory
PER_AREA = ("PRE_NMS_LIMIT", "POST_NMS_ROIS_INFERENCE", "DETECTION_MAX_INSTANCES")
ALIGNED = 64  # bytes: where constants may begin


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
    models = _converted(weights, settings or read_metadata(weights)["config"])
    with whole_file(out) as temporary:
        write_exported(temporary, *_as_bytes(models), {"weights": digest(weights)})
        network = ExportedNetwork(temporary)
        for side in network.sides:
            # Of one detection: the masks of all would take nearly a gigabyte.
            network.detect_cropped([np.zeros((side, side, 3), np.uint8)], 1.0)
    return out


def _tile_configs(weights, settings):
    """The `Config`s for one tile at a time, all of whose detections are answered: that of the
    recipe's tiles, and where these are small that of somewhat larger ones, with which less of many
    images is looked at twice. The memory grows with a tile's area, the export with each size."""
    from .config import Config

    if not settings:
        raise WeightsError(f"{weights}: the file does not hold the settings of its network.")
    changes = {
        "GPU_COUNT": 1,
        "IMAGES_PER_GPU": 1,
        "COMPUTE_DTYPE": "float32",  # OpenVINO chooses by itself
        "DETECTION_MIN_CONFIDENCE": 0.0,
        "IMAGE_RESIZE_MODE": "square",
    }
    plain = Config.from_dict(settings, **changes)
    side = int(settings.get("TILE_DIM") or plain.IMAGE_SHAPE[0])
    configs = [Config.from_dict(settings, **changes, IMAGE_MIN_DIM=side, IMAGE_MAX_DIM=side)]
    if side <= LARGEST_SMALL and not callable(plain.BACKBONE):
        larger = max(round(side * LARGER / SIDE_STEP), side // SIDE_STEP + 1) * SIDE_STEP
        grown = {name: round(getattr(plain, name) * (larger / side) ** 2) for name in PER_AREA}
        size = {"IMAGE_MIN_DIM": larger, "IMAGE_MAX_DIM": larger}
        configs.append(Config.from_dict(settings, **changes, **grown, **size))
    return configs


def _converted(weights, settings):
    """The `openvino.Model`s of a weights file, by the side of their images."""
    from .model import MaskRCNN

    configs = _tile_configs(weights, settings)
    network = MaskRCNN("inference", configs[0], str(weights.parent))
    with contextlib.redirect_stdout(io.StringIO()):  # what does not fit is refused
        network.load_weights(str(weights))
    return {int(c.IMAGE_SHAPE[0]): _model(network.bank, c) for c in configs}


def _model(bank, config):
    import keras
    import tensorflow as tf

    from .graphs import tile_graph
    from .roi_align import RoIAlign

    graph = keras.Model(*tile_graph(bank, config))
    for layer in graph.layers:
        if isinstance(layer, RoIAlign):
            layer.pool = _pooled
    signature = [tf.TensorSpec(x.shape, x.dtype, x.name) for x in graph.inputs]

    @tf.function(input_signature=signature, autograph=False)
    def answer(image, lowest_score):
        return graph([image, lowest_score], training=False)

    openvino = import_openvino()
    extension = openvino.frontend.ConversionExtension("CropAndResize", _roi_align)
    model = openvino.convert_model(answer.get_concrete_function(), extension=[extension])
    _sort_faster(model)
    return model


def _pooled(layer, boxes, index, levels):
    """What a `RoIAlign` layer answers, as operations that OpenVINO gets its own ROIAlign for: less
    memory, and half of the time to compile. All levels are sampled, and one is taken."""
    import tensorflow as tf

    from .roi_align import axis_steps

    pooled, size = None, layer.size
    image = layer.image_shape if layer.exact else (None, None)
    for k, level in enumerate(levels):
        ends = []
        for axis in (0, 1):
            length = tf.fill(tf.shape(index), level.shape[1 + axis])
            first, step, _ = axis_steps(
                boxes[:, axis], boxes[:, axis + 2], length, size, image[axis], layer.points
            )
            # Points in the middle of equal cells, of which a map's cell begins at 0.
            start = first + 0.5 - step / 2
            ends.append((start, start + size * step))
        (top, bottom), (left, right) = ends
        places = tf.concat([left, top, right, bottom], 1)
        # Stands for `_roi_align`; TensorFlow never runs it.
        found = tf.raw_ops.CropAndResize(
            image=level, boxes=places, box_ind=tf.zeros_like(index), crop_size=[size, size]
        )
        here = (index == k)[:, None, None, None]
        pooled = found if pooled is None else tf.where(here, found, pooled)
    return tf.ensure_shape(pooled, (boxes.shape[0], size, size, levels[0].shape[-1]))


def _roi_align(node):
    """OpenVINO's operation for a CropAndResize of `_pooled`."""
    import numpy as np
    from openvino import opset13 as op

    level, places, image, size = (node.get_input(k) for k in range(4))
    rows, columns = size.get_node().get_data().tolist()
    # In this mode a place of 0 is the edge of the first cell, as in Detectron 2's.
    found = op.roi_align(
        op.transpose(level, op.constant(np.array([0, 3, 1, 2]))), places, image, rows, columns,
        sampling_ratio=1, spatial_scale=1.0, mode="avg", aligned_mode="half_pixel_for_nn",
    )  # fmt: skip
    return op.transpose(found, op.constant(np.array([0, 2, 3, 1]))).outputs()


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


def _as_bytes(models):
    """The graphs' XML by side, and the constants of all, each once."""
    openvino = import_openvino()
    graphs, places, constants = {}, {}, bytearray()

    def moved(match):
        start, size = int(match[1]), int(match[2])
        content = own[start : start + size]
        if content not in places:
            constants.extend(bytes(-len(constants) % ALIGNED))
            places[content] = len(constants)
            constants.extend(content)
        return b'offset="%d" size="%d"' % (places[content], size)

    with tempfile.TemporaryDirectory(prefix="exported") as folder:
        for side, model in models.items():
            xml = Path(folder, f"{side}.xml")
            openvino.save_model(model, xml, compress_to_fp16=False)
            own = xml.with_suffix(".bin").read_bytes()
            graphs[side] = re.sub(rb'offset="(\d+)" size="(\d+)"', moved, xml.read_bytes())
    return graphs, bytes(constants)


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
