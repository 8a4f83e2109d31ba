"""Dataset: numbering of classes and images over several sources, and loading from files."""

import numpy as np
import pytest
from PIL import Image

from mrcnn.dataset import Dataset


@pytest.fixture
def two_sources():
    dataset = Dataset()
    dataset.add_class("stm", 7, "triangle, filled")
    dataset.add_class("stm", 9, "rod")
    dataset.add_class("afm", 7, "ring")
    dataset.add_class("stm", 7, "triangle again")  # there already
    dataset.add_image("stm", "first", "a.png", width=4)
    dataset.add_image("afm", 12, "b.png")
    dataset.prepare()
    return dataset


def test_prepare_numbers_classes_and_images(two_sources):
    dataset = two_sources
    assert dataset.num_classes == 4
    assert dataset.class_names == ["BG", "triangle", "rod", "ring"]
    assert dataset.class_ids.tolist() == [0, 1, 2, 3]
    assert dataset.num_images == 2
    assert dataset.image_ids.tolist() == [0, 1]
    assert dataset.sources == ["", "afm", "stm"]
    assert dataset.source_class_ids == {"": [0], "afm": [0, 3], "stm": [0, 1, 2]}
    assert dataset.image_from_source_map == {"stm.first": 0, "afm.12": 1}
    assert dataset.image_info[0] == {"id": "first", "source": "stm", "path": "a.png", "width": 4}
    assert dataset.class_info[0] == {"source": "", "id": 0, "name": "BG"}


def test_ids_there_and_back(two_sources):
    assert two_sources.map_source_class_id("afm.7") == 3
    assert two_sources.get_source_class_id(3, "afm") == 7
    assert two_sources.get_source_class_id(1, "stm") == 7
    with pytest.raises(ValueError, match="source 'afm'"):
        two_sources.get_source_class_id(3, "stm")
    assert two_sources.source_image_link(1) == "b.png"
    assert two_sources.image_reference(1) == ""


def test_a_source_must_have_no_dot():
    with pytest.raises(ValueError, match="a.b"):
        Dataset().add_class("a.b", 1, "x")


def test_append_data_takes_over_another_dataset(two_sources):
    copy = Dataset()
    copy.append_data(two_sources.class_info, two_sources.image_info)
    copy.prepare()
    assert copy.class_info == two_sources.class_info
    assert copy.image_info == two_sources.image_info
    assert copy.source_class_ids == two_sources.source_class_ids


def test_a_dataset_without_anything():
    dataset = Dataset()
    assert len(dataset.image_ids) == 0
    dataset.prepare()
    assert (dataset.num_images, dataset.num_classes) == (0, 1)
    masks, class_ids = dataset.load_mask(0)
    assert masks.shape == (0, 0, 0) and class_ids.shape == (0,)


@pytest.mark.parametrize(
    "array, mode",
    [
        (np.arange(12, dtype=np.uint8).reshape(3, 4), "L"),
        (np.arange(48, dtype=np.uint8).reshape(3, 4, 4), "RGBA"),
        (np.arange(12, dtype=np.uint16).reshape(3, 4) * 257, "I;16"),
    ],
)
def test_load_image_gives_rgb(tmp_path, array, mode):
    path = tmp_path / "图 [1].png"
    stored = Image.fromarray(array)
    assert stored.mode == mode
    stored.save(path)
    dataset = Dataset()
    dataset.add_image("stm", 1, path)
    image = dataset.load_image(0)
    assert image.shape == (3, 4, 3) and image.dtype == np.uint8
    if mode == "RGBA":
        np.testing.assert_array_equal(image, array[..., :3])
    else:
        np.testing.assert_array_equal(image[..., 0].ravel(), np.arange(12))
        assert (image == image[..., :1]).all()


def test_load_image_keeps_red_red_pitfall_5(tmp_path):
    """Pitfall 5: red and blue swapped in training images."""
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 0] = 250
    Image.fromarray(red).save(tmp_path / "red.bmp")
    dataset = Dataset()
    dataset.add_image("stm", 1, str(tmp_path / "red.bmp"))
    np.testing.assert_array_equal(dataset.load_image(0), red)


@pytest.mark.parametrize("content", [None, b"no image"])
def test_load_image_names_a_bad_file(tmp_path, content):
    path = tmp_path / "lost.png"
    if content is not None:
        path.write_bytes(content)
    dataset = Dataset()
    dataset.add_image("stm", 1, path)
    with pytest.raises(ValueError, match="lost.png: cannot be read"):
        dataset.load_image(0)
