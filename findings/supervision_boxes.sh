#!/usr/bin/env bash
# Boxes and polygons of masks (supervision 0.31.2).
# Behaviour: a mask of the columns 2 to 5 has the box x1 = 2, x2 = 5, so that its width is 3 where 4
# pixels are set, though box_iou_batch counts widths as x2 - x1; the masks of two neighbours that overlap
# in one column of pixels have boxes with an IoU of 0. A mask of one pixel, or of a line, has no polygon.
# Last run: 2026-11-28, Python 3.11.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check 'numpy==2.2.6' supervision==0.31.2
cd "$work"
"$python" - <<'PY'
import numpy as np
import supervision

masks = np.zeros((2, 16, 16), bool)
masks[0, 4:8, 2:6] = masks[1, 4:8, 5:9] = True
boxes = supervision.mask_to_xyxy(masks)
iou = supervision.box_iou_batch(boxes, boxes)[0, 1]
print(boxes.tolist(), "IoU", iou)
assert boxes.tolist() == [[2, 4, 5, 7], [5, 4, 8, 7]] and iou == 0
assert (masks[0] & masks[1]).sum() == 4
small = np.zeros((2, 16, 16), bool)
small[0, 3, 3] = small[1, 3, 3:9] = True
polygons = [supervision.mask_to_polygons(mask) for mask in small]
print(polygons)
assert polygons == [[], []]
PY
echo "confirmed: supervision's boxes end on the last pixel, and masks of a pixel or a line have no polygon (last run: 2026-11-28)"
