"""The example of the API in docs/ runs: it trains two steps, saves, loads, detects and draws."""

import importlib.util
from pathlib import Path

import numpy as np
from PIL import Image

EXAMPLE = Path(__file__).resolve().parent.parent / "docs" / "api_example.py"


def load_example():
    spec = importlib.util.spec_from_file_location("api_example", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_runs(tmp_path, capsys, eagerly):
    logs, figure = tmp_path / "logs", tmp_path / "figure.png"
    found = load_example().main(model_dir=str(logs), figure=figure)

    count = len(found["rois"])
    assert found["rois"].shape == (count, 4)
    assert found["class_ids"].shape == found["scores"].shape == (count,)
    assert found["masks"].shape == (128, 128, count) and found["masks"].dtype == bool
    assert np.isin(found["class_ids"], [1, 2]).all()
    assert f"{count} detections" in capsys.readouterr().out

    written = sorted(path.name for path in logs.glob("toy*/mask_rcnn_toy_*.h5"))
    assert written == ["mask_rcnn_toy_0001.h5"]
    with Image.open(figure) as image:
        assert image.width > 100


def test_the_toys_are_where_the_masks_say():
    example = load_example()
    dataset = example.ToyDataset()
    dataset.load_toys(3, seed=1)
    for image_id in dataset.image_ids:
        image, (masks, class_ids) = dataset.load_image(image_id), dataset.load_mask(image_id)
        assert masks.shape == (128, 128, 3)
        assert class_ids.tolist() == [1, 2, 1]
        inside = masks.any(axis=2)
        assert image[inside].mean() > image[~inside].mean() + 30
