"""Merging: masks on the lattice, the class-agnostic NMS and the vote over views."""

import time

import numpy as np
import pytest

from spm.geometry.cropped_mask import CroppedMask
from spm.inference.nms import Detection, common_pixels, suppress, vote


def square(y, x, side=10, score=0.9, class_index=0, view=0, width=None, whole=True):
    """A filled rectangle with a one-hot class score of two classes."""
    width = width or side
    scores = np.zeros(2)
    scores[class_index] = score
    box = (y, x, y + side, x + width)
    mask = CroppedMask(np.ones((side, width), bool), int(y), int(x))
    detection = Detection.from_mask(box, scores, mask, view)
    detection.whole = whole
    return detection


def mask_iou(a, b):
    return a.mask.iou(b.mask)


def test_mask_is_cropped_and_unpacked_unchanged(rng):
    mask = np.zeros((20, 30), bool)
    mask[4:11, 7:20] = rng.random((7, 13)) > 0.4
    mask[4, 7] = mask[10, 19] = True
    detection = Detection.from_mask((4, 7, 11, 20), [0.5], CroppedMask(mask, 100, -50))
    assert detection.mask.box == (104, -43, 111, -30)
    assert np.array_equal(detection.mask.pixels, mask[4:11, 7:20])
    assert detection.area == mask.sum()


def test_empty_mask_becomes_the_box():
    detection = Detection.from_mask((2.5, 3, 6, 7.2), [0.5], CroppedMask(np.zeros((5, 5), bool)))
    assert detection.mask.box == (2, 3, 6, 8) and detection.area == 20


def test_iou_by_hand():
    a, b = square(0, 0), square(5, 5)
    assert common_pixels(a, b) == 25
    assert mask_iou(a, b) == 25 / 175
    assert mask_iou(a, square(10, 0)) == 0


def test_nothing_in_nothing_out():
    assert suppress([]) == []
    assert vote([], 4) == []


def test_suppressed_ones_do_not_suppress_others():
    """Guards pitfall 15: A beats B; B, gone, must not take C with it, which A does not touch."""
    a, b, c = square(0, 0, score=0.9), square(0, 5, score=0.8), square(0, 10, score=0.7)
    assert mask_iou(a, b) > 0.3 and mask_iou(b, c) > 0.3 and mask_iou(a, c) == 0
    assert suppress([c, b, a]) == [a, c]


def test_nms_is_class_agnostic_and_remembers_the_second_class():
    best, other = square(0, 0, score=0.9), square(1, 0, score=0.6, class_index=1)
    [kept] = suppress([other, best])
    assert kept is best and kept.class_index == 0
    assert kept.class_scores == pytest.approx([0.9, 0.6])


def test_a_neighbour_that_only_overlaps_is_no_second_class():
    best, other = square(0, 0, score=0.9), square(0, 5, score=0.8, class_index=1)
    [kept] = suppress([best, other])
    assert kept.class_scores == pytest.approx([0.9, 0])


def test_a_whole_one_beats_a_cut_one_with_a_higher_score():
    cut, whole = square(0, 0, score=0.95, whole=False, class_index=1), square(0, 1, score=0.6)
    [kept] = suppress([cut, whole])
    assert kept is whole
    assert kept.class_index == 0, "the cut one's class must not win afterwards"


def test_a_piece_inside_a_whole_molecule_goes_in_spite_of_its_small_iou():
    whole, piece = square(0, 0, side=20), square(2, 2, side=6, score=0.8)
    assert mask_iou(whole, piece) < 0.3
    assert suppress([whole, piece]) == [whole]


def test_slanted_rods_side_by_side_both_stay():
    """Their boxes overlap by more than half, the molecules do not touch."""
    rows, columns = np.indices((40, 40))
    rods = []
    for shift in (0, 8):
        mask = np.zeros((60, 60), bool)
        mask[:40, shift : shift + 40] = np.abs(rows - columns) < 3
        rods.append(Detection.from_mask((0, shift, 40, shift + 40), [0.9, 0], CroppedMask(mask)))
    assert len(suppress(rods)) == 2


