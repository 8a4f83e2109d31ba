"""What can be set in each script: read from the code, for the tests of the documents."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# How each script is called in the documents -> its module and its main function.
SCRIPTS = {
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
    "spm.crop": ("spm.crop", "main"),
    "spm.exports": ("spm.exports", "main"),
    "spm.simulate": ("spm.simulate.__main__", "main"),
}
_RULE = re.compile(r"# ?-{3}.*-{20,}$|# -{40,}$")


def main_of(script: str) -> Callable[..., Any]:
    """Return the function whose keyword arguments are the script's settings."""
    module, name = SCRIPTS[script]
    return getattr(importlib.import_module(module), name)


def parameters(script: str) -> dict[str, Any]:
    """Return the keyword arguments of a script and their defaults."""
    return {
        name: parameter.default
        for name, parameter in inspect.signature(main_of(script)).parameters.items()
    }


def block_constants(script: str) -> list[str]:
    """Return the names of the constants in the block of settings at the top of a script: between
    its two ruled lines or, without these, those that main() takes."""
    module = importlib.import_module(SCRIPTS[script][0])
    text = Path(module.__file__).read_text(encoding="utf-8")
    rules = [n for n, line in enumerate(text.splitlines(), 1) if _RULE.fullmatch(line)][:2]
    names = [(n.lineno, name) for n in ast.parse(text).body for name in _assigned(n)]
    if len(rules) == 2:
        return [name for line, name in names if rules[0] < line < rules[1]]
    taken = {name.upper() for name in parameters(script)}
    return [name for _, name in names if name in taken]


def _assigned(node: ast.stmt) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [t.id for t in targets if isinstance(t, ast.Name) and t.id.isupper()]


def config_settings() -> dict[str, dict[str, Any]]:
    """Return what each Config class of train_test.py sets: class name -> attribute -> value."""
    import train_test
    from mrcnn.config import Config

    classes = [
        item
        for item in vars(train_test).values()
        if isinstance(item, type) and issubclass(item, Config) and item is not Config
    ]
    return {
        item.__name__: {name: value for name, value in vars(item).items() if name.isupper()}
        for item in classes
    }


def value_text(value: Any) -> str:
    """Return a default the way the documents write it: `nothing` for None and the like, no
    quotes, lists with commas, numbers as Python prints them."""
    if value is None or value is inspect.Parameter.empty or value in ("", [], ()):
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Path):
        return value.as_posix()
    if isinstance(value, list | tuple):
        return ", ".join(value_text(item) for item in value)
    return str(value)
