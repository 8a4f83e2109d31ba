"""Views for training: pixels and outlines move together; what may not teach is ignored."""

import cv2
import numpy as np
import pytest

from Images_Augmentation.online_aug import (
    COLOUR_CHANGES,
    Scene,
    ViewSettings,
    _runs,
    draw_view,
    random_map,
)
from spm.geometry.affine import apply_to_points
from spm.geometry.cropped_mask import EMPTY, CroppedMask
from spm.geometry.polygon_filling import polygon_mask

TRIANGLE = np.array([[60.0, 40.0], [110.0, 60.0], [70.0, 95.0]])


def plain(**changes):
    """Settings that leave the colours alone."""
    colours = dict.fromkeys(COLOUR_CHANGES, 0)
    return ViewSettings(**{"size": 96, "scale": 1.0, "rim": 0.0, **colours, **changes})


def scene(outlines, height=160, width=200, **fields):
    image = np.zeros((height, width, 3), np.uint8)
    for points in outlines:
        image[polygon_mask(points, height, width)] = 255
    return Scene(image, outlines, np.arange(1, len(outlines) + 1), **fields)


def test_pixels_and_outlines_move_together():
    one = scene([TRIANGLE])
    compared = 0
    for seed in range(40):
        view = draw_view(one, plain(), np.random.default_rng(seed))
        if len(view.class_ids) == 1:
            bright = view.image[:, :, 0] > 127
            mask = view.masks[:, :, 0]
            assert (bright & mask).sum() / (bright | mask).sum() > 0.93
            compared += 1
    assert compared >= 20


def test_a_view_without_any_molecule():
    view = draw_view(scene([]), plain(), np.random.default_rng(0))
    assert view.masks.shape == (96, 96, 0) and view.class_ids.shape == (0,)


def test_one_seed_one_view():
    first, second = (
        draw_view(scene([TRIANGLE]), ViewSettings(96, 1.0), np.random.default_rng(5))
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.ignored, second.ignored)


def test_some_views_keep_the_colours_of_their_image():
    """`plain` is their share: of 60 views all, none, or some 18 look as without colour changes."""
    one = scene([TRIANGLE])

    def view(seed, **changes):
        return draw_view(one, ViewSettings(96, 1.0, **changes), np.random.default_rng(seed)).image

    still = dict.fromkeys(COLOUR_CHANGES, 0)

    def kept(share):
        return sum(np.array_equal(view(k, plain=share), view(k, **still)) for k in range(60))

    assert kept(1.0) == 60 and kept(0.0) == 0 and 9 <= kept(0.3) <= 27


@pytest.mark.parametrize("flip", [True, False])
def test_views_are_mirrored_only_when_they_may_be(flip):
    settings = ViewSettings(96, 1.0, flip=flip)
    maps = [random_map(scene([TRIANGLE]), settings, np.random.default_rng(k)) for k in range(30)]
    mirrored = [np.linalg.det(m[:, :2]) < 0 for m in maps]
    assert any(mirrored) == flip and not all(mirrored)


def covered(boxes, size=96):
    answer = np.zeros((size, size), int)
    for y1, x1, y2, x2 in boxes.astype(int):
        answer[y1:y2, x1:x2] += 1
    return answer


def test_a_small_part_of_a_cut_molecule_is_neither_target_nor_background():
    still = plain(turn=False, flip=False, scale_jitter=0, whole=0.45, sliver=0.15, cell=2)
    seen = set()
    for seed in range(80):
        rng = np.random.default_rng(seed)
        view = draw_view(scene([TRIANGLE]), still, rng)
        moved = apply_to_points(
            random_map(scene([TRIANGLE]), still, np.random.default_rng(seed)), TRIANGLE
        )
        mask = polygon_mask(moved, 96, 96)
        share = mask.sum() / polygon_mask(TRIANGLE, 160, 200).sum()
        if share >= 0.5:
            assert len(view.class_ids) == 1
            seen.add("target")
        elif 0.2 < share < 0.4:
            assert len(view.class_ids) == 0
            assert (covered(view.ignored)[mask] > 0).mean() > 0.7
            seen.add("ignored")
        elif share < 0.1:
            assert len(view.class_ids) == 0 and covered(view.ignored).sum() == 0
            seen.add("background")
    assert seen == {"target", "ignored", "background"}


def test_what_is_unclear_teaches_nothing_and_the_rest_does():
    one = scene([])
    one.unclear = [TRIANGLE]
    turned = plain(turn=False, scale_jitter=0, rim=0, cell=2)
    shown = 0
    for seed in range(20):
        view = draw_view(one, turned, np.random.default_rng(seed))
        matrix = random_map(one, turned, np.random.default_rng(seed))
        mask = polygon_mask(apply_to_points(matrix, TRIANGLE), 96, 96)
        near = cv2.dilate(mask.astype(np.uint8), np.ones((9, 9))) > 0
        assert len(view.class_ids) == 0 and not covered(view.ignored)[~near].any()
        if mask.sum() > 100:
            assert (covered(view.ignored)[mask] > 0).mean() > 0.9
            shown += 1
    assert shown > 3