def test_equals_plain_nms_and_does_not_depend_on_the_order(rng):
    detections = [
        square(*rng.integers(0, 120, 2), side=int(rng.integers(6, 18)), score=rng.random())
        for _ in range(150)
    ]
    expected = []
    for d in sorted(detections, key=lambda d: -d.score):
        rivals = [(mask_iou(d, k), common_pixels(d, k) / d.area) for k in expected]
        if all(iou <= 0.3 and inside <= 0.7 for iou, inside in rivals):
            expected.append(d)
    assert suppress(detections) == expected
    assert suppress(detections[::-1]) == expected


def test_six_thousand_molecules_in_seconds(rng):
    """Each four times, as from overlapping tiles. The time must not grow with the square."""
    places = [(y * 14, x * 14) for y in range(80) for x in range(75)]
    detections = [
        square(y + dy, x, side=12, score=0.5 + 0.4 * rng.random())
        for y, x in places
        for dy in (0, 1)
    ]
    start = time.perf_counter()
    assert len(suppress(detections)) == 6000
    assert time.perf_counter() - start < 10


def test_vote_averages_scores_and_counts_missing_views_as_zero():
    seen = [square(0, 0, score=s, view=v) for v, s in enumerate((0.8, 0.6, 1.0))]
    [fused] = vote(seen, 4)
    assert fused.class_scores == pytest.approx([0.6, 0])
    assert fused.mask.box == (0, 0, 10, 10) and fused.mask.pixels.all()


def test_vote_settles_a_disputed_class():
    """One confident view must not outvote three that agree."""
    seen = [square(0, 0, score=0.95, class_index=1, view=0)]
    seen += [square(0, 0, score=0.7, class_index=0, view=v) for v in (1, 2, 3)]
    [fused] = vote(seen, 4)
    assert fused.class_index == 0
    assert fused.class_scores == pytest.approx([0.525, 0.2375])


def test_vote_counts_a_view_once_even_if_it_shows_a_molecule_twice():
    seen = [square(0, 0, score=0.8, view=0), square(0, 1, score=0.6, view=0)]
    [fused] = vote(seen, 2)
    assert fused.score == pytest.approx(0.4)


def test_what_is_a_molecule_of_some_class_is_no_sum_over_answers():
    """Two answers, each in doubt whether it is a molecule at all, make no certain one."""
    first, second = square(0, 0, score=0.3), square(0, 1, score=0.25, class_index=1)
    (best,) = suppress([first, second])
    assert best.class_scores.sum() > 0.5 and best.objectness == pytest.approx(0.3)
    box, mask = (0, 0, 10, 10), CroppedMask(np.ones((10, 10), bool))
    torn = [Detection.from_mask(box, scores, mask, view) for view, scores in enumerate(
        ((0.4, 0.5), (0.45, 0.35), (0.6, 0.6)))]  # fmt: skip
    assert [d.objectness for d in torn] == pytest.approx([0.9, 0.8, 1.0])
    (fused,) = vote(torn, 4)
    assert fused.objectness == pytest.approx((0.9 + 0.8 + 1.0) / 4)
    assert fused.class_scores == pytest.approx([1.45 / 4, 1.45 / 4])


def test_vote_averages_boxes_and_masks_by_score():
    a, b = square(0, 0, width=10, score=0.6, view=0), square(0, 2, width=10, score=0.3, view=1)
    [fused] = vote([a, b], 2)
    assert fused.box == pytest.approx([0, 2 / 3, 10, 10 + 2 / 3])
    # Columns 0-1 are seen with weight 2/3, columns 10-11 with 1/3.
    assert fused.mask.box == (0, 0, 10, 10)


def test_vote_keeps_neighbours_apart():
    seen = [square(0, x, view=v) for x in (0, 10) for v in range(2)]
    fused = vote(seen, 2)
    assert sorted(d.mask.box[:2] for d in fused) == [(0, 0), (0, 10)]
    assert all(d.score == pytest.approx(0.9) for d in fused)


def test_without_the_extra_nms_each_class_keeps_its_answer():
    a, b = square(0, 0, score=0.9), square(1, 0, score=0.6, class_index=1)
    again = square(0, 1, score=0.5)
    assert suppress([a, b, again], across_classes=False) == [a, b]
    assert suppress([a, b, again]) == [a]
