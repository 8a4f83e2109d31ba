#!/usr/bin/env bash
# Titles of channels in .gwy files (gwyfile 0.3.0).
# Behaviour: a title of one letter that gwyfile wrote, 'Z', is read back as the number 90; of two channels
# of one title get_datafields returns one; a title with a degree sign in Latin-1, as some programs write
# it and Gwyddion 2.62 reads it, cannot be read; float32 data are refused on writing.
# Last run: 2026-11-28, Python 3.11.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check 'numpy==2.2.6' gwyfile==0.3.0
cd "$work"
"$python" - <<'PY'
import numpy as np
import gwyfile
from gwyfile.objects import GwyContainer, GwyDataField

box = GwyContainer()
for i, title in enumerate(("Z", "I", "Height", "Height")):
    box[f"/{i}/data"] = GwyDataField(np.full((4, 6), float(i)), xreal=6e-9, yreal=4e-9)
    box[f"/{i}/data/title"] = title
box.tofile("a.gwy")
fields = gwyfile.util.get_datafields(gwyfile.load("a.gwy"))
print(list(fields))
assert list(fields) == [90, 73, "Height"]
data = open("a.gwy", "rb").read()
open("b.gwy", "wb").write(data.replace(b"Height\0", b"Ph. \xb0.\0", 1))
try:
    gwyfile.load("b.gwy")
    raise SystemExit("the degree sign is read")
except UnicodeDecodeError as error:
    print(error)
box = GwyContainer()
box["/0/data"] = GwyDataField(np.zeros((4, 6), np.float32), xreal=1, yreal=1)
try:
    box.tofile("c.gwy")
    raise SystemExit("float32 is written")
except NotImplementedError:
    print("float32 is refused")
PY
echo "confirmed: gwyfile reads the title Z as 90, equal titles once, and no Latin-1 degree sign (last run: 2026-11-28)"
