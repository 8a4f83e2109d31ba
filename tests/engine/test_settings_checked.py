"""Settings as people mistype them: one sentence with name, value and range, before any work."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from annotated import contents, put
from checkout import ROOT

import evaluate
import predict_big_pic
import train_test
import tsne_analysis
import workflow
from engine.recipe_check import KINDS, problems_of
from Images_Augmentation import color_aug_img_json, geo_aug_img_json
from mrcnn.config import Config
from spm import convert, crop
from spm.errors import InputError
from spm.run import command_line
from spm.simulate import __main__ as simulate_script

NAN = float("nan")

# In a recipe of train_test.py: attribute, value, what the sentence says of it.
RECIPE = [
    ("STEPS_PER_EPOCH", 0, "a number of 1 or more"),
    ("STEPS_PER_EPOCH", -5, "a number of 1 or more"),
    ("STEPS_PER_EPOCH", "50", "a number of 1 or more"),
    ("VALIDATION_STEPS", -1, "a number of 0 or more"),
    ("BACKBONE", "resnet34", "'resnet18', 'resnet50' or 'resnet101'"),
    ("BACKBONE", "ResNet50", "'resnet18', 'resnet50' or 'resnet101'"),
    ("BACKBONE", ["resnet50"], "'resnet18', 'resnet50' or 'resnet101'"),
    ("BACKBONE_STRIDES", [4, 8], r"\[4, 8, 16, 32, 64\] or"),
    ("IMAGE_MAX_DIM", 200, "a multiple of 64, such as 192"),
    ("IMAGE_MAX_DIM", 0, "a whole number from 64 to 4096"),
    ("IMAGE_MIN_DIM", 256, "at most IMAGE_MAX_DIM, 192"),
    ("TILE_DIM", 100, "a multiple of 64, such as 128"),
    ("TILE_DIM", "448", "a whole number from 64 to 4096, or None"),
    ("LEARNING_RATE", "0.001", "a number above 0 and at most 1"),
    ("LEARNING_RATE", NAN, "a number above 0 and at most 1"),
    ("LEARNING_RATE", -1, "a number above 0 and at most 1"),
    ("LEARNING_RATE", 0, "a number above 0 and at most 1"),
    ("LEARNING_RATE", None, "a number above 0 and at most 1"),
    ("WEIGHT_DECAY", -0.1, "a number from 0 to 1"),
    ("IMAGES_PER_GPU", 0, "a whole number of 1 or more"),
    ("IMAGES_PER_GPU", 2.5, "a whole number of 1 or more"),
    ("GPU_COUNT", 2, "1; several cards are used by torchrun"),
    ("GPU_COUNT", 0, "a whole number of 1 or more"),
    ("COMPUTE_DTYPE", "fp16", "'auto', 'float32', 'mixed_bfloat16' or 'mixed_float16'"),
    ("MOLECULE_PIXELS", 0, "a number from 4 to 1024"),
    ("DETECTION_MAX_INSTANCES", 0, "a whole number of 1 or more"),
    ("DETECTION_MIN_CONFIDENCE", 5, "a number from 0 to 1"),
    ("TRAIN_ROIS_PER_IMAGE", 0, "a whole number of 1 or more"),
    ("MAX_GT_INSTANCES", 0, "a whole number of 1 or more"),
    ("RPN_ANCHOR_SCALES", (32, 64), "4 numbers, one for each"),
    ("RPN_ANCHOR_SCALES", 32, "a list, in which each is a number above 0"),
    ("MINI_MASK_SHAPE", 28, "2 in brackets"),
    ("NAME", "a/b", "letters and digits"),
    ("NAME", "", "letters and digits"),
    ("NAME", None, "a text in quotes"),
    ("OPTIMIZER", "foo", "'sgd' or 'adamw'"),
    ("SCHEDULE", "foo", "'constant' or 'cosine'"),
    ("HEAD_EPOCHS", -1, "a whole number of 0 or more"),
    ("HEAD_EPOCHS", 21, "at most EPOCHS, 7"),
    ("EPOCHS", 0, "a whole number of 1 or more"),
    ("NUM_CLASSES", 7, "1 \\+ the number of class_names, 3"),
    ("TRAIN_BN", "no", "True or False, or None"),
    ("LOSS_WEIGHTS", {"mask": 1.0}, "a dict of rpn_class_loss"),
    ("LOSS_WEIGHTS", {"mrcnn_mask_loss": -1.0}, "numbers of 0 or more"),
]


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """An empty folder to be in, and an annotated image: nothing else may appear."""
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "aug_test_in")
    return tmp_path


@pytest.mark.parametrize(("name", "value", "must"), RECIPE, ids=lambda item: str(item)[:30])
def test_a_recipe_of_impossible_values(folders, monkeypatch, name, value, must):
    monkeypatch.setattr(train_test.LightConfig, name, value, raising=False)
    before = contents(folders)
    sentence = rf"LightConfig\.{name} must be {must}.*Received: {re.escape(repr(value))}"
    with pytest.raises(InputError, match=sentence):
        train_test.train_main(augment="online", recipe="cpu", init_with="none")
    with pytest.raises(InputError, match=sentence):
        workflow.main(check=True, recipe="cpu")
    assert contents(folders) == before


@pytest.mark.parametrize(
    ("name", "meant"),
    [("LERNING_RATE", "LEARNING_RATE"), ("learning_rate", "LEARNING_RATE"),
     ("MOLECULE_PIXEL", "MOLECULE_PIXELS"), ("EPOCH", "EPOCHS")],
)  # fmt: skip
def test_a_misspelt_attribute(folders, monkeypatch, name, meant):
    monkeypatch.setattr(train_test.ShapesConfig, name, 0.01, raising=False)
    with pytest.raises(InputError, match=rf"ShapesConfig\.{name}: .*; did you mean {meant}\?"):
        train_test.train_main(augment="online")


def test_what_is_inherited_is_told_once(monkeypatch):
    monkeypatch.setattr(train_test.ShapesConfig, "LEARNING_MOMENTUM", 9, raising=False)
    found = {*problems_of(train_test.recipes(), [3])}
    assert len(found) == 1 and "ShapesConfig.LEARNING_MOMENTUM" in found.pop()


def test_the_recipes_themselves_are_possible():
    assert [*problems_of(train_test.recipes(), [3])] == []
    own = {n for c in train_test.recipes().__dict__.values() for n in vars(c) if n.isupper()}
    assert own - set(KINDS) == {"LOSS_WEIGHTS"}, "a new setting of the recipes needs its kind"


def test_a_config_of_ones_own_may_have_attributes_of_its_own():
    class Balloon(Config):
        NAME = "balloon"
        LERNING_RATE = 5
        MY_FOLDER = "here"

    assert Balloon().MY_FOLDER == "here"


# --- settings of the scripts ---------------------------------------------------------------------

RUN = [
    (train_test.train_main, "class_names", "003a", "a list, in which each is a text in quotes"),
    (train_test.train_main, "class_names", [], "names, or None for those of the labels"),
    (train_test.train_main, "class_names", [3], "a list, in which each is a text in quotes"),
    (train_test.train_main, "recipe", "fast", "'auto', 'gpu' or 'cpu'"),
    (train_test.train_main, "augment", "both", "'folder' or 'online', or None"),
    (train_test.train_main, "validation_share", 0.9, "a number from 0 to 0.5"),
    (train_test.train_main, "validation_share", 1, "a number from 0 to 0.5"),
    (train_test.train_main, "validation_share", -1, "a number from 0 to 0.5"),
    (train_test.train_main, "validation_share", NAN, "a number from 0 to 0.5"),
    (train_test.train_main, "head_epochs", -1, "a whole number of 0 or more, or None"),
    (train_test.train_main, "epochs", 0, "a whole number of 1 or more, or None"),
    (train_test.train_main, "epochs", "10", "a whole number of 1 or more, or None"),
    (train_test.train_main, "steps_per_epoch", 0, "a whole number of 1 or more, or None"),
    (train_test.train_main, "steps_per_epoch", 2.5, "a whole number of 1 or more, or None"),
    (train_test.train_main, "seed", -1, "a whole number from 0 to 4294967295"),
    (train_test.train_main, "seed", 2**40, "a whole number from 0 to 4294967295"),
    (train_test.train_main, "mirror", "no", "True or False"),
    (predict_big_pic.main, "tile_scale", NAN, "a number above 0, or None"),
    (predict_big_pic.main, "tile_scale", 0, "a number above 0, or None"),
    (predict_big_pic.main, "batch_size", 0, "a whole number of 1 or more, or None"),
    (predict_big_pic.main, "score_threshold", 40, "a number from 0 to 1, or None"),
    (predict_big_pic.main, "nms_iou", -0.1, "a number from 0 to 1"),
    (predict_big_pic.main, "views", 3, "1, 2, 4 or 8"),
    (predict_big_pic.main, "nm_per_pixel", -1.0, "a number above 0, or None"),
    (workflow.main, "aug_times", 1_000_000_000, "a whole number from 1 to 100000"),
    (workflow.main, "aug_times", 0, "a whole number from 1 to 100000"),
    (workflow.main, "workers", -1, "a whole number of 0 or more"),
    (workflow.main, "seed", -1, "a whole number from 0 to 4294967295"),
    (workflow.main, "tile_scale", 0, "a number above 0, or None"),
    (workflow.main, "add", "a.json", "a list, in which each is a path in quotes, or None"),
    (color_aug_img_json.main, "how_many", 2, "2 in brackets"),
    (geo_aug_img_json.main, "angles", [NAN], "a list, in which each is a number"),
    (geo_aug_img_json.main, "flips", ["up"], "a list, in which each is 'tb' or 'lr'"),
    (simulate_script.main, "scrambled", -1, "a whole number of 0 or more"),
    (simulate_script.main, "count", 0, "a whole number of 1 or more"),
    (simulate_script.main, "system", "C", "'network', "),
    (simulate_script.main, "pixels_per_molecule", 0, "a number above 0"),
    (convert.main, "low", 101, "a number from 0 to 100"),
    (evaluate.main, "iou", 0, "a number above 0 and at most 1"),
    (evaluate.main, "tile_scale", NAN, "a number above 0, or None"),
    (tsne_analysis.main, "perplexity", 0, "a number from 1 to 1000"),
]  # fmt: skip


def _id(item):
    """A short name; a function's text holds its address, which differs between processes."""
    return getattr(item, "__module__", None) or str(item)[:30]


