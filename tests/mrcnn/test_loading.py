"""Molding, meta vectors, ground truth of an image, and the RPN's targets."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from mrcnn import box_tools, loading, rpn_targets
from mrcnn.dataset import Dataset


def settings(**changes):
    values = {
        "IMAGE_MIN_DIM": 64,
        "IMAGE_MAX_DIM": 64,
        "IMAGE_MIN_SCALE": 0,
        "IMAGE_RESIZE_MODE": "square",
        "MINI_MASK_SHAPE": (14, 14),
        "MEAN_PIXEL": np.array([123.7, 116.8, 103.9]),
        "RPN_TRAIN_ANCHORS_PER_IMAGE": 8,
        "RPN_BBOX_STD_DEV": np.array([0.1, 0.1, 0.2, 0.2]),
    }
    return SimpleNamespace(**values | changes)


class Squares(Dataset):
    """One grey image with bright squares, which are its instances."""

    def __init__(self, boxes, class_ids, shape=(32, 48)):
        super().__init__()
        self.boxes, self.ids, self.shape = boxes, class_ids, shape
        self.add_class("other", 1, "elsewhere")
        self.add_class("toy", 1, "square")
        self.add_class("toy", 2, "big square")
        self.add_image("toy", 0, None)
        self.prepare()

    def load_mask(self, image_id):
        masks = np.zeros((*self.shape, len(self.boxes)), bool)
        for i, (y1, x1, y2, x2) in enumerate(self.boxes):
            masks[y1:y2, x1:x2, i] = True
        return masks, np.array(self.ids, np.int32)

    def load_image(self, image_id):
        masks, _ = self.load_mask(image_id)
        image = np.full((*self.shape, 3), 50, np.uint8)
        image[masks.any(axis=2)] = 250
        return image


def bright_box(image):
    return box_tools.extract_bboxes((image[..., :1] > 150).astype(np.uint8))[0]


def test_mold_and_unmold_are_inverse():
    image = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    molded = loading.mold_image(image, settings())
    assert molded.dtype == np.float32
    np.testing.assert_allclose(molded[0, 0], [-123.7, -116.8, -103.9], rtol=1e-6)
    np.testing.assert_array_equal(loading.unmold_image(molded, settings()), image)


def test_meta_there_and_back():
    meta = loading.compose_image_meta(
        7, (30, 40, 3), (64, 64, 3), (8, 0, 56, 64), 1.6, np.array([1, 0, 1])
    )
    assert meta.shape == (15,)
    parsed = loading.parse_image_meta(np.stack([meta, meta]))
    assert parsed["image_id"].tolist() == [7, 7]
    assert parsed["original_image_shape"][0].tolist() == [30, 40, 3]
    assert parsed["image_shape"][0].tolist() == [64, 64, 3]
    assert parsed["window"][1].tolist() == [8, 0, 56, 64]
    assert parsed["scale"].tolist() == [np.float32(1.6)] * 2
    assert parsed["active_class_ids"][0].tolist() == [1, 0, 1]


def test_load_image_gt_resizes_image_and_masks_together():
    dataset = Squares([(2, 4, 10, 16), (20, 30, 32, 48)], [2, 3])
    image, meta, class_ids, boxes, masks = loading.load_image_gt(dataset, settings(), 0)
    assert image.shape == (64, 64, 3) and image.dtype == np.uint8
    assert masks.shape == (64, 64, 2) and masks.dtype == bool
    assert class_ids.tolist() == [2, 3] and class_ids.dtype == np.int32
    # Scale 4/3, 11 pixels of padding above (43 rows of 64).
    np.testing.assert_allclose(
        boxes[0], [2 * 4 / 3 + 10, 4 * 4 / 3, 10 * 4 / 3 + 10, 64 / 3], atol=1
    )
    np.testing.assert_array_equal(boxes, box_tools.extract_bboxes(masks))
    parsed = loading.parse_image_meta(meta[None])
    assert parsed["window"][0].tolist() == [10, 0, 53, 64]
    assert parsed["original_image_shape"][0].tolist() == [32, 48, 3]
    # Background, and the classes of this source; not the other source's class 1.
    assert parsed["active_class_ids"][0].tolist() == [1, 0, 1, 1]


def test_load_image_gt_with_mini_masks():
    dataset = Squares([(2, 4, 10, 16)], [2])
    _, _, _, boxes, masks = loading.load_image_gt(dataset, settings(), 0, use_mini_mask=True)
    assert masks.shape == (14, 14, 1)
    assert masks.all()  # a square fills its box
    assert boxes.shape == (1, 4)


@pytest.mark.parametrize("use_mini_mask", [False, True])
def test_load_image_gt_without_instances(use_mini_mask):
    from imgaug import augmenters

    dataset = Squares([], [])
    dataset.load_mask = lambda image_id: (np.zeros((0, 0, 0)), np.zeros(0))
    _, _, class_ids, boxes, masks = loading.load_image_gt(
        dataset, settings(), 0, True, augmenters.Affine(rotate=10), use_mini_mask
    )
    assert class_ids.shape == (0,)
    assert boxes.shape == (0, 4)
    assert masks.shape == ((14, 14, 0) if use_mini_mask else (64, 64, 0))


def test_load_image_gt_keeps_regions_to_ignore_and_drops_what_is_cropped_away():
    dataset = Squares([(0, 0, 8, 8), (0, 40, 8, 48), (24, 0, 32, 8)], [2, -2, 3])
    config = settings(IMAGE_RESIZE_MODE="crop", IMAGE_MIN_DIM=24)
    for seed in range(8):
        image, _, class_ids, boxes, masks = loading.load_image_gt(
            dataset, config, 0, rng=np.random.default_rng(seed)
        )
        assert image.shape == (24, 24, 3)
        assert len(class_ids) == len(boxes) == masks.shape[2] < 3
        np.testing.assert_array_equal(masks.any(axis=2), image[..., 0] == 250)
    _, _, class_ids, _, _ = loading.load_image_gt(dataset, settings(), 0)
    assert class_ids.tolist() == [2, -2, 3]


def test_load_image_gt_mirrors_everything_or_nothing():
    dataset = Squares([(2, 4, 10, 16)], [2], shape=(63, 33))
    seen = set()
    for seed in range(8):
        image, meta, _, boxes, _ = loading.load_image_gt(
            dataset, settings(), 0, augment=True, rng=np.random.default_rng(seed)
        )
        assert np.abs(boxes[0] - bright_box(image)).max() <= 1
        window = loading.parse_image_meta(meta[None])["window"][0]
        assert window.tolist() == box_tools.extract_bboxes(image[..., :1] > 0)[0].tolist()
        seen.add(tuple(boxes[0]))
    assert len(seen) == 2


def test_augmentation_moves_the_masks_with_the_pixels_pitfall_7():
    """Pitfall 7: elastic distortion moved the pixels, and no mask moved with them."""
    from imgaug import augmenters

    dataset = Squares([(4 + 10 * i, 6, 12 + 10 * i, 60) for i in range(9)], [2] * 9, (100, 100))
    config = settings(IMAGE_MIN_DIM=100, IMAGE_MAX_DIM=100, IMAGE_RESIZE_MODE="none")
    still = dataset.load_mask(0)[0].any(axis=2)
    for augmentation in (
        augmenters.ElasticTransformation(alpha=40, sigma=5, seed=1),
        augmenters.Affine(rotate=25, seed=1),
        augmenters.Sequential([augmenters.Fliplr(1.0), augmenters.Multiply(0.9)]),
    ):
        image, _, class_ids, _, masks = loading.load_image_gt(
            dataset, config, 0, augmentation=augmentation
        )
        assert masks.shape == (100, 100, len(class_ids))
        assert (masks.sum(axis=2) <= 1).all()  # the bits of one instance stay with it
        seen, meant = image[..., 0] > 130, masks.any(axis=2)
        assert (seen & meant).sum() / (seen | meant).sum() > 0.95
        assert (seen & still).sum() / (seen | still).sum() < 0.95


def disc_iou(augmentation, seed):
    """The IoU of 17 discs' masks (more than are moved at once) and their bright pixels, moved
    together."""
    rows, columns = np.mgrid[:120, :200]
    places = [(15 + 30 * (k // 6), 18 + 32 * (k % 6)) for k in range(17)]
    masks = np.stack([(rows - y) ** 2 + (columns - x) ** 2 < 11**2 for y, x in places], axis=2)
    image = np.repeat(masks.any(axis=2)[..., None] * np.uint8(255), 3, axis=2)
    rng = np.random.default_rng(seed)
    image, moved = loading.augment_image_and_mask(augmentation, image, masks, rng)
    assert moved.dtype == bool and moved.shape == masks.shape and image.dtype == np.uint8
    assert (moved.sum(axis=2) <= 1).all()
    seen, meant = image[..., 0] >= 128, moved.any(axis=2)
    return (seen & meant).sum() / (seen | meant).sum()


@pytest.mark.parametrize("name", ["Crop", "Pad", "Resize", "Perspective", "Affine", "SomeOf"])
def test_masks_lie_on_their_pixels(name):
    """imgaug's maps of labels lie up to 0.43 pixels beside them (IoU 0.82 to 0.94)."""
    from imgaug import augmenters

    augmentation = {
        "Crop": augmenters.Crop(percent=(0.1,) * 4),
        "Pad": augmenters.Pad(percent=(0.1,) * 4),
        "Resize": augmenters.KeepSizeByResize(augmenters.Resize(0.6)),
        "Perspective": augmenters.PerspectiveTransform(scale=(0.02, 0.08)),
        "Affine": augmenters.Affine(scale=(0.8, 1.3), rotate=(-30, 30), shear=(-8, 8)),
        "SomeOf": augmenters.SomeOf(
            2, [augmenters.Affine(rotate=(-40, 40)), augmenters.Fliplr(0.5),
                augmenters.CropAndPad(percent=(-0.1, 0.1)), augmenters.Multiply((0.9, 1.1))],
            random_order=True,
        ),
    }[name]  # fmt: skip
    shares = [disc_iou(augmentation, seed) for seed in range(4)]
    assert min(shares) > 0.97 and np.mean(shares) > 0.98, shares


