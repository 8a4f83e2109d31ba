"""RoIAlign: features at n x n bilinear points of each box, gathered from the flattened pyramid.

Sampling is that of crop_and_resize, as in matterport's detector: the first and the last point of a
row lie on the box's edges, and a point outside the map counts as zero.

crop_and_resize lays the image's first pixel on the map's first cell and the last one on the last
cell. A cell of stride s stands for s pixels, though, so that points near the left border come s/2
pixels too far right, those near the right border s/2 too far left, and the heads, which cannot know
where in the image they are, place molecules near the borders s/2 pixels too far out. With
`exact` each pixel is where it is on the map (RoIAlign as He et al. 2017 meant it).
"""

import math

import keras
from keras import ops

# Cells by which a point may miss the map and still count. Without it, rounding decides whether
# the last row of a box at the image's border is zero, as it does in crop_and_resize.
BORDER = 1e-4
# Boxes that are sampled together: what lies between is several times as large as the result.
AT_ONCE = 400


def bilinear_crop(flat, start, shape, boxes, size, image=None, points="edges"):
    """Sample `size` x `size` points of boxes on maps that lie row by row in one matrix.

    Args:
        flat: (S, C) all cells of all maps.
        start: (R,) int32, row of `flat` where the map of box r begins.
        shape: (height, width) of that map, each (R,) int32.
        boxes: (R, 4) float32, normalised to that map.
        size: static int or pair (rows, columns), each at least 2.
        image: (height, width) in pixels of the image that the maps cover, numbers or scalar
            tensors, for points exactly where the boxes are; None for points as in crop_and_resize.
        points: "edges" for points from edge to edge; "centres" for those in the middle of
            `size` x `size` equal cells of the box, where the pixels of a mask are; "faded" for
            these, with values that count as much as the map covers of the box's cell, instead of
            fully up to the map's edge. Both need `image`.

    Returns:
        (R, rows, columns, C), in the dtype of `flat`.

    Raises:
        ValueError: points in cells without `image`.
    """
    height, width = shape
    rows, columns = (size, size) if isinstance(size, int) else size
    if points != "edges" and image is None:
        raise ValueError("points in cells need the image's size. Received: image=None.")
    tall, wide = image or (None, None)
    top, bottom, wy, in_y = _axis_points(boxes[:, 0], boxes[:, 2], height, rows, tall, points)
    left, right, wx, in_x = _axis_points(boxes[:, 1], boxes[:, 3], width, columns, wide, points)
    inside = in_y[:, :, None] * in_x[:, None, :]
    wy, wx = wy[:, :, None], wx[:, None, :]

    def corner(y, x, weight):
        cell = start[:, None, None] + y[:, :, None] * width[:, None, None] + x[:, None, :]
        weight = ops.cast(weight * inside, flat.dtype)
        return ops.take(flat, cell, axis=0) * weight[..., None]

    return (
        corner(top, left, (1 - wy) * (1 - wx))
        + corner(top, right, (1 - wy) * wx)
        + corner(bottom, left, wy * (1 - wx))
        + corner(bottom, right, wy * wx)
    )


def axis_steps(low, high, length, count, pixels, points):
    """Where the first of `count` sampling points of one axis lies, in cells of the map from the
    centre of its first one, and how far the next one is from it, each (R, 1); and by how many cells
    a point may miss the map.

    Args:
        low, high: (R,) ends of the boxes, normalised.
        length: cells of the map, int32.
        pixels: the image's side for exact places, or None.
        points: see `bilinear_crop`.
    """
    last = ops.cast(length - 1, "float32")[:, None]
    if pixels is None:
        factor, shift, border = last, 0.0, BORDER
    else:
        # From the centre of a pixel to continuous pixels, to cells, to the centre of a cell.
        pixels = ops.cast(pixels, "float32")
        cells = (last + 1) / pixels
        factor, shift, border = (pixels - 1) * cells, 0.5 * cells - 0.5, 0.5
    first = low[:, None] * factor + shift
    if points == "edges":
        return first, (high - low)[:, None] * factor / (count - 1), border
    # The box's edges are half a pixel before the centre of its first pixel and half a pixel behind
    # that of its last one.
    step = ((high - low)[:, None] * factor + cells) / count
    return first + 0.5 * (step - cells), step, border


def _axis_points(low, high, length, count, pixels, points):
    """Cells on both sides of each of `count` sampling points of one axis, the weight of the
    second, and how much the point counts, 1.0 on the map and 0.0 off it; each (R, count).
    Arguments as of `axis_steps`."""
    first, step, border = axis_steps(low, high, length, count, pixels, points)
    last = ops.cast(length - 1, "float32")[:, None]
    position = first + ops.arange(count, dtype="float32")[None, :] * step
    if points == "faded":
        to_border = ops.minimum(position, last - position) + 0.5
        inside = ops.clip(to_border / ops.maximum(step, 1e-6) + 0.5, 0.0, 1.0)
    else:
        inside = ops.logical_and(position >= -border, position <= last + border)
        inside = ops.cast(inside, "float32")
    position = ops.clip(position, 0.0, last)
    first = ops.floor(position)
    second = ops.cast(ops.minimum(first + 1, last), "int32")
    return ops.cast(first, "int32"), second, position - first, inside


