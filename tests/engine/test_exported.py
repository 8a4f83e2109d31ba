"""When OpenVINO runs the network, when Keras does, and what is said of it."""

from __future__ import annotations

import importlib.util
import json
import zipfile

import numpy as np
import pytest
from networks import fill_by_recipe
from toys import TinyConfig, Toys

from engine import exported
from engine.detector import load_detector
from mrcnn import exported_parts
from mrcnn.exported import FORMAT, ExportedNetwork, exported_path, read_about
from mrcnn.model import MaskRCNN
from mrcnn.weights import digest
from spm.errors import InputError
from spm.inference.predict import Settings, image_grid

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None or exported.backend() != "tensorflow",
    reason="exports on TensorFlow, with OpenVINO",
)
ALL = Settings(score_threshold=0.4)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A network filled by the recipe, which takes any image for molecules."""
    model = MaskRCNN("inference", TinyConfig(), tmp_path_factory.mktemp("网络 (1)"))
    fill_by_recipe(model.bank.layers.values(), damped="branch2b")
    model.metadata = {"class_names": ["disc", "方 b"], "scale": 1.0, "score_threshold": 0.4}
    return model


@pytest.fixture(scope="module")
def weights(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights 网") / "mask_rcnn_tiny_0001.h5"
    network.save_weights(path)
    return path


@pytest.fixture(autouse=True)
def choose(monkeypatch):
    monkeypatch.delenv("PREDICTION_ENGINE")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setattr("mrcnn.config.best_dtype", lambda: "float32")


def without_keras(monkeypatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(
        exported.importlib.util, "find_spec",
        lambda name: None if name in ("keras", "tensorflow") else there(name),
    )  # fmt: skip


def test_the_first_prediction_writes_the_network_and_the_next_finds_it(weights, capsys):
    first = load_detector(weights, settings=ALL)
    assert "written once" in capsys.readouterr().out
    path = exported_path(weights)
    assert read_about(path) == {"format": FORMAT, "weights": digest(weights), "sides": [128, 192]}
    assert sorted(p.name for p in weights.parent.iterdir()) == [weights.name, path.name]
    second = load_detector(weights, settings=ALL)
    assert capsys.readouterr() == ("", "") and second.engine == "OpenVINO, float32"
    image = Toys().load(1, seed=5).load_image(0)
    (found,), (again,) = first.detect([image]), second.detect([image])
    (keras,) = load_detector(weights, settings=ALL, engine="keras").detect([image])
    assert len(found) == len(again) == len(keras) > 3
    np.testing.assert_array_equal(found.boxes, again.boxes)
    np.testing.assert_allclose(found.boxes, keras.boxes, atol=1e-2)
    np.testing.assert_allclose(found.class_scores, keras.class_scores, atol=1e-5)
    for a, b in zip(found.masks, keras.masks, strict=True):
        assert (a.pixels.shape, a.top, a.left) == (b.pixels.shape, b.top, b.left)
        assert (a.pixels != b.pixels).sum() <= 2


def test_larger_tiles_are_answered_as_keras_answers_them(weights):
    """With as many more proposals and detections as there is more area."""

    class Larger(TinyConfig):
        IMAGE_MIN_DIM = IMAGE_MAX_DIM = 192
        PRE_NMS_LIMIT, POST_NMS_ROIS_INFERENCE, DETECTION_MAX_INSTANCES = 900, 135, 45
        DETECTION_MIN_CONFIDENCE = 0.2

    detector = load_detector(weights, settings=ALL)
    assert (detector.input_size, detector.larger_sizes) == (128, (192,))
    image = np.tile(Toys().load(1, seed=5).load_image(0), (2, 2, 1))[:192, :192]
    (found,) = detector.detect([image])
    keras = MaskRCNN("inference", Larger(), weights.parent)
    keras.load_weights(weights, by_name=True)
    (answer,) = keras.detect_cropped([image])
    assert len(found) == len(answer["boxes"]) > 3
    np.testing.assert_allclose(found.boxes, answer["boxes"], atol=1e-2)
    np.testing.assert_allclose(found.class_scores, answer["class_scores"], atol=1e-5)
    # 344 x 344 pixels are 16 tiles of 128 or 4 of 192.
    sides = [image_grid(detector, side, side, Settings(overlap=40)).size for side in (128, 344)]
    assert sides == [128, 192]
    with pytest.raises(ValueError, match=r"images of \[128, 192\] pixels"):
        detector.detect([image[:100, :100]])


def test_exact_places_and_fine_masks_are_answered_as_keras_answers_them(tmp_path):
    """As in the light network; boxes at the image's border among them."""

    class Exact(TinyConfig):
        EXACT_ROI_ALIGN = EXACT_MASKS = MASK_FINE_FEATURES = True
        DETECTION_MIN_CONFIDENCE = 0.2

    model = MaskRCNN("inference", Exact(), tmp_path)
    fill_by_recipe(model.bank.layers.values(), damped="branch2b")
    path = tmp_path / "mask_rcnn_exact_0001.h5"
    model.metadata = {"class_names": ["disc", "square"], "scale": 1.0, "score_threshold": 0.4}
    model.save_weights(path)
    load_detector(path, settings=ALL)  # exports
    image = np.roll(Toys().load(1, seed=5).load_image(0), (-50, -50), (0, 1))
    (found,) = ExportedNetwork(exported_path(path)).detect_cropped([image], 0.2)
    (keras,) = model.detect_cropped([image])
    assert len(found["boxes"]) == len(keras["boxes"]) > 3
    assert keras["boxes"].min() < 2
    np.testing.assert_allclose(found["boxes"], keras["boxes"], atol=1e-2)
    np.testing.assert_allclose(found["class_scores"], keras["class_scores"], atol=1e-5)
    for a, b in zip(found["masks"], keras["masks"], strict=True):
        assert a[0].shape == b[0].shape and (a[0] != b[0]).sum() <= 2


