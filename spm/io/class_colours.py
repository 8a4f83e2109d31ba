"""The colours of the classes, the same in every drawing, figure and export.

They stay apart for people who do not see red, green or blue (protanopia, deuteranopia, tritanopia;
tests/spm/io/test_class_colours.py simulates them), and nothing depends on them alone: drawings and
reports write the class's name, figures have a line style and a marker for each class.
"""

from __future__ import annotations

import colorsys

import numpy as np

# RGB. The first two are the paper's (molecule A yellow-green, B blue); the others were searched so
# that the smallest difference between any two (CIEDE2000), seen with any of the four kinds of eyes,
# on images and on white paper, is as large as possible, for the first ones above all, and none is
# near the black-red of the usual STM colour map.
COLOURS = (
    (140, 235, 40),
    (50, 110, 255),
    (255, 255, 255),
    (165, 60, 120),
    (105, 120, 75),
    (240, 180, 255),
    (225, 120, 165),
    (150, 180, 135),
)
# Of matplotlib, one of each a class.
LINE_STYLES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def class_colours(count: int) -> list[tuple[int, int, int]]:
    """Returns `count` distinct RGB colours; the first ones never change."""
    colours = list(COLOURS[:count])
    for index in range(len(colours), count):
        # Steps of the golden ratio never come back to a hue; brightness alternates as well.
        hue = (0.07 + 0.618034 * index) % 1
        value = (1.0, 0.7)[index % 2]
        colours.append(tuple(round(255 * v) for v in colorsys.hsv_to_rgb(hue, 0.8, value)))
    return colours


def figure_colour(rgb: tuple[int, int, int]) -> tuple[float, float, float]:
    """Return a class colour dark enough for white paper, as (r, g, b) in 0..1.

    The brighter, the more it is darkened; which of two is the brighter one stays.
    """
    colour = np.array(rgb) / 255
    return tuple((colour * (1 - 0.38 * (colour @ [0.30, 0.59, 0.11]))).tolist())


def line_style(index: int) -> str | tuple:
    """Return matplotlib's line style for the class of this number."""
    return LINE_STYLES[index % len(LINE_STYLES)]


def marker(index: int) -> str:
    """Return matplotlib's marker for the class of this number."""
    return MARKERS[index % len(MARKERS)]
