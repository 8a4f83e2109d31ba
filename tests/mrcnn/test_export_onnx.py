"""The network as an ONNX file: onnxruntime gives the detections of Keras."""

import json

import keras
import numpy as np
import pytest
from networks import fill_by_recipe
from toys import TinyConfig, Toys

from mrcnn import export_onnx as export
from mrcnn.mask_tools import unmold_masks
from mrcnn.model import MaskRCNN


class OnnxConfig(TinyConfig):
    """The tiny network with scores that differ, and images that leave a margin free."""

    DETECTION_MIN_CONFIDENCE = 0.3


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A weights file of a network filled by the recipe, and its detector."""
    folder = tmp_path_factory.mktemp("网络 (1)")
    model = MaskRCNN("inference", OnnxConfig(), folder)
    fill_by_recipe(model.bank.layers.values(), damped="branch2b")
    model.metadata = {"class_names": ["disc", "方 b"], "scale": 1.5, "score_threshold": 0.4}
    path = folder / "mask_rcnn_tiny_0001.h5"
    model.save_weights(path)
    return path, model


def test_a_package_that_is_missing(weights, monkeypatch, capsys):
    monkeypatch.setattr(export, "PACKAGES", ("onnx_that_nobody_has",))
    assert export.main([str(weights[0])]) == 1
    assert "onnx_that_nobody_has; install with: " in (said := capsys.readouterr().err)
    assert said.startswith("error: ") and "pip install -r requirements-onnx.txt" in said


def test_another_backend(weights, monkeypatch):
    monkeypatch.setattr(export, "PACKAGES", ())
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    with pytest.raises(export.ExportError, match="KERAS_BACKEND=tensorflow"):
        export.export_onnx(weights[0])


def test_weights_that_do_not_say_their_network(weights, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(export, "_check_packages", lambda: None)
    path = tmp_path / "mask_rcnn_coco.h5"
    weights[1].keras_model.save_weights(str(path))
    assert export.main([str(path)]) == 1
    assert "no class names or no settings" in capsys.readouterr().err
    assert export.main([str(tmp_path / "none.h5")]) == 1
    assert "there is no such weights file" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mask_rcnn_coco.h5"]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="exports on TensorFlow only")
def test_onnxruntime_finds_what_keras_finds(weights, capsys, monkeypatch):
    for package in export.PACKAGES:
        pytest.importorskip(package)
    import onnxruntime
    from tf2onnx import optimizer

    # The passes that only make the file smaller take most of the time.
    passes = {"optimize_transpose": optimizer.TransposeOptimizer}
    monkeypatch.setattr(optimizer, "_get_optimizers", lambda: passes)
    path, model = weights
    assert export.main([str(path)]) == 0
    file = path.with_suffix(".onnx")
    assert capsys.readouterr().out.strip().endswith(str(file))
    assert not list(path.parent.glob(".*"))
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    stored = session.get_modelmeta().custom_metadata_map
    assert json.loads(stored["class_names"]) == ["disc", "方 b"]
    assert (json.loads(stored["scale"]), json.loads(stored["score_threshold"])) == (1.5, 0.4)
    names = [x.name for x in session.get_outputs()]
    assert sorted(names) == ["boxes", "class_ids", "class_scores", "masks", "scores"]

    image = Toys().load(1, seed=5).load_image(0)
    for shape in ((128, 128), (90, 128)):  # filling the network's image, and with a margin
        cut = image[: shape[0], : shape[1]]
        molded, _, (window,) = model.mold_inputs([cut])
        fed = molded + model.config.MEAN_PIXEL.astype(np.float32)
        found = dict(
            zip(
                names,
                session.run(
                    None, {"image": fed.astype(np.float32), "window": window[None].astype("f4")}
                ),
                strict=True,
            )
        )
        (expected,) = model.detect([cut])
        kept = found["scores"][0] >= model.config.DETECTION_MIN_CONFIDENCE
        assert kept.sum() == len(expected["rois"]) > 3
        np.testing.assert_array_equal(found["class_ids"][0, kept], expected["class_ids"])
        np.testing.assert_allclose(found["scores"][0, kept], expected["scores"], atol=1e-6)
        origin = [window[0], window[1]] * 2
        np.testing.assert_allclose(
            found["boxes"][0, kept], expected["rois"] + origin, atol=0.5 + 1e-3
        )
        np.testing.assert_allclose(
            found["class_scores"][0, kept], expected["class_scores"], atol=1e-6
        )
        masks = unmold_masks(found["masks"][0, kept], expected["rois"], cut.shape)
        np.testing.assert_array_equal(masks, expected["masks"])
