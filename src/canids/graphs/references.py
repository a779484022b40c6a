"""What is usual for each ID: references counted from the frames of some windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit

from canids.graphs.profile import NARROW, NARROW_FRAMES, VehicleProfile
from canids.graphs.statistics import STATISTICS
from canids.graphs.windows import WindowedCapture

SMOOTHING = 0.5  # pseudo-count of every probability (Krichevsky-Trofimov)
FEWEST_FRAMES = 2  # an ID heard less often stays unseen: a fuzzer's random IDs should not become known ones
BYTE_VALUES = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little").astype(bool)


@dataclass(frozen=True)
class Sample:
    """Windows of a capture to fit on: ``windows`` is (w,) bool."""

    capture: WindowedCapture
    windows: np.ndarray


def fit_references(samples: Sequence[Sample]) -> VehicleProfile:
    """A profile whose references rest on the samples' frames, and whose z scores are yet to be measured.

    Raises:
        ValueError: there is no window to fit on.
    """
    inside = [(s.capture, np.flatnonzero(s.capture.frames_of(s.windows))) for s in samples]
    if not sum(len(frames) for _, frames in inside):
        raise ValueError("no window to fit a vehicle profile on")
    ids = np.unique(np.concatenate([capture.ids for capture, _ in inside]))
    code_of = [np.searchsorted(ids, capture.ids) for capture, _ in inside]
    code = np.concatenate([codes[c.code[frames]] for codes, (c, frames) in zip(code_of, inside, strict=True)])
    before = np.concatenate([_before(codes, c, frames) for codes, (c, frames) in zip(code_of, inside, strict=True)])
    count = np.bincount(code, minlength=len(ids))
    known = count >= min(FEWEST_FRAMES, count.max())
    row_of = np.where(known, np.cumsum(known) - 1, known.sum())  # the last row stands for unseen IDs
    rows = row_of[code]
    key = ids[known]
    column = {
        name: np.concatenate([getattr(capture, name)[frames] for capture, frames in inside])
        for name in ("log_interval", "repeats", "bits", "flips")
    }
    repeats, flipped, set_ = _count_payloads(rows, column["repeats"], column["bits"], column["flips"], len(key))
    limits = _interval_limits(rows, column["log_interval"], len(key))
    follows = repeats.sum(axis=1)
    seconds = np.concatenate([s.capture.seconds()[s.windows] for s in samples])
    return VehicleProfile(
        key=key,
        frames=count[known],
        share=(count[known] / len(rows)).astype(np.float32),
        median=limits[0],
        mad=limits[1],
        shortest=limits[2],
        longest=limits[3],
        narrow=limits[4].astype(bool),
        repeat_cost=_cost(repeats, follows[:, None], 2).astype(np.float32),
        flip_cost=_byte_cost(flipped, follows),
        bit_cost=_byte_cost(set_, count[known]),
        transition_cost=_transition_cost(np.append(row_of, len(key))[before], rows, len(key)),
        log_duration=float(np.log(max(np.median(seconds), 1e-6))),
        centre=np.zeros((len(key), len(STATISTICS)), np.float32),
        spread=np.ones((len(key), len(STATISTICS)), np.float32),
        quarantine=np.inf,
    )


def _before(codes: np.ndarray, capture: WindowedCapture, frames: np.ndarray) -> np.ndarray:
    """Code of the frame before each of some frames; -1 before a capture's first."""
    return np.where(frames > 0, codes[capture.code[np.maximum(frames - 1, 0)]], -1)


@njit(cache=True)
def _count_payloads(rows, repeats, bits, flips, ids):
    """Per ID: changed and repeated payloads (ids, 2), changed bits and set bits (ids, 64)."""
    repeated = np.zeros((ids, 2), np.int64)
    flipped, set_ = np.zeros((ids, 64), np.int64), np.zeros((ids, 64), np.int64)
    for i in range(len(rows)):
        k = rows[i]
        if k == ids:
            continue
        f, b = flips[i], bits[i]
        if repeats[i] >= 0:
            repeated[k, repeats[i]] += 1
        for bit in range(64):
            if b == 0 and f == 0:
                break
            set_[k, bit] += b & np.uint64(1)
            if repeats[i] >= 0:
                flipped[k, bit] += f & np.uint64(1)
            b >>= np.uint64(1)
            f >>= np.uint64(1)
    return repeated, flipped, set_


