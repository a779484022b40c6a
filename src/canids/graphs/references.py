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
    limits = _interval_limits(*_by_row(rows, len(key)), column["log_interval"])
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


def _by_row(rows: np.ndarray, ids: int) -> tuple[np.ndarray, np.ndarray]:
    """An order that sorts frames by row, and where each row begins in it ((ids + 1,))."""
    order = np.argsort(rows.astype(np.uint16), kind="stable")
    return order, np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=ids + 1))])[: ids + 1]


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


@njit(cache=True)
def sorted_quantile(values, q):
    """Quantile of sorted values, interpolated linearly."""
    at = q * (len(values) - 1)
    low = int(np.floor(at))
    high = min(low + 1, len(values) - 1)
    return values[low] + (at - low) * (values[high] - values[low])


@njit(cache=True)
def _interval_limits(order, bounds, log_interval):
    """(5, ids) median, MAD, shortest and longest usual ln interval, and whether the ID is narrow.

    What a few frames show is widened by 1.5/√(n/10): the fewer were seen, the further the true extremes may lie.
    """
    ids = len(bounds) - 1
    limits = np.zeros((5, ids), np.float32)
    for k in range(ids):
        intervals = log_interval[order[bounds[k] : bounds[k + 1]]]
        intervals = np.sort(intervals[~np.isnan(intervals)])
        n = len(intervals)
        if n == 0:
            limits[2, k], limits[3, k] = -np.inf, np.inf
            continue
        median = sorted_quantile(intervals, 0.5)
        mad = sorted_quantile(np.sort(np.abs(intervals - median)), 0.5)
        margin = 1.5 / np.sqrt(n / 10)
        narrow = mad < NARROW and n >= NARROW_FRAMES
        shortest = intervals[0] - margin
        if narrow:
            shortest = max(sorted_quantile(intervals, 0.01), median - 6 * mad - 0.1)
        limits[0, k], limits[1, k], limits[2, k] = median, mad, shortest
        limits[3, k], limits[4, k] = intervals[-1] + margin, narrow
    return limits


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
