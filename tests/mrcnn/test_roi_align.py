"""RoIAlign against hand-made numbers and against tf.image.crop_and_resize."""

import numpy as np
import pytest
from keras import ops

from mrcnn.box_tools import norm_boxes
from mrcnn.roi_align import RoIAlign, bilinear_crop


def crop(image, boxes, size):
    """Crops (R, rows, columns, C) of one image (h, w, C)."""
    height, width, channels = image.shape
    count = len(boxes)
    return ops.convert_to_numpy(
        bilinear_crop(
            ops.convert_to_tensor(image.reshape(-1, channels).astype("float32")),
            ops.zeros(count, "int32"),
            (ops.full((count,), height, "int32"), ops.full((count,), width, "int32")),
            ops.convert_to_tensor(np.asarray(boxes, "float32")),
            size,
        )
    )


def ramp(height, width):
    """A map whose two channels are the row and the column."""
    return np.stack(np.mgrid[:height, :width], axis=-1).astype("float32")


def test_points_lie_on_the_edges_and_between():
    found = crop(ramp(5, 9), [[0.25, 0.5, 0.75, 1.0]], (3, 2))[0]
    np.testing.assert_allclose(found[:, 0, 0], [1, 2, 3])  # rows 0.25, 0.5, 0.75 of 0..4
    np.testing.assert_allclose(found[0, :, 1], [4, 8])  # columns 0.5 and 1 of 0..8


def test_between_cells_is_bilinear():
    image = np.array([[0.0, 1], [2, 3]])[..., None]
    found = crop(image, [[0, 0, 1, 1]], 3)[0, ..., 0]
    np.testing.assert_allclose(found, [[0, 0.5, 1], [1, 1.5, 2], [2, 2.5, 3]])


def test_points_outside_count_as_zero():
    found = crop(ramp(3, 3) + 1, [[-0.5, 0, 0.5, 1], [0, 0.5, 1, 1.5]], 3)[..., 0]
    np.testing.assert_allclose(found[0], [[0, 0, 0], [1, 1, 1], [2, 2, 2]])
    np.testing.assert_allclose(found[1], [[1, 1, 0], [2, 2, 0], [3, 3, 0]])


def test_a_box_that_ends_on_the_border_loses_no_row():
    """Rounding puts last points up to 4e-6 of a cell off the map; they count all the same."""
    rng = np.random.default_rng(0)
    boxes = np.ones((200, 4), "float32")
    boxes[:, :2] = rng.random((200, 2)) * 0.9
    assert (crop(np.ones((64, 64, 1)), boxes, 14) > 0.999).all()


def test_no_boxes_area():
    """A box without an area repeats one point; the zeros of padding sample the corner."""
    found = crop(ramp(4, 4) + 1, [[0, 0, 0, 0], [1, 1, 1, 1]], 2)
    np.testing.assert_allclose(found[0], 1)
    np.testing.assert_allclose(found[1], 4)


@pytest.mark.parametrize("size", [7, 14, (3, 5)])
def test_against_tensorflow(size):
    tf = pytest.importorskip("tensorflow")
    rng = np.random.default_rng(1)
    image = rng.normal(size=(23, 17, 6)).astype("float32")
    boxes = np.sort(rng.uniform(-0.2, 1.2, (300, 2, 2)), axis=1).reshape(300, 4).astype("float32")
    boxes[:5] = [[0, 0, 1, 1], [0.2, 0.3, 0.2, 0.3], [0, 0, 0, 0], [0.5, 0, 1, 0.5], [0, 0, 2, 2]]
    sides = (size, size) if isinstance(size, int) else size
    expected = tf.image.crop_and_resize(image[None], boxes, np.zeros(300, int), sides).numpy()
    np.testing.assert_allclose(crop(image, boxes, size), expected, atol=2e-5)


def constant_levels(batch, channels=3):
    """P2..P5 of a 256 x 256 image; every cell of level k of image b holds 10 b + k."""
    return [
        ops.convert_to_tensor(
            np.broadcast_to(
                (10 * np.arange(batch) + level)[:, None, None, None],
                (batch, 256 >> level, 256 >> level, channels),
            ).astype("float32")
        )
        for level in (2, 3, 4, 5)
    ]


def square(side):
    """A box of `side` pixels in an image of 256, in its middle."""
    return [0.5 - side / 512, 0.5 - side / 512, 0.5 + side / 512, 0.5 + side / 512]


def test_level_of_a_box():
    """Level 4 + log2(side in pixels / 224), rounded: 224 is P4, each halving one finer."""
    sides = [224, 112, 56, 28, 160, 158, 255, 7]
    rois = np.array([[square(side) for side in sides]], "float32")
    found = ops.convert_to_numpy(RoIAlign(2, (256, 256))([rois, *constant_levels(1)]))
    assert found.shape == (len(sides), 2, 2, 3)
    assert found[:, 0, 0, 0].tolist() == [4, 3, 2, 2, 4, 3, 4, 2]