@dataclass(frozen=True)
class SortedByRow:
    """Values grouped by row and sorted within each: row k has ``values[start[k]:start[k + 1]]``."""

    values: np.ndarray
    start: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray, values: np.ndarray, count: int) -> SortedByRow:
        """Sort (n,) float32 values of (n,) rows below ``count``; NaN are left out.

        Row and value make one integer that sorts like the pair, which is many times faster than a sort for each row.
        """
        there = ~np.isnan(values)
        rows, bits = rows[there].astype(np.uint64), values[there].view(np.uint32)
        ordered = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
        key = (rows << np.uint64(32)) | ordered
        key.sort()
        ordered = key.astype(np.uint32)
        bits = np.where(ordered >> 31, ordered ^ np.uint32(1 << 31), ~ordered)
        start = np.concatenate([[0], np.cumsum(np.bincount(rows.astype(np.int64), minlength=count))])
        return cls(bits.view(np.float32), start)

    def counts(self) -> np.ndarray:
        """(count,) values in each row."""
        return np.diff(self.start)

    def quantile(self, q: float) -> np.ndarray:
        """(count,) quantile of each row, interpolated linearly; NaN where a row is empty."""
        n = self.counts()
        at = q * np.maximum(n - 1, 0)
        low = np.floor(at).astype(np.int64)
        first = np.minimum(self.start[:-1] + low, max(len(self.values) - 1, 0))
        second = np.minimum(first + (low + 1 < n), max(len(self.values) - 1, 0))
        if not len(self.values):
            return np.full(len(n), np.nan, np.float32)
        value = self.values[first] + (at - low) * (self.values[second] - self.values[first])
        return np.where(n > 0, value, np.nan).astype(np.float32)


def _interval_limits(rows: np.ndarray, log_interval: np.ndarray, ids: int) -> np.ndarray:
    """(5, ids) median, MAD, shortest and longest usual ln interval, and whether the ID is narrow.

    What a few frames show is widened by 1.5/√(n/10): the fewer were seen, the further the true extremes may lie.
    """
    inside = rows < ids
    rows, log_interval = rows[inside], log_interval[inside]
    intervals = SortedByRow.of(rows, log_interval, ids)
    n = intervals.counts()
    median = np.nan_to_num(intervals.quantile(0.5))
    mad = np.nan_to_num(SortedByRow.of(rows, np.abs(log_interval - median[rows]), ids).quantile(0.5))
    margin = 1.5 / np.sqrt(np.maximum(n, 1) / 10)
    narrow = (mad < NARROW) & (n >= NARROW_FRAMES)
    tight = np.maximum(intervals.quantile(0.01), median - 6 * mad - 0.1)
    shortest = np.where(narrow, tight, intervals.quantile(0.0) - margin)
    longest = intervals.quantile(1.0) + margin
    unknown = n == 0
    return np.stack(
        [median, mad, np.where(unknown, -np.inf, shortest), np.where(unknown, np.inf, longest), narrow]
    ).astype(np.float32)


def _cost(count: np.ndarray, total: np.ndarray, outcomes: int) -> np.ndarray:
    return -np.log((count + SMOOTHING) / (total + SMOOTHING * outcomes))


def _byte_cost(count: np.ndarray, total: np.ndarray) -> np.ndarray:
    """(ids, 8, 256) -ln P of each value of each byte, its bits taken as independent Bernoulli variables.

    Args:
        count: (ids, 64) how often each bit was set. total: (ids,) of how many words.
    """
    set_ = _cost(count, total[:, None], 2).reshape(-1, 8, 8)
    clear = _cost(total[:, None] - count, total[:, None], 2).reshape(-1, 8, 8)
    return (clear.sum(axis=2)[:, :, None] + (set_ - clear) @ BYTE_VALUES.T).astype(np.float32)


def _transition_cost(before: np.ndarray, rows: np.ndarray, ids: int) -> np.ndarray:
    count = np.bincount(before * (ids + 1) + rows, minlength=(ids + 1) ** 2).reshape(ids + 1, ids + 1)
    return _cost(count, count.sum(axis=1, keepdims=True), ids + 1).astype(np.float32)