class RoIAlign(keras.layers.Layer):
    """Pools every RoI from the pyramid level that suits its size.

    Level = 4 + log2(sqrt(h w) / (224 / sqrt(image area))), rounded and cut to the pooled levels
    (Lin et al. 2017, equation 1, for normalised boxes).

    Args:
        size: points a side.
        image_shape: (height, width) of the network's image in pixels; None to take it from the
            finest map, whose cells are 2^first_level pixels wide.
        first_level: of the pyramid, 2 or 3.
        exact: place the points exactly; False as in crop_and_resize.
        centred: points in the middle of equal cells, see `bilinear_crop`; needs `exact`.

    Call with `[rois (B, N, 4) normalised, P<first_level>, ..., P5]`.
    Returns (B * N, size, size, C).

    Attributes:
        pool: what does the work, for a graph that is exported to where there is an operation for
            it: takes the layer, boxes (B * N, 4), the index of each one's level, and the levels.
    """

    def __init__(self, size, image_shape=None, first_level=2, exact=False, centred=False, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.size = size
        self.exact, self.centred = exact, centred
        self.image_shape = None
        if image_shape is not None:
            self.image_shape = (int(image_shape[0]), int(image_shape[1]))
        self.first_level = first_level
        self.pool = RoIAlign._gathered

    def call(self, inputs):
        rois, levels = ops.stop_gradient(inputs[0]), inputs[1:]
        # A box that overflowed must not become an index: it pools from somewhere near instead.
        boxes = ops.reshape(ops.clip(ops.nan_to_num(rois), -10.0, 10.0), (-1, 4))
        index = self._level_index(boxes, len(levels), self._image_shape(levels))
        return self.pool(self, boxes, index, levels)

    @property
    def points(self):
        """Which points are sampled, see `bilinear_crop`."""
        return "centres" if self.centred else "edges"

    def _image_shape(self, levels):
        """Numbers where the graph is made for one size of image, else scalar tensors."""
        return self.image_shape or tuple(n * 2**self.first_level for n in ops.shape(levels[0])[1:3])

    def _gathered(self, boxes, index, levels):
        sides = [ops.shape(level)[1:3] for level in levels]
        batch, channels = ops.shape(levels[0])[0], levels[0].shape[-1]
        image_shape = self._image_shape(levels)
        cells = [height * width for height, width in sides]
        flat = ops.concatenate([ops.reshape(x, (batch, -1, channels)) for x in levels], 1)
        flat = ops.reshape(flat, (-1, channels))
        total = ops.shape(boxes)[0]

        heights = ops.convert_to_tensor([height for height, _ in sides], "int32")
        widths = ops.convert_to_tensor([width for _, width in sides], "int32")
        starts = [sum(cells[:k]) for k in range(len(cells))]
        start = ops.take(ops.convert_to_tensor(starts, "int32"), index, axis=0)
        image = ops.repeat(ops.arange(batch, dtype="int32"), total // batch) * sum(cells)
        shapes = ops.take(heights, index, axis=0), ops.take(widths, index, axis=0)
        start = start + image
        parts = [slice(None)]
        if isinstance(total, int):
            parts = [slice(at, at + AT_ONCE) for at in range(0, total, AT_ONCE)]
        pooled = [
            bilinear_crop(
                flat, start[part], (shapes[0][part], shapes[1][part]), boxes[part], self.size,
                image_shape if self.exact else None, self.points,
            )
            for part in parts
        ]  # fmt: skip
        return pooled[0] if len(pooled) == 1 else ops.concatenate(pooled, axis=0)

    def compute_output_spec(self, inputs):
        batch, count = inputs[0].shape[:2]
        rows, columns = (self.size, self.size) if isinstance(self.size, int) else self.size
        total = None if None in (batch, count) else batch * count
        return keras.KerasTensor((total, rows, columns, inputs[1].shape[-1]), inputs[1].dtype)

    def _level_index(self, boxes, levels, image_shape):
        """Which of the pooled levels (0 is the finest) serves each box: (R,) int32."""
        height = boxes[:, 2] - boxes[:, 0]
        width = boxes[:, 3] - boxes[:, 1]
        side = ops.sqrt(ops.maximum(height * width, 1e-12))
        area = image_shape[0] * image_shape[1]
        if isinstance(area, int):
            unit = 224.0 / math.sqrt(area)
        else:
            unit = 224.0 / ops.sqrt(ops.cast(area, "float32"))
        level = 4 + ops.cast(ops.round(ops.log2(side / unit)), "int32")
        return ops.clip(level - self.first_level, 0, levels - 1)
