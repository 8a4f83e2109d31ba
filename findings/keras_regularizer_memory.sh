#!/usr/bin/env bash
# TensorFlow 2.21.0, Keras 3.15.1 on a Linux x86 processor (takes some minutes: a large package).
# Behaviour: weight decay given as `kernel_regularizer` costs a step a second copy of all kernels in
# memory. The gradient of w^2 hangs on nothing but w, so that TensorFlow makes it when the step
# begins, keeps it while the maps of the forward pass pile up, and uses it last of all. The same decay
# added to the gradient once that is there costs nothing. (Guessed first: no difference, since all
# gradients are needed at the end anyhow; but by then the maps are gone.)
# Seen: kernels of 268 MB, maps of 537 MB; above the process before it a step took 560 MB without decay,
# 896 with the regularizer, 597 with the same decay added late.
# Last run: 2026-11-30, Python 3.11.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check tensorflow==2.21.0 keras==3.15.1 'numpy==2.2.6'
cd "$work"
cat > step.py <<'PY'
import sys

import keras
import numpy as np
import tensorflow as tf

WIDTH, LAYERS, ROWS = 2048, 16, 4096  # kernels: 268 MB; maps: 537 MB


def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024


way = sys.argv[1]
keras.utils.set_random_seed(0)
decay = keras.regularizers.L2(1e-4) if way == "regularizer" else None
x = keras.Input((WIDTH,))
y = x
for _ in range(LAYERS):
    y = keras.layers.Dense(WIDTH, activation="relu", use_bias=False, kernel_regularizer=decay)(y)
model = keras.Model(x, y)
weights = [v.value for v in model.trainable_variables]


@tf.function
def step(data):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(data, training=True) ** 2)
        if model.losses:
            loss += tf.add_n(model.losses)
    gradients = tape.gradient(loss, weights)
    if way == "late":
        for n, (gradient, weight) in enumerate(zip(gradients, weights)):
            with tf.control_dependencies([gradient]):
                gradients[n] = gradient + 2e-4 * tf.identity(weight)
    norm = tf.linalg.global_norm(gradients)  # as clipping does: all are needed at once
    for gradient, weight in zip(gradients, weights):
        weight.assign_sub(1e-9 * gradient / norm)
    return norm


data = tf.constant(np.random.default_rng(0).random((ROWS, WIDTH), "float32"))
before = peak()
norm = float(step(data))
print(round(peak() - before), norm)
PY
run() { CUDA_VISIBLE_DEVICES=-1 TF_ENABLE_ONEDNN_OPTS=0 TF_CPP_MIN_LOG_LEVEL=3 "$python" step.py "$1" 2>/dev/null; }
read -r none _ < <(run none)
read -r loss norm < <(run regularizer)
read -r late late_norm < <(run late)
echo "MB of a step above the process before it: no decay $none; as kernel_regularizer $loss; added late $late"
echo "norm of all gradients: as kernel_regularizer $norm; added late $late_norm"
"$python" -c "import sys; a, b = map(float, sys.argv[1:]); assert abs(a / b - 1) < 1e-4" "$norm" "$late_norm"
[ "$loss" -gt $((none + 180)) ] && [ "$late" -lt $((none + 90)) ]
