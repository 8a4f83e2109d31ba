#!/usr/bin/env bash
# Comments as help (tyro 1.0.17).
# Behaviour: a comment on a line of its own is the help of the field below and of all that follow up to the
# next blank line, so that b gets a's help; a comment behind the field is its own.
# Last run: 2026-11-28, Python 3.11.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check tyro==1.0.17
cd "$work"
cat > one.py <<'PY'
import dataclasses
import tyro

@dataclasses.dataclass
class Settings:
    # score from which a molecule counts
    a: float = 0.5
    b: float = 0.3

    c: int = 3  # its own
    d: int = 4

tyro.cli(Settings)
PY
"$python" one.py --help | tee help.txt
[[ $(grep -c "score from which a molecule counts" help.txt) == 2 ]]
[[ $(grep -c "its own" help.txt) == 1 ]]
echo "confirmed: a comment above a field becomes the help of those that follow (last run: 2026-11-28)"
