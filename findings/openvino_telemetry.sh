#!/usr/bin/env bash
# Importing OpenVINO starts its telemetry (openvino 2026.4.1, openvino-telemetry 2025.2.0).
# Behaviour: `import openvino` alone, nothing converted and nothing run, asks for no consent and
# leaves a number for this user and a counter in ~/intel; so it does with CI=1. Where the module
# openvino_telemetry cannot be imported, nothing is left and everything works.
# Last run: 2026-11-28, Python 3.11.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check \
    numpy==2.2.6 openvino==2026.4.1 openvino-telemetry==2025.2.0
cd "$work"
left() { find "$1" -path '*intel/*' -type f -printf '%f ' | sort; }
try() { # NAME, then settings and command: what is left in an empty home
    mkdir "$1"
    env -i PATH="$PATH" HOME="$work/$1" "${@:2}" > "$1.log" 2>&1
    echo "$1: left in ~/intel: $(left "$1")"
}
try imported "$python" -c "import openvino"
try ci CI=1 "$python" -c "import openvino"
try hidden "$python" -c "
import sys
sys.modules['openvino_telemetry'] = None
import numpy as np, openvino
from openvino import opset13 as op
x = op.parameter([2], openvino.Type.f32)
model = openvino.compile_model(openvino.Model([op.add(x, x)], [x]), 'CPU')
assert model([np.ones(2, 'f4')])[0].tolist() == [2, 2]"
[[ $(left imported) == *openvino_ga_cid* && $(left ci) == *openvino_ga_cid* ]]
[[ -z $(left hidden) && ! -s imported.log ]]
echo "confirmed: import openvino leaves a number for this user and says nothing (last run: 2026-11-28)"
