#!/usr/bin/env bash
# Segmentation maps beside their pixels (imaug 0.4.3).
# Behaviour: a disc and its map, moved together, part by a fixed fraction of a pixel to the right and down:
# 0.34 with Resize(0.6), 0.25 with Resize(0.5), 0.38 with Crop of a tenth (keep_size), 0.43 with Pad;
# Resize(2), rotation and flips leave them together. The map's nearest pixel is chosen without the half
# pixel by which its cells' centres lie off their corners.
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
from imgaug.augmentables.segmaps import SegmentationMapsOnImage

y, x = np.mgrid[:120, :200]
disc = (y - 60) ** 2 + (x - 100) ** 2 < 400
image = np.repeat(disc[..., None] * np.uint8(255), 3, axis=2)

def centre(weights):
    y, x = np.mgrid[: weights.shape[0], : weights.shape[1]]
    return np.array([(weights * x).sum(), (weights * y).sum()]) / weights.sum()

seen = {}
for name, change in {
    "Resize(0.6)": iaa.Resize(0.6), "Resize(0.5)": iaa.Resize(0.5), "Resize(2)": iaa.Resize(2.0),
    "Crop": iaa.Crop(percent=(0.1, 0.1, 0.1, 0.1)), "Pad": iaa.Pad(percent=(0.1, 0.1, 0.1, 0.1)),
    "rotate 30": iaa.Affine(rotate=30), "Fliplr": iaa.Fliplr(1.0)}.items():
    maps = SegmentationMapsOnImage(disc.astype(np.int32), shape=image.shape)
    pixels, maps = change(image=image, segmentation_maps=maps)
    shift = centre(maps.get_arr() > 0) - centre(pixels[..., 0] / 255)
    seen[name] = [round(float(v), 2) for v in shift]
print(seen)
assert seen["Resize(0.6)"] == [0.34, 0.34] and seen["Resize(0.5)"] == [0.25, 0.25]
assert seen["Crop"] == [0.38, 0.38] and seen["Pad"] == [0.43, 0.43]
assert max(abs(v) for name in ("Resize(2)", "rotate 30", "Fliplr") for v in seen[name]) < 0.1
PY
echo "confirmed: segmentation maps lie up to 0.4 pixels beside their pixels after Resize, Crop and Pad (last run: 2026-11-28)"
