"""Images of every kind become (H, W, 3) uint8 RGB."""

import io

import numpy as np
import pytest
from annotated import textured
from PIL import Image

from spm.errors import InputError
from spm.io import images
from spm.io.images import image_size, list_images, read_image, write_image


@pytest.mark.parametrize("name", ["a.png", "分子 [1](2).png", "a.tif", "a.bmp"])
def test_written_and_read_back_exactly_in_rgb(tmp_path, name):
    """Pitfall 5: red stays red on the way to the file and back."""
    array = textured(5, 7)
    array[0, 0] = (255, 0, 0)
    write_image(tmp_path / name, array)
    assert np.array_equal(read_image(tmp_path / name), array)
    assert np.asarray(Image.open(tmp_path / name))[0, 0].tolist() == [255, 0, 0]
    assert image_size(tmp_path / name) == (5, 7)


@pytest.mark.parametrize("level", [0, 1, 6])
def test_png_levels_are_lossless(tmp_path, level):
    array = textured(33, 50)
    write_image(tmp_path / "a.png", array, level=level)
    assert np.array_equal(read_image(tmp_path / "a.png"), array)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_images_keep_their_values(tmp_path, dtype):
    array = np.arange(12).reshape(3, 4).astype(dtype) * 20
    write_image(tmp_path / "a.png", array)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), array)


def test_jpeg_is_close(tmp_path):
    array = np.full((16, 16, 3), (200, 60, 20), np.uint8)
    write_image(tmp_path / "a.jpg", array)
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - array).max() < 6


def test_content_counts_and_not_the_ending(tmp_path):
    array = textured(6, 5)
    Image.fromarray(array).save(tmp_path / "a.png", format="BMP")
    assert np.array_equal(read_image(tmp_path / "a.png"), array)
    assert image_size(tmp_path / "a.png") == (6, 5)


def test_sixteen_bit_and_float_grey_are_spread(tmp_path):
    ramp = np.linspace(1000, 3000, 200).reshape(10, 20)
    Image.fromarray(ramp.astype(np.uint16)).save(tmp_path / "a.png")
    Image.fromarray(ramp.astype(np.float32)).save(tmp_path / "a.tif")
    for name in ("a.png", "a.tif"):
        read = read_image(tmp_path / name)
        assert read.shape == (10, 20, 3) and read.min() == 0 and read.max() == 255
        assert abs(int(read[5, 0, 0]) - 128) < 3  # the middle stays in the middle


def test_nan_and_constant_grey():
    values = np.array([[np.nan, 1.0], [2.0, np.inf]])
    assert images.scale_grey(values).tolist() == [[0, 0], [255, 0]]
    assert not images.scale_grey(np.full((2, 2), 7.0)).any()
    assert not images.scale_grey(np.full((2, 2), np.nan)).any()


def test_transparent_is_laid_on_black(tmp_path):
    rgba = np.zeros((1, 2, 4), np.uint8)
    rgba[0] = [(200, 100, 50, 255), (200, 100, 50, 0)]
    Image.fromarray(rgba).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").tolist() == [[[200, 100, 50], [0, 0, 0]]]


def test_palette_cmyk_grey_and_two_colours(tmp_path):
    red = Image.new("RGB", (4, 3), (255, 0, 0))
    for mode, name in (("P", "p.png"), ("CMYK", "c.tif"), ("RGB", "r.gif")):
        red.convert(mode).save(tmp_path / name)
        pixel = read_image(tmp_path / name)[0, 0].astype(int)
        assert np.abs(pixel - (255, 0, 0)).max() < 3, mode
    for mode in ("L", "1", "LA"):
        red.convert("L").point(lambda v: 255).convert(mode).save(tmp_path / "g.png")
        assert (read_image(tmp_path / "g.png") == 255).all(), mode


def test_exif_rotation_is_applied(tmp_path):
    array = np.zeros((2, 3, 3), np.uint8)
    array[0, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned: show it a quarter clockwise
    Image.fromarray(array).save(tmp_path / "a.png", exif=exif)
    read = read_image(tmp_path / "a.png")
    assert read.shape == (3, 2, 3) and read[0, 1, 0] == 255
    assert image_size(tmp_path / "a.png") == (3, 2)


def test_first_frame_of_an_animation_with_a_notice(tmp_path, capsys):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ((0, 255, 0), (0, 0, 255))]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert read_image(tmp_path / "a.gif")[0, 0, 1] > 250
    assert "2 images" in capsys.readouterr().err


def test_one_pixel(tmp_path):
    write_image(tmp_path / "a.png", np.full((1, 1, 3), 9, np.uint8))
    assert read_image(tmp_path / "a.png").tolist() == [[[9, 9, 9]]]


def test_missing_empty_and_foreign_files_are_sentences(tmp_path):
    with pytest.raises(InputError, match="no such image"):
        read_image(tmp_path / "gone.png")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("hello")
    for name in ("empty.png", "text.png"):
        with pytest.raises(InputError, match=name):
            read_image(tmp_path / name)
        with pytest.raises(InputError, match=name):
            image_size(tmp_path / name)


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "GIF", "JPEG"])
def test_a_truncated_image_is_refused_at_any_length(tmp_path, format):
    buffer = io.BytesIO()
    Image.fromarray(textured(40, 50)).save(buffer, format=format)
    data = buffer.getvalue()
    for length in range(1, len(data) - 100, max(1, len(data) // 17)):
        with pytest.raises(InputError, match="name.x"):
            images.decode_image(data[:length], "name.x")


def test_too_many_pixels_have_a_switch(tmp_path, monkeypatch):
    write_image(tmp_path / "a.png", textured(40, 50))
    monkeypatch.setenv("SPM_MAX_MEGAPIXELS", "0.001")
    for function in (read_image, image_size):
        with pytest.raises(InputError, match="SPM_MAX_MEGAPIXELS"):
            function(tmp_path / "a.png")
    monkeypatch.setenv("SPM_MAX_MEGAPIXELS", "1")
    assert read_image(tmp_path / "a.png").shape == (40, 50, 3)


def test_list_is_natural_and_without_hidden_files(tmp_path):
    for name in ("a10.png", "a2.PNG", ".a.png", "a.json", "b.tiff"):
        (tmp_path / name).write_bytes(b"x")
    assert [path.name for path in list_images(tmp_path)] == ["a2.PNG", "a10.png", "b.tiff"]
    with pytest.raises(InputError, match="no such folder"):
        list_images(tmp_path / "none")


def test_palette_image_keeps_indices(tmp_path):
    labels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    images.write_palette_image(tmp_path / "a.png", labels, np.eye(6, 3) * 255)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "P" and np.array_equal(np.asarray(image), labels)


def test_real_image_is_a_bmp_called_png(shared_data):
    assert read_image(shared_data / "stm" / "00-cut.png").shape == (320, 320, 3)
