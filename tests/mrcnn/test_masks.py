"""Resizing masks, mini masks, and masks out of the network."""

import numpy as np
import pytest

from mrcnn import box_tools, mask_tools, resizing


def disc(size, centre, radius):
    y, x = np.mgrid[:size, :size]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


@pytest.mark.parametrize("scale", [0.5, 0.8, 1.3, 1.77, 3.2])
@pytest.mark.parametrize("shape", [(28, 57, 3), (24, 1, 2)])
def test_resize_mask_equals_ndimage_zoom(shape, scale):
    from scipy import ndimage

    mask = np.random.default_rng(0).random(shape) > 0.5
    # Mode "nearest", because the default loses the last row to rounding noise at some sizes.
    expected = ndimage.zoom(mask, [scale, scale, 1], order=0, mode="nearest")
    resized = mask_tools.resize_mask(mask, scale, [(0, 0)] * 3)
    assert resized.dtype == bool
    np.testing.assert_array_equal(resized, expected)


@pytest.mark.parametrize("mode", ["none", "square", "pad64", "crop"])
def test_masks_follow_their_image(mode):
    """A bright square on black: its mask, resized, covers the same place in the image."""
    image = np.zeros((48, 70, 3), np.uint8)
    image[20:40, 30:50] = 255
    mask = (image[..., 0] > 0)[..., None]
    image, _, scale, padding, crop = resizing.resize_image(
        image, 64, 128, mode=mode, rng=np.random.default_rng(0)
    )
    mask = mask_tools.resize_mask(mask, scale, padding, crop)
    assert mask.shape == (*image.shape[:2], 1)
    seen = box_tools.extract_bboxes((image[..., :1] > 127).astype(np.uint8))
    assert np.abs(box_tools.extract_bboxes(mask) - seen).max() <= 1


def test_resize_mask_without_instances_and_with_grey_padding():
    empty = mask_tools.resize_mask(np.zeros((10, 20, 0), bool), 2, [(1, 1), (2, 3)])
    assert empty.shape == (22, 45, 0)


def test_minimize_mask_by_hand():
    mask = np.zeros((8, 8, 1), np.uint8)
    mask[2:4, 2:4, 0] = [[1, 0], [1, 1]]
    mini = mask_tools.minimize_mask(np.array([[2, 2, 4, 4]]), mask, (2, 2))
    assert mini.dtype == bool
    assert mini[..., 0].tolist() == [[True, False], [True, True]]


def test_minimize_mask_rounds_half_down():
    # Each mini pixel lies between two pixels of the mask, of which one is set: exactly 0.5.
    mask = np.tile(np.array([1, 0], np.uint8), (4, 2))[..., None]
    assert not mask_tools.minimize_mask(np.array([[0, 0, 4, 4]]), mask, (2, 2)).any()


@pytest.mark.parametrize("size, mini_size", [(10, 56), (73, 56), (200, 28)])
def test_minimize_and_unmold_interpolate_like_scikit_image(size, mini_size):
    from skimage import transform

    mask = disc(size, (size / 2, size / 3), size / 3.1)[..., None]
    mini = mask_tools.minimize_mask(np.array([[0, 0, size, size]]), mask, (mini_size, mini_size))
    grey = transform.resize(
        mask[..., 0].astype(float),
        (mini_size, mini_size),
        order=1,
        mode="constant",
        anti_aliasing=False,
    )
    clear = np.abs(grey - 0.5) > 1e-9
    np.testing.assert_array_equal(mini[..., 0][clear], grey[clear] > 0.5)

    probability = np.random.default_rng(0).random((28, 28))
    full = mask_tools.unmold_mask(probability, [3, 2, 3 + size, 2 + size], (size + 9, size + 5))
    grey = transform.resize(
        probability, (size, size), order=1, mode="constant", anti_aliasing=False
    )
    np.testing.assert_array_equal(full[3 : 3 + size, 2 : 2 + size], grey >= 0.5)
    assert full.sum() == (grey >= 0.5).sum()


def test_expand_mask_undoes_minimize_mask():
    masks = np.stack([disc(120, (40, 50), 25), disc(120, (100, 90), 18)], axis=-1)
    boxes = box_tools.extract_bboxes(masks)
    mini = mask_tools.minimize_mask(boxes, masks, (56, 56))
    again = mask_tools.expand_mask(boxes, mini, (120, 120, 3))
    assert again.dtype == bool and again.shape == masks.shape
    overlaps = box_tools.compute_overlaps_masks(masks, again)
    assert (np.diag(overlaps) > 0.97).all()


def test_resize_mask_keeps_the_last_row_and_column_pitfall_9():
    """Pitfall 9: the last row and column. At 28 -> 14 rows ndimage.zoom's default drops one."""
    resized = mask_tools.resize_mask(np.ones((28, 28, 1), bool), 0.5, [(0, 0)] * 3)
    assert resized.shape == (14, 14, 1) and resized.all()


def test_masks_of_no_instance():
    boxes, masks = np.zeros((0, 4), np.int32), np.zeros((30, 20, 0), bool)
    mini = mask_tools.minimize_mask(boxes, masks, (56, 56))
    assert mini.shape == (56, 56, 0)
    assert mask_tools.expand_mask(boxes, mini, (30, 20)).shape == (30, 20, 0)
    none = mask_tools.unmold_masks(np.zeros((0, 28, 28)), boxes, (30, 20, 3))
    assert none.shape == (30, 20, 0)


