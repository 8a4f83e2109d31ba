"""The light recipe with a network as small as can be: for tests of files, not of learning."""

from __future__ import annotations

import train_test


class TinyLight(train_test.LightConfig):
    """The smallest network that has every part; molecules are shown to it small, too."""

    TOP_DOWN_PYRAMID_SIZE, RPN_CHANNELS = 16, 16
    FPN_CLASSIF_FC_LAYERS_SIZE, MASK_HEAD_CHANNELS = 16, 16
    IMAGES_PER_GPU, IMAGE_MIN_DIM, IMAGE_MAX_DIM = 1, 64, 64
    TRAIN_ROIS_PER_IMAGE, PRE_NMS_LIMIT = 8, 100
    POST_NMS_ROIS_TRAINING, POST_NMS_ROIS_INFERENCE = 30, 60
    MAX_GT_INSTANCES, RPN_TRAIN_ANCHORS_PER_IMAGE = 8, 32
    MOLECULE_PIXELS, TILE_DIM, DETECTION_MAX_INSTANCES = 24, 192, 20
    WARMUP_STEPS, VALIDATION_STEPS = 1, 1
    COMPUTE_DTYPE = "float32"
