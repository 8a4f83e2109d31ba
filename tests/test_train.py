"""What training draws from and how a run is set up; no network is built here."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import fast_json_to_dataset
import train_test
import workflow
from engine.dataset import make_dataset, view_settings
from engine.initial_weights import CLASS_LAYERS, SHIPPED, Start, find_start
from engine.recipes import make_config
from engine.train import find_sources, plan_stages, train_stage
from Images_Augmentation import geo_aug_img_json
from mrcnn.weights import save_weights
from spm.dataset.anchors import anchor_scales, box_sides, network_scale
from spm.dataset.annotated_images import classify, median_diameter, outlined_sources, split
from spm.errors import InputError
from spm.evaluation.threshold import middle_of_plateau
from spm.io.images import write_image
from spm.structures.annotation import Annotation, write_annotation
from spm.structures.classes import Classes
from spm.structures.shape import Shape

LIGHT = train_test.LightConfig


def annotate(folder, stem, labels, side=20.0, flags=None):
    """A black image with squares of `side` pixels in a row."""
    folder.mkdir(exist_ok=True)
    shapes = []
    for k, label in enumerate(labels):
        x = 5 + k * (side + 5)
        points = np.array([[x, 5], [x + side, 5], [x + side, 5 + side], [x, 5 + side]], float)
        shapes.append(Shape(label, points))
    width = int(10 + len(labels) * (side + 5))
    write_image(folder / f"{stem}.png", np.zeros((40, width, 3), np.uint8))
    annotation = Annotation(shapes, 40, width, f"{stem}.png", flags=flags or {})
    write_annotation(folder / f"{stem}.json", annotation)


class Fake:
    def __init__(self, group, origin):
        self.group, self.origin = group, origin


def test_no_l1_image_has_copies_in_training_and_in_validation():
    """Pitfall 11: the validation set was part of the training set."""
    sources = [Fake(f"00({15 * k})", "00") for k in range(20) for _ in range(7)]
    training, validation = split(sources, 0.1, seed=0)
    assert len(training) + len(validation) == len(sources) and len(validation) == 14
    assert not {s.group for s in training} & {s.group for s in validation}


def test_with_several_images_whole_images_are_set_apart():
    sources = [Fake(f"{o}({k})", o) for o in "abcde" for k in range(6)]
    training, validation = split(sources, 0.2, seed=1)
    assert not {s.origin for s in training} & {s.origin for s in validation}
    assert len({s.origin for s in validation}) == 1


def test_a_single_image_trains_without_validation():
    training, validation = split([Fake("00", "00")], 0.1, seed=0)
    assert len(training) == 1 and validation == []


def test_an_unknown_label_is_named_with_its_image_and_the_classes(tmp_path):
    annotate(tmp_path, "scan", ["003a1", "13", "typo7"])
    with pytest.raises(InputError) as error:
        classify(outlined_sources(tmp_path), Classes(["003a", "3"]))
    message = str(error.value)
    assert "scan" in message and "'13'" in message and "'typo7'" in message
    assert "003a, 3" in message


def test_labels_are_counted_by_class_and_never_by_substring(tmp_path):
    """Pitfall 10: 13 became 3."""
    annotate(tmp_path, "scan", ["3", "3-1", "13", "13_2", "13 5"])
    counts = classify(outlined_sources(tmp_path), Classes(["3", "13"]))
    assert counts == {"3": 2, "13": 3}


def test_without_an_outline_there_is_nothing_to_train_on(tmp_path):
    annotate(tmp_path, "scan", [])
    with pytest.raises(InputError, match="no molecule is outlined"):
        median_diameter(outlined_sources(tmp_path))


def test_the_scale_makes_molecules_as_large_as_the_recipe_wants(tmp_path):
    annotate(tmp_path, "scan", ["a1", "a2"], side=20.0)
    sources = outlined_sources(tmp_path)
    diameter = median_diameter(sources)
    assert diameter == pytest.approx(20 * np.sqrt(4 / np.pi))
    assert network_scale(diameter, 30) == pytest.approx(30 / diameter)
    np.testing.assert_allclose(box_sides(sources), 20)


def test_anchor_sizes_follow_the_outlines():
    # One size: that size on the finest level.
    assert anchor_scales(np.full(9, 50.0), 0.8, 4, 8) == (40, 80, 160, 320)
    # Two kinds, the small one a third of the large: the small one's size comes first.
    assert anchor_scales(np.array([30.0] * 5 + [90.0] * 5), 1.0, 4, 8)[0] == 30
    # Never finer than the cells can place.
    assert anchor_scales(np.full(9, 5.0), 1.0, 4, 8)[0] == 16


def test_the_threshold_is_the_middle_of_what_is_equally_good():
    scores = np.array([0.99, 0.95, 0.9, 0.3, 0.2])
    right = np.array([True, True, True, False, False])
    assert middle_of_plateau(scores, right, 3) == pytest.approx((0.9 + 0.3) / 2)
    assert middle_of_plateau(scores[:3], right[:3], 3) == pytest.approx((0.9 + 0.05) / 2)
    assert middle_of_plateau(np.array([]), np.array([], bool), 3) == 0.5


def test_a_start_is_found_or_explained(tmp_path):
    assert find_start("none", LIGHT, tmp_path, ["A"]).weights is None
    shipped = find_start("auto", LIGHT, tmp_path, ["A"])
    assert shipped.weights == SHIPPED and shipped.other_classes and not shipped.pretrained
    # Of another network, whose weights mean something else.
    wider = type("Wider", (LIGHT,), {"RPN_CHANNELS": 160, "EXACT_MASKS": False})
    other = find_start("auto", wider, tmp_path, ["A"])
    assert other.weights is None and "RPN_CHANNELS, EXACT_MASKS" in other.words
    with pytest.raises(InputError, match=r"init_with=nowhere\.h5"):
        find_start("nowhere.h5", LIGHT, tmp_path, ["A"])
    with pytest.raises(InputError, match="no trained weights"):
        find_start("last", LIGHT, tmp_path, ["A"])


def test_the_light_recipe_is_set_up_from_the_outlines(tmp_path):
    annotate(tmp_path, "scan", ["a1", "b1", "a2"], side=20.0)
    sources = outlined_sources(tmp_path)
    start = find_start("none", LIGHT, tmp_path, ["A"])
    config = make_config(train_test.recipes(), True, start, ["a", "b"], sources, STEPS_PER_EPOCH=3)
    assert config.NUM_CLASSES == 3 and config.STEPS_PER_EPOCH == 3 and config.TRAIN_BN
    assert config.RPN_ANCHOR_SCALES[0] == pytest.approx(20 * config.SCALE, abs=0.1)
    assert plan_stages(config, start, None, None) == [("all", 20, 0.5)]
    assert plan_stages(config, start, None, 3) == [("all", 3, 0.5)]
    shipped = find_start("auto", LIGHT, tmp_path, ["A"])
    assert plan_stages(config, shipped, None, None) == [("all", 7, 1.0)]


def test_pretrained_weights_train_the_heads_first(tmp_path):
    annotate(tmp_path, "scan", ["a1"])
    start = Start("COCO", Path("coco.h5"), pretrained=True)
    config = make_config(train_test.recipes(), False, start, ["a"], outlined_sources(tmp_path))
    assert config.BACKBONE == "resnet50" and not config.TRAIN_BN
    assert plan_stages(config, start, None, None) == [("heads", 1, 1.0), ("all", 1, 0.1)]


def test_a_dataset_gives_whole_images_and_views(tmp_path):
    annotate(tmp_path, "scan", ["a1", "b1", "a2"], side=20.0)
    sources = outlined_sources(tmp_path)
    start = find_start("none", LIGHT, tmp_path, ["A"])
    config = make_config(train_test.recipes(), True, start, ["a", "b"], sources)
    dataset = make_dataset(sources, ["a", "b"], config)
    assert dataset.class_names == ["BG", "a", "b"]
    masks, ids = dataset.load_mask(0)
    assert masks.shape == (40, 85, 3) and masks.sum() == 3 * 400
    np.testing.assert_array_equal(ids, [1, 2, 1])
    image, ids, masks, ignored = dataset.load_sample(0, np.random.default_rng(0))
    side = config.IMAGE_MAX_DIM
    assert image.shape == (side, side, 3) and masks.shape == (side, side, len(ids))
    assert ignored.shape[1] == 4


def test_views_can_keep_the_colours_of_their_images(tmp_path):
    annotate(tmp_path, "scan", ["a1", "a2"], side=20.0)
    sources = outlined_sources(tmp_path)
    start = find_start("none", LIGHT, tmp_path, ["a"])
    spreads = []
    for colours in (True, False):
        config = make_config(
            train_test.recipes(), True, start, ["a"], sources, VIEW_COLOURS=colours
        )
        dataset = make_dataset(sources, ["a"], config)
        views = [dataset.load_sample(0, np.random.default_rng(k))[0] for k in range(8)]
        spreads.append(np.ptp(np.stack(views)))
    # The image is black all over.
    assert spreads[0] > 0 and spreads[1] == 0


def test_classes_that_are_mirror_images_of_one_another_are_not_mirrored(tmp_path, monkeypatch):
    source, dataset = tmp_path / "in", tmp_path / "dataset"
    annotate(source, "scan", ["a1", "a2"], side=20.0)
    geo_aug_img_json.main(in_dir=source, angles=[90], flips=["lr"])
    fast_json_to_dataset.main(in_dir=source, out_dir=dataset, cache_dir=tmp_path / "none")
    every, turned = (find_sources("folder", dataset, source, m) for m in (True, False))
    assert len(every) == 4 and [s.name for s in turned] == [s.name for s in every if not s.mirrored]
    assert len(turned) == 2  # as it is, and turned
    mirrored = [s for s in every if s.mirrored]
    monkeypatch.setattr("engine.train.folder_sources", lambda _: mirrored)
    with pytest.raises(InputError, match="all images are mirrored"):
        find_sources("folder", dataset, source, mirror=False)
    start = find_start("none", LIGHT, tmp_path, ["a"])
    for mirror in (True, False):
        config = make_config(train_test.recipes(), True, start, ["a"], turned, MIRROR=mirror)
        assert view_settings(config).flip == mirror == config.to_dict()["MIRROR"]
    assert workflow.l1_count(True) == 72 and workflow.l1_count(False) == 24


def test_a_start_from_other_molecules(tmp_path):
    def file(name, **metadata):
        save_weights(tmp_path / name, [], metadata)
        return str(tmp_path / name)

    light = {"BACKBONE": "resnet18"}
    own = file("own.h5", class_names=["A", "B"], scale=0.7, config=light)
    start = find_start(own, LIGHT, tmp_path, ["A", "B"])
    assert start.exclude == () and not start.pretrained and start.made["scale"] == 0.7
    start = find_start(own, LIGHT, tmp_path, ["A", "C"])
    assert start.exclude == () and start.other_classes and "A, B" in start.words
    assert not start.pretrained and start.made is None
    # An older file's trunk is wider than today's recipe: it stays what it is.
    annotate(tmp_path / "in", "scan", ["A1", "C1"])
    sources = outlined_sources(tmp_path / "in")
    config = make_config(train_test.recipes(), True, start, ["A", "C"], sources)
    assert config.STAGE5_WIDTH is None and LIGHT.STAGE5_WIDTH
    old = file("old.h5")
    start = find_start(old, LIGHT, tmp_path, ["A"])
    assert start.exclude == CLASS_LAYERS and start.pretrained
    (tmp_path / "broken.h5").write_bytes(b"no weights")
    with pytest.raises(InputError, match=r"broken\.h5"):
        find_start(str(tmp_path / "broken.h5"), LIGHT, tmp_path, ["A"])


def test_a_loss_that_is_not_finite_ends_in_a_sentence(tmp_path):
    from mrcnn.training_callbacks import NonFiniteLoss

    class Diverging:
        log_dir, config = str(tmp_path), train_test.LightConfig

        def train(self, *_, **__):
            raise NonFiniteLoss("Training stopped at step 11: loss not finite. Lower the rate.")

    with pytest.raises(InputError, match="step 11: loss not finite"):
        train_stage(Diverging(), None, None, 0.1, 1, "all", SimpleNamespace(seed=0, keep="all"))