def test_minimize_mask_names_an_empty_box():
    with pytest.raises(ValueError, match="Instance 0 has an empty box"):
        mask_tools.minimize_mask(np.zeros((1, 4), int), np.zeros((5, 5, 1), bool), (4, 4))


def test_unmold_mask_leaves_out_what_is_beyond_the_image():
    ones = np.ones((4, 4))
    full = mask_tools.unmold_mask(ones, [-2, 3, 6, 11], (5, 8))
    assert full.shape == (5, 8) and full.dtype == bool
    assert box_tools.extract_bboxes(full[..., None]).tolist() == [[0, 3, 5, 8]]
    assert not mask_tools.unmold_mask(ones, [9, 9, 12, 12], (5, 8)).any()
    assert not mask_tools.unmold_mask(ones, [2, 2, 2, 5], (5, 8)).any()


def test_unmold_mask_threshold_is_inclusive():
    full = mask_tools.unmold_mask(np.full((2, 2), 0.5), [0, 0, 2, 2], (2, 2))
    assert full.all()


def test_crop_masks_by_hand():
    """Pixel centres 0.5 .. 3.5 of a box of 4 x 4 lie at 0, 0.25, 0.75, 1 between two cells."""
    corner = np.array([[1.0, 0.0], [0.0, 0.0]])
    ((pixels, top, left),) = mask_tools.crop_masks(corner[None], [[2, 3, 6, 7]], (10, 10, 3))
    assert (top, left) == (2, 3)
    # Values (1 - r)(1 - c): 1, 0.75 and 0.5625 are inside, 0.25 and less are not.
    assert pixels.tolist() == [[True, True, False, False]] * 2 + [[False] * 4] * 2


def test_crop_masks_takes_the_box_as_it_is():
    """Pixels belong to a box when their centres do; nothing is rounded to whole pixels first."""
    ones = np.ones((1, 28, 28))
    ((pixels, top, left),) = mask_tools.crop_masks(ones, [[2.4, 3.6, 7.4, 9.4]], (20, 20))
    # Rows 2 (centre 2.5) to 6 (6.5); columns 4 (4.5) to 8 (8.5).
    assert (top, left, pixels.shape) == (2, 4, (5, 5)) and pixels.all()


def test_crop_masks_keeps_the_edges_of_the_box():
    """A mask that is 0.6 throughout covers its whole box; with zeros around, its corners go."""
    flat, box = np.full((1, 28, 28), 0.6), [[3, 3, 80, 80]]
    ((pixels, _, _),) = mask_tools.crop_masks(flat, box, (90, 90))
    assert pixels.shape == (77, 77) and pixels.all()
    assert not mask_tools.unmold_masks(flat, box, (90, 90))[3, 3, 0]


def test_crop_masks_at_and_beyond_the_border():
    ones = np.ones((3, 4, 4))
    boxes = [[-2.0, 3.0, 6.0, 11.0], [9.0, 9.0, 12.0, 12.0], [2.0, 2.0, 2.0, 5.0]]
    inside, beyond, flat = mask_tools.crop_masks(ones, boxes, (5, 8))
    assert inside[0].shape == (5, 5) and inside[0].all() and inside[1:] == (0, 3)
    assert not beyond[0].any() and not flat[0].any()
    assert mask_tools.crop_masks(np.zeros((0, 28, 28)), np.zeros((0, 4)), (5, 8)) == []


def cell_shares(inside, cells, fine=8):
    """The share of each of cells x cells cells of the unit square where `inside(y, x)` holds."""
    place = (np.arange(cells * fine) + 0.5) / (cells * fine)
    grid = inside(*np.meshgrid(place, place, indexing="ij"))
    return grid.reshape(cells, fine, cells, fine).mean(axis=(1, 3))


SHAPES = {  # what is inside of the unit square, and its area
    "square": (lambda y, x: x >= 0, 1.0),
    "disc": (lambda y, x: (y - 0.5) ** 2 + (x - 0.5) ** 2 <= 0.25, np.pi / 4),
    "octagon": (lambda y, x: np.abs(y - 0.5) + np.abs(x - 0.5) <= 0.7, 1 - 2 * 0.3**2),
    "notched": (lambda y, x: (x < 0.5) | (np.abs(y - 0.5) > 0.25), 0.75),
}


@pytest.mark.parametrize("height, width", [(23.3, 41.9), (44.0, 44.0), (61.7, 35.2)])
@pytest.mark.parametrize("name", SHAPES)
def test_ideal_masks_come_back_with_their_extent_and_area(name, height, width):
    """What an ideal network would say of a shape, at 81 places between pixels: in the mean the
    extents of the pixels along both axes, and their number, are right within 0.5 %."""
    inside, area = SHAPES[name]
    shifts = (np.arange(9) + 0.5) / 9
    boxes = np.array(
        [[5 + y, 7 + x, 5 + y + height, 7 + x + width] for y in shifts for x in shifts]
    )
    crops = mask_tools.crop_masks([cell_shares(inside, 28)] * len(boxes), boxes, (90, 90))
    pixels = np.mean([np.count_nonzero(crop) for crop, _, _ in crops])
    rows = np.mean([np.count_nonzero(crop.any(axis=1)) for crop, _, _ in crops])
    columns = np.mean([np.count_nonzero(crop.any(axis=0)) for crop, _, _ in crops])
    assert pixels / (area * height * width) == pytest.approx(1, abs=0.005)
    assert rows / height == pytest.approx(1, abs=0.005)
    assert columns / width == pytest.approx(1, abs=0.005)
