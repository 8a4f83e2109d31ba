"""Targets of the heads: which RoIs are drawn, and what they are told to answer."""

import keras
import numpy as np
import pytest
from keras import ops
from toys import TinyConfig

from mrcnn.box_tools import extract_bboxes, norm_boxes
from mrcnn.mask_tools import crop_masks, minimize_mask
from mrcnn.targets import DetectionTargets, positive_places

# Four true boxes, far apart, of 0.2 x 0.2.
TRUE = np.array(
    [[0.1, 0.1, 0.3, 0.3], [0.1, 0.6, 0.3, 0.8], [0.6, 0.1, 0.8, 0.3], [0.6, 0.6, 0.8, 0.8]],
    "float32",
)
EMPTY = [0.42, 0.42, 0.52, 0.52]  # a RoI where nothing is


class TargetConfig(TinyConfig):
    TRAIN_ROIS_PER_IMAGE = 12
    ROI_POSITIVE_RATIO = 0.33  # 3 places for positives
    MAX_GT_INSTANCES = 4


def config(**changes):
    return type("Changed", (TargetConfig,), changes)()


def targets(rois, class_ids, boxes=TRUE, masks=None, settings=None):
    """Of one image: rois (T, 4), ids (T,), deltas (T, 4), masks (P, h, w)."""
    settings = settings or config()
    if masks is None:
        side = settings.MINI_MASK_SHAPE if settings.USE_MINI_MASK else (128, 128)
        masks = np.ones((*side, len(boxes)), bool)
    found = DetectionTargets(settings)(
        [
            ops.convert_to_tensor(np.array([rois], "float32")),
            ops.convert_to_tensor(np.array([class_ids], "int32")),
            ops.convert_to_tensor(np.array([boxes], "float32")),
            ops.convert_to_tensor(np.array([masks], bool)),
        ]
    )
    return [ops.convert_to_numpy(x)[0] for x in found]


def used(rois):
    return rois.any(axis=1)


def test_positives_stand_in_front():
    rois = [EMPTY] * 6 + [TRUE[1]] + [EMPTY] * 6 + [TRUE[0]]
    drawn, ids, deltas, masks = targets(rois, [1, 2, 0, 0])
    assert positive_places(config()) == 3
    assert sorted(ids[:2].tolist()) == [1, 2] and not ids[2:].any()
    for roi, number in zip(drawn[:2], ids[:2], strict=True):
        np.testing.assert_array_equal(roi, TRUE[number - 1])
    assert not drawn[2].any()  # the third place for positives stays empty
    # Two positives are 33 % of six: four are background, the rest is padding.
    assert used(drawn).tolist() == [True, True, False] + [True] * 4 + [False] * 5
    np.testing.assert_allclose(drawn[3:7], np.tile(np.float32(EMPTY), (4, 1)))
    np.testing.assert_allclose(deltas, 0, atol=1e-5)
    assert masks.shape == (3, 28, 28)
    assert masks[:2].all() and not masks[2].any()


def test_filling_with_background():
    drawn, ids, *_ = targets(
        [EMPTY] * 20 + [TRUE[0]], [1, 0, 0, 0], settings=config(FILL_NEGATIVES=True)
    )
    assert (ids > 0).sum() == 1
    assert used(drawn).tolist() == [True, False, False] + [True] * 9


def test_no_more_positives_than_places():
    drawn, ids, *_ = targets([*TRUE] * 4 + [EMPTY] * 20, [1, 1, 1, 2])
    assert (ids > 0).tolist() == [True] * 3 + [False] * 9
    # int(3 / 0.33) - 3 = 6 of background
    assert used(drawn).sum() == 9


def test_positives_are_drawn_at_random():
    layer = DetectionTargets(config())
    inputs = [
        ops.convert_to_tensor(np.array([[*TRUE] * 4], "float32")),
        ops.convert_to_tensor(np.array([[1, 1, 1, 2]], "int32")),
        ops.convert_to_tensor(TRUE[None]),
        ops.ones((1, 28, 28, 4), "bool"),
    ]
    draws = [ops.convert_to_numpy(layer(inputs)[0])[0, :3] for _ in range(8)]
    assert any((draw != draws[0]).any() for draw in draws[1:])


def test_deltas_and_class():
    """A RoI 0.02 above and left of its molecule and a quarter larger each way."""
    roi = [0.08 - 0.025, 0.08 - 0.025, 0.28 + 0.025, 0.28 + 0.025]  # centre 0.18, side 0.25
    _, ids, deltas, _ = targets([roi, EMPTY], [2, 1, 0, 0])
    assert ids[0] == 2
    expected = [0.02 / 0.25 / 0.1] * 2 + [np.log(0.2 / 0.25) / 0.2] * 2
    np.testing.assert_allclose(deltas[0], expected, rtol=1e-4)


