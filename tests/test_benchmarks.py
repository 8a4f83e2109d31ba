"""The measuring commands start, and measure what the scripts really do."""

import pytest
from checkout import ROOT


@pytest.fixture(autouse=True)
def benchmarks_found(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")


def test_the_data_steps_are_measured():
    import run

    rows, peak = run.case("data_steps", aug_times=1, again=False)
    assert {row["case"] for row in rows} >= {"L1", "L2/L3", "masks", "dataset"}
    assert all(row["seconds"] > 0 for row in rows)
    assert sum(row["bytes"] for row in rows) > 1e6
    assert peak > 50


def test_a_training_batch_fits_the_network_that_is_measured():
    import cases

    config = cases.training_config("light", 128, "float32")
    images, meta, *_ = cases.batches_of_demo(config, 1)[0][0]
    assert images.shape == (config.BATCH_SIZE, *config.IMAGE_SHAPE)
    assert meta.shape == (config.BATCH_SIZE, config.IMAGE_META_SIZE)
