"""Heights read off images that are drawn in known colour maps."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from matplotlib import colormaps

from spm.io.colour_curve import ColourCurve
from spm.io.colour_maps import COLOUR_MAPS, lookup_table
from spm.io.known_maps import heights_by_map
from spm.simulate import simulate


@pytest.fixture(scope="module")
def heights() -> np.ndarray:
    return simulate("network", 240, seed=1, colour_map="grey")[0][..., 0]


def drawn(heights: np.ndarray, name: str) -> np.ndarray:
    if name.removeprefix("our ") in COLOUR_MAPS:
        return lookup_table(name.removeprefix("our "))[heights]
    return (colormaps[name](heights)[..., :3] * 255).round().astype(np.uint8)


@pytest.mark.parametrize(
    "name",
    ["jet", "turbo", "coolwarm", "RdBu", "hsv", "viridis", "inferno", "hot", "afmhot", "gray"],
)
def test_heights_are_what_was_drawn(heights, name):
    image = drawn(heights, name)
    found = heights_by_map(image)
    assert np.abs(found.astype(int) - heights).mean() < 2
    jpeg = cv2.imdecode(
        cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1], 1
    )
    found = heights_by_map(np.ascontiguousarray(jpeg[..., ::-1]))
    assert np.corrcoef(found.ravel(), heights.ravel())[0, 1] > 0.99


def test_other_colours_and_a_bare_image_have_no_heights(heights):
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3)).astype(np.uint8)
    assert heights_by_map(noise) is None
    assert heights_by_map(cv2.GaussianBlur(noise, (0, 0), 4)) is None
    assert heights_by_map(drawn(heights // 8 + 100, "jet")) is None  # 0.13 of the map


@pytest.mark.parametrize("name", ["our hot", "Blues"])
def test_a_line_by_heights_draws_the_heights(heights, name):
    """By luminance, grey drawn in `hot` has other heights."""
    image = drawn(255 - heights if name == "Blues" else heights, name)
    curve = ColourCurve.of([image])
    by_heights = curve.by_heights()
    grey = np.repeat(heights[..., None], 3, axis=2)
    line = ColourCurve.of([grey])
    exact = np.abs(by_heights.draw(grey, line).astype(int) - image).mean()
    rough = np.abs(curve.draw(grey, line).astype(int) - image).mean()
    assert exact < 3 and exact < rough / 2


def test_a_line_of_no_known_map_has_none():
    greens = np.zeros((64, 256, 3), np.uint8)
    greens[..., 1], greens[..., 2] = np.arange(256), np.arange(256) // 3
    curve = ColourCurve.of([greens])
    assert curve is not None and curve.by_heights() is None
