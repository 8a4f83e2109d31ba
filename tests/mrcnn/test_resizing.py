"""The four resize modes, and the interpolation against scikit-image."""

import numpy as np
import pytest

from mrcnn import resizing


def noise(shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(dtype)


@pytest.mark.parametrize(
    "shape, goal, dtype",
    [
        ((20, 30, 3), (16, 24), np.uint8),
        ((20, 30, 3), (51, 77), np.uint8),
        ((17, 9), (9, 17), np.uint16),
        ((12, 12, 1), (5, 40), np.float32),
        ((6, 5, 3), (1, 1), np.uint8),
    ],
)
def test_resize_equals_scikit_image_to_the_last_bit(shape, goal, dtype):
    from skimage import transform

    image = noise(shape, dtype)
    expected = transform.resize(
        image, goal, order=1, mode="constant", preserve_range=True, anti_aliasing=False
    )
    ours = resizing.resize_bilinear(image, goal)
    if dtype == np.float32:  # scikit-image computes floats of 32 bits in 32 bits
        np.testing.assert_allclose(ours, expected, rtol=1e-5)
    else:
        np.testing.assert_array_equal(ours, expected)


def test_resize_by_hand():
    # Twice as wide: centres at -0.25, 0.25, 0.75, 1.25; zeros around the image.
    image = np.array([[80, 160]])
    np.testing.assert_allclose(resizing.resize_bilinear(image, (1, 4)), [[80, 100, 140, 120]])


def test_resize_for_scripts_is_that_of_scikit_image_with_older_defaults():
    """uint8 comes out between 0 and 1 unless the range is to be preserved."""
    image = np.array([[80, 160]], np.uint8)
    between = np.array([[80, 100, 140, 120]])
    np.testing.assert_allclose(resizing.resize(image, (1, 4)), between / 255)
    np.testing.assert_allclose(resizing.resize(image, (1, 4), preserve_range=True), between)
    edge = resizing.resize(image, (1, 4), mode="edge", preserve_range=True)
    np.testing.assert_allclose(edge, [[80, 100, 140, 160]])
    filled = resizing.resize(image, (1, 4), cval=120, clip=False, preserve_range=True)
    np.testing.assert_allclose(filled, [[90, 100, 140, 150]])
    nearest = resizing.resize(image, (2, 4), order=0, preserve_range=True)
    assert nearest.tolist() == [[80, 80, 160, 160]] * 2 and nearest.dtype == np.uint8
    stripes = np.tile(np.array([0, 255], np.uint8), (8, 8))
    plain, smooth = (
        resizing.resize(stripes, (6, 6), anti_aliasing=wanted, anti_aliasing_sigma=sigma)[
            2:-2, 1:-1
        ]
        for wanted, sigma in ((False, None), (True, (2.0, 2.0)))
    )
    assert np.ptp(smooth) < 0.2 < np.ptp(plain)


def test_resize_of_a_mask_of_bool():
    mask = np.array([[True, False]])
    assert resizing.resize(mask, (1, 4)).tolist() == [[0.75, 0.75, 0.25, 0.0]]
    assert resizing.resize(mask, (1, 4), order=0).tolist() == [[True, True, False, False]]


def test_resize_of_nothing():
    assert resizing.resize_bilinear(np.zeros((4, 5, 0)), (8, 10)).shape == (8, 10, 0)


def test_mode_none_gives_the_image_itself():
    image = noise((10, 20, 3))
    same, window, scale, padding, crop = resizing.resize_image(image, 64, 128, mode="none")
    assert same is image
    assert (window, scale, crop) == ((0, 0, 10, 20), 1, None)
    assert padding == [(0, 0), (0, 0), (0, 0)]


def test_mode_square_shrinks_and_centres():
    image = np.full((50, 100, 3), 200, np.uint8)
    result, window, scale, padding, crop = resizing.resize_image(image, 32, 64, mode="square")
    assert result.shape == (64, 64, 3) and result.dtype == np.uint8
    assert scale == 0.64
    assert window == (16, 0, 48, 64)
    assert padding == [(16, 16), (0, 0), (0, 0)]
    assert crop is None
    assert not result[:16].any() and not result[48:].any()
    assert (result[16:48] == 200).all()


def test_mode_square_enlarges_until_the_short_side_is_min_dim():
    result, window, scale, padding, _ = resizing.resize_image(noise((10, 15, 3)), 20, 64)
    assert scale == 2
    assert result.shape == (64, 64, 3)
    assert window == (22, 17, 42, 47)
    assert padding == [(22, 22), (17, 17), (0, 0)]


def test_mode_square_lets_max_dim_win_over_min_dim_and_min_scale():
    result, window, scale, _, _ = resizing.resize_image(noise((10, 40, 3)), 30, 80, min_scale=4)
    assert scale == 2
    assert window == (30, 0, 50, 80)
    assert result.shape == (80, 80, 3)


def test_mode_square_of_a_grey_image():
    result, _, _, padding, _ = resizing.resize_image(noise((10, 15)), 20, 64)
    assert result.shape == (64, 64)
    assert padding == [(22, 22), (17, 17)]


def test_mode_pad64():
    image = noise((100, 130, 3))
    result, window, scale, padding, crop = resizing.resize_image(image, 64, mode="pad64")
    assert result.shape == (128, 192, 3)
    assert (window, scale, crop) == ((14, 31, 114, 161), 1, None)
    assert padding == [(14, 14), (31, 31), (0, 0)]
    np.testing.assert_array_equal(result[14:114, 31:161], image)


def test_mode_pad64_of_a_fitting_size_changes_nothing():
    image = noise((64, 128, 3))
    result, window, _, _, _ = resizing.resize_image(image, 64, mode="pad64")
    np.testing.assert_array_equal(result, image)
    assert window == (0, 0, 64, 128)


def test_min_scale():
    result, _, scale, _, _ = resizing.resize_image(
        noise((64, 64, 3)), 64, min_scale=2, mode="pad64"
    )
    assert scale == 2
    assert result.shape == (128, 128, 3)


def test_mode_crop_shows_the_place_it_took():
    image = noise((40, 90, 3))
    rng = np.random.default_rng(3)
    places = set()
    for _ in range(5):
        result, window, scale, padding, crop = resizing.resize_image(
            image, 32, mode="crop", rng=rng
        )
        assert result.shape == (32, 32, 3)
        assert (window, scale, padding) == ((0, 0, 32, 32), 1, [(0, 0)] * 3)
        y, x, height, width = crop
        assert (height, width) == (32, 32)
        np.testing.assert_array_equal(result, image[y : y + 32, x : x + 32])
        places.add(crop)
    assert len(places) > 1


def test_mode_crop_can_reach_both_ends():
    rng = np.random.default_rng(0)
    tops = {
        resizing.resize_image(noise((34, 32, 3)), 32, mode="crop", rng=rng)[4][0] for _ in range(40)
    }
    assert tops == {0, 1, 2}


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"mode": "stretch"}, "stretch"),
        ({"mode": "square"}, "max_dim"),
        ({"mode": "crop"}, "min_dim"),
        ({"mode": "pad64", "min_dim": 100}, "100"),
    ],
)
def test_a_wrong_setting_is_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        resizing.resize_image(noise((8, 8, 3)), **arguments)
