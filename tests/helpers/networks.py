"""What the tests of the network share: weights by recipe, losses for fixed RoIs, comparisons."""

from __future__ import annotations

import hashlib
import zlib

import keras
import numpy as np
from keras import ops

from mrcnn import boxes as box_ops
from mrcnn import losses, weights
from mrcnn.graphs import Compute, FixedBatch
from mrcnn.heads import box_head, mask_head
from mrcnn.roi_align import RoIAlign

LEVELS = ("fpn_p2", "fpn_p3", "fpn_p4", "fpn_p5")
_GAIN = {
    "conv1": 0.02,
    "rpn_class_raw": 0.05,
    "rpn_bbox_pred": 0.05,
    "mrcnn_class_logits": 0.1,
    "mrcnn_bbox_fc": 0.1,
    "mrcnn_mask": 0.1,
}


# --- weights by recipe (../shared/parity/README.md) --------------------------------------------


def recipe_value(layer, weight, shape, damped="branch2c"):
    """The float32 array that the recipe gives to a weight of this name and shape.

    The last BatchNorm of a block, whose name ends with `damped`, is scaled down, so that the
    activations do not grow from block to block; in ResNet-18 it is "branch2b".
    """
    rng = np.random.RandomState(zlib.crc32(f"{layer}/{weight}".encode()) & 0xFFFFFFFF)
    n = rng.standard_normal(size=shape)
    if weight == "kernel":
        value = n * np.sqrt(2 / np.prod(shape[:-1])) * _GAIN.get(layer, 1)
    elif weight == "bias":
        value = 0.01 * n
    elif weight == "gamma":
        value = (1 + 0.1 * n) * (0.2 if layer.endswith(damped) else 1)
    elif weight in ("beta", "moving_mean"):
        value = 0.1 * n
    else:
        assert weight == "moving_variance"
        value = 1 + 0.1 * np.abs(n)
    return value.astype(np.float32)


def fill_by_recipe(layers, damped="branch2c"):
    """Fill all weights; the answer is their number and the sha256 over sorted keys and bytes."""
    values = {}
    for layer in layers:
        for variable in layer.weights:
            name = weights.weight_name(variable)
            value = recipe_value(layer.name, name, tuple(variable.shape), damped)
            values[f"{layer.name}/{name}"] = value
            variable.assign(value)
    digest = hashlib.sha256()
    for key in sorted(values):
        digest.update(key.encode())
        digest.update(values[key].tobytes())
    return len(values), digest.hexdigest()


# --- the losses for fixed RoIs -----------------------------------------------------------------