def test_augmentation_depends_on_the_generator_alone_pitfall_6():
    """Pitfall 6: workers shared one random stream, so that images got the same dropout."""
    from imgaug import augmenters

    dataset = Squares([(2, 4, 10, 16)], [2])
    augmentation = augmenters.SomeOf(2, [augmenters.Dropout(0.2), augmenters.Add((-40, 40))])
    images = [
        loading.load_image_gt(
            dataset, settings(), 0, augmentation=augmentation, rng=np.random.default_rng(seed)
        )[0]
        for seed in (1, 2, 1)
    ]
    np.testing.assert_array_equal(images[0], images[2])
    assert (images[0] != images[1]).any()


def test_colour_changes_leave_the_masks_alone():
    from imgaug import augmenters

    dataset = Squares([(2, 4, 10, 16)], [2])
    augmentation = augmenters.Sequential([augmenters.Add(20), augmenters.CoarseDropout(0.3)])
    plain = loading.load_image_gt(dataset, settings(), 0)
    changed = loading.load_image_gt(dataset, settings(), 0, augmentation=augmentation)
    assert (plain[0] != changed[0]).any()
    np.testing.assert_array_equal(plain[4], changed[4])


def test_an_augmentation_that_changes_the_size_is_refused():
    from imgaug import augmenters

    with pytest.raises(ValueError, match="keep the image's size"):
        loading.load_image_gt(
            Squares([(2, 4, 10, 16)], [2]), settings(), 0, augmentation=augmenters.Resize(32)
        )