def test_level_goes_by_area():
    """A box of 1/4 x 4 of the side has the level of the square of the same area."""
    tall = [0.0, 0.5 - 28 / 512, 448 / 256, 0.5 + 28 / 512]  # 448 x 28 pixels: like 112 x 112
    rois = np.array([[tall]], "float32")
    found = ops.convert_to_numpy(RoIAlign(3, (256, 256))([rois, *constant_levels(1)]))
    assert found[0, 0, 0, 0] == 3


def test_each_image_is_sampled_from_its_own_maps():
    rois = np.array([[square(224), square(56)], [square(56), square(224)]], "float32")
    found = ops.convert_to_numpy(RoIAlign(2, (256, 256))([rois, *constant_levels(2)]))
    assert found[:, 0, 0, 0].tolist() == [4, 2, 12, 14]


def test_without_the_finest_level():
    rois = np.array([[square(224), square(28)]], "float32")
    layer = RoIAlign(2, (256, 256), first_level=3)
    found = ops.convert_to_numpy(layer([rois, *constant_levels(1)[1:]]))
    assert found[:, 0, 0, 0].tolist() == [4, 3]


def test_broken_boxes_give_finite_answers():
    """Boxes that overflowed must not become indices out of range."""
    rois = np.array([[[np.nan] * 4, [-np.inf, 0, np.inf, 1], [0, 0, 1e30, 1e30]]], "float32")
    found = ops.convert_to_numpy(RoIAlign(7, (256, 256))([rois, *constant_levels(1)]))
    assert np.isfinite(found).all()


@pytest.mark.parametrize("side", [64, 160])
def test_exact_points_lie_where_the_boxes_are(side):
    """On a map of stride 8 whose cells hold their own centre in pixels, each point must read its
    own place, wherever the box is; crop_and_resize is half a stride off at the borders."""
    cells = np.arange(side // 8) * 8 + 4.0  # continuous pixels
    image = np.stack(np.meshgrid(cells, cells, indexing="ij"), axis=-1).astype("float32")
    flat = ops.convert_to_tensor(image.reshape(-1, 2))
    pixel_boxes = np.array([[8, 8, 24, 40], [side - 25, side - 41, side - 9, side - 9]], float)
    boxes = ops.convert_to_tensor((pixel_boxes / (side - 1)).astype("float32"))
    count = ops.full((2,), len(cells), "int32")
    for shape, error in (((side, side), 0.0), (None, 3.0)):
        found = ops.convert_to_numpy(
            bilinear_crop(flat, ops.zeros(2, "int32"), (count, count), boxes, 3, shape)
        )
        for box, crops in zip(pixel_boxes, found, strict=True):
            wanted = np.linspace(box[0], box[2], 3) + 0.5
            off = np.abs(crops[:, 0, 0] - wanted).max()
            assert off < 1e-3 if error == 0 else off > 1.0


def test_exact_points_reach_half_a_cell_beyond_the_centres():
    """The image's first pixel lies before the first cell's centre and is no hole in the map."""
    flat = ops.ones((64, 1))
    count = ops.full((1,), 8, "int32")
    box = ops.convert_to_tensor(np.array([[0, 0, 1, 1]], "float32"))
    found = bilinear_crop(flat, ops.zeros(1, "int32"), (count, count), box, 7, (64, 64))
    np.testing.assert_allclose(ops.convert_to_numpy(found), 1)


@pytest.mark.parametrize("side", [64, 160])
def test_centred_points_lie_in_the_middle_of_equal_cells(side):
    """A box of 16 rows pooled to 4: the points are 2, 6, 10 and 14 pixels below its upper edge."""
    cells = np.arange(side // 8) * 8 + 4.0
    image = np.stack(np.meshgrid(cells, cells, indexing="ij"), axis=-1).astype("float32")
    flat = ops.convert_to_tensor(image.reshape(-1, 2))
    box = norm_boxes(np.array([[8, 20, 24, 52]]), (side, side))
    count = ops.full((1,), len(cells), "int32")
    found = ops.convert_to_numpy(
        bilinear_crop(
            flat,
            ops.zeros(1, "int32"),
            (count, count),
            ops.convert_to_tensor(box),
            4,
            (side,) * 2,
            "centres",
        )
    )[0]
    np.testing.assert_allclose(found[:, 0, 0], [10, 14, 18, 22], atol=1e-3)
    np.testing.assert_allclose(found[0, :, 1], [24, 32, 40, 48], atol=1e-3)


def test_centred_points_need_the_images_size():
    one = ops.full((1,), 4, "int32")
    with pytest.raises(ValueError, match="image=None"):
        bilinear_crop(
            ops.ones((16, 1)), one * 0, (one, one), ops.zeros((1, 4)), 2, points="centres"
        )
