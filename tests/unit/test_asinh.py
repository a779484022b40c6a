"""asinh of many numbers at once, held against numpy's."""

import numpy as np
import pytest
from makers import rng

from canids.graphs.asinh import BLOCK, clipped_asinh


def computed(values) -> np.ndarray:
    values = np.array(values, np.float32)
    clipped_asinh(values, 8.0)
    return values


@pytest.mark.parametrize("count", [0, 1, BLOCK - 1, BLOCK, 3 * BLOCK + 5])
def test_it_is_numpys_whatever_the_count(count):
    values = rng(count).normal(scale=3, size=count).astype(np.float32)
    np.testing.assert_allclose(computed(values), np.arcsinh(values), rtol=1e-6)


@pytest.mark.parametrize("exponent", range(-12, 4))
def test_small_numbers_keep_their_digits(exponent):
    values = (10.0**exponent * rng(1).uniform(-1, 1, 999)).astype(np.float32)
    np.testing.assert_allclose(computed(values), np.clip(np.arcsinh(values), -8, 8), rtol=1e-6)


def test_nothing_lies_beyond_the_limit():
    assert computed([1e6, -1e6, 3e38, np.inf, -np.inf]).tolist() == [8, -8, 8, 8, -8]


def test_zero_stays_zero():
    assert computed([0.0]).tolist() == [0]
