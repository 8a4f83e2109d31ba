"""TIFF and PNG of more than eight bits, signed or with white as zero, as tifffile writes them."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from spm.errors import InputError
from spm.io.images import decode_image, decoded_size, image_size, read_image

tifffile = pytest.importorskip("tifffile")

RAMP = np.linspace(0, 1, 240).reshape(12, 20)
COLOUR = np.stack([RAMP, RAMP[::-1], RAMP[:, ::-1]], axis=2)
WHOLE = np.rint(COLOUR * 255).astype(np.uint8)


def tiff(array, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def rises(image):
    """Whether an image is dark where RAMP is 0 and bright where it is 1."""
    grey = image[:, :, 0].ravel().astype(int)
    return grey[0] == 0 and grey[-1] == 255 and (np.diff(grey) >= 0).all()


@pytest.mark.parametrize("kind", ["u2", "i2", "u4", "i4", "f2", "f4", "f8", "i8"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_grey_of_any_number_type_and_white_as_zero(kind, order):
    values = (RAMP * 900 - (300 if kind[0] != "u" else 0)).astype(kind)
    for photometric, expected in (("minisblack", values), ("miniswhite", values.max() - values)):
        data = tiff(expected, photometric=photometric, byteorder=order)
        assert rises(decode_image(data, "a")), photometric
        assert decoded_size(data, "a") == (12, 20)


def test_signed_bytes():
    values = np.linspace(-128, 127, 240).reshape(12, 20).astype(np.int8)
    for photometric, expected in (("minisblack", values), ("miniswhite", -1 - values)):
        image = decode_image(tiff(expected, photometric=photometric), "a")
        assert np.array_equal(image[:, :, 1], values.astype(int) + 128)


def test_eight_bits_of_white_as_zero():
    values = np.rint(RAMP * 255).astype(np.uint8)
    for photometric, expected in (("minisblack", values), ("miniswhite", 255 - values)):
        image = decode_image(tiff(expected, photometric=photometric), "a")
        assert np.array_equal(image[:, :, 0], values)


@pytest.mark.parametrize("whole", [1, 255])
@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
def test_float_colour(kind, whole):
    image = decode_image(tiff((COLOUR * whole).astype(kind), photometric="rgb"), "a")
    assert np.abs(image.astype(int) - WHOLE).max() <= 1


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("how", ["tiff", "planar", "png"])
def test_sixteen_bit_colour_of_a_camera_with_fewer(bits, how):
    values = np.rint(COLOUR * ((1 << bits) - 1)).astype(np.uint16)
    if how == "png":
        data = cv2.imencode(".png", values[:, :, ::-1])[1].tobytes()
    elif how == "planar":
        data = tiff(values.transpose(2, 0, 1), photometric="rgb", planarconfig="separate")
    else:
        data = tiff(values, photometric="rgb")
    assert np.array_equal(decode_image(data, "a"), values >> (bits - 8))


def test_opacity_over_black_and_signed_colour():
    values = np.full((4, 5, 4), 65535, np.uint16)
    values[:, :, 3] = 65535 // 2
    for data in (
        tiff(values, photometric="rgb", extrasamples=["unassalpha"]),
        cv2.imencode(".png", values)[1].tobytes(),
    ):
        assert np.abs(decode_image(data, "a").astype(int) - 127).max() <= 1
    signed = (WHOLE.astype(int) - 128).astype(np.int8)
    assert np.array_equal(decode_image(tiff(signed, photometric="rgb"), "a"), WHOLE)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_that_of_pillow(orientation):
    values = np.rint(RAMP[:7] * 60000).astype(np.uint16)
    tag = [(274, "H", 1, orientation, True)]
    shown = decode_image(tiff(values, extratags=tag), "a")
    eight = decode_image(tiff((values >> 8).astype(np.uint8), extratags=tag), "a")
    assert shown.shape == eight.shape
    both = np.corrcoef(shown[:, :, 0].ravel(), eight[:, :, 0].ravel())
    assert both[0, 1] > 0.999


def test_compressed_by_lzw_without_imagecodecs():
    values = np.rint(RAMP * 60000).astype(np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, format="TIFF", compression="tiff_lzw")
    assert rises(decode_image(buffer.getvalue(), "a"))


def test_a_stack_and_two_channels_are_told(capsys):
    stack = np.stack([RAMP, 1 - RAMP]).astype(np.float64)
    assert rises(decode_image(tiff(stack, photometric="minisblack"), "stack"))
    assert "stack: has 2 images; the first one is used" in capsys.readouterr().err
    two = np.stack([RAMP, 1 - RAMP], axis=2)
    data = tiff(two, photometric="minisblack", planarconfig="contig")
    assert rises(decode_image(data, "two"))
    assert "two: has 2 channels; the first one is used" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["u2", "f8", "i1"])
def test_a_truncated_file_is_refused_at_any_length(kind):
    data = tiff(np.rint(np.tile(RAMP, (9, 9)) * 100).astype(kind), compression="zlib")
    for length in range(1, len(data) - 20, max(1, len(data) // 23)):
        with pytest.raises(InputError, match=r"name\.x"):
            decode_image(data[:length], "name.x")


def test_too_many_pixels_are_refused_before_they_are_unpacked(monkeypatch):
    monkeypatch.setenv("SPM_MAX_MEGAPIXELS", "0.0001")
    deep = cv2.imencode(".png", np.zeros((40, 50, 3), np.uint16))[1].tobytes()
    for data in (tiff(np.zeros((40, 50))), deep):
        with pytest.raises(InputError, match="50 x 40 pixels are more than the limit"):
            decode_image(data, "a")


@pytest.mark.parametrize("name", ["tiff-float64", "tiff-int8"])
def test_cases(shared_data, name):
    path = shared_data / "cases" / name / "a.tif"
    if not path.is_file():
        pytest.skip("the inputs are not here")
    image, values = read_image(path), tifffile.imread(path).astype(float).ravel()
    assert image_size(path) == image.shape[:2]
    assert np.corrcoef(image[:, :, 0].ravel(), values)[0, 1] > 0.99


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_of_a_turned_eight_bit_tiff(tmp_path, orientation):
    path = tmp_path / "a.tif"
    colours = np.arange(40 * 64 * 3, dtype=np.uint32).reshape(40, 64, 3).astype(np.uint8)
    Image.fromarray(colours).save(path, tiffinfo={274: orientation})
    assert image_size(path) == read_image(path).shape[:2]


def test_complex_numbers_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.ones((8, 9), np.complex64))
    with pytest.raises(InputError, match=r"a\.tif: its pixels are complex numbers; save"):
        read_image(path)
