"""Tiles: they cover the image exactly, nothing is squashed, and coordinates come back."""

import numpy as np
import pytest

from spm.errors import InputError
from spm.inference import tiles


def test_square_image_of_five_thirds_gives_four_tiles_of_three_fifths():
    grid = tiles.make_grid(1024, 1024, 512 * 5 / 3 / 1024, 512)
    assert grid.rows == grid.columns == (0, 342)
    # 853.3 lattice pixels end with a part of one, the 854th.
    assert grid.rows[-1] + 512 == 854


@pytest.mark.parametrize("height, width", [(320, 200), (1000, 1023), (77, 2000), (512, 513)])
@pytest.mark.parametrize("scale", [0.6, 1.0, 1.7])
def test_tiles_cover_every_pixel_to_the_last_row_and_column(height, width, scale):
    """Guards pitfall 14: no pixel lost at the right and bottom edge, no shape squashed."""
    grid = tiles.make_grid(height, width, scale, 128, overlap=30)
    for starts, length in ((grid.rows, height), (grid.columns, width)):
        lattice = int(np.ceil(length * scale - 1e-6))
        covered = np.zeros(max(lattice, 128) + 256, bool)
        for start in starts:
            covered[128 + start : 256 + start] = True
        assert covered[128 : 128 + lattice].all()
        if lattice > 128:
            assert starts[0] == 0 and starts[-1] + 128 == lattice
            assert np.diff(starts).max() <= 128 - 30 + 1


def test_scale_one_is_a_plain_cut(rng):
    image = rng.integers(0, 256, (150, 210, 3), dtype=np.uint8)
    grid = tiles.make_grid(150, 210, 1.0, 64)
    rebuilt = np.zeros_like(image)
    for tile in grid.tiles():
        cut = grid.cut(image, tile)
        assert np.array_equal(cut, image[tile.y : tile.y + 64, tile.x : tile.x + 64])
        rebuilt[tile.y : tile.y + 64, tile.x : tile.x + 64] = cut
    assert np.array_equal(rebuilt, image)


@pytest.mark.parametrize("scale", [0.4, 0.8, 1.3, 2.5])
def test_a_ramp_keeps_its_coordinates_in_every_tile(scale):
    """An image whose value is its continuous x (and y) shows where each tile pixel comes from."""
    x = np.arange(240) + 0.5
    image = np.zeros((200, 240, 3), np.uint8)
    image[..., 0] = x.round()
    image[..., 1] = x[:200, None].round()
    grid = tiles.make_grid(200, 240, scale, 96)
    for tile in grid.tiles():
        cut = grid.cut(image, tile).astype(float)
        want_x = (tile.x + np.arange(96) + 0.5) / scale
        want_y = (tile.y + np.arange(96) + 0.5) / scale
        inside = (want_x > 6) & (want_x < 234)
        assert np.abs(cut[..., 0] - want_x)[:, inside].max() <= 1.1
        inside = (want_y > 6) & (want_y < 194)
        assert np.abs(cut[..., 1] - want_y[:, None])[inside].max() <= 1.1


def test_small_image_is_centred_and_padded_with_its_edge():
    image = np.zeros((10, 4, 3), np.uint8)
    image[0], image[-1] = 50, 200
    grid = tiles.make_grid(10, 4, 1.0, 16)
    assert grid.tiles() == [tiles.Tile(0, 0, -3, -6)]
    cut = grid.cut(image, grid.tiles()[0])
    assert cut.shape == (16, 16, 3)
    assert np.array_equal(cut[3:13, 6:10], image)
    assert (cut[:3] == 50).all() and (cut[13:] == 200).all()


def test_one_pixel_image():
    grid = tiles.make_grid(1, 1, 0.5, 8)
    image = np.full((1, 1, 3), 77, np.uint8)
    assert (grid.cut(image, grid.tiles()[0]) == 77).all()


def test_shrinking_does_not_alias():
    """A one-pixel chequerboard has no structure left at a quarter of its size."""
    board = np.indices((256, 256)).sum(0) % 2 * 255
    image = np.repeat(board[..., None], 3, 2).astype(np.uint8)
    cut = tiles.cut_square(image, 8, 8, 48, 0.25)
    assert np.abs(cut.astype(float) - 127.5).max() < 6


def test_molecule_size_widens_the_overlap_up_to_half_a_tile():
    assert tiles.overlap_for(None, 2.0) is None
    assert tiles.overlap_for(40, 2.0) == 104
    columns = tiles.make_grid(100, 1000, 1.0, 128, overlap=1000).columns
    assert max(np.diff(columns)) <= 64


def test_what_a_tile_sees_clearly():
    grid = tiles.make_grid(100, 160, 1.0, 100, overlap=40)
    assert grid.columns == (0, 60)
    left, right = grid.tiles()
    boxes = np.array([[0, 0, 20, 20], [10, 70, 40, 99], [10, 50, 40, 70], [0, 30, 99, 90]], float)
    # The image's border cuts nothing, the inner one at 100 cuts the second box.
    assert grid.sees_clearly(boxes, left, 2).tolist() == [True, False, True, True]
    assert grid.sees_clearly(boxes, right, 2).tolist() == [False, True, False, False]
    assert grid.any_sees_clearly(boxes, 2).all()
    assert not grid.any_sees_clearly(np.array([[0, 30, 50, 130.0]]), 2).any()
    assert grid.sees_clearly(np.zeros((0, 4)), left, 2).shape == (0,)


@pytest.mark.parametrize("view", range(8))
def test_turning_back_restores_images_crops_and_boxes(view, rng):
    image = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert np.array_equal(tiles.turn_back(tiles.turn(image, view), view), image)
    mask = np.zeros((32, 32), bool)
    mask[3:9, 12:30] = True
    turned = tiles.turn(mask, view)
    rows, columns = np.nonzero(turned)
    box = np.array([[rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]])
    assert tiles.turn_boxes_back(box, view, 32).tolist() == [[3, 12, 9, 30]]
    crop = turned[box[0, 0] : box[0, 2], box[0, 1] : box[0, 3]]
    assert tiles.turn_back(crop, view).shape == (6, 18)


def test_the_eight_views_are_distinct(rng):
    image = rng.integers(0, 256, (8, 8), dtype=np.uint8)
    assert len({tiles.turn(image, view).tobytes() for view in range(8)}) == 8
    assert np.array_equal(tiles.turn(image, 0), image)


def test_bad_settings_are_named():
    with pytest.raises(InputError, match="tile scale"):
        tiles.make_grid(100, 100, 0.0, 64)
    with pytest.raises(InputError, match="views must be"):
        tiles.view_count_ok(3)
    with pytest.raises(ValueError, match="0 x 5"):
        tiles.make_grid(0, 5, 1.0, 64)
