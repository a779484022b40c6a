"""A capture's readings side by side."""

import numpy as np
import pytest
from makers import periodic, rng

from canids.graphs.joined import JoinedReadings
from canids.graphs.readings import Reading, empty_reading
from canids.graphs.store import READINGS
from canids.graphs.windows import Cut, window_capture

CAPTURE = window_capture(periodic(20_000, 1), Cut(10, 10))


def random_reading() -> Reading:
    parts = vars(empty_reading(CAPTURE)).values()
    return Reading(*(rng(1).normal(size=part.shape).astype(np.float32) for part in parts))


@pytest.fixture(params=READINGS)
def written(request) -> tuple[JoinedReadings, int]:
    """Room in which one reading was written, and its place."""
    joined = JoinedReadings.empty(CAPTURE)
    joined.write(request.param, random_reading())
    return joined, READINGS.index(request.param)


@pytest.mark.parametrize("part", ["nodes", "edges", "graphs"])
def test_a_reading_is_written_in_half_precision(written, part):
    halves = np.split(getattr(written[0], part), 2, axis=1)
    np.testing.assert_array_equal(halves[written[1]], getattr(random_reading(), part).astype(np.float16))


@pytest.mark.parametrize("part", ["nodes", "edges", "graphs"])
def test_the_other_readings_columns_stay_as_they_were(written, part):
    halves = np.split(getattr(written[0], part), 2, axis=1)
    assert not halves[1 - written[1]].any()
