"""Scripts written for matterport's Mask R-CNN find every name, with the parameters in its order."""

import inspect

import pytest

from mrcnn import model, utils, visualize
from mrcnn.config import Config
from mrcnn.model import MaskRCNN

# What those scripts call: the parameters that matterport's release 2.1 has, in its order.
MASK_RCNN = """
__init__(mode, config, model_dir)
load_weights(filepath, by_name, exclude)
get_imagenet_weights()
find_last()
set_log_dir(model_path)
train(train_dataset, val_dataset, learning_rate, epochs, layers, augmentation, custom_callbacks,
    no_augmentation_sources)
detect(images, verbose)
detect_molded(molded_images, image_metas, verbose)
mold_inputs(images)
unmold_detections(detections, mrcnn_mask, original_image_shape, image_shape, window)
get_anchors(image_shape)
find_trainable_layer(layer)
get_trainable_layers()
set_trainable(layer_regex)
ancestor(tensor, name)
run_graph(images, outputs, image_metas)
"""
MODEL = """
load_image_gt(dataset, config, image_id, augment, augmentation, use_mini_mask)
mold_image(, config)
unmold_image(, config)
compose_image_meta(image_id, original_image_shape, image_shape, window, scale, active_class_ids)
parse_image_meta(meta)
build_rpn_targets(image_shape, anchors, gt_class_ids, gt_boxes, config)
data_generator(dataset, config, shuffle, augment, augmentation, random_rois, batch_size,
    detection_targets, no_augmentation_sources)
DataGenerator(dataset, config, shuffle)
log(text, array)
"""
UTILS = """
extract_bboxes(mask)
compute_iou(box, boxes, box_area, boxes_area)
compute_overlaps(boxes1, boxes2)
compute_overlaps_masks(masks1, masks2)
non_max_suppression(boxes, scores, threshold)
apply_box_deltas(boxes, deltas)
box_refinement(box, gt_box)
resize_image(image, min_dim, max_dim, min_scale, mode)
resize_mask(mask, scale, padding, crop)
minimize_mask(bbox, mask, mini_shape)
expand_mask(bbox, mini_mask, image_shape)
unmold_mask(mask, bbox, image_shape)
generate_anchors(scales, ratios, shape, feature_stride, anchor_stride)
generate_pyramid_anchors(scales, ratios, feature_shapes, feature_strides, anchor_stride)
trim_zeros(x)
compute_matches(gt_boxes, gt_class_ids, gt_masks, pred_boxes, pred_class_ids, pred_scores,
    pred_masks, iou_threshold, score_threshold)
compute_ap(gt_boxes, gt_class_ids, gt_masks, pred_boxes, pred_class_ids, pred_scores, pred_masks,
    iou_threshold)
compute_ap_range(gt_box, gt_class_id, gt_mask, pred_box, pred_class_id, pred_score, pred_mask,
    iou_thresholds, verbose)
compute_recall(pred_boxes, gt_boxes, iou)
norm_boxes(boxes, shape)
denorm_boxes(boxes, shape)
download_trained_weights(coco_model_path, verbose)
"""
DATASET = """
add_class(source, class_id, class_name)
add_image(source, image_id, path)
image_reference(image_id)
prepare(class_map)
map_source_class_id(source_class_id)
get_source_class_id(class_id, source)
source_image_link(image_id)
load_image(image_id)
load_mask(image_id)
"""
VISUALIZE = """
display_images(images, titles, cols, cmap, norm, interpolation)
random_colors(N, bright)
apply_mask(image, mask, color, alpha)
display_instances(image, boxes, masks, class_ids, class_names, scores, title, figsize, ax,
    show_mask, show_bbox, colors, captions)
display_differences(image, gt_box, gt_class_id, gt_mask, pred_box, pred_class_id, pred_score,
    pred_mask, class_names, title, ax, show_mask, show_box, iou_threshold, score_threshold)
draw_rois(image, rois, refined_rois, mask, class_ids, class_names, limit)
draw_box(image, box, color)
display_top_masks(image, mask, class_ids, class_names, limit)
plot_precision_recall(AP, precisions, recalls)
plot_overlaps(gt_class_ids, pred_class_ids, pred_scores, overlaps, class_names, threshold)
draw_boxes(image, boxes, refined_boxes, masks, captions, visibilities, title, ax)
display_table(table)
display_weight_stats(model)
"""


