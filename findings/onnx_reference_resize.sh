#!/usr/bin/env bash
# ONNX's own reference against ONNX Runtime (onnx 1.23.2, onnxruntime 1.32.0).
# Behaviour: Resize, linear, align_corners, 5 x 5 by the scale 0.5 or 1.7: the reference does not use
# the whole number of output pixels, and its corners are not the input's corners (8.0 and 1.6 off in
# an image of 0 to 24). With half_pixel both agree.
# Last run: 2026-11-28, Python 3.11.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check numpy==2.2.6 onnx==1.23.2 onnxruntime==1.32.0
cd "$work"
"$python" - <<'PY'
import numpy as np
import onnxruntime
from onnx import TensorProto as T, helper as h
from onnx.reference import ReferenceEvaluator

x = np.arange(25, dtype=np.float32).reshape(1, 1, 5, 5)

def difference(mode, scale):
    node = h.make_node("Resize", ["x", "", "s"], ["y"], mode="linear",
                       coordinate_transformation_mode=mode)
    graph = h.make_graph([node], "g", [h.make_tensor_value_info("x", T.FLOAT, x.shape)],
                         [h.make_tensor_value_info("y", T.FLOAT, None)],
                         [h.make_tensor("s", T.FLOAT, [4], [1, 1, scale, scale])])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 13)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    real, said = session.run(None, {"x": x})[0], ReferenceEvaluator(model).run(None, {"x": x})[0]
    assert real.shape == said.shape
    return round(float(np.abs(real - said).max()), 2), real.ravel()[[0, -1]].tolist()

seen = {(m, s): difference(m, s) for m in ("align_corners", "half_pixel") for s in (0.5, 1.7)}
print(seen)
assert seen["align_corners", 0.5] == (8.0, [0.0, 24.0]) and seen["align_corners", 1.7][0] == 1.6
assert seen["half_pixel", 0.5][0] == seen["half_pixel", 1.7][0] == 0
PY
echo "confirmed: onnx.reference resizes with align_corners otherwise than ONNX Runtime (last run: 2026-11-28)"
