#!/usr/bin/env bash
# scikit-image 0.26.0: a perfect match, and objects of just the smallest size.
# Behaviour: phase_cross_correlation of an image with itself, shifted by 3 pixels, finds the shift and says
# an error of 1.0; with normalization=None it is 0. remove_small_objects(min_size=4), deprecated, now
# removes an object of 4 pixels as max_size=4 does.
# Last run: 2026-11-28, Python 3.11.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check 'numpy==2.2.6' scikit-image==0.26.0
cd "$work"
"$python" - <<'PY'
import warnings
import numpy as np
from skimage.morphology import remove_small_objects
from skimage.registration import phase_cross_correlation

image = np.random.default_rng(0).random((32, 32))
seen = [phase_cross_correlation(image, np.roll(image, 3, 0), normalization=n)[:2] for n in ("phase", None)]
print(seen)
assert [shift.tolist() for shift, _ in seen] == [[-3, 0], [-3, 0]]
assert seen[0][1] > 0.99 and seen[1][1] < 1e-6
objects = np.zeros((10, 10), bool)
objects[1:3, 1:3] = objects[5:8, 5:8] = True
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    left = int(remove_small_objects(objects, min_size=4).sum())
print("pixels left of 4 and 9:", left)
assert left == 9
PY
echo "confirmed: phase_cross_correlation says an error of 1 for a perfect match; min_size=4 removes 4 pixels (last run: 2026-11-28)"
