#!/usr/bin/env bash
# Nanonis files (nanonispy2 1.2.0).
# Behaviour: a .SXM in capitals is refused; the rows are in the order of the scan, and the backward channel is
# not turned, so that an image taken upwards is upside down and its two directions mirror each other.
# Last run: 2026-11-28, Python 3.11.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check 'numpy==2.2.6' nanonispy2==1.2.0
cd "$work"
"$python" - <<'PY'
import shutil
import numpy as np
import nanonispy2

surface = np.arange(24, dtype=float).reshape(4, 6)  # row 0 on top
header = {
    "NANONIS_VERSION": "2", "SCANIT_TYPE": "FLOAT MSBFIRST", "REC_DATE": "01.02.2024", "REC_TIME": "12:00:00",
    "ACQ_TIME": "10.0", "SCAN_PIXELS": "6 4", "SCAN_TIME": "0.1 0.1", "SCAN_RANGE": "6E-9 4E-9",
    "SCAN_OFFSET": "0 0", "SCAN_ANGLE": "0", "SCAN_DIR": "up", "BIAS": "1", "COMMENT": "",
    "DATA_INFO": "\tChannel\tName\tUnit\tDirection\tCalibration\tOffset\n\t14\tZ\tm\tboth\t1\t0"}
text = "".join(f":{key}:\n{value}\n" for key, value in header.items())
in_time = surface[::-1]
data = b"".join(a.astype(">f4").tobytes() for a in (in_time, in_time[:, ::-1]))
with open("a.sxm", "wb") as file:
    file.write(text.encode() + b"\n:SCANIT_END:\n\n\n\x1a\x04" + data)
z = nanonispy2.read.Scan("a.sxm").signals["Z"]
print(z["forward"][0], z["backward"][0])
assert (z["forward"] == surface[::-1]).all() and (z["backward"] == surface[::-1, ::-1]).all()
shutil.copy("a.sxm", "b.SXM")
try:
    nanonispy2.read.Scan("b.SXM")
    raise SystemExit("capitals are read")
except Exception as error:
    print(type(error).__name__, error)
PY
echo "confirmed: nanonispy2 refuses .SXM and turns neither rows nor the backward channel (last run: 2026-11-28)"
