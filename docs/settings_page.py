"""Write the tables of docs/settings.md from the settings of the scripts.

    python docs/settings_page.py

Between the tables stands what people wrote; it is left as it is. tests/test_docs.py holds the page
to what this writes.
"""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # the folder above holds the packages
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mrcnn.config import Config
from spm.run.setting_kinds import POSITIONAL, describe
from spm.run.settings import Settings, described, helps

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "settings.md"
# How each script is called in the documents -> its module and its main function.
SCRIPTS = {
    "app.py": ("app", "main"),
    "workflow.py": ("workflow", "main"),
    "Images_Augmentation/geo_aug_img_json.py": ("Images_Augmentation.geo_aug_img_json", "main"),
    "Images_Augmentation/color_aug_img_json.py": ("Images_Augmentation.color_aug_img_json", "main"),
    "pre_draw_mask.py": ("pre_draw_mask", "main"),
    "re_write_mask.py": ("re_write_mask", "main"),
    "fast_json_to_dataset.py": ("fast_json_to_dataset", "main"),
    "train_test.py": ("train_test", "train_main"),
    "predict_big_pic.py": ("predict_big_pic", "main"),
    "evaluate.py": ("evaluate", "main"),
    "tsne_analysis.py": ("tsne_analysis", "main"),
    "spm.convert": ("spm.convert", "main"),
    "spm.annotate": ("spm.annotate", "main"),
    "spm.crop": ("spm.crop", "main"),
    "spm.exports": ("spm.exports", "main"),
    "spm.import_coco": ("spm.import_coco", "main"),
    "spm.pool": ("spm.pool", "main"),
    "spm.average": ("spm.average", "main"),
    "spm.undistort": ("spm.undistort", "main"),
    "engine.clean": ("engine.clean", "main"),
    "spm.simulate": ("spm.simulate.__main__", "main"),
}
RECIPES = "ShapesConfig, LightConfig, SmallConfig"
TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)


def page(text: str) -> str:
    """Return the page with its tables as the code has them now."""
    parts = re.split(r"^(#{2,3} .+\n)", text, flags=re.MULTILINE)
    for number in range(1, len(parts), 2):
        title = parts[number].strip("# \n")
        if title in SCRIPTS:
            new = script_table(title)
        elif title == RECIPES:
            new = recipe_table(TABLE.search(parts[number + 1])[0])
        else:
            continue
        parts[number + 1] = TABLE.sub(lambda _, new=new: new, parts[number + 1], count=1)
    return "".join(parts)


def main_of(script: str) -> Any:
    """Return the function that takes a script's settings."""
    module, name = SCRIPTS[script]
    return getattr(importlib.import_module(module), name)


def script_table(script: str) -> str:
    """Return the table of a script; settings that it shares stand in the script that says them."""
    kind = main_of(script).settings
    rows = ["| setting | default | values | what it does |", "|---|---|---|---|"]
    for name, hint, default, holder in _shown(kind):
        text = helps(holder)[name].replace("|", "\\|")
        allowed = describe(hint).replace(" in quotes", "").replace("'", "`")
        shown = f"`{name}`" if POSITIONAL in getattr(hint, "__metadata__", ()) else f"`--{name}`"
        shown = shown.replace("_", "-") if shown.startswith("`--") else shown
        rows.append(f"| {shown} | {value_text(default)} | {allowed} | {text} |")
    return "\n".join(rows) + "\n"


def _shown(kind: type[Settings]) -> list[tuple]:
    # Prediction's two classes stand in one file; what another file says is explained there.
    return [row for row in described(kind) if row[3].__module__ == kind.__module__]


def recipe_table(before: str) -> str:
    """Return the recipes' table with today's values and the words that stand there."""
    import train_test

    classes = [getattr(train_test, name) for name in RECIPES.split(", ")]
    rows = before.splitlines(keepends=True)[:2]
    known = set()
    for line in before.splitlines()[2:]:
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        name = cells[0].strip("` ")
        known.add(name)
        values = " | ".join(value_text(getattr(item, name)) for item in classes)
        rows.append(f"| `{name}` | {values} | {cells[-1]} |\n")
    missing = sorted(_set_by(classes) - known)
    rows += [f"| `{name}` | explain me |\n" for name in missing]
    return "".join(rows)


def _set_by(classes: list[type[Config]]) -> set[str]:
    return {name for item in classes for name in vars(item) if name.isupper()}


def value_text(value: Any) -> str:
    """Return a default the way the documents write it: `None`, yes and no, lists with commas."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Path):
        return value.as_posix()
    if isinstance(value, dict):
        return ", ".join(f"{key} {value_text(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(value_text(item) for item in value) or "none"
    return "empty" if value == "" else str(value)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
    print(f"{PAGE}: written")
