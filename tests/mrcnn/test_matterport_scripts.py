"""What the public samples and inspection notebooks of matterport's Mask R-CNN do, step by step and
in our own words, on a tiny network. Names, shapes and indices are those that they rely on."""

from __future__ import annotations

import random
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from networks import fill_by_recipe
from toys import TinyConfig, Toys

import mrcnn.model as modellib
from mrcnn import utils, visualize
from mrcnn.model import log


class InferenceConfig(TinyConfig):
    GPU_COUNT, IMAGES_PER_GPU = 1, 1


class NucleusConfig(InferenceConfig):
    IMAGE_RESIZE_MODE = "pad64"
    IMAGE_MIN_DIM, IMAGE_MAX_DIM, IMAGE_MIN_SCALE = 64, 128, 1.0


class OblongToys(Toys):
    """Images of 128 x 128 and of 96 x 120 pixels."""

    def load_image(self, image_id):
        whole = Toys()
        whole.image_info = self.image_info
        image = whole.load_image(image_id)
        return image[:96, :120] if image_id % 2 else image

    def load_mask(self, image_id):
        masks, class_ids = super().load_mask(image_id)
        return (masks[:96, :120] if image_id % 2 else masks), class_ids


def make(config, folder):
    model = modellib.MaskRCNN(mode="inference", model_dir=str(folder), config=config)
    fill_by_recipe(model.bank.layers.values())
    return model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make(InferenceConfig(), tmp_path_factory.mktemp("logs"))


@pytest.fixture(scope="module")
def nucleus(tmp_path_factory):
    return make(NucleusConfig(), tmp_path_factory.mktemp("logs"))


@pytest.fixture(scope="module")
def dataset():
    return Toys().load(4, seed=5)


@pytest.fixture
def image(model, dataset):
    model.get_anchors(model.config.IMAGE_SHAPE)
    return modellib.load_image_gt(dataset, model.config, 0, use_mini_mask=False)[0]


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """What is drawn without a display does not land in the checkout."""
    monkeypatch.chdir(tmp_path)
    yield
    plt.close("all")


# --- inspect_data ------------------------------------------------------------------------------


