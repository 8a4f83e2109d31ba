"""The scripts as commands of the installed package (`[project.scripts]` in pyproject.toml).

They take folders such as aug_test_in/ from the folder in which they are called.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module

from spm.run import command_line

# Command -> the module and its function of settings.
COMMANDS = {
    "spm-workflow": ("workflow", "main"),
    "spm-train": ("train_test", "train_main"),
    "spm-predict": ("predict_big_pic", "main"),
    "spm-evaluate": ("evaluate", "main"),
    "spm-tsne": ("tsne_analysis", "main"),
    "spm-annotate": ("spm.annotate", "main"),
    "spm-convert": ("spm.convert", "main"),
    "spm-crop": ("spm.crop", "main"),
    "spm-export": ("spm.exports", "main"),
    "spm-import-coco": ("spm.import_coco", "main"),
    "spm-pool": ("spm.pool", "main"),
    "spm-average": ("spm.average", "main"),
    "spm-undistort": ("spm.undistort", "main"),
    "spm-simulate": ("spm.simulate.__main__", "main"),
    "spm-clean": ("engine.clean", "main"),
    "spm-app": ("app", "main"),
}


def _run(command: str) -> None:
    module, function = COMMANDS[command]
    command_line.run(getattr(import_module(module), function))


workflow = partial(_run, "spm-workflow")
train = partial(_run, "spm-train")
predict = partial(_run, "spm-predict")
evaluate = partial(_run, "spm-evaluate")
tsne = partial(_run, "spm-tsne")
annotate = partial(_run, "spm-annotate")
convert = partial(_run, "spm-convert")
crop = partial(_run, "spm-crop")
export = partial(_run, "spm-export")
import_coco = partial(_run, "spm-import-coco")
pool = partial(_run, "spm-pool")
average = partial(_run, "spm-average")
undistort = partial(_run, "spm-undistort")
simulate = partial(_run, "spm-simulate")
clean = partial(_run, "spm-clean")
app = partial(_run, "spm-app")
