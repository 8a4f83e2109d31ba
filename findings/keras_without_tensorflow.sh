#!/usr/bin/env bash
# Keras 3.15.1 without TensorFlow: what it needs, and what differs.
# Behaviour: the NumPy backend needs scipy and jax, which the package does not ask for. Equal scores in
# ops.top_k come in another order on NumPy than on JAX. An index past the end is an error on NumPy and NaN
# on JAX; slice_update past the border moves the block on JAX. Two models built alike get other layer
# names (dense, dense_1), so that files by name of the one do not fit the other. get_file without a
# network raises a plain Exception.
# Last run: 2026-11-28, Python 3.11.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check 'numpy==2.2.6' keras==3.15.1
cd "$work"
export KERAS_BACKEND=numpy
needs() { "$python" -c 'import keras' 2>&1 | tail -n 1 || true; }
first=$(needs); echo "$first"
[[ $first == *"No module named 'scipy'"* ]]
"$python" -m pip install --quiet --disable-pip-version-check scipy==1.17.1
second=$(needs); echo "$second"
[[ $second == *"No module named 'jax'"* ]]
"$python" -m pip install --quiet --disable-pip-version-check jax==0.10.2
cat > one.py <<'PY'
import json
import numpy as np
import keras
from keras import ops

def tried(call):
    try:
        return np.array(call()).tolist()
    except Exception as error:
        return type(error).__name__

scores = np.array([1, 0, 1, 1, 0, 1, 1, 0, 1, 1], "float32")
names = [keras.Sequential([keras.layers.Dense(2)]).layers[0].name for _ in range(2)]
try:
    keras.utils.get_file("a.h5", "http://127.0.0.1:9/a.h5", cache_dir=".")
except Exception as error:
    offline = type(error).__name__
print(json.dumps({
    "top_k": tried(lambda: ops.top_k(scores, 4)[1]),
    "take": tried(lambda: ops.take(np.arange(4.0, dtype="float32"), np.array([4]))),
    "slice_update": tried(lambda: ops.slice_update(np.zeros(4, "float32"), [3], np.ones(2, "float32"))),
    "names": names, "offline": offline}))
PY
"$python" one.py 2>/dev/null | tail -n 1 > numpy.json
KERAS_BACKEND=jax "$python" one.py 2>/dev/null | tail -n 1 > jax.json
cat numpy.json jax.json
"$python" - <<'PY'
import json, math
first, second = (json.load(open(f"{name}.json")) for name in ("numpy", "jax"))
assert second["top_k"] == [0, 2, 3, 5] != first["top_k"]
assert first["take"] == first["slice_update"] == "IndexError" and math.isnan(second["take"][0])
assert second["slice_update"] == [0, 0, 1, 1]
assert first["names"] == ["dense", "dense_1"] and first["offline"] == "Exception"
PY
echo "confirmed: the NumPy backend needs scipy and jax; ties, indices and names differ (last run: 2026-11-28)"