def test_threshold_of_one_half():
    """Shifted by d, two squares of side s overlap by (s - d) / (s + d): 0.5 at d = s / 3."""
    for shift, positive in ((0.066, True), (0.068, False)):
        roi = TRUE[0] + np.float32([0, shift, 0, shift])
        _, ids, *_ = targets([roi], [1, 0, 0, 0])
        assert (ids[0] > 0) == positive


def test_an_image_without_molecules():
    """Nothing to find still teaches background, in all places for it."""
    drawn, ids, deltas, masks = targets([EMPTY] * 30, [0, 0, 0, 0], boxes=np.zeros((4, 4)))
    assert not ids.any() and not deltas.any() and not masks.any()
    assert used(drawn).tolist() == [False] * 3 + [True] * 9


def test_nothing_but_padding():
    """No proposals and no molecules: everything is zero and finite."""
    for found in targets(np.zeros((5, 4)), [0, 0, 0, 0], boxes=np.zeros((4, 4))):
        assert not found.any() and np.isfinite(found).all()


def test_padding_is_never_drawn():
    drawn, ids, *_ = targets([TRUE[0]] + [[0.0] * 4] * 20, [1, 0, 0, 0])
    assert ids[0] == 1 and used(drawn).sum() == 1


def test_ignored_regions_are_no_background():
    """A RoI on a region to ignore is neither; one that also fits a molecule is positive."""
    on_region = [0.1, 0.6, 0.25, 0.75]
    rois = [TRUE[0]] + [on_region] * 10 + [EMPTY] * 2
    drawn, ids, *_ = targets(rois, [1, -1, 0, 0], settings=config(FILL_NEGATIVES=True))
    assert ids.tolist() == [1] + [0] * 11
    assert used(drawn).sum() == 3
    np.testing.assert_allclose(drawn[used(drawn)][1:], np.tile(np.float32(EMPTY), (2, 1)))

    both = np.stack([TRUE[0], TRUE[0], TRUE[2], TRUE[3]])
    _, ids, *_ = targets([TRUE[0]], [-1, 2, 0, 0], boxes=both)
    assert ids[0] == 2


def test_a_region_alone_is_no_target():
    drawn, ids, *_ = targets([TRUE[0]] * 5, [-1, 0, 0, 0])
    assert not ids.any() and not drawn.any()


def test_true_boxes_among_the_proposals():
    """ADD_GT_ROIS: true boxes are drawn too, but neither ignored regions nor padding."""
    drawn, ids, deltas, _ = targets([EMPTY] * 4, [1, -1, 2, 0], settings=config(ADD_GT_ROIS=True))
    assert sorted(ids[:2].tolist()) == [1, 2] and not ids[2:].any()
    expected = TRUE[[0, 2]] if ids[0] == 1 else TRUE[[2, 0]]
    np.testing.assert_allclose(drawn[:2], expected)
    np.testing.assert_allclose(deltas, 0, atol=1e-5)


@pytest.mark.parametrize("mini", [True, False])
def test_masks_are_cut_to_the_roi(mini):
    """A molecule that fills the left half of its box, seen by a RoI shifted by a quarter."""
    if mini:
        masks = np.zeros((28, 28, 4), bool)
        masks[:, :14] = True
        settings = config()
    else:
        y, x = np.mgrid[:128, :128] / 127.0
        masks = np.stack(
            [(y >= b[0]) & (y <= b[2]) & (x >= b[1]) & (x <= (b[1] + b[3]) / 2) for b in TRUE],
            axis=-1,
        )
        settings = config(USE_MINI_MASK=False)
    roi = TRUE[0] + np.float32([0, -0.05, 0, -0.05])
    _, ids, _, found = targets([roi], [1, 0, 0, 0], masks=masks, settings=settings)
    assert ids[0] == 1
    assert set(np.unique(found[0])) == {0, 1}
    # The RoI's columns at 0.25 to 0.75 of its width show the filled half.
    inside = found[0, 14]
    assert not inside[:6].any() and inside[8:20].all() and not inside[22:].any()


def test_more_places_than_proposals():
    drawn, ids, *_ = targets([EMPTY] * 2, [1, 0, 0, 0])
    assert drawn.shape == (12, 4) and not ids.any() and used(drawn).sum() == 2


def test_same_seed_same_draw():
    def draw():
        keras.utils.set_random_seed(7)
        return targets([*TRUE] * 4 + [EMPTY] * 20, [1, 1, 1, 2])[0]

    np.testing.assert_array_equal(draw(), draw())


