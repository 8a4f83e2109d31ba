"""Box arithmetic on tensors, for the inside of the network.

Boxes are (y1, x1, y2, x2), float32, normalised: pixel box -> (box - [0, 0, 1, 1]) / (side - 1).
Everything is `keras.ops` with static shapes. The NumPy counterparts for data preparation are in
`box_tools`.
"""

from keras import ops


def split(boxes):
    """The four coordinates of boxes (..., 4), each (..., 1)."""
    return boxes[..., 0:1], boxes[..., 1:2], boxes[..., 2:3], boxes[..., 3:4]


def normalise(pixel_boxes, height, width):
    """Pixel boxes (..., 4) with exclusive y2, x2 -> normalised boxes, for an image of
    `height` x `width` pixels, numbers or scalar tensors."""
    sides = [ops.cast(side - 1, "float32") for side in (height, width)]
    scale = ops.stack([*sides, *sides])
    shift = ops.convert_to_tensor([0.0, 0.0, 1.0, 1.0], "float32")
    return (ops.cast(pixel_boxes, "float32") - shift) / scale


def apply_deltas(boxes, deltas):
    """Shift and scale boxes (..., 4) by deltas (dy, dx, log dh, log dw) of the same shape.

    Source: Girshick et al., R-CNN (CVPR 2014), appendix C.
    """
    y1, x1, y2, x2 = split(boxes)
    dy, dx, dh, dw = split(deltas)
    height = y2 - y1
    width = x2 - x1
    centre_y = y1 + 0.5 * height + dy * height
    centre_x = x1 + 0.5 * width + dx * width
    height = height * ops.exp(dh)
    width = width * ops.exp(dw)
    y1 = centre_y - 0.5 * height
    x1 = centre_x - 0.5 * width
    return ops.concatenate([y1, x1, y1 + height, x1 + width], axis=-1)


def refinement(boxes, targets):
    """The deltas (dy, dx, log dh, log dw) that turn boxes (..., 4) into targets (..., 4).

    Boxes without an area give finite deltas: their sides count as 1e-8.
    """
    y1, x1, y2, x2 = split(boxes)
    t1, s1, t2, s2 = split(targets)
    height = ops.maximum(y2 - y1, 1e-8)
    width = ops.maximum(x2 - x1, 1e-8)
    target_height = ops.maximum(t2 - t1, 1e-8)
    target_width = ops.maximum(s2 - s1, 1e-8)
    dy = (t1 + 0.5 * target_height - y1 - 0.5 * height) / height
    dx = (s1 + 0.5 * target_width - x1 - 0.5 * width) / width
    return ops.concatenate(
        [dy, dx, ops.log(target_height / height), ops.log(target_width / width)], axis=-1
    )


def clip(boxes, window):
    """Boxes (..., 4) cut to a window that broadcasts against them, (4,) or (..., 4)."""
    y1, x1, y2, x2 = split(boxes)
    top, left, bottom, right = split(window)
    return ops.concatenate(
        [
            ops.maximum(ops.minimum(y1, bottom), top),
            ops.maximum(ops.minimum(x1, right), left),
            ops.maximum(ops.minimum(y2, bottom), top),
            ops.maximum(ops.minimum(x2, right), left),
        ],
        axis=-1,
    )


def area(boxes):
    """Areas (...) of boxes (..., 4)."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def intersection(boxes, others):
    """Areas (..., N, M) that boxes (..., N, 4) share with others (..., M, 4)."""
    top = ops.maximum(boxes[..., :, None, 0], others[..., None, :, 0])
    left = ops.maximum(boxes[..., :, None, 1], others[..., None, :, 1])
    bottom = ops.minimum(boxes[..., :, None, 2], others[..., None, :, 2])
    right = ops.minimum(boxes[..., :, None, 3], others[..., None, :, 3])
    return ops.maximum(bottom - top, 0.0) * ops.maximum(right - left, 0.0)


def iou(boxes, others):
    """Intersection over union (..., N, M) of boxes (..., N, 4) and others (..., M, 4).

    Two boxes without an area overlap by 0, not by NaN.
    """
    shared = intersection(boxes, others)
    union = area(boxes)[..., :, None] + area(others)[..., None, :] - shared
    return shared / ops.maximum(union, 1e-12)
