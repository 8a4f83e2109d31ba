#!/usr/bin/env bash
# Two engines, one ONNX graph: ties and NaN (onnxruntime 1.32.0, openvino 2026.4.1, processor).
# Behaviour: of two boxes whose IoU is exactly the threshold ONNX Runtime keeps both and OpenVINO one;
# a box with the score NaN stays in ONNX Runtime and is dropped by OpenVINO; TopK gives equal values by
# rising index in ONNX Runtime and in another order in OpenVINO, so that other RoIs are cut off; beside a
# NaN both engines find other largest values.
# Last run: 2026-11-28, Python 3.11.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check numpy==2.2.6 onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1
cd "$work"
"$python" - <<'PY'
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto as T, helper as h

def both(nodes, constants, feeds, outputs):
    inputs = [h.make_tensor_value_info(k, T.FLOAT, v.shape) for k, v in feeds.items()]
    graph = h.make_graph(nodes, "g", inputs,
                         [h.make_tensor_value_info(n, t, None) for n, t in outputs], constants)
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 13)], ir_version=9)
    onnx.save(model, "m.onnx")
    session = onnxruntime.InferenceSession("m.onnx", providers=["CPUExecutionProvider"])
    compiled = openvino.Core().compile_model("m.onnx", "CPU")
    result = compiled(list(feeds.values()))
    return session.run(None, feeds)[-1], result[compiled.outputs[-1]]

def nms(boxes, scores):
    node = h.make_node("NonMaxSuppression", ["b", "s", "most", "iou"], ["kept"])
    constants = [h.make_tensor("most", T.INT64, [1], [10]), h.make_tensor("iou", T.FLOAT, [1], [0.5])]
    feeds = {"b": np.array([boxes], np.float32), "s": np.array([[scores]], np.float32)}
    return [sorted(kept[:, 2].tolist()) for kept in both([node], constants, feeds, [("kept", T.INT64)])]

def top_k(values, k):
    node = h.make_node("TopK", ["x", "k"], ["v", "i"])
    feeds = {"x": np.array(values, np.float32)}
    return [i.tolist() for i in both([node], [h.make_tensor("k", T.INT64, [1], [k])], feeds,
                                     [("v", T.FLOAT), ("i", T.INT64)])]

half = nms([[0, 0, 2, 2], [0, 0, 2, 1]], [0.9, 0.8])
nan = nms([[0, 0, 2, 2], [5, 5, 7, 7]], [np.nan, 0.8])
order = top_k([1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1, 1, 1], 10)
largest = top_k([0.1, np.nan, 0.5, 0.3], 2)
for what in (half, nan, order, largest):
    print("ONNX Runtime", what[0], "OpenVINO", what[1])
assert half == [[0, 1], [0]]
assert nan == [[0, 1], [1]]
assert order[0] == [0, 2, 3, 5, 6, 8, 9, 10, 12, 13] != order[1]
assert largest[0] == [1, 2] != largest[1]
PY
echo "confirmed: ONNX Runtime and OpenVINO differ on IoU = threshold, on equal scores and on NaN (last run: 2026-11-28)"