def test_what_lies_beyond_the_users_image_is_ignored():
    """A copy on an enlarged black canvas: only the rectangle inside teaches."""
    valid = np.array([[50.0, 30.0], [150.0, 30.0], [150.0, 130.0], [50.0, 130.0]])
    turned = plain(scale_jitter=0, cell=4)
    one = scene([], valid=valid)
    for seed in range(10):
        view = draw_view(one, turned, np.random.default_rng(seed))
        inside = polygon_mask(
            apply_to_points(random_map(one, turned, np.random.default_rng(seed)), valid), 96, 96
        )
        deep = cv2.erode(inside.astype(np.uint8), np.ones((9, 9))) > 0
        outside = cv2.erode((~inside).astype(np.uint8), np.ones((9, 9))) > 0
        assert not covered(view.ignored)[deep].any()
        assert covered(view.ignored)[outside].all()


def test_the_rim_is_ignored_but_not_the_molecules_in_it():
    one = scene([np.array([[2.0, 60.0], [40.0, 60.0], [40.0, 100.0], [2.0, 100.0]])], 96, 96)
    still = plain(turn=False, flip=False, scale_jitter=0, rim=0.4, cell=4)
    view = draw_view(one, still, np.random.default_rng(0))
    region = covered(view.ignored) > 0
    assert region[:12, :].all() and region[:50, :12].all()
    assert not region[view.masks[:, :, 0]].any()
    assert not region[30:50, 50:70].any()


def test_in_a_partly_outlined_image_only_the_outlined_molecules_teach():
    one = scene([TRIANGLE], partial=True)
    for seed in range(20):
        view = draw_view(one, plain(cell=4), np.random.default_rng(seed))
        if len(view.class_ids):
            region = covered(view.ignored) > 0
            far = cv2.dilate(view.masks[:, :, 0].astype(np.uint8), np.ones((41, 41))) == 0
            assert region[far].all()
            return
    pytest.fail("no view showed the molecule")


def test_runs_cover_exactly_the_set_cells_without_overlap():
    flags = np.random.default_rng(3).random((9, 7)) < 0.5
    boxes = _runs(flags, 4, 36)
    expected = np.kron(flags, np.ones((4, 4), int))
    counts = np.zeros((36, 28), int)
    for y1, x1, y2, x2 in boxes.astype(int):
        counts[y1:y2, x1:x2] += 1
    np.testing.assert_array_equal(counts, expected)


def test_stored_masks_and_outlines_give_the_same_views():
    outlines = [TRIANGLE, TRIANGLE + 45]
    drawn = scene(outlines)
    masks = [*CroppedMask.of_polygons(outlines, 160, 200), EMPTY]
    stored = Scene(drawn.image, None, np.append(drawn.class_ids, 1), masks=masks)
    assert stored.molecule_size == pytest.approx(drawn.molecule_size, rel=0.02)
    same = 0
    for seed in range(12):
        one, other = (draw_view(s, plain(), np.random.default_rng(seed)) for s in (drawn, stored))
        np.testing.assert_array_equal(one.image, other.image)
        if len(one.class_ids) and list(one.class_ids) == list(other.class_ids):
            union = (one.masks | other.masks).sum()
            assert (one.masks & other.masks).sum() / union > 0.93
            same += 1
    assert same >= 8


def test_a_molecule_cut_by_the_image_counts_as_one_cut_by_the_view():
    """A corrected prediction outlines molecules at the border down to slivers."""
    whole = np.array([[60.0, 40.0], [80.0, 40.0], [80.0, 60.0], [60.0, 60.0]])
    half, sliver = whole.copy(), whole.copy()
    half[:, 0] = [0, 12, 12, 0]
    sliver[:, 1] = [155, 155, 160, 160]
    one = scene([whole, whole + (40, 0), half, sliver])
    one.class_ids = np.ones(4, int)
    np.testing.assert_allclose(one.areas, [400, 400, 240, 100])
    np.testing.assert_allclose(one.whole_areas, [400, 400, 400, 400])
    still = plain(turn=False, flip=False, scale_jitter=0, whole=0.45, size=200)
    view = draw_view(one, still, np.random.default_rng(0))
    assert len(view.class_ids) == 3
    # Of a class that is nowhere whole nothing is known.
    one = scene([half])
    np.testing.assert_allclose(one.whole_areas, [240])
