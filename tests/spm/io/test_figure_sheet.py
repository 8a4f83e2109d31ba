"""Panels: nothing that belongs to one is cut off, and maps keep their shape."""

import numpy as np
import pytest

from spm.io.figure_sheet import TITLE, drawn_panel
from spm.io.figure_style import OPEN_AXES, figure_style

SIZE, DPI = (4.6, 3.2), 100


def long_words(axes):
    axes.plot([0, 1e6], [0, 1])
    axes.set_yticks([0, 1], ["a long name → another one", "gg"])
    axes.set_xlabel("the label\nof two lines")


def legend_beside(axes):
    for k in range(5):
        axes.plot([0, 1], [k, k], label=f"class number {k}")
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0)


def map_with_legend(axes):
    axes.plot(
        [0, 300, 300, 0, 0], [0, 0, 100, 100, 0], color="red", label="a long name of a domain"
    )
    axes.set_xlim(0, 300)
    axes.set_ylim(100, 0)
    axes.set_aspect("equal")
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0)


@pytest.mark.parametrize("draw", [long_words, legend_beside, map_with_legend])
def test_all_words_are_within_the_panel(draw):
    with figure_style(OPEN_AXES):
        panel = drawn_panel("Title", draw, SIZE, DPI)
    assert panel.shape == (round((SIZE[1] + TITLE) * DPI), round(SIZE[0] * DPI), 3)
    rim = np.concatenate([panel[:2].ravel(), panel[-2:].ravel(), panel[:, :2].ravel(),
                          panel[:, -2:].ravel()])  # fmt: skip
    assert rim.min() == 255
    used = np.flatnonzero((panel[round(TITLE * DPI) :] < 255).any(axis=(0, 2)))
    assert used[0] < 0.1 * DPI and used[-1] > (SIZE[0] - 0.2) * DPI, "and none is left unused"


def test_a_map_keeps_its_shape():
    with figure_style(OPEN_AXES):
        panel = drawn_panel("Title", map_with_legend, SIZE, DPI).astype(int)
    red = (panel[..., 0] > 200) & (panel[..., 1] < 100)
    red[:, -200:] = False  # the legend
    rows, columns = (np.flatnonzero(red.any(axis=axis)) for axis in (1, 0))
    assert np.ptp(columns) / np.ptp(rows) == pytest.approx(3, rel=0.05)


def test_words_that_are_too_long_leave_room_for_the_axes():
    drawn = []

    def draw(axes):
        for k in range(60):
            axes.plot([0, 1], [k, k], label=f"a long name → another long name {k}")
        axes.set_yticks([0, 59], ["a name as long as half of the whole panel is wide"] * 2)
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0)
        drawn.append(axes)

    with figure_style(OPEN_AXES):
        drawn_panel("Title", draw, SIZE, DPI)
    place = drawn[0].get_position()
    assert place.x0 >= 0 and place.y0 >= 0
    assert place.x1 <= 1 and place.y1 <= SIZE[1] / (SIZE[1] + TITLE)
    assert place.width > 0.15 and place.height > 0.15
