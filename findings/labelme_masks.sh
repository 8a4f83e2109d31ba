#!/usr/bin/env bash
# Areas of labelme's own masks (labelme 6.3.1, labelme.utils.shape_to_mask).
# Behaviour: the square with the corners (4, 4) and (8, 8), 16 pixels, sets 25; a circle of radius 10
# (314 pixels) sets 349. Only what ends on the image's border has the size that was drawn.
# Last run: 2026-11-28, Python 3.11.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check labelme==6.3.1
cd "$work"
"$python" - <<'PY'
import os
os.environ["QT_QPA_PLATFORM"] = "offscreen"
from labelme.utils import shape_to_mask

square = [[4, 4], [8, 4], [8, 8], [4, 8]]
full = [[0, 0], [16, 0], [16, 16], [0, 16]]
seen = (int(shape_to_mask((16, 16), square, "polygon").sum()),
        int(shape_to_mask((16, 16), full, "polygon").sum()),
        int(shape_to_mask((40, 40), [[20, 20], [30, 20]], "circle").sum()))
print(seen)
assert seen == (25, 256, 349)
PY
echo "confirmed: labelme masks of 16 and 314 pixels have 25 and 349 (last run: 2026-11-28)"
