"""Matterport's functions and layers give what the network's own parts give."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest
from checkout import ROOT
from keras import ops
from networks import fill_by_recipe
from toys import TinyConfig

import mrcnn.model as modellib
from mrcnn import parallel_model, utils
from mrcnn.mask_tools import expand_mask
from mrcnn.matterport import names

MODEL = [
    "log",
    "BatchNorm",
    "compute_backbone_shapes",
    "identity_block",
    "conv_block",
    "resnet_graph",
    "apply_box_deltas_graph",
    "clip_boxes_graph",
    "ProposalLayer",
    "log2_graph",
    "PyramidROIAlign",
    "overlaps_graph",
    "detection_targets_graph",
    "DetectionTargetLayer",
    "refine_detections_graph",
    "DetectionLayer",
    "rpn_graph",
    "build_rpn_model",
    "fpn_classifier_graph",
    "build_fpn_mask_graph",
    "smooth_l1_loss",
    "rpn_class_loss_graph",
    "rpn_bbox_loss_graph",
    "mrcnn_class_loss_graph",
    "mrcnn_bbox_loss_graph",
    "mrcnn_mask_loss_graph",
    "load_image_gt",
    "build_detection_targets",
    "build_rpn_targets",
    "generate_random_rois",
    "data_generator",
    "DataGenerator",
    "MaskRCNN",
    "compose_image_meta",
    "parse_image_meta",
    "parse_image_meta_graph",
    "mold_image",
    "unmold_image",
    "trim_zeros_graph",
    "batch_pack_graph",
    "norm_boxes_graph",
    "denorm_boxes_graph",
]
METHODS = [
    "build",
    "find_last",
    "load_weights",
    "get_imagenet_weights",
    "compile",
    "set_trainable",
    "set_log_dir",
    "train",
    "mold_inputs",
    "unmold_detections",
    "detect",
    "detect_molded",
    "get_anchors",
    "ancestor",
    "find_trainable_layer",
    "get_trainable_layers",
    "run_graph",
]


def numbers(x):
    return np.asarray(ops.convert_to_numpy(x))


@pytest.fixture(scope="module")
def config():
    return TinyConfig()


@pytest.fixture(scope="module")
def detector(config, tmp_path_factory):
    model = modellib.MaskRCNN("inference", config, tmp_path_factory.mktemp("logs"))
    fill_by_recipe(model.bank.layers.values())
    return model


@pytest.fixture(scope="module")
def stages(detector):
    """What the network computes for an image, and the arrays that it got."""
    image = np.random.default_rng(3).integers(0, 255, (128, 128, 3), dtype=np.uint8)
    layer = detector.keras_model.get_layer
    wanted = ["rpn_class", "rpn_bbox", "ROI", "mrcnn_class", "mrcnn_bbox", "mrcnn_detection"]
    wanted += ["mrcnn_mask", "roi_align_classifier", "fpn_p2", "fpn_p3", "fpn_p4", "fpn_p5"]
    wanted += ["rpn_class_logits"]
    found = detector.run_graph([image], [(name, layer(name).output) for name in wanted])
    found["meta"] = detector.mold_inputs([image])[1].astype(np.float32)
    found["anchors"] = detector.get_anchors((128, 128, 3))[None]
    return found


def fill_from(model, detector):
    """Give the layers of a model the weights of the detector's layers of these names."""
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(detector.bank.layers[layer.name].get_weights())


def levels(stages):
    return [stages[name] for name in ("fpn_p2", "fpn_p3", "fpn_p4", "fpn_p5")]


def test_layers_equal_the_networks_own(config, stages):
    rois = modellib.ProposalLayer(60, config.RPN_NMS_THRESHOLD, config=config)(
        [stages["rpn_class"], stages["rpn_bbox"], stages["anchors"]]
    )
    np.testing.assert_allclose(numbers(rois), stages["ROI"], atol=1e-6)
    pooled = modellib.PyramidROIAlign((7, 7))([stages["ROI"], stages["meta"], *levels(stages)])
    assert pooled.shape == (1, 60, 7, 7, 64)
    np.testing.assert_allclose(numbers(pooled), stages["roi_align_classifier"], atol=1e-5)
    found = modellib.DetectionLayer(config)(
        [stages["ROI"], stages["mrcnn_class"], stages["mrcnn_bbox"], stages["meta"]]
    )
    np.testing.assert_allclose(numbers(found), stages["mrcnn_detection"], atol=1e-6)
    window = modellib.norm_boxes_graph(stages["meta"][0, 7:11], stages["meta"][0, 4:6])
    one = modellib.refine_detections_graph(
        *(ops.convert_to_tensor(stages[k][0]) for k in ("ROI", "mrcnn_class", "mrcnn_bbox")),
        window,
        config,
    )
    np.testing.assert_allclose(numbers(one), stages["mrcnn_detection"][0], atol=1e-6)


