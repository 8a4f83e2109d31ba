#!/usr/bin/env bash
# Fonts that were installed after matplotlib's first start (matplotlib 3.11.2).
# Behaviour: matplotlib lists the system's fonts once and keeps the list in a file. A font that is installed
# later is in no list, in no later process either, although findSystemFonts() finds its file; addfont() of
# that file makes it known, for that process alone.
# Last run: 2026-11-28, Python 3.11.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check matplotlib==3.11.2 fonttools==4.68.0
export HOME=$work/home MPLCONFIGDIR=$work/config XDG_DATA_HOME=$work/home/.local/share
fonts=$XDG_DATA_HOME/fonts
mkdir -p "$fonts"
cd "$work"
list="from matplotlib import font_manager as f; print('Newly Made' in f.get_font_names())"
[[ $("$python" -c "$list") == False ]]
# DejaVu Sans under another name, put where fonts of a user are.
"$python" - "$fonts/new.ttf" <<'PY'
import sys
import matplotlib
from fontTools.ttLib import TTFont

font = TTFont(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf")
for record in font["name"].names:
    if record.nameID in (1, 4, 16):
        record.string = "Newly Made"
font.save(sys.argv[1])
PY
[[ $("$python" -c "$list") == False ]]
"$python" - <<'PY'
from matplotlib import font_manager

(path,) = [p for p in font_manager.findSystemFonts() if p.endswith("fonts/new.ttf")]
font_manager.fontManager.addfont(path)
assert "Newly Made" in font_manager.get_font_names()
PY
[[ $("$python" -c "$list") == False ]]
echo "confirmed: a font installed after the first start is not found (last run: 2026-11-28)"
