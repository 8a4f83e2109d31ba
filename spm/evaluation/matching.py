"""Which prediction matches which truth: overlaps, and the one-to-one matching by falling score.

The rule is COCO's (pycocotools, `cocoeval.py`): predictions are served in order of falling
score, and each matches the free truth it overlaps most, if by at least the threshold. A truth is
matched once, so that a second prediction of it is a false one. Ignored truths come last, may be
matched by any number of predictions, and whoever matches one is not counted. As for COCO's crowds
the overlap with an ignored truth is the share of the *prediction* that lies on it: an outline
cut by the border says little about how large the whole would be.
"""

from dataclasses import dataclass

import numpy as np

UNMATCHED = -1
# COCO lets a threshold of 1.0 accept an overlap that rounding left just below 1.
_ALMOST_ONE = 1 - 1e-10
# Rows of the box-against-box table worked on at once: bounds memory at thousands of molecules.
_CHUNK = 512


@dataclass(frozen=True)
class Overlaps:
    """The pairs of one image that touch at all.

    Attributes:
        prediction: (P,) int, index of the pair's prediction; pairs are sorted by it, then by
            truth.
        truth: (P,) int, index of the pair's truth.
        overlap: (P,) float64 in 0..1, IoU; for an ignored truth intersection over the
            prediction's area.
    """

    prediction: np.ndarray
    truth: np.ndarray
    overlap: np.ndarray


def find_overlaps(truths, predictions, kind="mask"):
    """Compares every prediction of an image with every truth whose box it touches.

    Args:
        truths: list of Instance, one image's.
        predictions: list of Instance of the same image.
        kind: "mask" for pixel masks, "box" for boxes.

    Returns:
        Overlaps with the pairs that share at least a part of a pixel.

    Raises:
        ValueError: if kind is neither, or masks are asked of instances that have none.
    """
    if kind not in ("mask", "box"):
        raise ValueError(f'kind must be "mask" or "box". Received: {kind!r}.')
    ignored = np.array([t.ignore for t in truths], bool)
    truth_boxes, prediction_boxes = _boxes(truths), _boxes(predictions)
    pairs = [
        _touching(prediction_boxes[start : start + _CHUNK], truth_boxes, start)
        for start in range(0, len(predictions), _CHUNK)
    ]
    if not pairs:
        return Overlaps(np.zeros(0, int), np.zeros(0, int), np.zeros(0))
    prediction = np.concatenate([p for p, _, _ in pairs])
    truth = np.concatenate([t for _, t, _ in pairs])
    if kind == "box":
        common = np.concatenate([c for _, _, c in pairs])
        # The order of the products is pycocotools', so that no tie falls otherwise than there.
        truth_area, prediction_area = _areas(truth_boxes), _areas(prediction_boxes)
    else:
        _need_masks(truths, predictions)
        common = _common_pixels(truths, predictions, truth, prediction)
        truth_area = np.array([t.area for t in truths], np.float64)
        prediction_area = np.array([p.area for p in predictions], np.float64)
        touching = common > 0
        prediction, truth, common = prediction[touching], truth[touching], common[touching]
    union = np.where(
        ignored[truth],
        prediction_area[prediction],
        prediction_area[prediction] + truth_area[truth] - common,
    )
    return Overlaps(prediction, truth, common / union)


def match(overlaps, scores, ignored, threshold, allowed=None):
    """Lets the predictions of one image match its truths at one IoU threshold.

    Args:
        overlaps: Overlaps of the image.
        scores: (D,) float, the predictions' scores. Equal scores are served in list order.
        ignored: (T,) bool, truths that count neither way.
        threshold: lowest overlap that makes a match good, 0..1.
        allowed: (P,) bool, pairs to consider (say: of equal class). All by default.

    Returns:
        matches: (D,) int, the index of the truth that each prediction matches or UNMATCHED.
        overlap: (D,) float64, the matched pair's overlap, 0 without a match.
    """
    matches = np.full(len(scores), UNMATCHED)
    matched_overlap = np.zeros(len(scores))
    good = overlaps.overlap >= min(threshold, _ALMOST_ONE)
    if allowed is not None:
        good &= allowed
    predictions, truths = overlaps.prediction[good], overlaps.truth[good]
    values = overlaps.overlap[good]
    # Best match first for each prediction; COCO takes the later truth of two equal overlaps.
    order = np.lexsort((-truths, -values, ignored[truths], predictions))
    predictions, truths, values = predictions[order], truths[order], values[order]
    starts = np.searchsorted(predictions, np.arange(len(scores) + 1))
    taken = np.zeros(len(ignored), bool)
    for d in np.argsort(-np.asarray(scores, np.float64), kind="stable"):
        for k in range(starts[d], starts[d + 1]):
            truth = truths[k]
            if taken[truth] and not ignored[truth]:
                continue
            taken[truth] = True
            matches[d], matched_overlap[d] = truth, values[k]
            break
    return matches, matched_overlap


def _boxes(instances):
    return np.array([i.box for i in instances], np.float64).reshape(-1, 4)


def _areas(boxes):
    return (boxes[:, 3] - boxes[:, 1]) * (boxes[:, 2] - boxes[:, 0])


def _touching(prediction_boxes, truth_boxes, start):
    """(prediction, truth, common area) of the pairs of boxes with a common area."""
    a, b = prediction_boxes[:, None], truth_boxes[None]
    heights = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    widths = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    rows, columns = np.nonzero((heights > 0) & (widths > 0))
    return rows + start, columns, widths[rows, columns] * heights[rows, columns]


def _need_masks(truths, predictions):
    bare = [i for i in (*truths, *predictions) if i.mask is None]
    if bare:
        raise ValueError(
            'kind="mask" needs instances with masks; make them with Instance.from_mask or '
            f"from_polygon, or compare boxes. Received: {bare[0].class_name!r} without a mask."
        )


def _common_pixels(truths, predictions, truth, prediction):
    """Counts the pixels that each pair of masks shares: (P,) float64."""
    return np.array(
        [
            truths[t].mask.common_pixels(predictions[p].mask)
            for t, p in zip(truth, prediction, strict=True)
        ],
        np.float64,
    )
