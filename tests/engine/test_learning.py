"""One test that really learns: a small simulated image, and another one to be recognised."""

import numpy as np
import pytest

import train_test
from engine.detector import load_detector
from spm.evaluation.instances import from_annotation, from_molecules
from spm.evaluation.metrics import average_precision
from spm.inference.predict import Settings, find_molecules
from spm.io.images import write_image
from spm.simulate import simulate
from spm.structures.annotation import write_annotation

# Triangles and rods: a network tells them apart after half of the steps that triangles and
# three-lobed molecules take.
SYSTEM, NAMES = "A+C", ["003a", "rod"]
QUIET = dict(pixels_per_molecule=40, adsorbates=0, coverage=0.4)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The detector after the light recipe on one image, shortened."""
    folder = tmp_path_factory.mktemp("学习 (1)")
    image, truth = simulate(SYSTEM, 256, seed=1, image_name="crop.png", **QUIET)
    write_image(folder / "crop.png", image)
    write_annotation(folder / "crop.json", truth)
    weights = train_test.train_main(
        init_with="none", recipe="cpu", augment="online", source_dir=folder,
        log_dir=folder / "logs", epochs=3, steps_per_epoch=60,
    )  # fmt: skip
    return load_detector(weights, settings=Settings(score_threshold=0.05))


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
