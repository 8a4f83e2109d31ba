"""What --help of every command says."""

import importlib
import re
import subprocess
import sys

import pytest
from checkout import ROOT

from spm.run import command_line
from spm.run.settings import described

COMMANDS = {
    "app.py": "app.main",
    "workflow.py": "workflow.main",
    "train_test.py": "train_test.train_main",
    "predict_big_pic.py": "predict_big_pic.main",
    "evaluate.py": "evaluate.main",
    "tsne_analysis.py": "tsne_analysis.main",
    "pre_draw_mask.py": "pre_draw_mask.main",
    "re_write_mask.py": "re_write_mask.main",
    "fast_json_to_dataset.py": "fast_json_to_dataset.main",
    "Images_Augmentation/geo_aug_img_json.py": "Images_Augmentation.geo_aug_img_json.main",
    "Images_Augmentation/color_aug_img_json.py": "Images_Augmentation.color_aug_img_json.main",
    "engine/clean.py": "engine.clean.main",
    "spm/annotate.py": "spm.annotate.main",
    "spm/convert.py": "spm.convert.main",
    "spm/crop.py": "spm.crop.main",
    "spm/exports.py": "spm.exports.main",
    "spm/import_coco.py": "spm.import_coco.main",
    "spm/pool.py": "spm.pool.main",
    "spm/average.py": "spm.average.main",
    "spm/undistort.py": "spm.undistort.main",
    "spm/simulate/__main__.py": "spm.simulate.__main__.main",
}


def text_of(name, capsys):
    module, function = COMMANDS[name].rsplit(".", 1)
    main = getattr(importlib.import_module(module), function)
    with pytest.raises(SystemExit) as left:
        command_line.run(main, ["--help"])
    assert left.value.code == 0
    return main, capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_each_flag_once_with_what_is_taken_and_an_example(name, capsys):
    main, text = text_of(name, capsys)
    flat = " ".join(text.split())
    flags = re.findall(r"^\W (?:-h, )?(--[a-z0-9-]+)", text, re.MULTILINE)
    assert len(flags) == len(set(flags)) and "--help" in flags
    positional = [n for n, hint, *_ in described(main.settings) if hasattr(hint, "__metadata__")
                  and command_line.POSITIONAL in hint.__metadata__]  # fmt: skip
    settings = {n.replace("_", "-") for n, *_ in described(main.settings) if n not in positional}
    shown = {flag.removeprefix("--").removeprefix("no-") for flag in flags}
    assert shown == {x.removeprefix("no-") for x in settings} | {"help", "debug"}
    assert "{None" not in flat and "default: None" not in flat and "default: )" not in flat
    assert re.search(r"^    python ", text, re.MULTILINE), "an example"


@pytest.mark.parametrize("name", [*COMMANDS, "mrcnn/export_onnx.py"])
def test_each_command_can_be_started_by_its_file(name, tmp_path):
    """From another folder too."""
    result = subprocess.run(
        [sys.executable, str(ROOT / name), "--help"], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 0 and "usage" in result.stdout and result.stderr == ""


def test_help_imports_nothing_heavy():
    """Nothing heavy is imported; the time that it takes is measured in benchmarks/."""
    code = (
        "import runpy, sys; sys.argv = ['workflow.py', '--help']\n"
        "try: runpy.run_path('workflow.py', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "heavy = {'tensorflow', 'keras', 'cv2', 'scipy', 'matplotlib', 'skimage', 'sklearn',"
        " 'h5py', 'imaug', 'openvino', 'PIL', 'engine'} & set(sys.modules)\n"
        "print(*heavy, file=sys.stderr)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stderr.split()
    assert said == []
