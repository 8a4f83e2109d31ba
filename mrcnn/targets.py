"""What the heads shall say: RoIs drawn from the proposals, with class, deltas and mask of each."""

import keras
from keras import ops

from . import boxes as box_ops
from . import distributed
from .roi_align import bilinear_crop


class DetectionTargets(keras.layers.Layer):
    """Draws RoIs for training and works out their targets; no gradient flows through it.

    A RoI that overlaps a true box with an IoU of 0.5 or more is positive, any other is background,
    unless more than IGNORE_OVERLAP of it lies on instances of a negative class id: those are
    neither target nor background.

    The first `positives` places of the answer hold positive RoIs only, the rest background only,
    so that the mask head needs to look at the first ones alone. Places left over are zeros.

    Args:
        config: `Config`.

    Call with `[rois (B, N, 4) normalised, gt_class_ids (B, G) int32 padded with 0,
    gt_boxes (B, G, 4) normalised, gt_masks (B, h, w, G)]`; masks are cut to their box (mini
    masks) when USE_MINI_MASK is set.
    Returns rois (B, T, 4), class ids (B, T) int32, deltas (B, T, 4) over BBOX_STD_DEV, and masks
    (B, P, mh, mw) float32 for the P positive places: of 0 and 1, or with EXACT_MASKS from 0 to 1,
    since rounding would move the borders (a tie is a quarter of a cell, always to one side).
    """

    def __init__(self, config, **kwargs):
        super().__init__(dtype="float32", autocast=False, **kwargs)
        self.total = config.TRAIN_ROIS_PER_IMAGE
        self.positives = positive_places(config)
        self.ratio = config.ROI_POSITIVE_RATIO
        self.fill = config.FILL_NEGATIVES
        self.add_gt = config.ADD_GT_ROIS
        self.ignore_overlap = config.IGNORE_OVERLAP
        self.std_dev = [float(v) for v in config.BBOX_STD_DEV]
        self.mini_masks = config.USE_MINI_MASK
        self.mask_shape = tuple(int(v) for v in config.MASK_SHAPE)
        self.exact_masks = config.EXACT_MASKS
        self.mask_roi_error = config.MASK_ROI_ERROR
        self.image_shape = tuple(int(v) for v in config.IMAGE_SHAPE[:2])
        self.random = keras.random.SeedGenerator()

    def call(self, inputs):
        rois, class_ids, boxes, masks = (ops.stop_gradient(x) for x in inputs)
        class_ids = ops.cast(class_ids, "int32")
        if self.add_gt:
            own = ops.where((class_ids > 0)[..., None], boxes, 0.0)
            rois = ops.concatenate([rois, own], axis=1)
        positive, negative, match = self._match(rois, class_ids, boxes)
        chosen, used = self._draw(positive, negative)

        match = ops.take_along_axis(match, chosen, axis=1)
        rois = ops.take_along_axis(rois, chosen[..., None], axis=1)
        rois = ops.where(used[..., None], rois, 0.0)
        is_positive = ops.logical_and(used, ops.arange(self.total) < self.positives)
        target_ids = ops.where(is_positive, ops.take_along_axis(class_ids, match, axis=1), 0)

        own_boxes = ops.take_along_axis(boxes, match[..., None], axis=1)
        deltas = box_ops.refinement(rois, own_boxes) / ops.convert_to_tensor(self.std_dev)
        deltas = ops.where(is_positive[..., None], deltas, 0.0)

        first = slice(0, self.positives)
        mask_rois = self.mask_rois(rois, deltas)
        target_masks = self._masks(mask_rois, own_boxes[:, first], match[:, first], masks)
        target_masks = ops.where(is_positive[:, first, None, None], target_masks, 0.0)
        return rois, target_ids, deltas, target_masks

    def mask_rois(self, rois, deltas):
        """RoIs (B, P, 4) of the mask head, from those drawn (B, T, 4) and the targets of their
        deltas (B, T, 4): moved towards their true boxes as far as MASK_ROI_ERROR says."""
        rois, deltas = rois[:, : self.positives], deltas[:, : self.positives]
        if self.mask_roi_error == 1:
            return rois
        deltas = deltas * ops.convert_to_tensor(self.std_dev) * (1.0 - self.mask_roi_error)
        return box_ops.apply_deltas(rois, deltas)

    def _match(self, rois, class_ids, boxes):
        """Which RoIs (B, N) are positive, which are background, and the true box of each."""
        real = class_ids > 0
        overlap = ops.where(real[:, None, :], box_ops.iou(rois, boxes), -1.0)
        best = ops.max(overlap, axis=2)
        own_area = box_ops.area(rois)
        shared = box_ops.intersection(rois, boxes)
        ignored = ops.sum(ops.where((class_ids < 0)[:, None, :], shared, 0.0), axis=2)
        on_ignored = ignored > self.ignore_overlap * own_area
        exists = own_area > 0
        positive = ops.logical_and(exists, best >= 0.5)
        negative = ops.logical_and(exists, ops.logical_and(best < 0.5, ~on_ignored))
        return positive, negative, ops.cast(ops.argmax(overlap, axis=2), "int32")

    def _draw(self, positive, negative):
        """Indices (B, T) of RoIs drawn at random, and which of them are used."""
        negatives = self.total - self.positives
        rows, columns = positive.shape
        # Drawn for the whole batch, so that an image's draw does not hang on who works on it.
        shape = (rows * distributed.processes(), columns)
        noise = distributed.own_rows(keras.random.uniform(shape, seed=self.random))
        score, first = _random_top(positive, noise, self.positives)
        used_first = score > 0
        score, second = _random_top(negative, noise, negatives)
        found = ops.sum(ops.cast(used_first, "float32"), axis=1, keepdims=True)
        wanted = ops.floor(found / self.ratio) - found
        # Without a molecule there is no ratio to keep: the image still teaches background.
        wanted = ops.where(found > 0, wanted, float(negatives))
        if self.fill:
            wanted = ops.full_like(wanted, float(negatives))
        used_second = ops.logical_and(
            score > 0, ops.arange(negatives, dtype="float32")[None, :] < wanted
        )
        chosen = ops.concatenate([first, second], axis=1)
        return ops.cast(chosen, "int32"), ops.concatenate([used_first, used_second], axis=1)

    def _masks(self, rois, own_boxes, match, masks):
        """Masks (B, P, mh, mw) of the matched instances inside each RoI."""
        batch, height, width, instances = (int(n) for n in masks.shape)
        places = int(rois.shape[1])
        if self.mini_masks and self.exact_masks:
            rois = self._in_mini_masks(rois, own_boxes, height, width)
        elif self.mini_masks:
            y1, x1, y2, x2 = box_ops.split(rois)
            t1, s1, t2, s2 = box_ops.split(own_boxes)
            high = ops.maximum(t2 - t1, 1e-8)
            wide = ops.maximum(s2 - s1, 1e-8)
            rois = ops.concatenate(
                [(y1 - t1) / high, (x1 - s1) / wide, (y2 - t1) / high, (x2 - s1) / wide], axis=-1
            )
        flat = ops.cast(ops.transpose(masks, (0, 3, 1, 2)), "float32")
        flat = ops.reshape(flat, (batch * instances * height * width, 1))
        image = ops.arange(batch, dtype="int32")[:, None] * instances
        start = ops.reshape((image + match) * (height * width), (batch * places,))
        size = ops.full((batch * places,), 1, dtype="int32")
        boxes = ops.reshape(rois, (batch * places, 4))
        crops = bilinear_crop(
            flat,
            start,
            (size * height, size * width),
            boxes,
            self.mask_shape,
            (height, width) if self.exact_masks else None,
            "faded" if self.exact_masks else "edges",
        )
        crops = ops.reshape(crops, (batch, places, *self.mask_shape))
        return crops if self.exact_masks else ops.round(crops)

    def _in_mini_masks(self, rois, own_boxes, height, width):
        """RoIs (B, P, 4) normalised to the mini masks (height x width) of their own boxes, as if
        these were images: pixel edges lie on pixel edges."""
        sides = ops.convert_to_tensor([n - 1 for n in self.image_shape] * 2, "float32")
        last = ops.convert_to_tensor([0.0, 0.0, 1.0, 1.0])
        edges, own_edges = rois * sides + last, own_boxes * sides + last
        corner = ops.concatenate([own_edges[..., :2]] * 2, axis=-1)
        extent = ops.concatenate([own_edges[..., 2:] - own_edges[..., :2]] * 2, axis=-1)
        mini = ops.convert_to_tensor([height, width] * 2, "float32")
        place = (edges - corner) / ops.maximum(extent, 1e-8) * mini
        return (place - last) / (mini - 1)


def positive_places(config):
    """Places of an image's training RoIs that positive ones may take."""
    return int(config.TRAIN_ROIS_PER_IMAGE * config.ROI_POSITIVE_RATIO)


def _random_top(flags, noise, count):
    """`count` indices (B, count), random ones of those whose flag is set first; their score is
    0 where the flags ran out."""
    score = ops.where(flags, 1.0 + noise, 0.0)
    available = min(count, int(flags.shape[1]))
    score, index = ops.top_k(score, available)
    if available < count:
        padding = [[0, 0], [0, count - available]]
        score, index = ops.pad(score, padding), ops.pad(index, padding)
    return score, index
