#!/usr/bin/env bash
# Keras 3.15.1 with JAX 0.10.2; the code is that of all backends.
# Behaviour: `autocast=False` keeps the weights of a layer of mixed precision as they are only where
# another layer of mixed precision calls it. Called by itself, or from a functional model, which has no
# such scope of its own, the same layer sees its float32 weights cast to the compute type, although its
# inputs are left alone. `add_weight(..., autocast=False)` holds everywhere. (Guessed first: float32
# both times.)
# Seen: by itself bfloat16, in a functional model bfloat16, inside another layer float32; with the
# weight's own autocast=False float32 each time.
# Last run: 2026-11-30, Python 3.11.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check keras==3.15.1 jax==0.10.2
cd "$work"
cat > seen.py <<'PY'
import keras
import numpy as np

POLICY = "mixed_bfloat16"
seen = []


class Own(keras.layers.Layer):
    def __init__(self, of_the_weight):
        super().__init__(dtype=POLICY, autocast=False)
        self.of_the_weight = of_the_weight

    def build(self, shape):
        own = {"autocast": False} if self.of_the_weight else {}
        self.kernel = self.add_weight(shape=(shape[-1],), **own)

    def call(self, x):
        seen.append((str(x.dtype), keras.backend.standardize_dtype(self.kernel.value.dtype)))
        return x

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)


class Outer(keras.layers.Layer):
    def __init__(self, inner):
        super().__init__(dtype=POLICY)
        self.inner = inner

    def call(self, x):
        return self.inner(keras.ops.cast(x, "float32"))


for of_the_weight in (False, True):
    layer = Own(of_the_weight)
    data = np.ones((2, 3), "float32")
    layer(data)
    source = keras.Input((3,), batch_size=2)
    keras.Model(source, layer(source))(data)
    Outer(layer)(data)
    print(*(kernel for _, kernel in seen))
    assert all(x == "float32" for x, _ in seen), seen
    seen.clear()
PY
KERAS_BACKEND=jax JAX_PLATFORMS=cpu "$python" seen.py 2>/dev/null > seen.txt
cat seen.txt
[ "$(cat seen.txt)" = "bfloat16 bfloat16 float32
float32 float32 float32" ]