class FixedRoIs(keras.Model):
    """The training graph with RoIs and targets from outside instead of drawn ones."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return sum(y_pred[:5])


class Keep(keras.optimizers.Optimizer):
    """Puts each gradient in the place of its variable, so that it can be read on any backend."""

    def build(self, variables):
        super().build(variables)

    def update_step(self, gradient, variable, learning_rate):
        self.assign(variable, ops.cast(gradient, variable.dtype))

    def get_config(self):
        return super().get_config()


def fixed_rois_model(trainer, positives, parents=None):
    """The five losses of a detector in training mode for RoIs from outside.

    Args:
        trainer: `MaskRCNN` in training mode, one image a step; its layers are used.
        positives: number of RoIs that a mask target is given for; they come first.
        parents: (P,) indices of the anchors that became the first P RoIs, or None. With them, the
            box targets of these RoIs are computed from the RPN's deltas, as the older code did
            without stopping the gradient.

    Inputs: image, meta, RPN match, RPN deltas, RoIs (1, T, 4), class ids (1, T), deltas (1, T, 4),
    masks (1, positives, h, w), anchors (1, A, 4) and true boxes (1, P, 4) of the first P RoIs,
    both normalised.
    Outputs: five losses, then RPN logits and deltas, class logits, probabilities, deltas, masks.
    """
    config, graph = trainer.config, trainer.keras_model
    total = config.TRAIN_ROIS_PER_IMAGE
    count = int(graph.get_layer("rpn_bbox").output.shape[1])
    shape = tuple(config.MASK_SHAPE)
    fixed = FixedBatch(1)
    image, meta, match, rpn_target = graph.inputs[:4]
    own = [
        keras.Input((total, 4), name="rois"),
        keras.Input((total,), name="ids", dtype="int32"),
        keras.Input((total, 4), name="deltas"),
        keras.Input((positives, *shape), name="masks"),
        keras.Input((count, 4), name="fixed_anchors"),
        keras.Input((len(parents) if parents is not None else 1, 4), name="true_boxes"),
    ]
    rois, ids, target_deltas, target_masks, anchors, true_boxes = (fixed(x) for x in own)
    levels = [graph.get_layer(name).output for name in LEVELS]
    rpn_logits = graph.get_layer("rpn_class_logits").output
    rpn_bbox = graph.get_layer("rpn_bbox").output

    side = config.IMAGE_SHAPE[:2]
    pooled = RoIAlign(config.POOL_SIZE, side)([rois, *levels])
    logits, classes, deltas = box_head(
        trainer.bank, pooled, total, config.NUM_CLASSES, config.FPN_CLASSIF_FC_LAYERS_SIZE
    )
    pooled = RoIAlign(config.MASK_POOL_SIZE, side)([rois[:, :positives], *levels])
    masks = mask_head(
        trainer.bank, pooled, positives, config.NUM_CLASSES, config.MASK_HEAD_CHANNELS
    )

    if parents is not None:
        target_deltas = Compute(_OlderTargets(config, parents))(
            [target_deltas, rpn_bbox, anchors, true_boxes]
        )
    active = meta[:, 12:]
    terms = [
        Compute(lambda x: losses.rpn_class_loss(*x))([fixed(match), rpn_logits]),
        Compute(lambda x: losses.rpn_bbox_loss(*x))([fixed(match), fixed(rpn_target), rpn_bbox]),
        Compute(lambda x: losses.mrcnn_class_loss(*x))([ids, logits, active]),
        Compute(lambda x: losses.mrcnn_bbox_loss(*x))([target_deltas, ids, deltas]),
        Compute(lambda x: losses.mrcnn_mask_loss(*x))([target_masks, ids[:, :positives], masks]),
    ]
    outputs = [*terms, rpn_logits, rpn_bbox, logits, classes, deltas, masks]
    return FixedRoIs([image, meta, match, rpn_target, *own], outputs)


class _OlderTargets:
    """Box targets of the positive RoIs, through which the gradient reaches the RPN."""

    def __init__(self, config, parents):
        self.parents = np.asarray(parents, np.int32)
        self.rpn_std = [float(v) for v in config.RPN_BBOX_STD_DEV]
        self.std = [float(v) for v in config.BBOX_STD_DEV]

    def __call__(self, tensors):
        deltas, rpn_bbox, anchors, true_boxes = tensors
        anchors = ops.take(anchors, self.parents, axis=1)
        moved = box_ops.apply_deltas(
            anchors,
            ops.take(rpn_bbox, self.parents, axis=1) * ops.convert_to_tensor(self.rpn_std),
        )
        rois = box_ops.clip(moved, ops.convert_to_tensor([0.0, 0.0, 1.0, 1.0]))
        own = box_ops.refinement(rois, true_boxes) / ops.convert_to_tensor(self.std)
        return ops.concatenate([own, deltas[:, len(self.parents) :]], axis=1)


def gradients_of(model, inputs):
    """{layer/weight: gradient} of the sum of a `FixedRoIs` model's losses. The weights are lost."""
    model.compile(optimizer=Keep(learning_rate=1.0), jit_compile=False)
    model.train_on_batch(tuple(inputs))
    return {
        f"{layer.name}/{weights.weight_name(v)}": np.array(ops.convert_to_numpy(v))
        for layer in model.layers
        for v in layer.trainable_variables
    }


# --- comparisons -------------------------------------------------------------------------------


def relative_error(found, expected):
    """Greatest difference over the greatest expected value."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert found.shape == expected.shape
    return np.abs(found - expected).max() / np.abs(expected).max()


def set_distance(found, expected):
    """Greatest distance of a row to the nearest row of the other set, both ways round; a row's
    distance is its greatest coordinate's."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    apart = np.abs(found[:, None] - expected[None]).max(axis=2)
    return max(apart.min(axis=0).max(), apart.min(axis=1).max())
