#!/usr/bin/env bash
# Images that labelme 6.3.1 opens, and those it does not.
# Behaviour: a 16-bit grey PNG is refused while the same pixels as TIFF open; so are a CMYK JPEG, and
# GIF, BMP and TIFF with a palette (an 8-bit BMP!), which are turned into JPEG, a format without
# palettes. A CMYK TIFF opens with its cyan, magenta and yellow shown as red, green and blue. Five
# 16-bit slices of 24 x 36 open as one image of 5 rows. A JSON whose shapes have no shape_type does
# not open.
# Last run: 2026-11-28, Python 3.11.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check labelme==6.3.1
cd "$work"
"$python" - <<'PY'
import json, os
os.environ["QT_QPA_PLATFORM"] = "offscreen"
import numpy as np
import tifffile
from PIL import Image
from labelme._label_file import LabelFileReadError, read_image_file, read_label_file
from labelme.utils import img_data_to_arr

deep = np.arange(24 * 36, dtype=np.uint16).reshape(24, 36) * 70
grey = Image.fromarray((deep >> 8).astype(np.uint8))
colour = Image.new("RGB", (36, 24), (200, 30, 30))
Image.fromarray(deep).save("deep.png")
tifffile.imwrite("deep.tif", deep)
tifffile.imwrite("stack.tif", np.stack([deep] * 5))
colour.convert("CMYK").save("print.jpg")
colour.convert("CMYK").save("print.tif")
for name in ("palette.gif", "palette.bmp", "palette.tif", "palette.png"):
    colour.convert("P").save(name)
grey.save("grey.bmp")

def opens(name):
    try:
        return img_data_to_arr(read_image_file(name)).shape[:2]
    except OSError:
        return None

seen = {name: opens(name) for name in sorted(os.listdir()) if "." in name}
print(seen)
assert {name for name, size in seen.items() if size is None} == {
    "deep.png", "print.jpg", "palette.gif", "palette.bmp", "palette.tif"}
assert seen["stack.tif"] == (5, 24) and seen["deep.tif"] == (24, 36)
shown = img_data_to_arr(read_image_file("print.tif"))[12, 18]
print("a red of 200, 30, 30 as CMYK TIFF is shown as", shown)
assert shown[0] < 150 or shown[1] > 100
shape = {"label": "a1", "points": [[1, 1], [9, 1], [9, 9]]}
whole = {"version": "3.5.0", "flags": {}, "shapes": [shape], "imagePath": "grey.bmp", "imageData": None}
with open("old.json", "w") as file:
    json.dump(whole, file)
try:
    read_label_file("old.json")
    raise SystemExit("a shape without shape_type opens")
except LabelFileReadError as error:
    assert "shape_type" in str(error)
PY
echo "confirmed: labelme 6.3.1 refuses 16-bit grey PNG, CMYK JPEG, and GIF, BMP and TIFF with a palette; a 16-bit stack lies on its side (last run: 2026-11-28)"
