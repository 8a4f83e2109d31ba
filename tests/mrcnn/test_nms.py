"""Both ways of non-maximum suppression against plain NumPy and against TensorFlow's kernel."""

import keras
import numpy as np
import pytest
from keras import ops

from mrcnn import nms


def plain(boxes, scores, count, threshold):
    """The rule in its shortest form: indices kept, by falling score, lower index first in ties."""
    kept = []
    for i in sorted(range(len(boxes)), key=lambda k: (-scores[k], k)):
        if scores[i] > -1 and all(overlap(boxes[i], boxes[j]) <= threshold for j in kept):
            kept.append(i)
    return kept[:count]


def overlap(a, b):
    height = min(a[2], b[2]) - max(a[0], b[0])
    width = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(height, 0) * max(width, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / max(union, 1e-12)


def random_boxes(rng, count):
    start = rng.random((count, 2))
    return np.concatenate([start, start + rng.uniform(0.05, 0.4, (count, 2))], 1).astype("float32")


def run(function, boxes, scores, count, threshold):
    """Kept indices, after checking that places left over are 0 and not valid."""
    indices, valid = function(
        ops.convert_to_tensor(boxes, "float32"),
        ops.convert_to_tensor(scores, "float32"),
        count,
        threshold,
    )
    indices, valid = ops.convert_to_numpy(indices), ops.convert_to_numpy(valid)
    assert indices.shape == valid.shape == (count,)
    assert (indices[~valid] == 0).all()
    assert (np.diff(valid.astype(int)) <= 0).all()  # all valid ones stand in front
    return indices[valid].tolist()


both = pytest.mark.parametrize("function", [nms.greedy, nms.non_max_suppression])


@both
@pytest.mark.parametrize(("number", "count"), [(1, 1), (7, 20), (256, 30), (257, 300), (700, 90)])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7])
def test_random_boxes(function, number, count, threshold):
    rng = np.random.default_rng([number, int(10 * threshold)])
    boxes, scores = random_boxes(rng, number), rng.random(number).astype("float32")
    assert run(function, boxes, scores, count, threshold) == plain(boxes, scores, count, threshold)


@both
def test_equal_scores(function):
    """Where scores tie, the lower index comes first."""
    rng = np.random.default_rng(3)
    boxes = random_boxes(rng, 300)
    scores = rng.integers(0, 4, 300).astype("float32") / 4
    assert run(function, boxes, scores, 300, 0.3) == plain(boxes, scores, 300, 0.3)
    equal = np.full(300, 0.5, "float32")
    assert run(function, boxes, equal, 40, 0.2) == plain(boxes, equal, 40, 0.2)


@both
def test_a_suppressed_box_suppresses_nobody(function):
    """Pitfall 15: the middle of three boxes in a row goes, and must not take the third along."""
    boxes = [[0, 0, 1, 1.0], [0, 0.4, 1, 1.4], [0, 0.8, 1, 1.8]]  # neighbours: IoU 0.6 / 1.4
    assert run(function, boxes, [0.9, 0.8, 0.7], 3, 0.3) == [0, 2]


@both
def test_long_chain(function):
    """Each box of a long chain depends on the one before: every second one stays."""
    left = np.arange(600, dtype="float32")[:, None] * 0.5
    boxes = np.concatenate([left * 0, left, left * 0 + 1, left + 1], axis=1)
    scores = np.linspace(1, 0.1, 600)
    assert run(function, boxes, scores, 600, 0.3) == list(range(0, 600, 2))


@both
def test_boxes_that_take_no_part(function):
    boxes = [[0, 0, 1, 1.0], [0, 0, 1, 1.0], [2, 2, 3, 3.0]]
    assert run(function, boxes, [-1.0, 0.5, 0.1], 3, 0.5) == [1, 2]
    assert run(function, boxes, [-1.0, -1.0, -1.0], 3, 0.5) == []


@both
def test_boxes_without_area_overlap_nothing(function):
    boxes = [[0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5], [0, 0, 1, 1.0]]
    assert run(function, boxes, [0.9, 0.8, 0.7], 3, 0.1) == [0, 1, 2]


def test_general_way_in_a_compiled_graph():
    """The loop works where shapes are static and values unknown."""
    rng = np.random.default_rng(5)
    boxes, scores = random_boxes(rng, 300), rng.random(300).astype("float32")
    inputs = [keras.Input((300, 4)), keras.Input((300,))]

    class Suppress(keras.layers.Layer):
        def call(self, x):
            return nms.greedy(x[0][0], x[1][0], 50, 0.3)[0][None]

        def compute_output_spec(self, x):
            return keras.KerasTensor((1, 50), "int32")

    model = keras.Model(inputs, Suppress()(inputs))
    kept = model.predict_on_batch([boxes[None], scores[None]])[0]
    expected = plain(boxes, scores, 50, 0.3)
    assert kept[: len(expected)].tolist() == expected


@pytest.mark.parametrize("threshold", [0.3, 0.7])
def test_against_tensorflow(threshold):
    tf = pytest.importorskip("tensorflow")
    rng = np.random.default_rng(11)
    boxes, scores = random_boxes(rng, 1000), rng.random(1000).astype("float32")
    scores[500:] = scores[:500]  # ties
    expected = tf.image.non_max_suppression(boxes, scores, 200, threshold).numpy().tolist()
    assert run(nms.greedy, boxes, scores, 200, threshold) == expected
    assert run(nms.non_max_suppression, boxes, scores, 200, threshold) == expected
