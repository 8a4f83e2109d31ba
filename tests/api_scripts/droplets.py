"""Finds droplets in images that somebody outlined in the VGG Image Annotator, in the way of the
public samples for matterport's API: a dataset of one's own, training, and a splash of colour.

    python droplets.py train  --dataset FOLDER --logs FOLDER [--steps N]
    python droplets.py splash --weights last   --logs FOLDER --image FILE --out FOLDER
"""

import argparse
import json
import os

import numpy as np
import skimage.color
import skimage.draw
import skimage.io
from matplotlib import pyplot as plt

from mrcnn import model as modellib
from mrcnn import utils, visualize
from mrcnn.config import Config


class DropletConfig(Config):
    NAME = "droplet"
    IMAGES_PER_GPU = 1
    NUM_CLASSES = 1 + 1
    BACKBONE = "resnet18"
    TOP_DOWN_PYRAMID_SIZE = FPN_CLASSIF_FC_LAYERS_SIZE = 64
    MASK_HEAD_CHANNELS, RPN_CHANNELS = 32, 64
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 128
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
    PRE_NMS_LIMIT, POST_NMS_ROIS_TRAINING, POST_NMS_ROIS_INFERENCE = 400, 100, 60
    TRAIN_ROIS_PER_IMAGE = 32
    TRAIN_BN = None
    BN_MOMENTUM = 0.8
    OPTIMIZER = "adamw"
    ADD_GT_ROIS = FILL_NEGATIVES = True
    DETECTION_MIN_CONFIDENCE = 0.5
    VALIDATION_STEPS = 1


class DropletDataset(utils.Dataset):
    def load_droplets(self, folder, subset):
        self.add_class("droplet", 1, "droplet")
        folder = os.path.join(folder, subset)  # noqa: PTH118 - as these scripts are written
        with open(os.path.join(folder, "via_region_data.json")) as file:  # noqa: PTH118, PTH123
            entries = list(json.load(file).values())
        for entry in [a for a in entries if a["regions"]]:
            # Version 1 of the annotator wrote a dictionary, version 2 a list.
            regions = entry["regions"]
            regions = regions.values() if isinstance(regions, dict) else regions
            path = os.path.join(folder, entry["filename"])  # noqa: PTH118
            height, width = skimage.io.imread(path).shape[:2]
            self.add_image(
                "droplet", image_id=entry["filename"], path=path, width=width, height=height,
                polygons=[r["shape_attributes"] for r in regions],
            )  # fmt: skip

    def load_mask(self, image_id):
        info = self.image_info[image_id]
        if info["source"] != "droplet":
            return super().load_mask(image_id)
        mask = np.zeros([info["height"], info["width"], len(info["polygons"])], dtype=np.uint8)
        for i, p in enumerate(info["polygons"]):
            rr, cc = skimage.draw.polygon(p["all_points_y"], p["all_points_x"], mask.shape[:2])
            mask[rr, cc, i] = 1
        return mask.astype(bool), np.ones([mask.shape[-1]], dtype=np.int32)

    def image_reference(self, image_id):
        return self.image_info[image_id]["path"]


def train(model, folder):
    sets = []
    for subset in ("train", "val"):
        dataset = DropletDataset()
        dataset.load_droplets(folder, subset)
        dataset.prepare()
        sets.append(dataset)
    model.train(*sets, learning_rate=model.config.LEARNING_RATE, epochs=1, layers="all")
    image, _, class_ids, boxes, masks = modellib.load_image_gt(sets[0], model.config, 0)
    return image, boxes, masks, class_ids, sets[0].class_names


def color_splash(image, mask):
    """The image in grey, with the instances in colour."""
    gray = skimage.color.gray2rgb(skimage.color.rgb2gray(image)) * 255
    if mask.shape[-1] == 0:
        return gray.astype(np.uint8)
    return np.where(np.sum(mask, -1, keepdims=True) >= 1, image, gray).astype(np.uint8)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["train", "splash"])
    parser.add_argument("--dataset")
    parser.add_argument("--weights", default="last")
    parser.add_argument("--logs", required=True)
    parser.add_argument("--image")
    parser.add_argument("--out", required=True)
    parser.add_argument("--steps", type=float, default=2)
    args = parser.parse_args()
    config = DropletConfig()
    config.STEPS_PER_EPOCH = args.steps
    config.display()
    if args.command == "train":
        model = modellib.MaskRCNN(mode="training", config=config, model_dir=args.logs)
        truth = train(model, args.dataset)
        visualize.display_instances(*truth, title="Truth", figsize=(6, 6))
        plt.savefig(os.path.join(args.out, "truth.png"))  # noqa: PTH118
        return
    model = modellib.MaskRCNN(mode="inference", config=config, model_dir=args.logs)
    weights = model.find_last() if args.weights == "last" else args.weights
    model.load_weights(weights, by_name=True)
    image = skimage.io.imread(args.image)
    r = model.detect([image], verbose=1)[0]
    skimage.io.imsave(
        os.path.join(args.out, "splash.png"),  # noqa: PTH118
        color_splash(image, r["masks"]), check_contrast=False,
    )  # fmt: skip
    visualize.display_instances(
        image, r["rois"], r["masks"], r["class_ids"], ["BG", "droplet"], r["scores"],
        title="Predictions", figsize=(6, 6),
    )  # fmt: skip
    plt.savefig(os.path.join(args.out, "found.png"))  # noqa: PTH118


if __name__ == "__main__":
    main()
