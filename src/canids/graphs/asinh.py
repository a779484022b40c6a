"""asinh of many single-precision numbers, eight at a time: the C library takes them one by one."""

from __future__ import annotations

import numpy as np
from numba import njit

BLOCK = 512  # numbers whose intermediate results stay in the processor's first cache
ROOT_HALF = np.int32(0x3F3504F3)  # the bits of √½
LN_2_HIGH, LN_2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)  # together ln 2, the first exact when scaled
# Of Cephes' logf: ln(1 + f) = f - f²/2 + f³ P(f) from √½ - 1 to √2 - 1.
P8, P7, P6, P5, P4, P3, P2, P1, P0 = (np.float32(p) for p in (
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
    2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
))  # fmt: skip
ZERO, HALF, ONE = np.float32(0), np.float32(0.5), np.float32(1)


# No look for divisors of 0, which would stand in the way of vectors; products are added in one step.
@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def clipped_asinh(values, largest):
    """asinh in place, clipped to ±``largest``, of (n,) float32; right to a few units in the last place.

    asinh x = ln(1 + y) with y = x + x²/(1 + √(1 + x²)). What 1 + y loses of a small y in rounding is added to its
    logarithm.
    """
    sum_, mantissa = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    lost, exponent = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    sum_bits, mantissa_bits = sum_.view(np.int32), mantissa.view(np.int32)
    largest = np.float32(largest)
    bound = np.float32(np.sinh(largest))
    for first in range(0, len(values), BLOCK):
        block = values[first : first + BLOCK]
        n = np.uint64(len(block))
        for i in range(n):
            x = abs(block[i])
            x = x if x < bound else bound
            square = x * x
            y = x + square / (ONE + np.sqrt(ONE + square))
            sum_[i] = ONE + y
            lost[i] = y - (sum_[i] - ONE) if y < ONE else ZERO
        for i in range(n):
            power = np.int32(np.int32(sum_bits[i] - ROOT_HALF) >> np.int32(23))
            mantissa_bits[i] = np.int32(sum_bits[i] - np.int32(power << np.int32(23)))
            exponent[i] = np.float32(power)
        for i in range(n):
            f, e = mantissa[i] - ONE, exponent[i]
            f2 = f * f
            f4 = f2 * f2
            low, middle = (P0 + P1 * f) + (P2 + P3 * f) * f2, (P4 + P5 * f) + (P6 + P7 * f) * f2
            p = low + (middle + P8 * f4) * f4
            logarithm = ((p * f2 * f + (e * LN_2_LOW + lost[i])) - HALF * f2 + f) + e * LN_2_HIGH
            logarithm = logarithm if logarithm < largest else largest
            block[i] = -logarithm if block[i] < ZERO else logarithm
