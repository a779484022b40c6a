"""Half precision becomes single exactly, with and without an instruction for it."""

import numpy as np
import pytest
from numba import njit

from canids.graphs.half import by_instruction, by_table, converts

EVERY = np.arange(1 << 16, dtype=np.uint16)


def widened(by):
    """Every half-precision number as float32, by compiled code."""

    @njit
    def fill(halves, out):
        for i in range(len(halves)):
            out[i] = by(halves[i])

    out = np.empty(len(EVERY), np.float32)
    fill(EVERY, out)
    return out


class TestSingle:
    @pytest.mark.skipif(not converts(), reason="the processor has no such instruction")
    def test_the_instruction_gives_every_number(self):
        np.testing.assert_array_equal(widened(by_instruction), EVERY.view(np.float16).astype(np.float32))

    def test_the_table_gives_every_number(self):
        np.testing.assert_array_equal(widened(by_table), EVERY.view(np.float16).astype(np.float32))

    def test_a_compiler_that_may_use_no_feature_has_no_instruction(self, monkeypatch):
        monkeypatch.setattr("canids.graphs.half.platform.machine", lambda: "x86_64")
        monkeypatch.setattr("canids.graphs.half.config.CPU_FEATURES", "")
        assert not converts()
