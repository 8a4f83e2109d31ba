#!/usr/bin/env bash
# Two steps of Gwyddion on the way to NumPy (gwyddionpy 0.1.0 with gwyddionpy-converter 0.1.0).
# Behaviour: pixels that are NaN in a .gsf come as interpolated heights, and nothing says so, for the mask
# that Gwyddion makes of them is left out. The current of a Createc .dat is scaled with the piezo's
# factor: 8000 steps of 20 V / 2^20 at 10^9 V/A are 0.153 nA and come as 2.93 nA.
# Last run: 2026-11-28, Python 3.11.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check 'numpy==2.2.6' gwyddionpy==0.1.0 gwyddionpy-converter==0.1.0
cd "$work"
"$python" - <<'PY'
import zlib
import numpy as np
import gwyddionpy

heights = np.arange(24, dtype="<f4").reshape(4, 6)
heights[1, 2] = np.nan
text = b"Gwyddion Simple Field 1.0\nXRes = 6\nYRes = 4\nXReal = 6e-9\nYReal = 4e-9\nXYUnits = m\nZUnits = m\n"
with open("a.gsf", "wb") as file:
    file.write(text + bytes(4 - len(text) % 4) + heights.tobytes())
(channel,) = gwyddionpy.load("a.gsf").channels.values()
print("NaN comes as", channel.data[1, 2], channel.meta)
assert np.isfinite(channel.data).all() and abs(channel.data[1, 2] - 8) < 1e-6

fields = {
    "DAC-Type": "20bit", "Num.X / Num.X": 6, "Num.Y / Num.Y": 4, "Delta X / Delta X [Dac]": 546.133,
    "Delta Y / Delta Y [Dac]": 546.133, "GainX / GainX": 10, "GainY / GainY": 10, "GainZ / GainZ": 10,
    "Gainpreamp / GainPre 10^": 9, "ZPiezoconst": 19.2, "Xpiezoconst": 96, "YPiezoconst": 96,
    "Channels / Channels": 2, "Channelselectval / Channelselectval": 3, "Titel / Titel": "a"}
header = "\r\n".join(["[Paramco32]", *(f"{k}={v}" for k, v in fields.items())]).encode().ljust(16380, b"\0")
steps = np.concatenate([[0.0], np.full(24, 100.0), np.full(24, 8000.0)]).astype("<f4")
with open("a.dat", "wb") as file:
    file.write(header + b"DATA" + zlib.compress(steps.tobytes() + bytes(128)))
current = gwyddionpy.load("a.dat").channels["Current"]
said, right = current.data[0, 0] * 1e9, 8000 * 20 / 2**20
print(f"a current of {right:.3f} nA comes as {said:.3f} {current.si_unit_z}")
assert abs(right - 0.1526) < 1e-4 and abs(said / right - 19.2) < 0.01
PY
echo "confirmed: gwyddionpy gives interpolated heights for NaN, and Createc currents 19.2 times too large (last run: 2026-11-28)"
