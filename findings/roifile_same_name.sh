#!/usr/bin/env bash
# Two ROIs of one name (roifile 2026.2.10).
# Behaviour: roiwrite of two ROIs called a1 writes both, with a warning of zipfile's; roiread gives the
# second one twice. ImageJ 1.53t's ROI Manager shows both.
# Last run: 2026-11-28, Python 3.11.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check 'numpy==2.2.6' roifile==2026.2.10
cd "$work"
"$python" - <<'PY'
import warnings
import numpy as np
import roifile

corner = np.array([[0, 0], [4, 0], [4, 4]], np.float32)
rois = [roifile.ImagejRoi.frompoints(corner + shift, name="a1") for shift in (0, 10)]
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    roifile.roiwrite("a.zip", rois, mode="w")
seen = [roi.coordinates()[0].tolist() for roi in roifile.roiread("a.zip")]
print(seen)
assert seen == [[10, 10], [10, 10]]
PY
echo "confirmed: of two ROIs of one name roifile reads the second one twice (last run: 2026-11-28)"