def test_anchors_of_a_pyramid(model, dataset, image):
    config = model.config
    shapes = modellib.compute_backbone_shapes(config, config.IMAGE_SHAPE)
    assert shapes.tolist() == [[32, 32], [16, 16], [8, 8], [4, 4], [2, 2]]
    anchors = utils.generate_pyramid_anchors(
        config.RPN_ANCHOR_SCALES,
        config.RPN_ANCHOR_RATIOS,
        shapes,
        config.BACKBONE_STRIDES,
        config.RPN_ANCHOR_STRIDE,
    )
    per_cell = len(config.RPN_ANCHOR_RATIOS)
    levels = [rows * columns * per_cell // config.RPN_ANCHOR_STRIDE**2 for rows, columns in shapes]
    assert sum(levels) == len(anchors) == len(model.anchors)
    middle = shapes[0] // 2
    first = (middle[0] * shapes[0][1] + middle[1]) * per_cell
    own = anchors[first : first + per_cell]
    np.testing.assert_allclose((own[:, :2] + own[:, 2:]) / 2, 64)


@pytest.mark.parametrize("mini", [True, False])
def test_generator_with_rois_and_targets(dataset, mini):
    config = type("Mini", (InferenceConfig,), {"USE_MINI_MASK": mini})()
    g = modellib.data_generator(
        dataset, config, shuffle=True, random_rois=200, batch_size=2, detection_targets=True
    )
    inputs, [class_ids, deltas, masks] = next(g)
    images, meta, match, shifts, gt_ids, gt_boxes, gt_masks, rpn_rois, rois = inputs
    assert images.shape == (2, 128, 128, 3) and rpn_rois.shape == (2, 200, 4)
    assert match.shape[2] == 1 and shifts.shape[1:] == (64, 4) and gt_masks.shape[3] == 8
    assert rois.shape == (2, 16, 4) and class_ids.shape == (2, 16, 1)
    image_id = modellib.parse_image_meta(meta)["image_id"][0]
    sample = modellib.unmold_image(images[0], config)
    np.testing.assert_array_equal(sample, dataset.load_image(image_id))

    ids = class_ids[0, :, 0]
    assert 0 < (ids > 0).sum() <= 16 * 0.33 and set(ids) <= {0, 1, 2}
    own = deltas[0, np.arange(len(ids)), ids]
    refined = utils.apply_box_deltas(rois[0].astype(np.float32), own * config.BBOX_STD_DEV)
    targets = gt_boxes[0][gt_ids[0] > 0]
    overlap = utils.compute_overlaps(refined[ids > 0], targets)
    np.testing.assert_allclose(overlap.max(axis=1), 1, rtol=1e-4)
    own = masks[0, np.arange(len(ids)), :, :, ids]
    assert own.shape == (16, 28, 28) and set(np.unique(own)) == {0, 1}
    whole, _ = dataset.load_mask(image_id)
    for roi, mask, instance in zip(rois[0], own, overlap.argmax(axis=1), strict=False):
        y1, x1, y2, x2 = roi
        share = whole[y1:y2, x1:x2, instance].mean()
        assert mask.mean() == pytest.approx(share, abs=0.06)
    # Each class's own place; the others stay empty.
    assert not masks[0, :, :, :, 0].any() and not deltas[0, ids == 0].any()
    visualize.draw_rois(sample, rois[0], refined, own, ids, dataset.class_names)
    drawn = visualize.draw_box(sample.copy(), rois[0, 0, :4].astype(np.int32), [255, 0, 0])
    assert (drawn != sample).any()


def test_generator_of_an_image_without_instances():
    class Drawn(Toys):  # images without instances stand in batches of such datasets alone
        def load_sample(self, image_id, rng):
            return self.load_image(image_id), [], np.zeros((128, 128, 0), bool), []

    inputs, [class_ids, deltas, masks] = next(
        modellib.data_generator(
            Drawn().load(1), InferenceConfig(), random_rois=30, detection_targets=True
        )
    )
    assert inputs[8].shape == (1, 16, 4) and (inputs[8][..., 2:] > inputs[8][..., :2]).all()
    assert not class_ids.any() and not deltas.any() and not masks.any()
    with pytest.raises(ValueError, match="one instance. Received: 30 RoIs, 0 instances"):
        modellib.build_detection_targets(
            inputs[7][0], inputs[4][0], inputs[5][0], inputs[6][0], InferenceConfig()
        )


def test_ratio_of_positive_rois(dataset):
    g = modellib.data_generator(
        dataset, InferenceConfig(), random_rois=1000, batch_size=1, detection_targets=True
    )
    found = [np.sum(next(g)[1][0][0] > 0) for _ in range(3)]
    assert np.mean(found) == int(16 * 0.33)


def test_generator_of_the_rpn_alone(dataset):
    inputs, outputs = next(modellib.data_generator(dataset, InferenceConfig(), shuffle=False))
    assert len(inputs) == 7 and outputs == [] and len(inputs[0]) == 1
    inputs, outputs = next(
        modellib.data_generator(dataset, InferenceConfig(), random_rois=50, shuffle=False)
    )
    assert inputs[7].shape == (1, 50, 4) and outputs == []


# --- inspect_model -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["square", "pad64"])
def test_detection_of_a_molded_image(model, nucleus, kind):
    """Boxes are in pixels of the molded image, padding included, like the truth beside them."""
    detector, data = (model, Toys()) if kind == "square" else (nucleus, OblongToys())
    data.load(2, seed=5)
    for image_id in data.image_ids:
        image, meta, gt_ids, gt_boxes, gt_masks = modellib.load_image_gt(
            data, detector.config, image_id, use_mini_mask=False
        )
        result = detector.detect_molded(np.expand_dims(image, 0), np.expand_dims(meta, 0))[0]
        assert result["masks"].shape[:2] == image.shape[:2] == gt_masks.shape[:2]
        utils.compute_ap_range(
            gt_boxes, gt_ids, gt_masks, result["rois"], result["class_ids"], result["scores"],
            result["masks"], verbose=0,
        )  # fmt: skip
        match, shifts = modellib.build_rpn_targets(
            image.shape, detector.anchors, gt_ids, gt_boxes, detector.config
        )
        positive = detector.anchors[np.where(match == 1)[0]]
        refined = utils.apply_box_deltas(
            positive, shifts[: len(positive)] * detector.config.RPN_BBOX_STD_DEV
        )
        overlap = utils.compute_overlaps(refined, gt_boxes).max(axis=1)
        np.testing.assert_allclose(overlap, 1, rtol=1e-4)


def rpn_steps(model):
    """The tensors that the notebooks ask for, by the names that they use."""
    pillar = model.keras_model.get_layer("ROI").output
    nms = model.ancestor(pillar, "ROI/rpn_non_max_suppression:0")
    if nms is None:
        nms = model.ancestor(pillar, "ROI/rpn_non_max_suppression/NonMaxSuppressionV3:0")
    return [
        ("rpn_class", model.keras_model.get_layer("rpn_class").output),
        ("pre_nms_anchors", model.ancestor(pillar, "ROI/pre_nms_anchors:0")),
        ("refined_anchors", model.ancestor(pillar, "ROI/refined_anchors:0")),
        ("refined_anchors_clipped", model.ancestor(pillar, "ROI/refined_anchors_clipped:0")),
        ("post_nms_anchor_ix", nms),
        ("proposals", model.keras_model.get_layer("ROI").output),
    ]


def check_rpn_steps(model, image, rpn):
    side = image.shape[:2]
    scores = rpn["rpn_class"][0, :, 1]
    before, after, inside = (
        utils.denorm_boxes(rpn[name][0], side)
        for name in ("pre_nms_anchors", "refined_anchors", "refined_anchors_clipped")
    )
    assert len(before) == min(model.config.PRE_NMS_LIMIT, len(model.anchors))
    # By falling score; equal ones may stand in another order.
    apart = np.abs(before[:20, None] - model.anchors[None]).max(axis=2)
    assert apart.min(axis=1).max() < 0.51
    np.testing.assert_array_equal(scores[apart.argmin(axis=1)], np.sort(scores)[::-1][:20])
    assert inside.min() >= 0 and (inside.max(axis=0) <= [*side, *side]).all()
    assert (inside != after).any() and (before != after).any()
    rows = rpn["post_nms_anchor_ix"]
    assert rows.ndim == 1 and len(set(rows)) == len(rows) and rows[0] == 0
    # The proposals are the candidates that the NMS keeps.
    kept = rpn["refined_anchors_clipped"][0, rows]
    np.testing.assert_allclose(kept, rpn["proposals"][0, : len(rows)], atol=1e-5)
    _, ax = plt.subplots(1, 2)
    visualize.draw_boxes(image, boxes=before[:5], refined_boxes=after[:5], ax=ax[0])
    visualize.draw_boxes(image, refined_boxes=inside[rows[:5]], ax=ax[1])


def test_steps_of_the_rpn(model, image):
    check_rpn_steps(model, image, model.run_graph([image], rpn_steps(model)))


def test_steps_of_the_rpn_for_images_of_two_sizes(nucleus):
    """With "pad64", on images as `load_image_gt` gives them."""
    data = OblongToys().load(2, seed=5)
    sizes = set()
    for image_id in data.image_ids:
        original = data.load_image(image_id)[: 60 if image_id else 128]
        image, window, scale, _, _ = utils.resize_image(original, min_dim=64, mode="pad64")
        meta = modellib.compose_image_meta(0, original.shape, image.shape, window, scale, [1] * 3)
        sizes.add(image.shape[:2])
        found = nucleus.run_graph(image[np.newaxis], rpn_steps(nucleus), meta[np.newaxis])
        check_rpn_steps(nucleus, image, found)
    assert sizes == {(128, 128), (64, 128)}


def test_classification_step_by_step(model, image, dataset):
    config = model.config
    layer = model.keras_model.get_layer
    found = model.run_graph(
        [image],
        [
            ("proposals", layer("ROI").output),
            ("probs", layer("mrcnn_class").output),
            ("deltas", layer("mrcnn_bbox").output),
            ("masks", layer("mrcnn_mask").output),
            ("detections", layer("mrcnn_detection").output),
        ],
    )
    class_ids = found["detections"][0, :, 4].astype(np.int32)
    count = np.flatnonzero(class_ids == 0)[0] if (class_ids == 0).any() else len(class_ids)
    class_ids = class_ids[:count]
    assert count and set(class_ids) <= {1, 2}

    h, w = config.IMAGE_SHAPE[:2]
    proposals = np.around(found["proposals"][0] * np.array([h, w, h, w])).astype(np.int32)
    best = np.argmax(found["probs"][0], axis=1)
    scores = found["probs"][0, np.arange(len(best)), best]
    deltas = found["deltas"][0, np.arange(len(proposals)), best]
    refined = utils.apply_box_deltas(proposals, deltas * config.BBOX_STD_DEV).astype(np.int32)
    keep = np.where(best > 0)[0]
    keep = np.intersect1d(keep, np.where(scores >= config.DETECTION_MIN_CONFIDENCE)[0])
    kept = [
        keep[own][
            utils.non_max_suppression(
                refined[keep[own]], scores[keep[own]], config.DETECTION_NMS_THRESHOLD
            )
        ]
        for own in (np.where(best[keep] == kind)[0] for kind in np.unique(best[keep]))
    ]
    assert sum(map(len, kept)) >= count > 0
    boxes = utils.denorm_boxes(found["detections"][0, :count, :4], image.shape[:2])
    small = np.array([found["masks"][0, i, :, :, c] for i, c in enumerate(class_ids)])
    masks = np.array([utils.unmold_mask(m, boxes[i], image.shape) for i, m in enumerate(small)])
    result = model.detect([image])[0]
    np.testing.assert_array_equal(boxes, result["rois"])
    np.testing.assert_array_equal(np.moveaxis(masks, 0, 2), result["masks"])
    visualize.display_images(small[:4] * 255, cmap="Blues", interpolation="none")


def test_activations(model, image):
    layer = model.keras_model.get_layer
    found = model.run_graph(
        [image],
        [
            ("input_image", layer("input_image").output),
            ("res2b_out", layer("res2b_out").output),
            ("res4b_out", layer("res4b_out").output),
            ("rpn_bbox", layer("rpn_bbox").output),
            ("roi", layer("ROI").output),
        ],
    )
    np.testing.assert_array_equal(
        modellib.unmold_image(found["input_image"][0], model.config), image
    )
    visualize.display_images(np.transpose(found["res2b_out"][0, :, :, :4], [2, 0, 1]), cols=4)
    assert found["res4b_out"].shape == (1, 8, 8, 256)
    plt.hist(found["rpn_bbox"][0, :, 0], 50)
    assert found["roi"].shape == (1, 60, 4)


def test_a_name_that_is_not_there(model, image):
    pillar = model.keras_model.get_layer("ROI").output
    assert model.ancestor(pillar, "ROI/no_such_step:0") is None
    assert model.ancestor(pillar, "mrcnn_class") is None
    assert model.ancestor(pillar, "rpn_bbox:0") is model.keras_model.get_layer("rpn_bbox").output
    with pytest.raises(ValueError, match="no tensor for steps; `ancestor` found none"):
        model.run_graph([image], [("steps", None)])


# --- inspect_weights ---------------------------------------------------------------------------


def test_weights_layer_by_layer(model):
    visualize.display_weight_stats(model)
    kinds = ["Conv2D", "Dense", "Conv2DTranspose"]
    layers = [x for x in model.get_trainable_layers() if x.__class__.__name__ in kinds]
    assert len(layers) > 30
    for layer in layers[:2]:
        for values, tensor in zip(layer.get_weights(), layer.weights, strict=True):
            assert tensor.name and values.size
            plt.hist(values.flatten(), 50)
    rpn = model.keras_model.get_layer("rpn_model")
    assert rpn is model.keras_model.get_layer("rpn_model") and rpn.name == "rpn_model"
    shared = rpn.get_layer("rpn_conv_shared")
    assert shared is model.bank.layers["rpn_conv_shared"]
    np.testing.assert_array_equal(shared.get_weights()[0], shared.kernel)
    assert [tuple(x.shape) for x in rpn.outputs] == [(None, None, n) for n in (2, 2, 4)]


# --- demo, balloon: detection in a loop --------------------------------------------------------


def test_batch_size_changed_after_the_first_detection(model, dataset):
    """As users try it: config.BATCH_SIZE = 2, then two images; each must get its own result."""
    images = [dataset.load_image(k) for k in range(3)]
    alone = [model.detect([image])[0] for image in images]
    assert all(len(result["rois"]) for result in alone)
    model.config.BATCH_SIZE = model.config.IMAGES_PER_GPU = 2
    try:
        for together in (model.detect(images[:2]), model.detect(images)):
            for a, b in zip(alone, together, strict=False):
                np.testing.assert_array_equal(a["rois"], b["rois"])
                np.testing.assert_allclose(a["scores"], b["scores"], atol=1e-5)
        found = model.run_graph(
            images, [("detections", model.keras_model.get_layer("mrcnn_detection").output)]
        )["detections"]
        assert found.shape == (3, 20, 6)
        for a, own in zip(alone, found, strict=True):
            np.testing.assert_allclose(own[: len(a["scores"]), 5], a["scores"], atol=1e-5)
    finally:
        model.config.BATCH_SIZE = model.config.IMAGES_PER_GPU = 1


def test_images_of_many_sizes_need_one_graph(nucleus):
    """Each new size used to make and keep a network of its own."""
    rng = np.random.default_rng(0)
    for height in (64, 70, 100, 128, 130):
        for width in (64, 65, 190):
            image = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
            result = nucleus.detect([image])[0]
            assert result["masks"].shape[:2] == image.shape[:2]
            assert result["rois"].min(initial=0) >= 0
            assert (result["rois"][:, 2:] <= image.shape[:2]).all()
    assert len(nucleus._runners) <= 2
    assert len(nucleus._anchor_cache) <= modellib.MAX_ANCHOR_SETS


@pytest.mark.parametrize("exact", [False, True])
def test_any_size_graph_equals_that_of_one_size(tmp_path, dataset, exact):
    """The graph for images of any size, and one made for this size: the same answers."""
    settings = {"EXACT_ROI_ALIGN": exact}
    one = make(type("One", (InferenceConfig,), settings)(), tmp_path)
    settings |= {"IMAGE_MIN_DIM": 64, "IMAGE_MAX_DIM": 64, "IMAGE_RESIZE_MODE": "none"}
    any_size = make(type("Any", (InferenceConfig,), settings)(), tmp_path)
    image = dataset.load_image(1)
    a, b = one.detect([image])[0], any_size.detect([image])[0]
    assert [key[0] for key in one._runners] == [(128, 128)]
    assert [key[0] for key in any_size._runners] == [None]
    for key in ("rois", "class_ids", "masks"):
        np.testing.assert_array_equal(a[key], b[key])
    np.testing.assert_allclose(a["scores"], b["scores"], atol=1e-5)


# --- train_shapes ------------------------------------------------------------------------------


class ShapesConfig(TinyConfig):
    NAME = "shapes"
    GPU_COUNT, IMAGES_PER_GPU = 1, 1
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 64
    STEPS_PER_EPOCH, VALIDATION_STEPS = 1, 1


def test_train_shapes(tmp_path, eagerly):
    """Heads, then all; the weights by hand; inference from the last file; mAP over images."""
    config = ShapesConfig()
    train, val = Toys().load(2), Toys().load(1, seed=9)
    trainer = modellib.MaskRCNN(mode="training", config=config, model_dir=str(tmp_path))
    trainer.train(train, val, learning_rate=config.LEARNING_RATE, epochs=1, layers="heads")
    trainer.train(train, val, learning_rate=config.LEARNING_RATE / 10, epochs=2, layers="all")
    by_hand = tmp_path / "mask_rcnn_shapes.h5"
    trainer.keras_model.save_weights(str(by_hand))

    class ShapesInference(ShapesConfig):
        IMAGES_PER_GPU = 1

    model = modellib.MaskRCNN(mode="inference", config=ShapesInference(), model_dir=str(tmp_path))
    path = model.find_last()
    assert Path(path).name == "mask_rcnn_shapes_0002.h5"
    model.load_weights(path, by_name=True)
    random.seed(1)
    precisions = []
    for image_id in random.sample(list(val.image_ids), 1):
        image, meta, ids, boxes, masks = modellib.load_image_gt(
            val, config, image_id, use_mini_mask=False
        )
        molded = np.expand_dims(modellib.mold_image(image, config), 0)
        assert molded.shape == (1, 64, 64, 3)
        r = model.detect([image], verbose=0)[0]
        ap, *_ = utils.compute_ap(
            boxes, ids, masks, r["rois"], r["class_ids"], r["scores"], r["masks"]
        )
        precisions.append(ap)
        log("gt_mask", masks)
    assert np.isfinite(precisions).all()
    _check_events(Path(path).parent)


def _check_events(folder):
    """TensorBoard's own reader finds each epoch's losses."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    files = sorted(folder.glob("events.out.tfevents.*"))
    assert len(files) == 2  # one a training
    events = EventAccumulator(str(folder)).Reload()
    assert {"loss", "val_loss", "rpn_class_loss", "val_mrcnn_mask_loss"} <= set(
        events.Tags()["scalars"]
    )
    points = events.Scalars("loss")
    rows = (folder / "losses.csv").read_text(encoding="utf-8").splitlines()
    place = rows[0].split(",").index("loss")
    assert [p.step for p in points] == [1, 2]
    for point, row in zip(points, rows[1:], strict=True):
        assert point.value == pytest.approx(float(row.split(",")[place]), rel=1e-5)


def test_steps_by_hand(tmp_path, eagerly, dataset):
    """`compile` and `train_on_batch` on batches of the generator, and the model's own files."""
    trainer = modellib.MaskRCNN(mode="training", config=ShapesConfig(), model_dir=str(tmp_path))
    trainer.set_trainable(r"(mrcnn\_.*)|(rpn\_.*)|(fpn\_.*)", verbose=0)
    trainer.compile(0.01, 0.5)
    optimizer = trainer.keras_model.optimizer
    assert (float(optimizer.learning_rate), optimizer.momentum) == (pytest.approx(0.01), 0.5)
    before = trainer.bank.layers["rpn_class_raw"].get_weights()[0]
    inputs, _ = next(modellib.data_generator(dataset, trainer.config))
    trainer.keras_model.train_on_batch(tuple(inputs))
    assert (trainer.bank.layers["rpn_class_raw"].get_weights()[0] != before).any()
    _check_files(trainer, tmp_path)


def _check_files(trainer, folder):
    model, path = trainer.keras_model, folder / "whole.h5"
    model.save(str(path))
    model.save_weights(str(folder / "w.h5"), save_format="h5")
    kernel = trainer.bank.layers["rpn_class_raw"].kernel
    value = kernel.numpy() if hasattr(kernel, "numpy") else np.array(kernel)
    for file in (path, folder / "w.h5"):
        kernel.assign(np.zeros_like(value))
        model.load_weights(str(file), by_name=True)
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(kernel), value)
    with pytest.raises(ValueError, match=r"whole\.keras: .* ends in \.h5"):
        model.save(str(folder / "whole.keras"))
    with pytest.raises(ValueError, match="save_format='tf'"):
        model.save_weights(str(folder / "w.h5"), save_format="tf")

    other = modellib.MaskRCNN(
        "inference", type("Other", (ShapesConfig,), {"NUM_CLASSES": 5})(), str(folder)
    )
    with pytest.raises(modellib.WeightsError, match="3 classes"):
        other.keras_model.load_weights(str(path))
    report = other.keras_model.load_weights(str(path), by_name=True, skip_mismatch=True)
    assert sorted(report.excluded) == ["mrcnn_bbox_fc", "mrcnn_class_logits", "mrcnn_mask"]
    assert len(report.loaded) > 50


def test_custom_callbacks_that_save(tmp_path, eagerly, dataset):
    """Keras's ModelCheckpoint, for weights and for the whole model."""
    trainer = modellib.MaskRCNN(mode="training", config=ShapesConfig(), model_dir=str(tmp_path))
    best = tmp_path / "best.weights.h5"
    keep = keras.callbacks.ModelCheckpoint(
        str(best), monitor="loss", save_best_only=True, save_weights_only=True
    )
    trainer.train(dataset, None, 0.001, 1, "heads", custom_callbacks=[keep], verbose=0)
    assert len(trainer.load_weights(str(best)).loaded) > 50
