#!/usr/bin/env bash
# A seed that does not reach the children (imaug 0.4.3).
# Behaviour: Sequential, SomeOf, OneOf and Sometimes with seed=1 give another image in every process;
# Add(seed=1) alone gives the same. seed_(1) after construction reaches the children.
# Last run: 2026-11-28, Python 3.11.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check imaug==0.4.3 'numpy==2.2.6'
cd "$work"
cat > one.py <<'PY'
import hashlib
import json
import numpy as np
import imgaug.augmenters as iaa

image = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
add = lambda: [iaa.Add((-50, 50), per_channel=True), iaa.Multiply((0.5, 1.5), per_channel=True)]
made = {
    "Add": iaa.Add((-50, 50), per_channel=True, seed=1),
    "Sequential": iaa.Sequential(add(), seed=1),
    "SomeOf": iaa.SomeOf(1, add(), seed=1),
    "OneOf": iaa.OneOf(add(), seed=1),
    "Sometimes": iaa.Sometimes(1.0, add(), seed=1),
    "SomeOf, seed_": iaa.SomeOf(1, add()),
}
made["SomeOf, seed_"].seed_(1)
print(json.dumps({k: hashlib.md5(v(image=image).tobytes()).hexdigest() for k, v in made.items()}))
PY
for i in 1 2 3; do "$python" one.py 2>/dev/null > "$i.json"; done
"$python" - <<'PY'
import json
runs = [json.load(open(f"{i}.json")) for i in (1, 2, 3)]
same = {name for name in runs[0] if len({run[name] for run in runs}) == 1}
print("the same in three processes:", same)
assert same == {"Add", "SomeOf, seed_"}
PY
echo "confirmed: a seed given to Sequential, SomeOf, OneOf or Sometimes does not reach the children (last run: 2026-11-28)"
