"""One test that really learns: a small simulated image, and another one to be recognised."""

import importlib.util
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from checkout import ROOT

import train_test
from engine.detector import load_detector
from mrcnn.exported import import_openvino
from mrcnn.exported_parts import has_bfloat16
from spm.evaluation.instances import from_annotation, from_molecules
from spm.evaluation.metrics import average_precision
from spm.geometry.cropped_mask import CroppedMask
from spm.inference.predict import Settings, find_molecules
from spm.io.images import write_image
from spm.simulate import simulate
from spm.structures.annotation import write_annotation

# Triangles and rods: a network tells them apart sooner than triangles and three-lobed molecules.
SYSTEM, NAMES = "A+C", ["003a", "rod"]
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow" or importlib.util.find_spec("openvino") is None,
    reason="exports on TensorFlow, with OpenVINO",
)
QUIET = dict(pixels_per_molecule=40, adsorbates=0, coverage=0.4)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights of the light recipe on one image, from the shipped start, shortened, exported by the
    training."""
    folder = tmp_path_factory.mktemp("学习 (1)")
    image, truth = simulate(SYSTEM, 256, seed=1, image_name="crop.png", **QUIET)
    write_image(folder / "crop.png", image)
    write_annotation(folder / "crop.json", truth)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PREDICTION_ENGINE")
        return train_test.train_main(
            init_with="auto", coco_weights=folder / "none", recipe="cpu", augment="online",
            source_dir=folder, log_dir=folder / "logs", epochs=1, steps_per_epoch=140,
        )  # fmt: skip


@pytest.fixture(scope="module")
def trained(weights):
    """What Keras says of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mrcnn.config.best_dtype", lambda: "float32")
        return load_detector(weights, settings=Settings(score_threshold=0.05), engine="keras")


def test_a_simulated_image_is_learned(trained):
    image, truth = simulate(SYSTEM, 320, seed=2, **QUIET)
    found = find_molecules(trained, image, Settings(score_threshold=0.05))
    truths = [from_annotation(truth.classified(NAMES), ignore_flags=("edge",))]
    predictions = [from_molecules(found, *image.shape[:2])]
    assert average_precision(truths, predictions, iou=0.5) >= 0.8


def test_an_image_without_molecules_gives_none(trained):
    bare = np.full((200, 230, 3), (40, 2, 0), np.uint8)
    assert find_molecules(trained, bare, Settings(score_threshold=0.5)) == []


def test_the_weights_file_tells_prediction_all_it_needs(trained):
    assert trained.class_names == NAMES
    assert 0.2 <= trained.score_threshold <= 0.6
    assert trained.scale == pytest.approx(
        train_test.LightConfig.MOLECULE_PIXELS / trained.molecule_size
    )


@on_tensorflow
def test_the_exported_network_says_what_keras_says(trained, weights, monkeypatch):
    monkeypatch.setattr("mrcnn.exported.has_bfloat16", lambda core: False)
    assert weights.with_suffix(".openvino").is_file()  # written by the training
    exported = load_detector(weights, settings=Settings(score_threshold=0.05), engine="openvino")
    assert (exported.class_names, exported.input_size) == (NAMES, trained.input_size)
    scene, _ = simulate(SYSTEM, exported.input_size, seed=3, **QUIET)
    bare = np.full_like(scene, (40, 2, 0))
    for image in (scene, bare, scene[::-1, ::-1]):
        (ours,), (theirs,) = exported.detect([image]), trained.detect([image])
        assert len(ours) == len(theirs)
        np.testing.assert_allclose(ours.boxes, theirs.boxes, atol=1e-2)
        np.testing.assert_allclose(ours.class_scores, theirs.class_scores, atol=1e-4)
        ious = [a.iou(b) for a, b in zip(ours.masks, theirs.masks, strict=True)]
        assert min(ious, default=1) > 0.99
    assert len(trained.detect([scene])[0]) > 20


@on_tensorflow
def test_in_bfloat16_a_trained_network_finds_the_same_molecules(weights, monkeypatch):
    if not has_bfloat16(import_openvino().Core()):
        pytest.skip("this processor has no bfloat16")
    networks = []
    for fast in (False, True):
        monkeypatch.setattr("mrcnn.exported.has_bfloat16", lambda core, fast=fast: fast)
        networks.append(load_detector(weights, engine="openvino"))
    assert [network.engine for network in networks] == ["OpenVINO, float32", "OpenVINO, bfloat16"]
    scene, _ = simulate(SYSTEM, networks[0].input_size, seed=3, **QUIET)
    exact, fast = (find_molecules(network, scene) for network in networks)
    assert len(exact) == len(fast) > 15
    for one in exact:
        other = min(fast, key=lambda m: np.hypot(*np.subtract(m.centroid, one.centroid)))
        assert other.class_name == one.class_name
        masks = CroppedMask.of_polygons([one.outline, other.outline], *scene.shape[:2])
        assert masks[0].iou(masks[1]) > 0.9


WITHOUT_KERAS = """
import json, runpy, sys
heavy = {"keras", "tensorflow", "torch", "jax"}
sys.path.insert(0, ".")
for command in json.loads(sys.argv[1]):
    sys.argv = command
    try:
        runpy.run_path(command[0], run_name="__main__")
    except SystemExit as end:
        assert not end.code, (command, end.code)
    # Figures of a prediction are another process's: 40 MB of this one's memory are spared.
    here = heavy | {"matplotlib"} if command[0] == "predict_big_pic.py" else heavy
    assert not here & set(sys.modules), (command, here & set(sys.modules))
"""


@on_tensorflow
def test_scripts_predict_without_tensorflow(weights, tmp_path, monkeypatch):
    monkeypatch.delenv("PREDICTION_ENGINE")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    image, truth = simulate(SYSTEM, 320, seed=2, image_name="a.png", **QUIET)
    write_image(tmp_path / "a.png", image)
    write_annotation(tmp_path / "a.json", truth)
    out = tmp_path / "out"
    commands = [
        ["predict_big_pic.py", str(tmp_path / "a.png"), "--out-dir", str(out)],
        ["evaluate.py", "--truth", str(tmp_path), "--out", str(out / "evaluation")],
    ]
    commands = [[*command, "--weights", str(weights)] for command in commands]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_KERAS, json.dumps(commands)],
        cwd=ROOT, capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "note: Keras" not in done.stderr
    expected = find_molecules(load_detector(weights, engine="openvino"), image)
    rows = (out / "a_molecules.csv").read_text(encoding="utf-8").strip().splitlines()
    assert len(rows) == 1 + len(expected) > 10
    assert (out / "a_statistics.png").exists() and (out / "a_report.html").exists()
    metrics = json.loads((out / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics
