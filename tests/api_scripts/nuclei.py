# Looks at a dataset of nuclei, a folder an image with a mask file an instance, the way notebooks
# do: no main guard, a figure a step, each saved and closed. python nuclei.py FOLDER OUT
import os
import sys

import numpy as np
import skimage.io
from matplotlib import pyplot as plt

from mrcnn import model as modellib
from mrcnn import utils, visualize
from mrcnn.config import Config

FOLDER, OUT = sys.argv[1:]


class NucleusConfig(Config):
    NAME = "nucleus"
    NUM_CLASSES = 1 + 1
    IMAGES_PER_GPU = 2
    IMAGE_RESIZE_MODE = "crop"
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 128
    IMAGE_MIN_SCALE = 1.5
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
    MAX_GT_INSTANCES = 20
    MINI_MASK_SHAPE = (56, 56)


class NucleusDataset(utils.Dataset):
    def load_nuclei(self, folder):
        self.add_class("nucleus", 1, "nucleus")
        for name in sorted(os.listdir(folder)):  # noqa: PTH208
            path = f"{folder}/{name}/images/{name}.png"
            self.add_image("nucleus", image_id=name, path=path)

    def load_mask(self, image_id):
        info = self.image_info[image_id]
        folder = os.path.join(os.path.dirname(os.path.dirname(info["path"])), "masks")  # noqa: PTH118, PTH120
        masks = [skimage.io.imread(f"{folder}/{f}") > 0 for f in sorted(os.listdir(folder))]  # noqa: PTH208
        return np.stack(masks, axis=-1), np.ones([len(masks)], dtype=np.int32)


def save(name):
    plt.savefig(f"{OUT}/{name}.png", bbox_inches="tight", dpi=60)
    plt.close()


config = NucleusConfig()
dataset = NucleusDataset()
dataset.load_nuclei(FOLDER)
dataset.prepare()
print(f"Images: {dataset.num_images}, classes: {dataset.class_names}")

# Images and the masks of their classes
for image_id in dataset.image_ids[:1]:
    image = dataset.load_image(image_id)
    mask, class_ids = dataset.load_mask(image_id)
    visualize.display_top_masks(image, mask, class_ids, dataset.class_names, limit=1)
    save("top_masks")

# Instances in an image as it is, and without masks and boxes: contours alone
bbox = utils.extract_bboxes(mask)
modellib.log("bbox", bbox)
visualize.display_instances(image, bbox, mask, class_ids, dataset.class_names)
save("instances")
visualize.display_instances(
    image, bbox, mask, class_ids, dataset.class_names, show_bbox=False, show_mask=False,
    colors=[(1, 1, 0)] * len(bbox), captions=[""] * len(bbox), title="Contours",
)  # fmt: skip
save("contours")

# Resized
image, window, scale, padding, _ = utils.resize_image(image, 128, 256, mode="square")
mask = utils.resize_mask(mask, scale, padding)
_, axes = plt.subplots(1, 2, figsize=(12, 6))
visualize.display_instances(
    image, utils.extract_bboxes(mask), mask, class_ids, dataset.class_names,
    scores=[None] * len(class_ids), ax=axes[0],
)  # fmt: skip
axes[1].imshow(utils.resize(image, (64, 64), preserve_range=True).astype(np.uint8))
save("resized")

# Mini masks, and what they become again
crop, meta, class_ids, bbox, mini = modellib.load_image_gt(
    dataset, config, dataset.image_ids[1], use_mini_mask=True
)
visualize.display_images([crop] + [mini[:, :, i] for i in range(min(mini.shape[-1], 5))], cols=6)
save("mini_masks")
expanded = utils.expand_mask(bbox, mini, crop.shape)
visualize.display_instances(crop, bbox, expanded, class_ids, dataset.class_names)
save("expanded")

# Anchors of the middle cell of each level
shapes = utils.compute_backbone_shapes(config, config.IMAGE_SHAPE)
anchors = utils.generate_pyramid_anchors(
    config.RPN_ANCHOR_SCALES, config.RPN_ANCHOR_RATIOS, shapes, config.BACKBONE_STRIDES,
    config.RPN_ANCHOR_STRIDE,
)  # fmt: skip
first, middle = 0, []
for rows, columns in shapes:
    ratios = len(config.RPN_ANCHOR_RATIOS)
    cell = first + ratios * (rows // 2 * columns + columns // 2)
    middle += list(range(cell, cell + ratios))
    first += ratios * rows * columns
visualize.draw_boxes(crop, boxes=anchors[middle], title="Anchors")
save("anchors")

# What the RPN shall learn: positive anchors, and where their deltas move them
match, deltas = modellib.build_rpn_targets(crop.shape, anchors, class_ids, bbox, config)
positive = np.where(match == 1)[0]
moved = utils.apply_box_deltas(anchors[positive], deltas[: len(positive)] * config.RPN_BBOX_STD_DEV)
visualize.draw_boxes(
    crop, boxes=anchors[positive], refined_boxes=moved, visibilities=[2] * len(positive),
    captions=[f"{i}" for i in positive],
)  # fmt: skip
save("rpn_targets")

# Batches
(images, metas, *_), _ = next(modellib.data_generator(dataset, config, shuffle=True))
visualize.display_images([modellib.unmold_image(i, config) for i in images], titles=["0", "1"])
save("batch")

# Evaluation against itself, one instance missing and one called something else
overlaps = utils.compute_overlaps_masks(expanded, expanded)
scores = np.linspace(0.95, 0.6, len(class_ids))
ap, precisions, recalls, overlaps = utils.compute_ap(
    bbox, class_ids, expanded, bbox[1:], class_ids[1:], scores[1:], expanded[..., 1:]
)
visualize.plot_precision_recall(ap, precisions, recalls)
save("precision_recall")
visualize.plot_overlaps(class_ids, class_ids[1:], scores[1:], overlaps, dataset.class_names)
save("overlaps")
visualize.display_differences(
    crop, bbox, class_ids, expanded, bbox[1:] + 2, class_ids[1:], scores[1:],
    np.roll(expanded[..., 1:], 2, (0, 1)), dataset.class_names,
)  # fmt: skip
save("differences")
