"""The page on matterport's API against the code: each name that it promises is there."""

from __future__ import annotations

import importlib
import re

import pytest
from checkout import ROOT

PAGE = ROOT / "docs" / "matterport_api.md"
ROW = re.compile(r"\| `([\w.]+)` \| (\w+) \| (.*) \|")

SETTINGS = """
    NAME GPU_COUNT IMAGES_PER_GPU STEPS_PER_EPOCH VALIDATION_STEPS BACKBONE
    COMPUTE_BACKBONE_SHAPE BACKBONE_STRIDES FPN_CLASSIF_FC_LAYERS_SIZE TOP_DOWN_PYRAMID_SIZE
    NUM_CLASSES RPN_ANCHOR_SCALES RPN_ANCHOR_RATIOS RPN_ANCHOR_STRIDE RPN_NMS_THRESHOLD
    RPN_TRAIN_ANCHORS_PER_IMAGE PRE_NMS_LIMIT POST_NMS_ROIS_TRAINING POST_NMS_ROIS_INFERENCE
    USE_MINI_MASK MINI_MASK_SHAPE IMAGE_RESIZE_MODE IMAGE_MIN_DIM IMAGE_MAX_DIM IMAGE_MIN_SCALE
    IMAGE_CHANNEL_COUNT MEAN_PIXEL TRAIN_ROIS_PER_IMAGE ROI_POSITIVE_RATIO POOL_SIZE
    MASK_POOL_SIZE MASK_SHAPE MAX_GT_INSTANCES RPN_BBOX_STD_DEV BBOX_STD_DEV
    DETECTION_MAX_INSTANCES DETECTION_MIN_CONFIDENCE DETECTION_NMS_THRESHOLD LEARNING_RATE
    LEARNING_MOMENTUM WEIGHT_DECAY LOSS_WEIGHTS USE_RPN_ROIS TRAIN_BN GRADIENT_CLIP_NORM
    BATCH_SIZE IMAGE_SHAPE IMAGE_META_SIZE
"""
# Public names of matterport's modules (release 2.1 and the last state of its master branch).
NAMES = {
    "mrcnn.config": "Config Config.display Config.to_dict "
    + " ".join(f"Config.{name}" for name in SETTINGS.split()),
    "mrcnn.utils": """COCO_MODEL_URL extract_bboxes compute_iou compute_overlaps
        compute_overlaps_masks non_max_suppression apply_box_deltas box_refinement_graph
        box_refinement Dataset Dataset.add_class Dataset.add_image Dataset.image_reference
        Dataset.prepare Dataset.map_source_class_id Dataset.get_source_class_id Dataset.append_data
        Dataset.image_ids Dataset.source_image_link Dataset.load_image Dataset.load_mask
        resize_image resize_mask minimize_mask expand_mask mold_mask unmold_mask generate_anchors
        generate_pyramid_anchors trim_zeros compute_matches compute_ap compute_ap_range
        compute_recall batch_slice download_trained_weights norm_boxes denorm_boxes resize""",
    "mrcnn.visualize": """display_images random_colors apply_mask display_instances
        display_differences draw_rois draw_box display_top_masks plot_precision_recall
        plot_overlaps draw_boxes display_table display_weight_stats ROOT_DIR""",
}


def rows() -> dict[str, dict[str, tuple[str, str]]]:
    """Of each module of the page: name -> (what it is here, remark)."""
    parts = re.split(r"^## (mrcnn\.\w+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for module, section in zip(parts[1::2], parts[2::2], strict=True):
        lines = [line for line in section.splitlines() if line.startswith("| `")]
        matches = [ROW.fullmatch(line) for line in lines]
        assert all(matches), f"{module}: rows are `name`, word, remark"
        found[module] = {match[1]: (match[2], match[3].strip()) for match in matches}
        assert len(found[module]) == len(lines), f"{module}: a name stands there twice"
    return found


def has(module: str, name: str) -> bool:
    """Whether ours has a name; settings that are derived exist on an instance only."""
    owner = importlib.import_module(module)
    *path, last = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    return hasattr(owner, last) or (path == ["Config"] and hasattr(owner(), last))


@pytest.mark.parametrize(
    ("module", "name", "word", "remark"),
    [(module, name, *row) for module, names in rows().items() for name, row in names.items()],
)
def test_a_row_is_true(module, name, word, remark):
    assert word in ("same", "differs", "missing")
    assert has(module, name) == (word != "missing")
    assert remark or word == "same", "what differs, or why nobody misses it, needs a word"


@pytest.mark.parametrize("module", NAMES)
def test_every_public_name_stands_in_the_table(module):
    assert set(rows()[module]) == set(NAMES[module].split())
