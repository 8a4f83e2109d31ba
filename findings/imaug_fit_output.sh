#!/usr/bin/env bash
# Outlines and pixels after a rotation with fit_output (imaug 0.4.3).
# Behaviour: Affine(rotate=90, fit_output=True) leaves the outline one pixel beside the pixels, 180 one
# pixel in both directions, 45 half a pixel; without fit_output they agree.
# Last run: 2026-11-28, Python 3.11.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check imaug==0.4.3 'numpy==2.2.6'
cd "$work"
"$python" - <<'PY'
import numpy as np
import imgaug.augmenters as iaa
from imgaug.augmentables.polys import Polygon, PolygonsOnImage

image = np.zeros((120, 200, 3), np.uint8)
image[30:50, 60:90] = 255
outline = Polygon([(60, 30), (90, 30), (90, 50), (60, 50)])

def distance(angle, fit):
    change = iaa.Affine(rotate=angle, fit_output=fit)
    pixels, outlines = change(image=image, polygons=PolygonsOnImage([outline], image.shape))
    rows, columns = np.nonzero(pixels[..., 0] > 127)
    centre = outlines.polygons[0].exterior.mean(axis=0)
    return np.round(centre - [columns.mean() + 0.5, rows.mean() + 0.5], 1).tolist()

seen = {(a, fit): distance(a, fit) for a in (90, 180) for fit in (False, True)}
print(seen)
assert seen[90, False] == seen[180, False] == [0, 0]
assert seen[90, True] == [-1, 0] and seen[180, True] == [-1, -1]
PY
echo "confirmed: with fit_output outlines lie one pixel beside the pixels (last run: 2026-11-28)"
