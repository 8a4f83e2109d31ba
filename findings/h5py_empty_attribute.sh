#!/usr/bin/env bash
# Attributes without values (h5py 3.14.0).
# Behaviour: AttrID.get_storage_size() of an empty attribute, as the older Keras writes weight_names of a
# layer without weights, raises RuntimeError instead of returning 0.
# Last run: 2026-11-28, Python 3.11.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check 'numpy==2.2.6' h5py==3.14.0
cd "$work"
"$python" - <<'PY'
import h5py
import numpy as np

with h5py.File("a.h5", "w") as file:
    file.attrs["weight_names"] = np.zeros((0,), "S5")
    file.attrs["layer_names"] = np.array([b"conv1"])
    assert h5py.h5a.open(file.id, b"layer_names").get_storage_size() == 5
    try:
        h5py.h5a.open(file.id, b"weight_names").get_storage_size()
        raise SystemExit("no error")
    except RuntimeError as error:
        print(error)
PY
echo "confirmed: get_storage_size() raises for an empty attribute (last run: 2026-11-28)"
