#!/usr/bin/env bash
# A segmentation of four numbers, and the border between sizes (pycocotools 2.0.11,
# faster-coco-eval 1.8.0).
# Behaviour: [[2, 2, 8, 8]] is a TypeError in pycocotools, and in faster-coco-eval a box of 8 x 8 = 64
# pixels from (2, 2), not the rectangle between two corners, 36. An object of 32 x 32 counts as small and
# as medium, one of 31 x 32 as small only.
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
import io
import faster_coco_eval.core.mask as fast
from pycocotools import mask as coco
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

try:
    coco.frPyObjects([[2, 2, 8, 8]], 12, 12)
    raise SystemExit("pycocotools takes four numbers")
except TypeError as error:
    print("pycocotools:", error)
area = int(fast.area(fast.merge(fast.frPyObjects([[2, 2, 8, 8]], 12, 12))))
print("faster-coco-eval: area", area)
assert area == 64

def sizes(height):
    one = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 32, height], "area": 32 * height,
           "iscrowd": 0}
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {"info": {}, "images": [{"id": 1, "width": 99, "height": 99}],
                         "categories": [{"id": 1, "name": "a"}], "annotations": [one]}
        truth.createIndex()
        found = truth.loadRes([dict(image_id=1, category_id=1, bbox=one["bbox"], score=0.9)])
        run = COCOeval(truth, found, "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return [n for n, v in zip(("small", "medium", "large"), run.stats[3:6]) if v > -1]

print(sizes(32), sizes(31))
assert sizes(32) == ["small", "medium"] and sizes(31) == ["small"]
PY
echo "confirmed: four numbers are an error or a box; 32 x 32 is small and medium (last run: 2026-11-28)"