def both_ways(weights):
    """The network in float32 and in two parts, and their answers to an image of each side."""
    load_detector(weights, settings=ALL)  # exports, if need be
    networks = [ExportedNetwork(exported_path(weights), fast) for fast in (False, True)]
    tile = Toys().load(1, seed=5).load_image(0)
    images = [tile, np.tile(tile, (2, 2, 1))[:192, :192]]
    return networks, [
        [found for image in images for found in network.detect_cropped([image], 0.2)]
        for network in networks
    ]


def test_in_two_parts_the_network_answers_as_in_one(weights, monkeypatch):
    """The same numbers but for their last digits, where both parts compute in float32."""
    monkeypatch.setattr(exported_parts, "BFLOAT16", exported_parts.FLOAT32)
    monkeypatch.setattr("mrcnn.exported.has_bfloat16", lambda core: True)
    (_, parted), answers = both_ways(weights)
    assert parted.dtype == "bfloat16"
    for whole, cut in zip(*answers, strict=True):
        assert len(whole["boxes"]) == len(cut["boxes"]) > 3
        for key in ("boxes", "class_ids", "class_scores"):
            np.testing.assert_allclose(cut[key], whole[key], rtol=1e-5, atol=1e-5)
        assert all((a[0] == b[0]).all() for a, b in zip(whole["masks"], cut["masks"], strict=True))


def test_a_network_that_was_released_answers_again(weights):
    load_detector(weights, settings=ALL)  # exports, if need be
    network = ExportedNetwork(exported_path(weights))
    side = network.sides[0]
    image = np.random.default_rng(3).integers(0, 256, (side, side, 3), np.uint8)
    network.prepare(side)
    (before,) = network.detect_cropped([image], 0.0)
    network.release()
    (after,) = network.detect_cropped([image], 0.0)
    assert len(before["boxes"]) == len(after["boxes"]) > 0
    np.testing.assert_allclose(after["boxes"], before["boxes"], atol=0.01)


def test_a_network_that_cannot_be_cut_runs_in_float32(weights, monkeypatch):
    monkeypatch.setattr("mrcnn.exported.has_bfloat16", lambda core: True)
    entries = exported_parts._entries
    monkeypatch.setattr(
        exported_parts, "_entries",
        lambda output: [] if output.partial_shape[1] == 32 else entries(output),
    )  # fmt: skip
    (_, parted), (whole, cut) = both_ways(weights)
    assert parted.dtype == "float32"
    np.testing.assert_array_equal(whole[0]["boxes"], cut[0]["boxes"])


def test_bfloat16_moves_no_box(weights):
    (_, parted), (whole, cut) = both_ways(weights)
    if parted.dtype == "float32":
        pytest.skip("this processor has no bfloat16")
    for one, other in zip(whole, cut, strict=True):
        apart = np.abs(one["boxes"][:, None] - other["boxes"]).max(axis=2).min(axis=1)
        assert np.median(apart) < 1  # pixels


def test_a_file_of_the_first_format_is_read(weights, monkeypatch, tmp_path):
    """One graph, for tiles of one size; of a format to come, a sentence says so."""
    image = Toys().load(1, seed=5).load_image(0)
    now = load_detector(weights, settings=ALL)
    copy = tmp_path / weights.name
    copy.write_bytes(weights.read_bytes())

    def write(about, name):
        with (
            zipfile.ZipFile(exported_path(weights)) as file,
            zipfile.ZipFile(exported_path(copy), "w") as older,
        ):
            older.writestr("about.json", json.dumps({"weights": digest(copy)} | about))
            older.writestr(name, file.read("network_128.xml"))
            older.writestr("network.bin", file.read("network.bin"))

    write({"format": 1, "side": 128}, "network.xml")
    without_keras(monkeypatch)
    older = load_detector(copy, settings=ALL)
    assert (older.input_size, older.larger_sizes) == (128, ())
    (found,), (expected,) = older.detect([image]), now.detect([image])
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    write({"format": 99, "side": 128}, "network.xml")
    with pytest.raises(InputError, match="cannot be read by this version.*copy it"):
        load_detector(copy, settings=ALL)