def test_layers_in_a_graph_without_a_batch(config, stages):
    """As scripts of matterport's time build graphs: the number of images is not in the graph."""
    inputs = [keras.Input((None, n)) for n in (2, 4, 4)]
    graph = keras.Model(inputs, modellib.ProposalLayer(60, 0.7, config=config)(inputs))
    rois = graph([stages["rpn_class"], stages["rpn_bbox"], stages["anchors"]])
    np.testing.assert_allclose(numbers(rois), stages["ROI"], atol=1e-6)


def test_heads_and_rpn_as_graphs(config, stages, detector):
    rois = keras.Input((60, 4))
    meta = keras.Input((config.IMAGE_META_SIZE,))
    maps = [keras.Input((None, None, 64)) for _ in range(4)]
    outputs = modellib.fpn_classifier_graph(
        rois, maps, meta, 7, 3, train_bn=False, fc_layers_size=64
    )
    graph = keras.Model([rois, meta, *maps], list(outputs))
    fill_from(graph, detector)
    _, probabilities, deltas = graph([stages["ROI"], stages["meta"], *levels(stages)])
    np.testing.assert_allclose(numbers(probabilities), stages["mrcnn_class"], atol=1e-5)
    np.testing.assert_allclose(numbers(deltas), stages["mrcnn_bbox"], atol=1e-4)

    masks = modellib.build_fpn_mask_graph(rois, maps, meta, 14, 3, train_bn=False)
    assert tuple(masks.shape[1:]) == (60, 28, 28, 3)
    names_of = [x.name for x in keras.Model([rois, *maps], masks).layers if x.weights]
    assert names_of[0] == "mrcnn_mask_conv1" and names_of[-1] == "mrcnn_mask"

    rpn = modellib.build_rpn_model(1, 3, 64)
    assert rpn.name == "rpn_model" and rpn.get_layer("rpn_conv_shared").filters == 512
    own = detector.keras_model.get_layer("rpn_model")
    found = own([stages["fpn_p2"]])
    count = 3 * 32 * 32
    np.testing.assert_allclose(numbers(found[0]), stages["rpn_class_logits"][:, :count], atol=1e-4)
    feature_map = keras.Input((None, None, 64))
    logits, probabilities, deltas = modellib.rpn_graph(feature_map, 3, 1)
    assert [x.shape[-1] for x in (logits, probabilities, deltas)] == [2, 2, 4]


def test_resnet_and_its_blocks():
    image = keras.Input((64, 64, 3))
    *maps, last = modellib.resnet_graph(image, "resnet50", stage5=False, train_bn=False)
    assert last is None
    assert [tuple(x.shape[1:]) for x in maps] == [
        (16, 16, 64), (16, 16, 256), (8, 8, 512), (4, 4, 1024),
    ]  # fmt: skip
    whole = modellib.resnet_graph(image, "resnet101", stage5=True)
    model = keras.Model(image, whole)
    assert whole[4].shape[1:] == (2, 2, 2048) and model.get_layer("res4w_branch2c")

    x = keras.Input((16, 16, 12))
    y = modellib.conv_block(x, 5, [4, 6, 8], stage=3, block="a", train_bn=False, use_bias=False)
    y = modellib.identity_block(y, 3, [4, 4, 8], stage=3, block="b", train_bn=None)
    model = keras.Model(x, y)
    assert y.shape[1:] == (8, 8, 8) and not model.get_layer("res3a_branch2b").use_bias
    assert model.get_layer("res3a_branch2b").kernel.shape == (5, 5, 4, 6)
    # Frozen, or trained by the batch's statistics.
    values = np.random.default_rng(0).normal(3, 2, (2, 16, 16, 12)).astype("float32")
    model(values, training=True)
    assert not numbers(model.get_layer("bn3a_branch2a").moving_mean).any()
    assert numbers(model.get_layer("bn3b_branch2a").moving_mean).any()


