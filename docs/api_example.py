"""The detector's API on drawn discs and squares: python -m docs.api_example

Two steps of training show that all parts work together; they do not teach the network anything.
For detections worth looking at, set STEPS_PER_EPOCH to a few hundred.
"""

import numpy as np

from mrcnn import model as modellib
from mrcnn import utils, visualize
from mrcnn.config import Config


class ToyConfig(Config):
    NAME = "toy"
    NUM_CLASSES = 1 + 2  # background, disc, square
    STEPS_PER_EPOCH, VALIDATION_STEPS = 2, 1
    BACKBONE, TOP_DOWN_PYRAMID_SIZE, FPN_CLASSIF_FC_LAYERS_SIZE = "resnet18", 64, 128
    MASK_HEAD_CHANNELS, RPN_CHANNELS = 32, 64
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 128
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
    POST_NMS_ROIS_TRAINING, POST_NMS_ROIS_INFERENCE, TRAIN_ROIS_PER_IMAGE = 200, 100, 32
    TRAIN_BN = True  # no pretrained weights, so BatchNorm has to learn its statistics


class ToyDataset(utils.Dataset):
    def load_toys(self, count, seed):
        self.add_class("toy", 1, "disc")
        self.add_class("toy", 2, "square")
        for i in range(count):
            rng = np.random.default_rng([seed, i])
            toys = [(*rng.integers(20, 108, 2), rng.integers(8, 20), kind) for kind in (1, 2, 1)]
            self.add_image("toy", image_id=i, path=None, toys=toys)
        self.prepare()

    def load_mask(self, image_id):
        masks, (y, x) = [], np.mgrid[:128, :128]
        for cy, cx, size, kind in self.image_info[image_id]["toys"]:
            distance = np.hypot if kind == 1 else np.maximum
            masks.append(distance(abs(y - cy), abs(x - cx)) <= size)
        return np.stack(masks, axis=-1), np.array([1, 2, 1], np.int32)

    def load_image(self, image_id):
        masks, class_ids = self.load_mask(image_id)
        noise = np.random.default_rng(image_id).normal(60, 10, (128, 128, 3))
        return (noise + 50 * (masks @ class_ids)[..., None]).clip(0, 255).astype(np.uint8)


def main(model_dir="logs", figure="api_example.png"):
    train, val = ToyDataset(), ToyDataset()
    train.load_toys(8, seed=1)
    val.load_toys(2, seed=2)
    model = modellib.MaskRCNN(mode="training", config=ToyConfig(), model_dir=model_dir)
    model.train(train, val, learning_rate=0.001, epochs=1, layers="all")

    detector = modellib.MaskRCNN(mode="inference", config=ToyConfig(), model_dir=model_dir)
    detector.load_weights(detector.find_last(), by_name=True)
    image, _, class_ids, boxes, masks = modellib.load_image_gt(val, ToyConfig(), image_id=0)
    r = detector.detect([image])[0]
    found = r["rois"], r["class_ids"], r["scores"], r["masks"]
    ap = utils.compute_ap(boxes, class_ids, masks, *found)[0]
    print(f"{len(r['rois'])} detections, AP at IoU 0.5: {ap:.3f}")
    boxes, class_ids, scores, masks = found
    names = val.class_names
    visualize.display_instances(image, boxes, masks, class_ids, names, scores, save_path=figure)
    return r


if __name__ == "__main__":
    main()
