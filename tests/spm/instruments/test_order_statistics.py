"""Medians and percentiles of images: to the last digit what NumPy says."""

import numpy as np
import pytest
from scipy.ndimage import binary_opening

from spm.instruments import order_statistics
from spm.instruments.line_offsets import opened

SIZES = (1, 2, 3, 10, 39_999, 60_001, 100_000)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["noise", "sorted", "steps", "one height", "outliers"])
def test_median_and_percentiles_of_any_values(size, kind):
    rng = np.random.default_rng(size)
    values = rng.normal(3, 1, size)
    if kind == "sorted":
        values.sort()
    elif kind == "steps":
        values = np.round(values)
    elif kind == "one height":
        values[:] = 0.1
    elif kind == "outliers":  # the sample sees only these
        values[:: max(1, size // order_statistics.SAMPLE)] = 1e9
    assert order_statistics.median(values) == np.median(values)
    percents = (0.0, 0.5, 33.3, 50.0, 99.5, 100.0)
    assert (
        order_statistics.percentiles(values, percents) == np.percentile(values, percents).tolist()
    )


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (40, 7), (25, 1024)])
def test_rows_with_and_without_missing_pixels(shape):
    rng = np.random.default_rng(1)
    values = rng.normal(0, 1, shape)
    values[rng.random(shape) < 0.1] = np.nan
    values[:, -1] = 1.0  # every row has one
    values[0] = 2.0  # and one row has all
    assert np.array_equal(order_statistics.row_medians(values), np.nanmedian(values, axis=1))
    for share in (0.0, 0.05, 0.5, 0.7, 1.0):
        expected = np.nanquantile(values, share, axis=1)
        assert np.array_equal(order_statistics.row_quantiles(values, share), expected)


def test_areas_of_a_mask_as_scipy_opens_it():
    rng = np.random.default_rng(2)
    for area in ((3, 3), (4, 3), (3, 8), (15, 6), (6, 6)):
        mask = rng.random((60, 47)) < 0.97
        mask[20:40, 10:30] = True
        assert np.array_equal(opened(mask, area), binary_opening(mask, np.ones(area)))
