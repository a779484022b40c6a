"""Order statistics of groups: numpy's, of each group alone."""

import numpy as np
import pytest

from canids.graphs.grouped import Grouped

GROUPS = 4
SIZES = (1, 2, 7, 60)  # each is odd in some draws and even in others


@pytest.fixture(params=[0, 1, 2])
def drawn(request):
    """Rows, the last of which stands for none, and values with many equal ones."""
    rng = np.random.default_rng(request.param)
    rows = np.repeat(np.arange(GROUPS + 1), [*(size + request.param for size in SIZES), 5]).astype(np.int32)
    values = np.round(rng.normal(size=(len(rows), 3)), 1).astype(np.float32)
    return rng.permutation(rows), values


def test_a_group_has_its_values_in_order(drawn):
    rows, values = drawn
    grouped = Grouped.of(rows, values, GROUPS)
    for k in range(GROUPS):
        got = grouped.values[:, grouped.start[k] : grouped.start[k + 1]]
        np.testing.assert_array_equal(got, np.sort(values[rows == k].T))


@pytest.mark.parametrize("centre", ["median", "mean", "below", "above", "least"])
def test_a_deviation_is_the_median_distance_from_the_centre(drawn, centre):
    rows, values = drawn
    of = {"median": np.median, "mean": np.mean, "least": np.min, "below": np.min, "above": np.max}[centre]
    beyond = {"below": -1, "above": 1}.get(centre, 0)
    centres = np.stack([of(values[rows == k], axis=0) + beyond for k in range(GROUPS)]).astype(np.float32)
    got = Grouped.of(rows, values, GROUPS).deviation(centres)
    expected = [np.median(np.abs(values[rows == k] - centres[k]), axis=0) for k in range(GROUPS)]
    np.testing.assert_array_equal(got, np.float32(expected))


def test_an_empty_group_has_no_deviation():
    grouped = Grouped.of(np.array([0, 2], np.int32), np.ones((2, 1), np.float32), 3)
    assert np.isnan(grouped.deviation(np.ones((3, 1), np.float32))).ravel().tolist() == [False, True, False]
