#!/usr/bin/env bash
# OpenVINO 2026.4.1 and ONNX 1.22.0 on a processor (half a minute).
# Behaviour: "half_pixel" names two things. OpenVINO's ROIAlign with aligned_mode "half_pixel" takes a
# box's numbers for centres of pixels and adds half a pixel before scaling; ONNX's RoiAlign with
# coordinate_transformation_mode "half_pixel" (Detectron 2's aligned=True) takes them for edges, as
# OpenVINO's "half_pixel_for_nn" does, which is what it reads ONNX's as. At a stride of 8 the two
# differ by 1/16 of a cell: boxes and masks come out nearly right.
# Seen: first points on a ramp, 12.7813 (half_pixel), 12.7188 (half_pixel_for_nn), 12.7188 (ONNX read by
# OpenVINO, and by ONNX's reference).
# Last run: 2026-11-29, Python 3.11.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check openvino==2026.4.1 onnx==1.22.0 'numpy==2.2.6'
cd "$work"
cat > points.py <<'PY'
import sys

sys.modules["openvino_telemetry"] = None
import numpy as np
import onnx
import openvino
from openvino import opset13 as op

CELLS, STRIDE, POINTS = 64, 8, 7
ramp = np.broadcast_to(np.arange(CELLS, dtype=np.float32), (1, 1, CELLS, CELLS)).copy()
box = np.array([[100, 120, 180.5, 190.25]], np.float32)  # x1, y1, x2, y2
first = np.zeros(1, np.int32)


def first_point(model):
    """What stands at a point of a ramp is where the point lies."""
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(model, "CPU", exact)
    return float(compiled([ramp, box, first])[0][0, 0, 0, 0])


def own(mode):
    given = [op.parameter(a.shape, a.dtype) for a in (ramp, box, first)]
    found = op.roi_align(*given, POINTS, POINTS, 1, 1 / STRIDE, "avg", aligned_mode=mode)
    return openvino.Model([op.result(found)], given)


def of_onnx():
    kinds = onnx.TensorProto
    given = [
        onnx.helper.make_tensor_value_info("x", kinds.FLOAT, ramp.shape),
        onnx.helper.make_tensor_value_info("rois", kinds.FLOAT, box.shape),
        onnx.helper.make_tensor_value_info("image", kinds.INT64, [1]),
    ]
    answer = onnx.helper.make_tensor_value_info("y", kinds.FLOAT, [1, 1, POINTS, POINTS])
    node = onnx.helper.make_node(
        "RoiAlign", ["x", "rois", "image"], ["y"], output_height=POINTS, output_width=POINTS,
        sampling_ratio=1, spatial_scale=1 / STRIDE, coordinate_transformation_mode="half_pixel",
    )
    graph = onnx.helper.make_graph([node], "g", given, [answer])
    opset = [onnx.helper.make_opsetid("", 16)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), "roi.onnx")
    return openvino.Core().read_model("roi.onnx")


def of_reference():
    from onnx.reference import ReferenceEvaluator

    session = ReferenceEvaluator("roi.onnx")
    return float(session.run(None, {"x": ramp, "rois": box, "image": np.zeros(1, np.int64)})[0][0, 0, 0, 0])


centres, edges = first_point(own("half_pixel")), first_point(own("half_pixel_for_nn"))
onnx_read = first_point(of_onnx())
reference = of_reference()
print(f"half_pixel {centres:.4f}, half_pixel_for_nn {edges:.4f}, ONNX {onnx_read:.4f}, its reference {reference:.4f}")
cell = (box[0, 2] - box[0, 0]) / POINTS / 2
assert abs(edges - ((box[0, 0] + cell) / STRIDE - 0.5)) < 1e-3
assert abs(centres - ((box[0, 0] + cell + 0.5) / STRIDE - 0.5)) < 1e-3
assert abs(onnx_read - edges) < 1e-3 and abs(reference - edges) < 1e-3
PY
"$python" points.py