def test_masks_of_another_size_than_the_image_are_refused():
    dataset = Squares([], [])
    dataset.load_image = lambda image_id: np.zeros((32, 48, 3), np.uint8)
    dataset.load_mask = lambda image_id: (np.zeros((48, 32, 1), bool), np.array([1]))
    with pytest.raises(ValueError, match=r"load_mask\(0\).*\(48, 32, 1\)"):
        loading.load_image_gt(dataset, settings(), 0)


# Four anchors of 10 x 10 in a row, and a large one.
ANCHORS = np.array(
    [[0, 0, 10, 10], [0, 10, 10, 20], [0, 20, 10, 30], [0, 30, 10, 40], [0, 0, 40, 40]], float
)


def test_rpn_targets_by_hand():
    # The first instance is anchor 0, but two columns narrower (IoU 0.8); the second overlaps
    # anchor 2 by 30 of 130 (and nothing more than that), so that anchor 2 is its best.
    boxes = np.array([[0, 0, 10, 8], [7, 20, 13, 30]])
    match, deltas = rpn_targets.build_rpn_targets(
        (40, 40), ANCHORS, np.array([1, 2]), boxes, settings()
    )
    assert match.dtype == np.int32
    assert match.tolist() == [1, -1, 1, -1, -1]
    assert deltas.shape == (8, 4)
    np.testing.assert_allclose(deltas[0], [0, -1, 0, np.log(0.8) / 0.2])
    np.testing.assert_allclose(deltas[1], [5, 0, np.log(0.6) / 0.2, 0], atol=1e-12)
    assert not deltas[2:].any()


def test_rpn_targets_between_the_thresholds_are_neutral():
    boxes = np.array([[0, 0, 10, 10], [0, 14, 10, 24]])  # 4 of 16 with anchors 1 and 2: 6/14, 4/16
    match, _ = rpn_targets.build_rpn_targets((40, 40), ANCHORS, np.array([1, 1]), boxes, settings())
    assert match.tolist() == [1, 1, -1, -1, -1]
    boxes = np.array([[0, 0, 10, 20], [0, 10, 10, 20]])
    match, _ = rpn_targets.build_rpn_targets((40, 40), ANCHORS, np.array([1, 1]), boxes, settings())
    # Anchor 0 has half of the first box, as has anchor 1: both are its best. No other is near.
    assert match.tolist() == [1, 1, -1, -1, -1]
    boxes = np.array([[0, 0, 10, 16], [0, 0, 10, 10]])
    match, _ = rpn_targets.build_rpn_targets((40, 40), ANCHORS, np.array([1, 1]), boxes, settings())
    assert match.tolist() == [1, 0, -1, -1, -1]  # anchor 1 with the first box: 6 of 20


