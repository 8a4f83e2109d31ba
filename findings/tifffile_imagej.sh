#!/usr/bin/env bash
# TIFF for ImageJ (tifffile 2026.3.3; ImageJ 1.53t showed the same).
# Behaviour: a micro sign or Angstrom as unit is an error, while its escape, backslash u00B5, is written and
# read by ImageJ as the sign; five slices without axes become five channels, not slices or times; label
# images of 32 bits and masks of bool are refused.
# Last run: 2026-11-28, Python 3.11.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check 'numpy==2.2.6' tifffile==2026.3.3
cd "$work"
"$python" - <<'PY'
import numpy as np
import tifffile

labels = np.zeros((16, 20), np.uint16)
for unit in ("\u00b5m", "\u00c5"):
    try:
        tifffile.imwrite("a.tif", labels, imagej=True, metadata={"unit": unit})
        raise SystemExit(f"{unit} is written")
    except UnicodeEncodeError as error:
        print(error)
tifffile.imwrite("a.tif", labels, imagej=True, resolution=(2, 2), metadata={"unit": "\\u00B5m"})
text = tifffile.TiffFile("a.tif").pages[0].tags["ImageDescription"].value
print(repr(text))
assert "unit=\\u00B5m" in text
tifffile.imwrite("s.tif", np.stack([labels] * 5), imagej=True)
about = tifffile.TiffFile("s.tif").imagej_metadata
print(about)
assert about["channels"] == 5 and "slices" not in about
for kind in (np.uint32, np.int32, np.bool_):
    try:
        tifffile.imwrite("b.tif", labels.astype(kind), imagej=True)
        raise SystemExit(f"{kind} is written")
    except ValueError as error:
        print(error)
PY
echo "confirmed: tifffile writes no micro sign, takes slices for channels, and refuses 32-bit labels for ImageJ (last run: 2026-11-28)"
