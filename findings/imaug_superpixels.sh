#!/usr/bin/env bash
# Superpixels blurs what it does not replace (imaug 0.4.3).
# Behaviour: with p_replace=0.3 an image of 320 x 320 comes back changed everywhere, because it is shrunk
# to max_size=128 and enlarged again; of an image of 128 x 128 some segments stay exactly.
# Last run: 2026-11-28, Python 3.11.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check imaug==0.4.3 'numpy==2.2.6'
cd "$work"
"$python" - <<'PY'
import cv2
import numpy as np
import imgaug.augmenters as iaa

def changed(side):
    small = np.random.default_rng(0).integers(0, 255, (side // 8, side // 8, 3), np.uint8)
    image = cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)
    change = iaa.Superpixels(p_replace=0.3, n_segments=60)
    change.seed_(1)
    return round(float((change(image=image) != image).any(axis=2).mean()), 2)

seen = {side: changed(side) for side in (128, 320)}
print(seen)
assert 0.05 < seen[128] < 0.7 and seen[320] > 0.9
PY
echo "confirmed: Superpixels changes every part of an image above 128 pixels (last run: 2026-11-28)"
