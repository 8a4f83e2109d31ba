"""The colours of the classes, the same in every drawing, figure and export."""

from __future__ import annotations

import colorsys

# RGB. The first two are the paper's (molecule A yellow-green, B blue); all are far from each other
# and from the black-red-yellow of STM colour maps as far as seven colours can be.
COLOURS = (
    (140, 235, 40),
    (50, 110, 255),
    (255, 60, 220),
    (0, 225, 230),
    (255, 255, 255),
    (150, 70, 220),
    (255, 150, 90),
    (0, 130, 90),
)


def class_colours(count: int) -> list[tuple[int, int, int]]:
    """Returns `count` distinct RGB colours; the first ones never change."""
    colours = list(COLOURS[:count])
    for index in range(len(colours), count):
        # Steps of the golden ratio never come back to a hue; brightness alternates as well.
        hue = (0.07 + 0.618034 * index) % 1
        value = (1.0, 0.7)[index % 2]
        colours.append(tuple(round(255 * v) for v in colorsys.hsv_to_rgb(hue, 0.8, value)))
    return colours