@pytest.mark.parametrize("mini_side", [28, 56, 112])
def test_exact_masks_are_the_mini_mask_cell_by_cell(mini_side):
    """A RoI on its true box: a molecule that fills rows 8/28 to 20/28 of its box fills rows 8 to 19
    of the target, whatever the mini mask's size."""
    masks = np.zeros((mini_side, mini_side, 4), bool)
    masks[8 * mini_side // 28 : 20 * mini_side // 28] = True
    settings = config(MINI_MASK_SHAPE=(mini_side, mini_side), EXACT_MASKS=True)
    _, ids, _, found = targets([TRUE[0]], [1, 0, 0, 0], masks=masks, settings=settings)
    assert ids[0] == 1
    assert np.flatnonzero(found[0, :, 14]).tolist() == list(range(8, 20))


def test_exact_masks_of_a_larger_roi():
    """A RoI of 1.25 times its box's sides, in pixels: what fills the box fills 22.4 of 28 cells."""
    side = 128
    boxes = norm_boxes(np.array([[40, 40, 80, 80]] * 4), (side, side))
    roi = norm_boxes(np.array([[35, 35, 85, 85]]), (side, side))[0]
    masks = np.ones((56, 56, 4), bool)
    settings = config(MINI_MASK_SHAPE=(56, 56), EXACT_MASKS=True)
    assert tuple(settings.IMAGE_SHAPE[:2]) == (side, side)
    *_, found = targets([roi], [1, 0, 0, 0], boxes=boxes, masks=masks, settings=settings)
    for line in (found[0, :, 14], found[0, 14]):
        assert line.sum() == pytest.approx(22.4, abs=0.01)
        assert np.count_nonzero(line == 1) == 22


def test_mask_rois_come_nearer_to_their_boxes():
    """MASK_ROI_ERROR: of a shift by 0.04 a quarter is left, and the target moves along."""
    masks = np.zeros((28, 28, 4), bool)
    masks[:, :14] = True
    settings = config(MASK_ROI_ERROR=0.25, EXACT_MASKS=True)
    roi = TRUE[0] + np.float32([0, -0.04, 0, -0.04])
    drawn, ids, deltas, found = targets([roi], [1, 0, 0, 0], masks=masks, settings=settings)
    assert ids[0] == 1
    np.testing.assert_allclose(drawn[0], roi, atol=1e-6)  # the box head's RoI stays
    layer = DetectionTargets(settings)
    moved = layer.mask_rois(ops.convert_to_tensor(drawn[None]), ops.convert_to_tensor(deltas[None]))
    moved = ops.convert_to_numpy(moved)[0, 0]
    np.testing.assert_allclose(moved, TRUE[0] + np.float32([0, -0.01, 0, -0.01]), atol=1e-6)
    # 0.01 of a box of 0.2 are 1.4 of 28 columns: the half that is filled ends after 15.4, not 14.
    # The first column lies outside of the mini mask; of the second one the share is unknown to it.
    assert found[0, 14, 0] == 0 and (found[0, 14, 2:15] == 1).all() and not found[0, 14, 16:].any()
    assert 0.3 < found[0, 14, 15] < 0.5


@pytest.mark.parametrize("cells", [28, 56])
@pytest.mark.parametrize("share", [0.0, 0.07])
def test_targets_pasted_again_are_as_large_as_the_molecules(cells, share):
    """Octagons of 60 places and sizes through mini masks and targets, and pasted again, in RoIs on
    their boxes and in larger ones: extents and areas are right in the mean. (Rounded targets made
    them 2.7 % too small in area where a RoI lay on its box.)"""
    wide = {"MINI_MASK_SHAPE": (56, 56), "EXACT_MASKS": True, "MASK_SHAPE": [cells, cells]}
    settings = config(**wide)
    side, rng = int(settings.IMAGE_SHAPE[0]), np.random.default_rng(3)
    centres = np.concatenate([rng.uniform(55, 73, (60, 2)), rng.uniform(25, 37, (60, 2))], axis=1)
    y, x = np.mgrid[:side, :side] + 0.5
    places = [(np.abs(y - cy) / ry, np.abs(x - cx) / rx) for cy, cx, ry, rx in centres]
    masks = np.stack([(np.maximum(v, u) <= 1) & (v + u <= 1.4) for v, u in places], axis=-1)
    boxes = extract_bboxes(masks)
    mini = minimize_mask(boxes, masks, settings.MINI_MASK_SHAPE)
    more = share * rng.uniform(0.8, 1.2, (60, 2)) * (boxes[:, 2:] - boxes[:, :2])
    found = boxes + np.concatenate([-more, more], axis=1)
    rois, own = (ops.convert_to_tensor(unit_boxes(b, side)[None]) for b in (found, boxes))
    answer = DetectionTargets(settings)._masks(
        rois, own, ops.arange(60, dtype="int32")[None], ops.convert_to_tensor(mini[None])
    )
    again = np.zeros_like(masks)
    crops = crop_masks(ops.convert_to_numpy(answer)[0], found, (side, side))
    for k, (pixels, top, left) in enumerate(crops):
        again[top : top + pixels.shape[0], left : left + pixels.shape[1], k] = pixels
    sides = [np.ptp(b.reshape(-1, 2, 2), axis=1) for b in (extract_bboxes(again), boxes)]
    assert np.mean(sides[0] / sides[1], axis=0) == pytest.approx([1, 1], abs=0.006)
    assert again.sum() / masks.sum() == pytest.approx(1, abs=0.006)


def unit_boxes(boxes, side):
    """Float pixel boxes -> normalised ones."""
    return ((boxes - np.array([0, 0, 1, 1])) / (side - 1)).astype("float32")
