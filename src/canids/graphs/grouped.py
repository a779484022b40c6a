"""Values grouped by row, and the order statistics of each group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit


@dataclass(frozen=True)
class Grouped:
    """S series of values, each grouped by row and sorted within: ``values[s, start[k]:start[k + 1]]``."""

    values: np.ndarray
    start: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray, values: np.ndarray, count: int) -> Grouped:
        """Group the (n, S) float32 values of (n,) rows, less those of row ``count``. Values must not be NaN."""
        grouped, start = _group(rows, np.ascontiguousarray(values), count)
        for first, last in zip(start[:-1].tolist(), start[1:].tolist(), strict=True):
            if last - first > 1:
                grouped[:, first:last].sort(axis=1)
        return cls(grouped, start)

    def counts(self) -> np.ndarray:
        """(count,) values of each row."""
        return np.diff(self.start)

    def quantile(self, q: float) -> np.ndarray:
        """(count, S) quantile of each group, interpolated linearly; NaN where it is empty."""
        return _quantile(self.values, self.start, q)

    def deviation(self, centre: np.ndarray) -> np.ndarray:
        """(count, S) median absolute deviation of each group from its centre ((count, S)); NaN where it is empty."""
        return _deviation(self.values, self.start, centre)


def column_quantile(values: np.ndarray, q: float) -> np.ndarray:
    """(S,) quantile of each column of (n, S) float32 values, n > 0, as ``Grouped`` has it: numpy's own takes longer to
    be called than to compute."""
    return Grouped.of(np.zeros(len(values), np.int32), values, 1).quantile(q)[0]


@njit(cache=True, nogil=True)
def _group(rows, values, count):
    # Unsigned indices need no look for negative ones.
    n, series = np.uint64(values.shape[0]), np.uint64(values.shape[1])
    start = np.zeros(count + 2, np.int64)
    for i in range(n):
        start[np.uint64(rows[i]) + np.uint64(1)] += 1
    for k in range(count + 1):
        start[k + 1] += start[k]
    at = start[:-1].copy()
    grouped = np.empty((series, n), np.float32)
    for i in range(n):
        k = np.uint64(rows[i])
        place = np.uint64(at[k])
        at[k] += 1
        for s in range(series):
            grouped[s, place] = values[i, s]
    return grouped, start[:-1].copy()


@njit(cache=True, nogil=True)
def _quantile(values, start, q):
    series, count = len(values), len(start) - 1
    out = np.full((count, series), np.nan, np.float32)
    for k in range(count):
        n = start[k + 1] - start[k]
        if n:
            at = q * (n - 1)
            low = int(at)
            high = min(low + 1, n - 1)
            for s in range(series):
                first, second = values[s, start[k] + low], values[s, start[k] + high]
                out[k, s] = first + (at - low) * (second - first)
    return out


@njit(cache=True, nogil=True)
def _deviation(values, start, centre):
    series, count = len(values), len(start) - 1
    out = np.full((count, series), np.nan, np.float32)
    for k in range(count):
        for s in range(series if start[k + 1] > start[k] else 0):
            out[k, s] = _median_deviation(values[s, start[k] : start[k + 1]], centre[k, s])
    return out


@njit(cache=True, nogil=True)
def _median_deviation(values, centre):
    """Deviations of sorted values grow from the centre outwards on both sides: how many of the smaller half lie on
    which side is found by bisection, and nothing is sorted."""
    n, right = len(values), np.searchsorted(values, centre)
    least = n // 2 + 1  # so many smallest deviations end with the median
    low, high = max(0, least - right), min(least, n - right)
    while low < high:
        above = (low + high) // 2
        if values[right + above] - centre < centre - values[right - (least - above)]:
            low = above + 1
        else:
            high = above
    above, below = low, least - low
    last_above = values[right + above - 1] - centre if above else np.float32(-1)
    last_below = centre - values[right - below] if below else np.float32(-1)
    if n % 2:
        return max(last_above, last_below)
    if last_above > last_below:
        now, before = last_above, max(last_below, values[right + above - 2] - centre if above > 1 else np.float32(-1))
    else:
        now, before = last_below, max(last_above, centre - values[right - below + 1] if below > 1 else np.float32(-1))
    return np.float32((before + now) / 2)
