#!/usr/bin/env bash
# COCO's metrics of more than 100 molecules an image (pycocotools 2.0.11, faster-coco-eval 1.8.0).
# Behaviour: 250 molecules, all found exactly, have an AP of 0.406, for only 100 detections an image
# count. With maxDets = [1, 10, 300] pycocotools prints -1 as AP beside AP50 = 1; faster-coco-eval 1.
# Last run: 2026-11-28, Python 3.11.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check 'numpy==2.2.6' pycocotools==2.0.11 faster-coco-eval==1.8.0
cd "$work"
"$python" - <<'PY'
import contextlib
import copy
import io
from faster_coco_eval import COCO as FastCOCO, COCOeval_faster
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

boxes = [[12 * (i % 20), 12 * (i // 20), 8, 8] for i in range(250)]
truth = {
    "info": {}, "images": [{"id": 1, "width": 240, "height": 240}],
    "categories": [{"id": 1, "name": "a"}],
    "annotations": [{"id": i + 1, "image_id": 1, "category_id": 1, "bbox": b, "area": 64, "iscrowd": 0}
                    for i, b in enumerate(boxes)]}
found = [{"image_id": 1, "category_id": 1, "bbox": b, "score": 0.9} for b in boxes]

def scores(coco, evaluation, most):
    with contextlib.redirect_stdout(io.StringIO()):
        known = coco()
        known.dataset = copy.deepcopy(truth)
        known.createIndex()
        run = evaluation(known, known.loadRes(copy.deepcopy(found)), "bbox")
        run.params.maxDets = most
        run.evaluate()
        run.accumulate()
        run.summarize()
    return [round(float(v), 3) for v in run.stats[:2]]

seen = [scores(COCO, COCOeval, [1, 10, 100]), scores(COCO, COCOeval, [1, 10, 300]),
        scores(FastCOCO, COCOeval_faster, [1, 10, 300])]
print(seen)
assert seen == [[0.406, 0.406], [-1, 1], [1, 1]]
PY
echo "confirmed: pycocotools gives 250 molecules that were all found an AP of 0.406, or -1 (last run: 2026-11-28)"
