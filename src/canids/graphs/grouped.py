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
    n, series = values.shape
    start = np.zeros(count + 2, np.int64)
    for i in range(n):
        start[rows[i] + 1] += 1
    for k in range(count + 1):
        start[k + 1] += start[k]
    at = start[:-1].copy()
    grouped = np.empty((series, n), np.float32)
    for i in range(n):
        place = at[rows[i]]
        at[rows[i]] += 1
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
    """Deviations grow from the centre outwards on both sides: they are merged up to their median, never sorted."""
    series, count = len(values), len(start) - 1
    out = np.full((count, series), np.nan, np.float32)
    for k in range(count):
        n = start[k + 1] - start[k]
        if n == 0:
            continue
        for s in range(series):
            group = values[s, start[k] : start[k + 1]]
            right = np.searchsorted(group, centre[k, s])
            left = right - 1
            before, now = np.float32(0), np.float32(0)
            for _ in range(n // 2 + 1):
                before = now
                if left < 0 or (right < n and group[right] - centre[k, s] < centre[k, s] - group[left]):
                    now = group[right] - centre[k, s]
                    right += 1
                else:
                    now = centre[k, s] - group[left]
                    left -= 1
            out[k, s] = now if n % 2 else (before + now) / 2
    return out
