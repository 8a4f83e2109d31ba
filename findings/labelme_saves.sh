#!/usr/bin/env bash
# Where labelme 6.3.1 saves what is changed in an annotation whose image lies in another folder.
# Behaviour: the change is saved by itself, not in the file that was opened but beside the image and
# under the image's name; the title names the image only. The opened file, opened again, shows nothing
# of the change, and the next change writes over the first. Saved is the opened file where the image
# lies beside it and has the same name up to the ending. Ctrl+S, without auto save, saves the opened
# file in both cases.
# And OpenCV's wheel with windows (4.12) points Qt to its own plugins when it is imported, also where
# QT_QPA_PLATFORM_PLUGIN_PATH was set by hand: labelme imports it through imgviz, and aborts on Linux.
# Last run: 2026-11-28, Python 3.11.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check labelme==6.3.1
cd "$work"
export HOME=$work QT_QPA_PLATFORM=offscreen
cat > change.py <<'PY'
import json, sys
from pathlib import Path
from PIL import Image
from PyQt5 import QtWidgets
from labelme.app import MainWindow

app = QtWidgets.QApplication([])

def change(path, label, auto_save=True):
    """Open a file, rename its outline, let labelme save; return the label that was shown first."""
    config = {"auto_save": auto_save}
    window = MainWindow(config_file=None, config_overrides=config, file_or_dir=str(path), output_dir=None)
    shape = window._canvas_widgets.canvas.shapes[0]
    shown, shape.label = shape.label, label
    window.mark_dirty()
    if not auto_save:
        window._save_label_file()
    return shown

def label(path):
    return json.loads(path.read_text())["shapes"][0]["label"] if path.is_file() else None

def write(image):
    for folder in ("images", "results"):
        Path(folder).mkdir(exist_ok=True)
    Image.new("RGB", (36, 24)).save("images/a.png")
    Image.new("RGBA", (36, 24)).save("results/a_found.tif")
    Path("images/a.json").unlink(missing_ok=True)
    shape = {"label": "first", "points": [[1, 1], [9, 1], [9, 9]], "shape_type": "polygon"}
    whole = {"version": "6.3.1", "flags": {}, "shapes": [shape], "imagePath": image, "imageData": None}
    path = Path("results/a_found.json")
    path.write_text(json.dumps(whole))
    return path

opened = write("../images/a.png")
assert change(opened, "second") == "first"
assert label(opened) == "first" and label(Path("images/a.json")) == "second"
assert change(opened, "third") == "first", "the change cannot be seen in the file that was opened"
assert label(Path("images/a.json")) == "third"
opened = write("a_found.tif")
assert change(opened, "second") == "first" and change(opened, "third") == "second"
assert label(opened) == "third" and not Path("images/a.json").exists()
opened = write("../images/a.png")
change(opened, "second", auto_save=False)
assert label(opened) == "second" and not Path("images/a.json").exists()
PY
"$python" change.py
"$python" -m pip install --quiet --disable-pip-version-check opencv-python==4.12.0.88
QT_QPA_PLATFORM_PLUGIN_PATH=/mine "$python" - <<'PY'
import os, sys
import imgviz
assert "cv2" in sys.modules, "imgviz imports OpenCV where it is installed"
if sys.platform == "linux":
    assert os.environ["QT_QPA_PLATFORM_PLUGIN_PATH"].endswith("cv2/qt/plugins")
PY
echo "confirmed: labelme 6.3.1 saves beside the image and under its name, not in the file that was opened; OpenCV 4.12 with windows takes Qt's plugin folder over (last run: 2026-11-28)"
