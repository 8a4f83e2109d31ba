"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from checkout import ROOT

# What a test opens must not depend on a Gwyddion that happens to be installed.
os.environ["SPM_GWYDDION"] = "off"
# An export takes ten seconds for each weights file; tests/engine/test_exported.py makes its own.
os.environ["PREDICTION_ENGINE"] = "keras"


# How long an example takes says something of what else the machine does, and nothing of the code.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


# The files that take longest begin: with them at the end one of two processes would wait.
LONGEST_FIRST = [
    "engine/test_learning.py",
    "mrcnn/test_model.py",
    "mrcnn/test_older_keras.py",
    "test_workflow.py",
    "test_kills.py",
    "engine/test_training_interrupted.py",
    "mrcnn/test_batches.py",
    "mrcnn/test_config.py",
    "test_predict.py",
    "engine/test_detector.py",
    "mrcnn/test_matterport_scripts.py",
    "test_api_scripts.py",
    "engine/test_exported.py",
    "test_data_chain.py",
    "engine/test_likeness.py",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests by file; each file keeps its order."""
    ranks = {ROOT / "tests" / name: rank for rank, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real data beside the checkout; tests that need it are skipped without it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real data beside the checkout")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    """A random generator that is the same in each run."""
    return np.random.default_rng(20240229)


@pytest.fixture(scope="module")
def eagerly():
    """TensorFlow step by step: compiling a training step takes longer than the few steps that most
    tests take. tests/engine/test_learning.py trains compiled."""
    import keras

    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