def test_functions_of_boxes():
    rng = np.random.default_rng(1)
    boxes = np.sort(rng.uniform(0, 100, (5, 2, 2)), axis=1).reshape(5, 4).astype("float32")
    other = boxes[::-1] + 3
    tensor = ops.convert_to_tensor
    unit = modellib.norm_boxes_graph(boxes, (101, 51))
    np.testing.assert_allclose(numbers(unit), utils.norm_boxes(boxes, (101, 51)), rtol=1e-5)
    back = modellib.denorm_boxes_graph(unit, tensor([101, 51]))
    np.testing.assert_array_equal(numbers(back), np.round(boxes))
    np.testing.assert_allclose(
        numbers(modellib.overlaps_graph(tensor(boxes), tensor(other))),
        utils.compute_overlaps(boxes, other),
        atol=1e-6,
    )
    deltas = rng.normal(0, 0.2, (5, 4)).astype("float32")
    np.testing.assert_allclose(
        numbers(modellib.apply_box_deltas_graph(tensor(boxes), tensor(deltas))),
        utils.apply_box_deltas(boxes, deltas),
        rtol=1e-4,
    )
    cut = numbers(modellib.clip_boxes_graph(tensor(boxes), tensor([10.0, 20.0, 50.0, 60.0])))
    np.testing.assert_array_equal(cut, np.clip(boxes, [10, 20, 10, 20], [50, 60, 50, 60]))
    padded = np.concatenate([boxes[:2], np.zeros((1, 4)), boxes[2:3]]).astype("float32")
    kept, real = modellib.trim_zeros_graph(tensor(padded))
    np.testing.assert_array_equal(numbers(kept), boxes[:3])
    assert numbers(real).tolist() == [True, True, False, True]
    packed = modellib.batch_pack_graph(tensor(boxes.reshape(1, 5, 4).repeat(2, 0)), [1, 2], 2)
    np.testing.assert_array_equal(numbers(packed), boxes[[0, 0, 1]])
    assert numbers(modellib.log2_graph(tensor([8.0])))[0] == pytest.approx(3)
    assert numbers(modellib.smooth_l1_loss(tensor([0.0, 0.0]), tensor([0.5, 3.0]))).tolist() == [
        0.125, 2.5,
    ]  # fmt: skip


def test_losses_by_hand():
    """One term each that can be checked on paper."""
    match = np.array([[[1], [-1], [0]]], "int32")
    logits = np.array([[[0, 0], [0, 0], [9, 0]]], "float32")
    half = np.log(2)
    assert numbers(modellib.rpn_class_loss_graph(match, logits)) == pytest.approx(half)
    target = np.array([[[0.5, 0, 0, 0], [7, 7, 7, 7]]], "float32")
    deltas = np.zeros((1, 3, 4), "float32")
    found = modellib.rpn_bbox_loss_graph(None, target, match, deltas)
    assert numbers(found) == pytest.approx(0.125 / 4)
    ids = np.array([[2, 0]], "int32")
    active = np.array([[1, 1, 1]], "int32")
    found = modellib.mrcnn_class_loss_graph(ids, np.zeros((1, 2, 3), "float32"), active)
    assert numbers(found) == pytest.approx(np.log(3))
    boxes = np.zeros((1, 2, 3, 4), "float32")
    boxes[0, 0, 2, 1] = 2
    found = modellib.mrcnn_bbox_loss_graph(np.zeros((1, 2, 4), "float32"), ids, boxes)
    assert numbers(found) == pytest.approx(1.5 / 4)
    masks = np.full((1, 2, 4, 4, 3), 0.5, "float32")
    found = modellib.mrcnn_mask_loss_graph(np.ones((1, 2, 4, 4), "float32"), ids, masks)
    assert numbers(found) == pytest.approx(half)


