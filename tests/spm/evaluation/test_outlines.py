"""Extents and areas of outlines against the truth, on rectangles."""

import numpy as np
import pytest

from spm.evaluation.instances import Instance
from spm.evaluation.outlines import outline_errors


def rectangle(name, left, top, width, height, **fields):
    points = np.array([(0, 0), (width, 0), (width, height), (0, height)], float) + (left, top)
    return Instance.from_polygon(name, points, 100, 100, **fields)


def test_a_rectangle_that_is_wider_and_lower():
    """22 x 18 instead of 20 x 20: +10 %, -10 %, 396 instead of 400 square pixels; the common
    part is 20 x 18, the union 436."""
    found = outline_errors(
        [rectangle("A", 30, 30, 20, 20)], [rectangle("A", 29, 31, 22, 18, score=0.9)], 100, 100
    )
    assert found.means() == pytest.approx(
        {"width": 0.1, "height": -0.1, "area": -0.01, "iou": 360 / 436}
    )


def test_what_does_not_count():
    """Ignored truths, truths at the border, other names, and what overlaps by less than half."""
    truths = [
        rectangle("A", 30, 30, 20, 20, ignore=True),
        rectangle("A", 0.5, 60, 20, 20),
        rectangle("B", 60, 60, 20, 20),
        rectangle("A", 60, 20, 20, 20),
    ]
    found = [
        rectangle("A", 30, 30, 20, 20),
        rectangle("A", 0.5, 60, 20, 20),
        rectangle("A", 60, 60, 20, 20),
        rectangle("A", 72, 20, 20, 20),
    ]
    assert len(outline_errors(truths, found, 100, 100).iou) == 0
    assert np.isnan(outline_errors([], [], 100, 100).means()["area"])