def test_a_prediction_exports_in_a_process_of_its_own(weights, monkeypatch, tmp_path, capsys):
    copy = tmp_path / weights.name
    copy.write_bytes(weights.read_bytes())
    monkeypatch.setattr(exported, "_keras_at_work", lambda: False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    assert load_detector(copy, settings=ALL).engine.startswith("OpenVINO")
    assert "note:" not in capsys.readouterr().err
    names = [copy.name, exported_path(copy).name]
    assert sorted(p.name for p in tmp_path.glob("mask_rcnn*")) == names
    assert not (home / "intel").exists()  # OpenVINO's telemetry keeps its files there


def test_a_score_threshold_written_later_needs_no_other_export(weights, network):
    load_detector(weights, settings=ALL)
    written = exported_path(weights).stat().st_mtime_ns
    network.metadata["score_threshold"] = 0.45
    network.save_weights(weights)
    assert load_detector(weights).score_threshold == 0.45
    assert exported_path(weights).stat().st_mtime_ns == written


def test_without_keras_the_exported_network_must_be_there(weights, monkeypatch, network, tmp_path):
    load_detector(weights, settings=ALL)
    without_keras(monkeypatch)
    assert load_detector(weights, settings=ALL).engine.startswith("OpenVINO")
    alone = tmp_path / "mask_rcnn_tiny_0002.h5"
    network.save_weights(alone)
    with pytest.raises(InputError, match="0002.openvino is not there.*copy it"):
        load_detector(alone)
    other = exported_path(alone)
    other.write_bytes(exported_path(weights).read_bytes())
    layer = network.bank.layers["mrcnn_class_logits"]
    layer.bias.assign(layer.bias + 0.001)
    network.save_weights(alone)
    layer.bias.assign(layer.bias - 0.001)
    with pytest.raises(InputError, match="belongs to other weights"):
        load_detector(alone)
    monkeypatch.setenv("PREDICTION_ENGINE", "keras")
    with pytest.raises(InputError, match="neither Keras nor TensorFlow|not installed"):
        load_detector(alone)


def test_a_damaged_export_falls_back_to_keras_with_a_line(weights, tmp_path, capsys):
    load_detector(weights, settings=ALL)
    copy = tmp_path / weights.name
    copy.write_bytes(weights.read_bytes())
    data = bytearray(exported_path(weights).read_bytes())
    with zipfile.ZipFile(exported_path(weights)) as file:
        middle = file.getinfo("network.bin").header_offset + 5000
    data[middle] ^= 0xFF
    exported_path(copy).write_bytes(data)
    capsys.readouterr()
    assert load_detector(copy, settings=ALL).engine == "Keras, float32"
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "note: Keras runs the network" in said and "CRC" in said
    exported_path(copy).write_bytes(data[: len(data) // 2])  # cut off: made anew
    assert load_detector(copy, settings=ALL).engine.startswith("OpenVINO")


@pytest.mark.parametrize("why", ["backend", "card", "openvino"])
def test_what_does_not_fit_runs_in_keras_with_a_line(weights, monkeypatch, capsys, why):
    if why == "backend":
        monkeypatch.setattr(exported, "backend", lambda: "torch")
        monkeypatch.setattr(exported, "keras_installed", lambda: True)
    elif why == "card":
        monkeypatch.setattr(exported, "_card_likely", lambda: True)
        monkeypatch.setattr(exported, "has_accelerator", lambda: True)
    else:
        there = importlib.util.find_spec
        monkeypatch.setattr(
            exported.importlib.util, "find_spec", lambda n: None if n == "openvino" else there(n)
        )
    assert load_detector(weights, settings=ALL).engine == "Keras, float32"
    said = capsys.readouterr().err
    assert said.startswith("note: Keras runs the network: ") and said.count("\n") == 1
    assert {"backend": "torch", "card": "graphics card", "openvino": "not installed"}[why] in said


def test_an_export_that_fails_is_told(weights, monkeypatch, tmp_path, capsys):
    copy = tmp_path / weights.name
    copy.write_bytes(weights.read_bytes())

    def fail(*_, **__):
        raise RuntimeError("no such operation")

    monkeypatch.setattr("openvino.convert_model", fail)
    assert load_detector(copy, settings=ALL).engine == "Keras, float32"
    assert "the export failed (no such operation)" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == [copy.name]