def test_rpn_targets_without_instances_are_all_negative():
    none = np.zeros((0, 4), np.int32)
    match, deltas = rpn_targets.build_rpn_targets((40, 40), ANCHORS, none[:, 0], none, settings())
    assert (match == -1).all()
    assert deltas.shape == (8, 4) and not deltas.any()


def test_rpn_targets_of_an_instance_that_no_anchor_touches():
    """Its greatest IoU is 0, which all the other anchors have too: none of them is positive."""
    boxes = np.array([[60, 60, 70, 70]])
    match, _ = rpn_targets.build_rpn_targets((80, 80), ANCHORS, np.array([1]), boxes, settings())
    assert (match == -1).all()


def test_rpn_targets_ignored_regions_are_neither_target_nor_background():
    # The region covers a tenth of anchor 1 and a sixteenth of a hundredth of the large one.
    boxes = np.array([[0, 20, 10, 30], [0, 10, 1, 20]])
    class_ids = np.array([1, -1])
    config = settings(IGNORE_OVERLAP=0.05)
    match, deltas = rpn_targets.build_rpn_targets((40, 40), ANCHORS, class_ids, boxes, config)
    assert match.tolist() == [-1, 0, 1, -1, -1]
    assert not deltas.any()  # anchor 2 is the instance itself
    del config.IGNORE_OVERLAP  # then 0.001: the large anchor is covered by 10 of 1600 pixels
    match, _ = rpn_targets.build_rpn_targets((40, 40), ANCHORS, class_ids, boxes, config)
    assert match.tolist() == [-1, 0, 1, -1, 0]


def test_rpn_targets_ignored_regions_add_up():
    anchors = np.array([[0.0, 0, 10, 10]])
    regions = np.array([[0, 0, 10, 3], [0, 6, 10, 9]])
    np.testing.assert_allclose(rpn_targets.covered_share(anchors, regions), [0.6])
    match, _ = rpn_targets.build_rpn_targets(
        (10, 10), anchors, np.array([-1, -1]), regions, settings(IGNORE_OVERLAP=0.5)
    )
    assert match.tolist() == [0]


def test_rpn_targets_are_thinned_out_to_half_positive():
    anchors = np.repeat(ANCHORS[:2], 50, axis=0)
    boxes = ANCHORS[:1].astype(int)
    draws = []
    for seed in (0, 0, 1):
        match, deltas = rpn_targets.build_rpn_targets(
            (40, 40), anchors, np.array([1]), boxes, settings(), np.random.default_rng(seed)
        )
        assert (match == 1).sum() == 4 and (match == -1).sum() == 4
        assert (match[:50] >= 0).all() and (match[50:] <= 0).all()
        assert not deltas.any()
        draws.append(match)
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).any()


def test_match_anchors_equals_the_full_matrix():
    rng = np.random.default_rng(5)
    corner = rng.uniform(-20, 220, (1000, 2))
    anchors = np.concatenate([corner, corner + rng.uniform(5, 80, (1000, 2))], axis=1)
    boxes = anchors[rng.choice(1000, 20)] + rng.integers(-9, 9, (20, 1))
    iou, target, best = rpn_targets.match_anchors(anchors, boxes)
    overlaps = box_tools.compute_overlaps(anchors, boxes)
    np.testing.assert_allclose(iou, overlaps.max(axis=1))
    np.testing.assert_array_equal(target, overlaps.argmax(axis=1))
    np.testing.assert_array_equal(best, (overlaps == overlaps.max(axis=0)).any(axis=1))


def test_match_anchors_without_anchors():
    iou, target, best = rpn_targets.match_anchors(np.zeros((0, 4)), np.ones((2, 4)))
    assert len(iou) == len(target) == len(best) == 0


def test_log(capsys):
    loading.log("rois", np.array([[1, 3]]))
    loading.log("nothing", np.zeros((0, 4), np.float32))
    loading.log("only text")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["rois", "shape:", "(1,", "2)", "min:", "1.00000", "max:", "3.00000",
                                "int64"]  # fmt: skip
    assert "(0, 4)" in lines[1] and "float32" in lines[1]
    assert lines[2] == "only text"


def test_the_data_side_imports_neither_keras_nor_tensorflow():
    code = (
        "import sys, mrcnn.utils, mrcnn.dataset, mrcnn.loading, mrcnn.rpn_targets\n"
        "heavy = {'keras', 'tensorflow', 'torch', 'jax', 'matplotlib', 'imgaug', 'skimage'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