@pytest.mark.parametrize(("main", "name", "value", "must"), RUN, ids=_id)
def test_a_setting_of_an_impossible_value(folders, main, name, value, must):
    before = contents(folders)
    with pytest.raises(InputError, match=rf"^{name} must be {must}.*Received: "):
        main(**{name: value})
    assert contents(folders) == before


@pytest.mark.parametrize(
    ("main", "flags", "said"),
    [
        (train_test.train_main, ["--seed", "-1"], "seed must be a whole number from 0"),
        (train_test.train_main, ["--validation-share", "nan"], "validation_share must be"),
        (train_test.train_main, ["--head-epochs", "9", "--epochs", "3"], "at most epochs, 3"),
        (train_test.train_main, ["--head-epochs", "30", "--recipe", "cpu"], "at most epochs, 20"),
        (train_test.train_main, ["--init-with", "no.h5"], "no.h5: there is no such weights file"),
        (workflow.main, ["--check", "--init-with", "x"], "x: is a folder without weights"),
        (predict_big_pic.main, ["--weights", "x", "a.png"], "a.png: no such file; check the name"),
        (train_test.train_main, ["--init-with", "foo"], "init_with=foo: neither one of auto, "),
        (workflow.main, ["--check", "--init-with", "foo"], "init_with=foo: neither one of auto, "),
        (predict_big_pic.main, ["--tile-scale", "nan"], "tile_scale must be"),
        (predict_big_pic.main, ["--batch-size", "0"], "batch_size must be"),
        (simulate_script.main, ["--scrambled", "-1"], "scrambled must be"),
        (crop.main, ["a.png", "--name", "../b"], "name must be a file name without folders"),
        (crop.main, ["a.png", "--name", "a\\b"], "name must be a file name without folders"),
        (predict_big_pic.main, ["--in-dir", "x", "--out-dir", "./x"], "x: out_dir is the folder"),
        (predict_big_pic.main, ["x", "--out-dir", "x"], "x: out_dir is the folder of the images"),
        (workflow.main, ["--images-dir", "x", "--out-dir", "x"], "out_dir and images_dir are"),
        (workflow.main, ["--copies-dir", "aug_test_in"], "copies_dir and source_dir are the same"),
    ],
)
def test_flags_that_cannot_be(folders, capsys, main, flags, said):
    (folders / "x").mkdir()
    before = contents(folders)
    with pytest.raises(SystemExit) as left:
        command_line.run(main, flags)
    printed = capsys.readouterr().err
    assert left.value.code == 1 and said in printed and "Traceback" not in printed
    assert all(line.startswith("error: ") for line in printed.splitlines())
    assert contents(folders) == before


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("class_names: list[str] | None = None", 'class_names: list[str] | None = "003a"',
         "class_names must be a list"),
        ("seed: Seed = 0", "seed: Seed = -1", "seed must be a whole number"),
        ("    LEARNING_RATE = 0.0003", "    LERNING_RATE = 0.0003",
         "SmallConfig.LERNING_RATE: there is no such setting; did you mean LEARNING_RATE?"),
        ('    OPTIMIZER = "adamw"', '    OPTIMIZER = "adam"', "LightConfig.OPTIMIZER must be"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("flags", [[], ["--epochs", "1"]], ids=["no flags", "a flag"])
def test_the_file_is_edited_wrongly(folders, before, after, said, flags):
    """What users do: the script itself, with a slip in it."""
    text = (ROOT / "train_test.py").read_text(encoding="utf-8")
    assert before in text
    (folders / "train_test.py").write_text(text.replace(before, after, 1), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "train_test.py", *flags], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.startswith(f"error: {said}"), done.stderr
    assert not (folders / "logs").exists()


def test_copies_that_have_no_room_are_told_before_the_first(folders, monkeypatch, capsys):
    (folders / "images").mkdir()
    (folders / "images" / "scan.png").write_bytes(
        next((folders / "aug_test_in").glob("*.png")).read_bytes()
    )
    monkeypatch.setattr("spm.checks.time_memory_disk.free_gigabytes", lambda _: 0.001)
    before = contents(folders)
    for check in (True, False):
        with pytest.raises(InputError, match=r"before: the copies need about .* GB.*--aug-times"):
            workflow.main(class_names=["A", "B"], recipe="cpu", init_with="none", check=check)
    assert "everything is ready" not in capsys.readouterr().out
    assert contents(folders) == before


def test_a_class_without_an_outline_is_told(folders, monkeypatch, capsys):
    (folders / "images").mkdir()
    (folders / "images" / "scan.png").write_bytes(
        next((folders / "aug_test_in").glob("*.png")).read_bytes()
    )

    def stop(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr(train_test, "train_main", stop)
    with pytest.raises(KeyboardInterrupt):
        workflow.main(
            class_names=["A", "B", "zinc"], recipe="cpu", init_with="none", augment="online"
        )
    assert "zinc: no molecule is outlined; the network cannot learn it" in capsys.readouterr().out


def test_a_threshold_of_nothing_is_told_as_nothing(folders):
    from engine.predict_image import _threshold
    from spm.inference.detector import Detector
    from spm.inference.predict import Settings

    detector = Detector(["A"], 1.0, 96, 0.466, lambda _: [])
    assert _threshold(detector, Settings(score_threshold=0.0)) == 0
    assert _threshold(detector, Settings()) == 0.466
