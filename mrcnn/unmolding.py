"""From what the network says of its image to boxes and masks in the pixels of the image given to
it. NumPy alone, the same for Keras and for the exported network."""

import numpy as np

from .box_tools import denorm_boxes_exact, norm_boxes
from .mask_tools import crop_masks


def unmold_boxes(detections, original_shape, image_shape, window):
    """Find the real detections of one image.

    Args:
        detections: (D, 6) normalised boxes, class id, score; padded with zeros.
        original_shape: (H, W, ...) of the image.
        image_shape: (h, w, ...) of the network's image.
        window: (y1, x1, y2, x2), the image's place in it, in pixels.

    Returns:
        boxes (N, 4) float64 in pixels of the image, not rounded; class ids (N,) int32; scores (N,)
        float32; and the N rows of `detections` that they come from.
    """
    last = np.flatnonzero(detections[:, 4] == 0)
    count = last[0] if len(last) else len(detections)
    window = norm_boxes(np.asarray(window), image_shape[:2])
    origin = np.array([window[0], window[1], window[0], window[1]])
    height, width = window[2] - window[0], window[3] - window[1]
    boxes = (detections[:count, :4] - origin) / np.array([height, width, height, width])
    boxes = denorm_boxes_exact(boxes, original_shape[:2])
    whole = np.around(boxes)
    real = (whole[:, 2] > whole[:, 0]) & (whole[:, 3] > whole[:, 1])
    kept = np.flatnonzero(real)
    return (
        boxes[kept],
        detections[kept, 4].astype(np.int32),
        detections[kept, 5].astype(np.float32),
        kept,
    )


def unmold_cropped(original_shape, image_shape, window, detections, masks, probabilities):
    """Turn the answer for one image into what `MaskRCNN.detect_cropped` gives.

    Args:
        original_shape, image_shape, window, detections: see `unmold_boxes`.
        masks: (D, h, w) probabilities within the boxes.
        probabilities: (D, K) of each class, the background first.

    Returns:
        dict of boxes, class_ids, scores, class_scores, masks.
    """
    boxes, class_ids, scores, kept = unmold_boxes(detections, original_shape, image_shape, window)
    return {
        "boxes": boxes,
        "class_ids": class_ids,
        "scores": scores,
        "class_scores": probabilities[kept, 1:],
        "masks": crop_masks(masks[kept], boxes, original_shape),
    }
