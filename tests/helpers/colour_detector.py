"""A detector that finds red and blue blobs, like a network that makes no mistakes."""

from __future__ import annotations

import cv2
import numpy as np
from detectors import detections

from spm.inference.detector import Detector

CLASSES = ["red", "blue"]


def read_colours(images, wrong=lambda number: number):
    """Finds red and blue blobs, cut ones too, like a network that makes no mistakes."""
    results = []
    for image in images:
        boxes, classes, scores, masks = [], [], [], []
        for number, channel in ((0, 0), (1, 2)):
            bright = (image[..., channel] > 128).astype(np.uint8)
            count, labels, stats, _ = cv2.connectedComponentsWithStats(bright, connectivity=4)
            for k in range(1, count):
                x, y, w, h, area = stats[k]
                if area >= 4:
                    boxes.append((y, x, y + h, x + w))
                    classes.append(wrong(number))
                    # The larger the piece, the surer: a whole molecule beats its pieces.
                    scores.append(area / (area + 20))
                    masks.append(labels == k)
        results.append(detections(boxes, classes, scores, masks))
    return results


def fake(detect=read_colours, **fields):
    settings = {"scale": 1.0, "input_size": 96, "score_threshold": 0.5} | fields
    return Detector(list(CLASSES), detect=detect, **settings)


def blobs(height, width, radius=9, step=26, offset=14):
    """An image with a lattice of discs, red and blue in turn; and the centres and colours."""
    image = np.zeros((height, width, 3), np.uint8)
    truth = []
    for row, y in enumerate(range(offset, height - offset, step)):
        for column, x in enumerate(range(offset, width - offset, step)):
            blue = (row + column) % 2
            cv2.circle(image, (x, y), radius, (0, 0, 255) if blue else (255, 0, 0), -1)
            truth.append((x + 0.5, y + 0.5, CLASSES[blue]))
    return image, truth
