"""The layers of a Mask R-CNN in the older Keras (tf_keras), which writes its weights files here.

Run as a program of its own (`write_files`), since two Keras versions share TensorFlow's settings:

    python older_keras.py '{"source": "ours.h5", "folder": "out", "network": {...}, "ways": [...]}'

Names and order of the layers are those of matterport's weights files; anchors, proposals and
RoIAlign, which have no weights, are stand-ins that give tensors of the right shapes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path


@dataclass
class Network:
    """Sizes of a network; the defaults are those of matterport's COCO file but for the trunk."""

    classes: int = 81
    blocks: tuple[int, ...] = (3, 4, 6, 3)  # of the stages 2..5
    widths: tuple[int, ...] = (64, 128, 256, 512)
    pyramid: int = 256
    rpn: int = 512
    hidden: int = 1024
    mask: int = 256
    side: int = 64


def write_files(
    folder: Path, network: Network, ways: list[str], source: Path | None = None
) -> dict[str, Path]:
    """Has the older Keras write files, and returns their paths by way.

    Args:
        folder: where they go, as `<way>.h5`.
        network: its sizes.
        ways: names of functions in `WAYS` below.
        source: a weights file that the network is filled from by name; else its weights are drawn.
    """
    order = {
        "source": str(source) if source else None,
        "folder": str(folder),
        "network": asdict(network),
        "ways": ways,
    }
    done = subprocess.run(
        [sys.executable, __file__, json.dumps(order)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return {way: Path(folder) / f"{way}.h5" for way in ways}


# --- in the other process ------------------------------------------------------------------------


def _layers():
    """The older Keras, and three layers of ours for it."""
    import tensorflow as tf
    import tf_keras

    @tf_keras.utils.register_keras_serializable("older")
    class FrozenBatchNorm(tf_keras.layers.BatchNormalization):
        """Always with its moving statistics, as matterport's with TRAIN_BN=False."""

        def call(self, inputs, training=None):
            return super().call(inputs, training=False)

    @tf_keras.utils.register_keras_serializable("older")
    class Pooled(tf_keras.layers.Layer):
        """In place of RoIAlign: the map shrunk to `size`, twice, as two RoIs (B, 2, s, s, C)."""

        def __init__(self, size, **kwargs):
            super().__init__(**kwargs)
            self.size = size

        def call(self, inputs):
            small = tf.image.resize(tf.cast(inputs, "float32"), (self.size, self.size))
            return tf.cast(tf.stack([small, small], axis=1), inputs.dtype)

        def get_config(self):
            return {**super().get_config(), "size": self.size}

    @tf_keras.utils.register_keras_serializable("older")
    class Anchors(tf_keras.layers.Layer):
        """Anchors as a variable, which training changes, as in the older training graph."""

        def build(self, shape):
            self.anchors = self.add_weight(name="Variable", shape=(1, 99, 4), initializer="ones")

        def call(self, inputs):
            return self.anchors + 0

    return tf_keras, FrozenBatchNorm, Pooled, Anchors


def trunk(keras, batch_norm, image, network):
    """C2..C5."""
    layers = keras.layers

    def relu(x, name=None):
        return layers.Activation("relu", name=name)(x)

    x = layers.ZeroPadding2D(3)(image)
    x = layers.Conv2D(64, 7, strides=2, name="conv1")(x)
    x = relu(batch_norm(epsilon=1e-3, name="bn_conv1")(x))
    x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    maps = []
    for stage, (blocks, width) in enumerate(zip(network.blocks, network.widths, strict=True), 2):
        for index in range(blocks):
            tag = f"{stage}{chr(ord('a') + index)}_branch"
            stride = 2 if stage > 2 and index == 0 else 1
            y = x
            for branch, filters, size, step in (
                ("2a", width, 1, stride),
                ("2b", width, 3, 1),
                ("2c", 4 * width, 1, 1),
            ):
                y = layers.Conv2D(
                    filters, size, strides=step, padding="same", name=f"res{tag}{branch}"
                )(y)
                y = batch_norm(epsilon=1e-3, name=f"bn{tag}{branch}")(y)
                y = y if branch == "2c" else relu(y)
            if index == 0:
                x = layers.Conv2D(4 * width, 1, strides=stride, name=f"res{tag}1")(x)
                x = batch_norm(epsilon=1e-3, name=f"bn{tag}1")(x)
            x = relu(layers.Add()([y, x]), f"res{tag[:-7]}_out")
        maps.append(x)
    return maps


def pyramid(keras, maps, channels):
    """P2..P6."""
    layers = keras.layers
    sums = {5: layers.Conv2D(channels, 1, name="fpn_c5p5")(maps[3])}
    for level in (4, 3, 2):
        up = layers.UpSampling2D(2, name=f"fpn_p{level + 1}upsampled")(sums[level + 1])
        lateral = layers.Conv2D(channels, 1, name=f"fpn_c{level}p{level}")(maps[level - 2])
        sums[level] = layers.Add(name=f"fpn_p{level}add")([up, lateral])
    levels = [
        layers.Conv2D(channels, 3, padding="same", name=f"fpn_p{k}")(sums[k]) for k in (2, 3, 4, 5)
    ]
    return [*levels, layers.MaxPooling2D(1, strides=2, name="fpn_p6")(levels[-1])]


def proposal_network(keras, levels, network, name):
    """The RPN, a model within the model: logits, scores and deltas of all levels."""
    layers = keras.layers
    cells = keras.Input((None, None, network.pyramid), name="input_rpn_feature_map")
    shared = layers.Conv2D(
        network.rpn, 3, padding="same", activation="relu", name="rpn_conv_shared"
    )(cells)
    logits = layers.Conv2D(6, 1, name="rpn_class_raw")(shared)
    logits = layers.Reshape((-1, 2))(logits)
    scores = layers.Activation("softmax", name="rpn_class_xxx")(logits)
    deltas = layers.Conv2D(12, 1, name="rpn_bbox_pred")(shared)
    deltas = layers.Reshape((-1, 4))(deltas)
    model = keras.Model(cells, [logits, scores, deltas], name=name)
    found = zip(*(model(level) for level in levels), strict=True)
    names = ("rpn_class_logits", "rpn_class", "rpn_bbox")
    return [
        layers.Concatenate(axis=1, name=n)(list(parts))
        for n, parts in zip(names, found, strict=True)
    ]


def heads(keras, batch_norm, pooled, level, network):
    """Class scores, box deltas and masks of two RoIs."""
    layers = keras.layers

    def each(layer, x, name):
        return layers.TimeDistributed(layer, name=name)(x)

    x = pooled(7, name="roi_align_classifier")(level)
    for k, size in ((1, 7), (2, 1)):
        x = each(layers.Conv2D(network.hidden, size), x, f"mrcnn_class_conv{k}")
        x = each(batch_norm(epsilon=1e-3), x, f"mrcnn_class_bn{k}")
        x = layers.Activation("relu")(x)
    x = layers.Reshape((2, network.hidden), name="pool_squeeze")(x)
    logits = each(layers.Dense(network.classes), x, "mrcnn_class_logits")
    classes = each(layers.Activation("softmax"), logits, "mrcnn_class")
    boxes = each(layers.Dense(4 * network.classes), x, "mrcnn_bbox_fc")
    boxes = layers.Reshape((2, network.classes, 4), name="mrcnn_bbox")(boxes)
    x = pooled(14, name="roi_align_mask")(level)
    for k in (1, 2, 3, 4):
        x = each(layers.Conv2D(network.mask, 3, padding="same"), x, f"mrcnn_mask_conv{k}")
        x = each(batch_norm(epsilon=1e-3), x, f"mrcnn_mask_bn{k}")
        x = layers.Activation("relu")(x)
    x = each(
        layers.Conv2DTranspose(network.mask, 2, strides=2, activation="relu"), x,
        "mrcnn_mask_deconv",
    )  # fmt: skip
    masks = each(layers.Conv2D(network.classes, 1, activation="sigmoid"), x, "mrcnn_mask")
    return [classes, boxes, masks]


def build(network, rpn_name="rpn_model", anchors=False, extra=""):
    """The whole network; with `anchors` as a variable, or one more layer called `extra`."""
    keras, batch_norm, pooled, anchor_layer = _layers()
    image = keras.Input((network.side, network.side, 3), name="input_image")
    x = batch_norm(name=extra)(image) if extra else image
    levels = pyramid(keras, trunk(keras, batch_norm, x, network), network.pyramid)
    outputs = proposal_network(keras, levels, network, rpn_name)
    outputs += heads(keras, batch_norm, pooled, levels[0], network)
    if anchors:
        outputs.append(anchor_layer(name="anchors")(image))
    return keras.Model(image, outputs, name="mask_rcnn")


LONG = "x" * 700  # every name of a list takes as much as its longest


class Writer:
    """Writes one file in one way; each method is a way."""

    def __init__(self, order):
        self.network = Network(**order["network"])
        self.source, self.folder = order["source"], Path(order["folder"])

    def write(self, way):
        getattr(self, way)(str(self.folder / f"{way}.h5"))

    def _filled(self, **kinds):
        model = build(self.network, **kinds)
        if self.source:
            model.load_weights(self.source, by_name=True)
        return model

    @cached_property
    def plain(self):
        return self._filled()

    def save_weights(self, path):
        self.plain.save_weights(path)

    def checkpoint(self, path):
        """ModelCheckpoint, weights only."""
        self._fit(path, save_weights_only=True)

    def whole_model(self, path):
        """ModelCheckpoint, with the model's settings and the optimiser's weights."""
        self._fit(path, save_weights_only=False)

    def _fit(self, path, save_weights_only):
        import numpy as np
        import tf_keras

        model = self.plain
        optimizer = tf_keras.optimizers.SGD(0.0, momentum=0.9)
        model.compile(optimizer=optimizer, loss="mse", run_eagerly=True)
        side = self.network.side
        image = np.zeros((1, side, side, 3), "float32")
        targets = [np.zeros(t.shape) for t in model(image)]
        checkpoint = tf_keras.callbacks.ModelCheckpoint(path, save_weights_only=save_weights_only)
        model.fit(image, targets, verbose=0, callbacks=[checkpoint])

    def training_graph(self, path):
        """With anchors among the weights."""
        self._filled(anchors=True).save_weights(path)

    def numbered_rpn(self, path):
        # Not by name: the network is filled under its usual name and then copied.
        model = build(self.network, rpn_name="rpn_model_1")
        model.set_weights(self.plain.get_weights())
        model.save_weights(path)

    def long_names(self, path):
        """A layer name so long that the list of all passes 64 KB and is stored in parts."""
        self._filled(extra=LONG).save_weights(path)

    def whole_in_one(self, path):
        """The network as one layer of another, as its copies on several cards were; the list of
        weights, stored in parts, since each name is long."""
        import tf_keras

        model = self._filled(extra=LONG)
        image = tf_keras.Input((self.network.side, self.network.side, 3))
        tf_keras.Model(image, model(image)).save_weights(path)

    def float16(self, path):
        import tf_keras

        values = [w.astype("float16") for w in self.plain.get_weights()]
        tf_keras.backend.set_floatx("float16")
        model = build(self.network)
        model.set_weights(values)
        model.save_weights(path)
        tf_keras.backend.set_floatx("float32")

    def second_of_a_session(self, path):
        """Graph mode, as in TensorFlow 1: the second network's variables get numbers."""
        build(self.network)
        self.plain.save_weights(path)

    def backbone(self, path):
        """The trunk alone, as ImageNet files of Keras 2.0 were."""
        keras, batch_norm, *_ = _layers()
        image = keras.Input((self.network.side, self.network.side, 3), name="input_1")
        maps = trunk(keras, batch_norm, image, self.network)
        model = keras.Model(image, maps[-1], name="resnet50")
        if self.source:
            model.load_weights(self.source, by_name=True)
        model.save_weights(path)

    def application(self, path):
        """ResNet-50 of `applications`, as later ImageNet files are; weights drawn."""
        import tf_keras

        tf_keras.utils.set_random_seed(0)
        tf_keras.applications.ResNet50(weights=None, include_top=False).save_weights(path)


def main():
    order = json.loads(sys.argv[1])
    import tensorflow as tf

    if "second_of_a_session" in order["ways"]:
        assert len(order["ways"]) == 1, "graph mode is for the whole process"
        tf.compat.v1.disable_eager_execution()
    writer = Writer(order)
    for way in order["ways"]:
        writer.write(way)


if __name__ == "__main__":
    main()
