"""The line of an image's colours, and drawing other images in them."""

import cv2
import numpy as np
import pytest

from spm.io.colour_curve import ColourCurve, luminance
from spm.io.colour_maps import COLOUR_MAPS, colour

RNG = np.random.default_rng(4)
HEIGHTS = cv2.GaussianBlur(RNG.random((120, 160)), (0, 0), 6)
HEIGHTS = (HEIGHTS - HEIGHTS.min()) / np.ptp(HEIGHTS)
HOT = colour(HEIGHTS, "hot")
CURVE = ColourCurve.of([HOT])


@pytest.mark.parametrize("name", sorted(set(COLOUR_MAPS) - {"hot"}))
@pytest.mark.parametrize("inverted", [False, True])
def test_an_image_of_any_map_comes_out_as_the_trained_one(name, inverted):
    image = colour(1 - HEIGHTS if inverted else HEIGHTS, name)
    own = ColourCurve.of([image])
    assert not CURVE.holds(own)
    drawn = CURVE.draw(image, own, inverted)
    # The order of the heights and the contrast stay; the steps between them follow luminance.
    assert np.corrcoef(luminance(drawn).ravel(), luminance(HOT).ravel())[0, 1] > 0.95
    assert CURVE.holds(ColourCurve.of([drawn]))
    for share in (2, 98):
        apart = np.percentile(luminance(drawn), share) - np.percentile(luminance(HOT), share)
        assert abs(apart) < 10


def test_a_grey_copy_comes_out_with_the_very_colours():
    grey = np.repeat(luminance(HOT)[..., None], 3, axis=2)
    drawn = CURVE.draw(grey, ColourCurve.of([grey]))
    assert np.percentile(np.abs(drawn.astype(int) - HOT), 99) <= 3
    back = CURVE.draw(255 - grey, ColourCurve.of([255 - grey]), inverted=True)
    assert np.percentile(np.abs(back.astype(int) - HOT), 99) <= 3


def test_few_molecules_on_much_ground_keep_their_contrast():
    high = np.quantile(HEIGHTS, 0.95)
    few = np.where(high < HEIGHTS, HEIGHTS, 0.02)
    grey = colour(few, "grey")
    drawn = CURVE.draw(grey, ColourCurve.of([grey]))
    ground = luminance(drawn)[few < 0.1]
    assert ground.max() < np.percentile(luminance(HOT), 10)


def test_other_contrast_and_jpeg_are_the_same_colours():
    for image in (colour(0.2 + 0.5 * HEIGHTS, "hot"), colour(HEIGHTS**2, "hot")):
        assert CURVE.holds(ColourCurve.of([image]))
    _, data = cv2.imencode(".jpg", HOT[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 75])
    assert CURVE.holds(ColourCurve.of([cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]]))


def test_colours_on_no_line_and_images_of_several_maps_have_no_curve():
    assert ColourCurve.of([RNG.integers(0, 256, (90, 90, 3), dtype=np.uint8)]) is None
    assert ColourCurve.of([np.full((50, 50, 3), 90, np.uint8)]) is None
    assert ColourCurve.of([HOT, colour(HEIGHTS, "grey")]) is None
    assert ColourCurve.of([HOT, colour(HEIGHTS[:60], "hot")]) is not None


def test_only_greys_are_grey():
    assert ColourCurve.of([colour(HEIGHTS, "grey")]).grey
    assert not any(ColourCurve.of([colour(HEIGHTS, n)]).grey for n in COLOUR_MAPS if n != "grey")


def test_what_the_weights_keep_is_read_again():
    read = ColourCurve.from_json(CURVE.to_json())
    grey = colour(HEIGHTS, "grey")
    own = ColourCurve.of([grey])
    apart = read.draw(grey, own).astype(int) - CURVE.draw(grey, own)
    assert np.abs(apart).max() <= 6
    assert read.holds(CURVE) and not read.holds(own)


@pytest.mark.parametrize(
    "change",
    [
        {"colours": [[0, 0, 0]]},
        {"colours": [[0, 0, 300]] * 86},
        {"range": [9, 9]},
        {"contrast": None},
    ],
)
def test_a_damaged_record_is_refused(change):
    with pytest.raises(ValueError):
        ColourCurve.from_json(CURVE.to_json() | change)
