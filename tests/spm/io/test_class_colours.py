"""Colours that people with any colour vision tell apart."""

import numpy as np
from skimage.color import deltaE_ciede2000, rgb2lab

from spm.io.class_colours import COLOURS, LINE_STYLES, MARKERS, class_colours, figure_colour

# Machado, Oliveira and Fernandes (IEEE Trans. Vis. Comput. Graph. 15, 2009), severity 1, for linear
# RGB.
EYES = {
    "usual": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def seen(colours: np.ndarray, eye: str) -> np.ndarray:
    """What an eye makes of sRGB colours (n, 3) in 0..1, as sRGB."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ np.transpose(EYES[eye]), 0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def least_difference(colours: np.ndarray) -> float:
    """The smallest CIEDE2000 difference of any two colours for any eye."""
    least = np.inf
    for eye in EYES:
        lab = rgb2lab(seen(np.asarray(colours, float), eye))
        difference = deltaE_ciede2000(lab[:, None], lab[None])
        least = min(least, difference[np.triu_indices(len(lab), 1)].min())
    return float(least)


def test_classes_stay_apart_for_every_eye():
    """A difference of 10 is seen at a glance; 2 is just noticeable side by side."""
    on_images = np.array(class_colours(8)) / 255
    on_paper = np.array([figure_colour(c) for c in class_colours(8)])
    assert least_difference(on_images[:4]) > 20 and least_difference(on_images) > 14
    assert least_difference(on_paper[:4]) > 18 and least_difference(on_paper) > 12


def test_the_check_sees_colours_that_fall_together():
    """The second and sixth colour until now: blue and violet are one to a red-blind eye."""
    assert least_difference(np.array([(50, 110, 255), (150, 70, 220)]) / 255) < 5


def test_never_colour_alone():
    """The first two classes keep the paper's colours; colour and style together repeat late."""
    assert COLOURS[:2] == ((140, 235, 40), (50, 110, 255)) and len(COLOURS) == 8
    looks = {(i % len(LINE_STYLES), i % len(MARKERS)) for i in range(8)}
    assert len(looks) == 8