def test_targets_of_one_image(config):
    """Positive RoIs first, each with the deltas and the mask of its instance."""
    gt_boxes = np.zeros((8, 4), "float32")
    gt_boxes[:2] = [[0.1, 0.1, 0.4, 0.5], [0.5, 0.6, 0.9, 0.9]]
    ids = np.zeros(8, "int32")
    ids[:2] = [1, 2]
    masks = np.ones((28, 28, 8), bool)
    rng = np.random.default_rng(2)
    near = np.repeat(gt_boxes[:2], 10, axis=0) + rng.uniform(-0.02, 0.02, (20, 4))
    far = np.tile([0.0, 0.6, 0.2, 0.9], (20, 1))
    proposals = np.concatenate([near, far]).astype("float32")
    rois, found, deltas, target_masks = map(
        numbers,
        modellib.detection_targets_graph(
            *map(ops.convert_to_tensor, (proposals, ids, gt_boxes, masks)), config
        ),
    )
    assert rois.shape == (16, 4) and target_masks.shape == (16, 28, 28)
    assert (found > 0).sum() == 5 and (found[:5] > 0).all()
    moved = utils.apply_box_deltas(rois[:5], deltas[:5] * config.BBOX_STD_DEV)
    np.testing.assert_allclose(moved, gt_boxes[found[:5] - 1], atol=1e-5)
    assert target_masks[:5].mean() > 0.8 and not target_masks[5:].any()
    layer = modellib.DetectionTargetLayer(config, name="proposal_targets")
    batch = layer([x[None] for x in (proposals, ids, gt_boxes, masks)])
    assert [tuple(x.shape) for x in batch] == [(1, 16, 4), (1, 16), (1, 16, 4), (1, 16, 28, 28)]


def test_parts_of_an_image_meta():
    meta = modellib.compose_image_meta(5, (10, 20, 3), (64, 64, 3), (1, 2, 60, 63), 3.0, [1, 0, 1])
    found = modellib.parse_image_meta_graph(ops.convert_to_tensor(meta[None].astype("float32")))
    for name, value in modellib.parse_image_meta(meta[None]).items():
        np.testing.assert_array_equal(numbers(found[name]), value)


def test_targets_where_every_roi_lies_on_an_instance(config):
    """No background to draw: all RoIs are positive; mini masks are read at their place."""
    box = np.array([[16, 16, 80, 112]], np.int32)
    mini = np.zeros((28, 28, 1), bool)
    mini[:14] = True
    rois, ids, deltas, masks = modellib.build_detection_targets(
        box.repeat(3, axis=0), np.array([2], np.int32), box, mini, config
    )
    assert (ids == 2).all() and (rois == box).all() and not deltas.any()
    whole = expand_mask(box, mini, (128, 128, 3))[16:80, 16:112, 0]
    assert masks[0, :, :, 2].mean() == pytest.approx(whole.mean(), abs=0.02)


def test_parallel_model(detector):
    model = parallel_model.ParallelModel(detector.keras_model, 1)
    assert model.inner_model is detector.keras_model
    assert model.get_layer("ROI") is detector.keras_model.get_layer("ROI")
    with pytest.raises(ValueError, match="GPU_COUNT=2 .*torchrun --nproc-per-node=2"):
        parallel_model.ParallelModel(detector.keras_model, 2)


# --- the table of docs/matterport_api.md --------------------------------------------------------


def table(module):
    page = (ROOT / "docs" / "matterport_api.md").read_text(encoding="utf-8")
    section = re.split(rf"^## {re.escape(module)}$", page, flags=re.MULTILINE)[1]
    section = re.split(r"^## ", section, flags=re.MULTILINE)[0]
    return re.findall(
        r"^\| `([\w.]+)` \| (same|differs|missing) \| (.*) \|$", section, re.MULTILINE
    )


@pytest.mark.parametrize(
    ("module", "wanted"),
    [
        (modellib, MODEL + [f"MaskRCNN.{name}" for name in METHODS]),
        (
            parallel_model,
            ["ParallelModel", "ParallelModel.make_parallel", "ParallelModel.summary"],
        ),
    ],
)
def test_the_table_lists_every_name_and_is_true(module, wanted):
    rows = table(module.__name__)
    assert sorted(name for name, *_ in rows) == sorted(wanted)
    for name, word, remark in rows:
        owner = module
        for part in name.split("."):
            owner = getattr(owner, part, None)
        assert (owner is not None) == (word != "missing"), name
        assert remark.strip() or word == "same", f"{name}: what differs?"
    if module is modellib:
        assert set(names.__all__) <= set(wanted)
