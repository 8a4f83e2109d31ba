#!/usr/bin/env bash
# TensorFlow 2.21.0 with Keras 3.15.1 (takes some minutes: a large package).
# Behaviour: top_k of 0.1, NaN, 0.5, 0.3 gives NaN, 0.5 and 0.1: the 0.3 is lost, without an error.
# crop_and_resize of ones gives a last row of zeros for some boxes that end on the border: the place of
# the row, rounded in float32, lies outside. What a Python generator raises in fit() arrives as
# another class: a ValueError as InvalidArgumentError, the others as UnknownError. predict_on_batch traces a graph for images of
# any size up to three times: once, and once for each side that changes.
# Last run: 2026-11-28, Python 3.11.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check tensorflow==2.21.0 keras==3.15.1 'numpy==2.2.6'
cd "$work"
"$python" - <<'PY'
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np
import tensorflow as tf

values = tf.math.top_k([0.1, float("nan"), 0.5, 0.3], 3).values.numpy()
print("top_k:", values)
assert np.isnan(values[0]) and np.allclose(values[1:], [0.5, 0.1])

ones, lost = tf.ones((1, 32, 32, 1)), []
for row in range(1, 31):
    crop = tf.image.crop_and_resize(ones, [[row / 31, 0, 1, 1]], [0], [14, 14]).numpy()
    lost += [row] if (crop[0, -1] == 0).all() else []
print("last row lost for boxes from row", lost, "to the border")
assert 0 < len(lost) < 15

class Damaged(Exception):
    pass

def raised(kind):
    def batches():
        for _ in range(6):
            yield np.zeros((2, 3), "float32"), np.zeros((2, 1), "float32")
        raise kind("image 7 is damaged")
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    try:
        model.fit(batches(), steps_per_epoch=20, epochs=1, verbose=0)
    except Exception as error:
        return type(error).__name__

seen = {kind.__name__: raised(kind) for kind in (ValueError, Damaged)}
print(seen)
assert seen == {"ValueError": "InvalidArgumentError", "Damaged": "UnknownError"}

class Count(keras.layers.Layer):
    traces = 0
    def call(self, x):
        Count.traces += 1
        return x * 2

image = keras.Input((None, None, 3))
model = keras.Model(image, Count()(image))
Count.traces, counts = 0, []
for size in ((8, 8), (8, 16), (16, 8), (24, 32)):
    model.predict_on_batch(np.zeros((1, *size, 3), "float32"))
    counts.append(Count.traces)
print("traces:", counts)
assert counts == [1, 2, 3, 3]
PY
echo "confirmed: top_k loses a value beside NaN, crop_and_resize a row at the border (last run: 2026-11-28)"
