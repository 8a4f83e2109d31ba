"""The two graphs, from layers of one bank: training, for one size of image, and inference, for
one size or for any."""

import keras
import numpy as np
from keras import ops

from . import boxes as box_ops
from . import losses, own_backbone, sampled_rpn
from .anchor_tools import pixel_anchors
from .backbone import resnet
from .box_tools import norm_boxes
from .detection import Detections
from .fpn import pyramid
from .heads import box_head, mask_head
from .roi_align import RoIAlign
from .rpn import Proposals, rpn_head
from .targets import DetectionTargets, positive_places


class Compute(keras.layers.Layer):
    """A named function of tensors, float32, as a layer without weights.

    Args:
        function: of one tensor, or of a list of them.
        shape: of the answer, for a function that JAX could trace for images of one size only.
    """

    def __init__(self, function, shape=None, **kwargs):
        super().__init__(dtype="float32", autocast=False, **kwargs)
        self.function = function
        self.shape = shape

    def compute_output_spec(self, inputs):
        if self.shape is None:
            return super().compute_output_spec(inputs)
        return keras.KerasTensor(self.shape, "float32")

    def call(self, inputs):
        return self.function(inputs)


class FixedBatch(keras.layers.Layer):
    """Tells the graph how many images a batch has; its content passes unchanged."""

    def __init__(self, batch, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.batch = batch

    def call(self, x):
        return ops.reshape(x, (self.batch, *ops.shape(x)[1:]))

    def compute_output_spec(self, x):
        return keras.KerasTensor((self.batch, *x.shape[1:]), x.dtype)


class Constant(keras.layers.Layer):
    """A fixed array, whatever the input; nothing here can be trained."""

    def __init__(self, array, **kwargs):
        super().__init__(dtype="float32", autocast=False, **kwargs)
        self.array = array

    def call(self, inputs):
        return ops.convert_to_tensor(self.array)


def _first_level(config):
    """2 for strides from 4 on, 3 for strides from 8 on."""
    return int(np.log2(config.BACKBONE_STRIDES[0]))


def _image_input(config, height, width):
    channels = int(config.IMAGE_SHAPE[2])
    if np.size(config.MEAN_PIXEL) not in (1, channels):
        raise ValueError(
            f"MEAN_PIXEL needs a value for each of the {channels} channels of IMAGE_SHAPE. "
            f"Received: {np.size(config.MEAN_PIXEL)} values."
        )
    return keras.Input((height, width, channels), name="input_image")


def anchors_per_cell(config):
    return len(config.RPN_ANCHOR_RATIOS) * int(np.size(config.RPN_ANCHOR_SCALES[0]))


def _trunk(bank, config, image, match=None):
    """Pyramid levels, RPN outputs and C2 of a molded image (B, H, W, 3).

    With `match` (B, A, 1), of a graph that is trained, also what the RPN's losses take: the match,
    logits and deltas of all anchors, or, where it pays, of those alone that count. Without it the
    last answer is of no use.
    """
    first = _first_level(config)
    if callable(config.BACKBONE):
        maps = own_backbone.feature_maps(bank, config.BACKBONE, image)
    else:
        maps = resnet(bank, image, config.BACKBONE, config.STAGE5_WIDTH)
    levels = pyramid(bank, maps, config.TOP_DOWN_PYRAMID_SIZE, first)
    per_cell, count = anchors_per_cell(config), config.RPN_TRAIN_ANCHORS_PER_IMAGE
    rpn = rpn_head(bank, levels, per_cell, config.RPN_ANCHOR_STRIDE, config.RPN_CHANNELS)
    judged = [match, rpn[0], rpn[2]]
    # Where the backbone's maps do not fit the anchors, the losses say so.
    fits = match is not None and match.shape[1] == rpn[0].shape[1]
    if fits and match.shape[1] >= sampled_rpn.WORTH * count * per_cell:
        judged = sampled_rpn.judged(bank, levels, match, per_cell, count)
    return levels, rpn, maps[0], judged


def _proposals(config, count, **kwargs):
    return Proposals(
        count,
        config.RPN_NMS_THRESHOLD,
        config.PRE_NMS_LIMIT,
        config.RPN_BBOX_STD_DEV,
        name="ROI",
        **kwargs,
    )


def _box_pool(config, image_shape):
    return RoIAlign(
        config.POOL_SIZE,
        image_shape,
        _first_level(config),
        config.EXACT_ROI_ALIGN,
        name="roi_align_classifier",
    )


def _masks(bank, config, rois, levels, finest, image_shape):
    """Mask probabilities (B, N, 28, 28, K) of RoIs (B, N, 4); `finest` is C2."""
    exact = config.EXACT_ROI_ALIGN or config.EXACT_MASKS
    where = {"exact": exact, "centred": config.EXACT_MASKS}
    size, first = config.MASK_POOL_SIZE, _first_level(config)
    pooled = RoIAlign(size, image_shape, first, name="roi_align_mask", **where)(
        [rois, *levels[:-1]]
    )
    fine = None
    if config.MASK_FINE_FEATURES:
        fine = RoIAlign(2 * size, image_shape, 2, name="roi_align_mask_fine", **where)
        fine = fine([rois, finest])
    return mask_head(
        bank, pooled, rois.shape[1], config.NUM_CLASSES, config.MASK_HEAD_CHANNELS, fine
    )


def training_graph(bank, config):
    """Inputs and outputs of the training graph, in matterport's order.

    Inputs: input_image (B, H, W, 3) molded; input_image_meta (B, M); input_rpn_match (B, A, 1);
    input_rpn_bbox (B, D, 4); input_gt_class_ids (B, G); input_gt_boxes (B, G, 4) pixels;
    input_gt_masks (B, h, w, G); and, with USE_RPN_ROIS False, input_roi (B, N, 4) pixels, from
    which the heads' RoIs are drawn instead of from the proposals.

    Outputs: RPN logits, probabilities, deltas; RoI class logits, probabilities, deltas; masks of
    the positive places; proposals; drawn RoIs; the five losses.
    """
    height, width = int(config.IMAGE_SHAPE[0]), int(config.IMAGE_SHAPE[1])
    batch = config.IMAGES_PER_GPU
    inputs = _training_inputs(config, height, width)
    fixed = FixedBatch(batch)
    image, meta, match, rpn_target, gt_ids, gt_boxes, gt_masks, *given = (fixed(x) for x in inputs)

    levels, rpn, finest, (match, judged_logits, judged_deltas) = _trunk(bank, config, image, match)
    rpn_logits, rpn_class, rpn_bbox = rpn
    anchors = norm_boxes(pixel_anchors(config, (height, width)), (height, width))
    anchors = np.broadcast_to(anchors.astype("float32"), (batch, *anchors.shape))
    anchors = Constant(anchors, name="anchors")(image)
    proposals = _proposals(config, config.POST_NMS_ROIS_TRAINING)([rpn_class, rpn_bbox, anchors])

    pixels_to_unit = Compute(lambda x: box_ops.normalise(x, height, width))
    candidates = pixels_to_unit(given[0]) if given else proposals
    targets = DetectionTargets(config, name="proposal_targets")
    rois, target_ids, target_deltas, target_masks = targets(
        [candidates, gt_ids, pixels_to_unit(gt_boxes), gt_masks]
    )
    first = positive_places(config)

    pooled = _box_pool(config, (height, width))([rois, *levels[:-1]])
    logits, classes, deltas = box_head(
        bank,
        pooled,
        config.TRAIN_ROIS_PER_IMAGE,
        config.NUM_CLASSES,
        config.FPN_CLASSIF_FC_LAYERS_SIZE,
    )
    mask_rois = Compute(lambda x: targets.mask_rois(*x))([rois, target_deltas])
    masks = _masks(bank, config, mask_rois, levels, finest, (height, width))

    active = Compute(lambda x: x[:, 12:])(meta)
    terms = [
        _loss("rpn_class_loss", losses.rpn_class_loss, match, judged_logits),
        _loss("rpn_bbox_loss", losses.rpn_bbox_loss, match, rpn_target, judged_deltas),
        _loss("mrcnn_class_loss", losses.mrcnn_class_loss, target_ids, logits, active),
        _loss("mrcnn_bbox_loss", losses.mrcnn_bbox_loss, target_deltas, target_ids, deltas),
        _loss(
            "mrcnn_mask_loss",
            losses.mrcnn_mask_loss,
            target_masks,
            Compute(lambda x: x[:, :first])(target_ids),
            masks,
        ),
    ]
    found = [rpn_logits, rpn_class, rpn_bbox, logits, classes, deltas, masks, proposals, rois]
    return inputs, found + terms


def _training_inputs(config, height, width):
    anchors = len(pixel_anchors(config, (height, width)))
    instances = config.MAX_GT_INSTANCES
    mask = tuple(config.MINI_MASK_SHAPE) if config.USE_MINI_MASK else (height, width)
    inputs = [
        _image_input(config, height, width),
        keras.Input((config.IMAGE_META_SIZE,), name="input_image_meta"),
        keras.Input((anchors, 1), name="input_rpn_match", dtype="int32"),
        keras.Input((config.RPN_TRAIN_ANCHORS_PER_IMAGE, 4), name="input_rpn_bbox"),
        keras.Input((instances,), name="input_gt_class_ids", dtype="int32"),
        keras.Input((instances, 4), name="input_gt_boxes"),
        keras.Input((*mask, instances), name="input_gt_masks", dtype="bool"),
    ]
    if not config.USE_RPN_ROIS:
        rois = (config.POST_NMS_ROIS_TRAINING, 4)
        inputs.append(keras.Input(rois, name="input_roi", dtype="int32"))
    return inputs


def _loss(name, function, *tensors):
    return Compute(lambda x: function(*x), name=name)(list(tensors))


def inference_graph(bank, config, image_shape):
    """Inputs and outputs of the inference graph for images of `image_shape` (height, width), or,
    when that is None, of any size whose sides are multiples of the coarsest stride but one.

    Inputs: input_image (B, H, W, 3) molded; input_image_meta (B, M); input_anchors (B, A, 4)
    normalised.

    Outputs, in matterport's order: detections (B, D, 6), class probabilities (B, N, K) and deltas
    (B, N, K, 4) of all RoIs, masks (B, D, 28, 28, K) of the detections, RoIs, RPN probabilities,
    RPN deltas; and the class probabilities (B, D, K) of the detections.
    """
    sides, count = (None, None), None
    if image_shape is not None:
        sides = int(image_shape[0]), int(image_shape[1])
        count = len(pixel_anchors(config, sides))
    inputs = [
        _image_input(config, *sides),
        keras.Input((config.IMAGE_META_SIZE,), name="input_image_meta"),
        keras.Input((count, 4), name="input_anchors"),
    ]
    image, meta, anchors = (FixedBatch(config.BATCH_SIZE)(x) for x in inputs)
    known = sides if image_shape is not None else None
    window = Compute(
        lambda x: box_ops.normalise(x[0][:, 7:11], *ops.shape(x[1])[1:3]), (config.BATCH_SIZE, 4)
    )([meta, image])
    found = _find(bank, config, known, [image, anchors, window])
    levels, rpn, rois, heads, (detections, probabilities) = found
    # A layer of matterport's name with matterport's output, for `run_graph`.
    detections = Compute(lambda x: x, name="mrcnn_detection")(detections)
    boxes = Compute(lambda x: x[..., :4])(detections)
    masks = _masks(bank, config, boxes, levels[:-1], levels[-1], known)
    return inputs, [detections, *heads, masks, rois, *rpn, probabilities]


def _find(bank, config, image_shape, tensors):
    """Everything of the inference graph but the masks.

    Args:
        image_shape: (height, width) of the image, None for any.
        tensors: molded image (B, H, W, 3), anchors (B, A, 4) and window (B, 4), normalised.

    Returns:
        pyramid levels with C2 behind them; RPN probabilities and deltas; RoIs; their class
        probabilities and deltas; detections and their class probabilities.
    """
    image, anchors, window = tensors
    levels, (_, *rpn), finest, _ = _trunk(bank, config, image)
    rois = _proposals(config, config.POST_NMS_ROIS_INFERENCE)([*rpn, anchors])
    pooled = _box_pool(config, image_shape)([rois, *levels[:-1]])
    _, *heads = box_head(
        bank,
        pooled,
        config.POST_NMS_ROIS_INFERENCE,
        config.NUM_CLASSES,
        config.FPN_CLASSIF_FC_LAYERS_SIZE,
    )
    return [*levels, finest], rpn, rois, heads, Detections(config)([rois, *heads, window])


def tile_graph(bank, config):
    """Inputs and outputs of the graph that `exported.py` runs: one image that fills the network's,
    and masks of those detections alone that are asked for.

    Inputs: image (1, S, S, 3) RGB 0..255; lowest_score (1,).

    Outputs: detections (1, D, 6), their class probabilities (1, D, K), and masks (1, N, 28, 28) of
    the first N detections, N being 1 or those with at least the lowest score.
    """
    sides = tuple(int(n) for n in config.IMAGE_SHAPE[:2])
    inputs = [
        keras.Input(tuple(int(n) for n in config.IMAGE_SHAPE), batch_size=1, name="image"),
        keras.Input((), batch_size=1, name="lowest_score"),
    ]
    mean = np.asarray(config.MEAN_PIXEL, "float32")
    image = Compute(lambda x: x - ops.convert_to_tensor(mean))(inputs[0])
    anchors = norm_boxes(pixel_anchors(config, sides), sides).astype("float32")[None]
    anchors = Constant(anchors)(image)
    window = Constant(np.array([[0, 0, 1, 1]], "float32"))(image)
    found = _find(bank, config, sides, [image, anchors, window])
    levels, _, _, _, (detections, probabilities) = found
    reported = Compute(_first_rows, (1, None, 6))([detections, inputs[1]])
    boxes = Compute(lambda x: x[..., :4], (1, None, 4))(reported)
    masks = _masks(bank, config, boxes, levels[:-1], levels[-1], sides)
    return inputs, [detections, probabilities, OwnMask()([masks, reported])]


def _first_rows(tensors):
    """The detections (1, N, 6) of (1, D, 6), by falling score, that reach a score (1,)."""
    detections, lowest = tensors
    count = ops.sum(ops.cast(detections[0, :, 5] >= lowest[0], "int32"))
    return detections[:, : ops.maximum(count, 1)]


class OwnMask(keras.layers.Layer):
    """Masks (B, D, h, w) of the class that each detection has, from those of all classes."""

    def call(self, inputs):
        masks, detections = inputs
        ids = ops.cast(detections[..., 4], "int32")
        return ops.take_along_axis(masks, ids[..., None, None, None], axis=4)[..., 0]

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(inputs[0].shape[:-1], inputs[0].dtype)