def signatures(text):
    for line in text.replace("\n    ", " ").strip().splitlines():
        name, parameters = line.rstrip(")").split("(")
        yield name, [p.strip() for p in parameters.split(",")] if parameters else []


CASES = [
    pytest.param(owner, name, parameters, id=f"{owner.__name__}.{name}")
    for owner, text in (
        (MaskRCNN, MASK_RCNN),
        (model, MODEL),
        (utils, UTILS),
        (utils.Dataset, DATASET),
        (visualize, VISUALIZE),
    )
    for name, parameters in signatures(text)
]


@pytest.mark.parametrize(("owner", "name", "parameters"), CASES)
def test_name_and_parameters(owner, name, parameters):
    own = inspect.signature(getattr(owner, name)).parameters.values()
    own = [p for p in own if p.name != "self"]
    names = [p.name for p in own][: len(parameters)]
    # An empty name: only the place counts.
    assert [a for a, b in zip(names, parameters, strict=True) if b] == [b for b in parameters if b]
    # What is ours alone has a default.
    further = [p for p in own[len(parameters) :] if p.kind != p.VAR_KEYWORD]
    assert all(p.default is not p.empty for p in further)


def test_attributes_of_a_dataset():
    dataset = utils.Dataset()
    dataset.add_class("stm", 7, "003a")
    dataset.add_image("stm", "scan 1", "scan 1.png")
    dataset.prepare()
    assert dataset.class_names == ["BG", "003a"] and dataset.num_classes == 2
    assert list(dataset.image_ids) == [0] and dataset.num_images == 1
    assert dataset.class_info[1] == {"source": "stm", "id": 7, "name": "003a"}
    assert dataset.image_info[0]["path"] == "scan 1.png"
    assert dataset.map_source_class_id("stm.7") == 1
    assert dataset.get_source_class_id(1, "stm") == 7
    assert dataset.source_image_link(0) == "scan 1.png"


def test_settings():
    """Every setting of the older Config, with its default."""
    config = type("Own", (Config,), {"NAME": "own", "NUM_CLASSES": 3, "GPU_COUNT": 2})()
    assert config.BATCH_SIZE == 4 and config.IMAGE_SHAPE.tolist() == [1024, 1024, 3]
    assert config.IMAGE_META_SIZE == 15
    defaults = {
        "BACKBONE": "resnet101", "BACKBONE_STRIDES": [4, 8, 16, 32, 64], "STEPS_PER_EPOCH": 1000,
        "COMPUTE_BACKBONE_SHAPE": None, "FPN_CLASSIF_FC_LAYERS_SIZE": 1024,
        "TOP_DOWN_PYRAMID_SIZE": 256, "RPN_ANCHOR_SCALES": (32, 64, 128, 256, 512),
        "RPN_ANCHOR_RATIOS": [0.5, 1, 2], "RPN_ANCHOR_STRIDE": 1, "RPN_NMS_THRESHOLD": 0.7,
        "RPN_TRAIN_ANCHORS_PER_IMAGE": 256, "PRE_NMS_LIMIT": 6000, "POST_NMS_ROIS_TRAINING": 2000,
        "POST_NMS_ROIS_INFERENCE": 1000, "USE_MINI_MASK": True, "MINI_MASK_SHAPE": (56, 56),
        "IMAGE_RESIZE_MODE": "square", "IMAGE_MIN_DIM": 800, "IMAGE_MAX_DIM": 1024,
        "IMAGE_MIN_SCALE": 0, "IMAGE_CHANNEL_COUNT": 3, "TRAIN_ROIS_PER_IMAGE": 200,
        "ROI_POSITIVE_RATIO": 0.33, "POOL_SIZE": 7, "MASK_POOL_SIZE": 14, "MASK_SHAPE": [28, 28],
        "MAX_GT_INSTANCES": 100, "DETECTION_MAX_INSTANCES": 100, "DETECTION_MIN_CONFIDENCE": 0.7,
        "DETECTION_NMS_THRESHOLD": 0.3, "LEARNING_RATE": 0.001, "LEARNING_MOMENTUM": 0.9,
        "WEIGHT_DECAY": 0.0001, "USE_RPN_ROIS": True, "TRAIN_BN": False, "VALIDATION_STEPS": 50,
        "GRADIENT_CLIP_NORM": 5.0, "IMAGES_PER_GPU": 2,
    }  # fmt: skip
    assert {name: getattr(config, name) for name in defaults} == defaults
