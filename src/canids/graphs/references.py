"""What is usual for each ID: references counted from the frames of some windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numba import njit

from canids.graphs.grouped import Grouped
from canids.graphs.profile import NARROW, NARROW_FRAMES, VehicleProfile
from canids.graphs.statistics import STATISTICS
from canids.graphs.windows import WindowedCapture

SMOOTHING = 0.5  # pseudo-count of every probability (Krichevsky-Trofimov)
FEWEST_FRAMES = 2  # an ID heard less often stays unseen: a fuzzer's random IDs should not become known ones
# A byte's eight bits, each in a byte of its own.
LANES = np.unpackbits(np.arange(256, dtype=np.uint8), bitorder="little").view(np.uint64)
LANE_FULL = 255


@dataclass(frozen=True)
class Counts:
    """What some frames of a capture count up to, for each of its K IDs.

    Attributes:
        frames: (K,). repeats: (K, 2) changed and repeated payloads. flipped, set_: (K, 64) changed bits and set bits.
    """

    frames: np.ndarray
    repeats: np.ndarray
    flipped: np.ndarray
    set_: np.ndarray

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(mine + others for mine, others in zip(vars(self).values(), vars(other).values(), strict=True)))


@dataclass(frozen=True)
class Sample:
    """Windows of a capture to fit on.

    Attributes:
        windows: (w,) bool. inside: (n,) bool, their frames.
        halves: the first and the second half of the windows, less those of the second that reach into the first; where
            the sample was not extended.
    """

    capture: WindowedCapture
    windows: np.ndarray
    inside: np.ndarray
    counts: Counts
    halves: tuple[Sample, Sample] | None = None

    @classmethod
    def of(cls, capture: WindowedCapture, windows: np.ndarray) -> Sample:
        """The sample of some windows."""
        first, second = _halves(capture, windows)
        first_half = cls._of_frames(capture, first, capture.frames_of(first))
        both, second_half = first_half.extended(second)
        whole, _ = both.extended(windows)
        return replace(whole, halves=(first_half, second_half))

    def extended(self, windows: np.ndarray) -> tuple[Sample, Sample]:
        """The sample with some windows more, and the sample of these alone, less the frames that were in it before."""
        more = self._of_frames(self.capture, windows, self.capture.frames_of(windows) & ~self.inside)
        both = Sample(self.capture, self.windows | windows, self.inside | more.inside, self.counts + more.counts)
        return both, more

    @classmethod
    def _of_frames(cls, capture: WindowedCapture, windows: np.ndarray, inside: np.ndarray) -> Sample:
        counted = _count(
            capture.code,
            capture.repeats,
            capture.bits,
            capture.flips,
            inside,
            *capture.span(windows),
            len(capture.ids),
            LANES,
        )
        return cls(capture, windows, inside, Counts(*counted))


def _halves(capture: WindowedCapture, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(w,) bool each: the first and the second half of some windows, see ``Sample``."""
    chosen = np.flatnonzero(windows)
    middle = len(chosen) // 2
    reached = capture.last_frame[chosen[middle - 1]] if middle else -1
    first, second = np.zeros_like(windows), np.zeros_like(windows)
    first[chosen[:middle]] = True
    second[chosen[middle:]] = capture.first_frame[chosen[middle:]] > reached
    return first, second


def fit_references(samples: Sequence[Sample]) -> VehicleProfile:
    """A profile whose references rest on the samples' frames, and whose z scores are yet to be measured.

    Raises:
        ValueError: there is no window to fit on.
    """
    ids, places, counts = _joined(samples)
    if not counts.frames.any():
        raise ValueError("no window to fit a vehicle profile on")
    known = counts.frames >= min(FEWEST_FRAMES, counts.frames.max())
    key, frames = ids[known], counts.frames[known]
    row_of = np.where(known, np.cumsum(known) - 1, known.sum()).astype(np.int32)  # the last row stands for unseen IDs
    successions = np.zeros((len(key) + 1, len(key) + 1), np.int64)
    intervals = []
    for sample, place in zip(samples, places, strict=True):
        capture = sample.capture
        span = capture.span(sample.windows)
        intervals.append(_scan(capture.code, capture.log_interval, sample.inside, *span, row_of[place], successions))
    limits = _interval_limits(*(np.concatenate(each) for each in zip(*intervals, strict=True)), len(key))
    repeats = counts.repeats[known]
    follows = repeats.sum(axis=1)
    seconds = np.concatenate([sample.capture.seconds()[sample.windows] for sample in samples])
    return VehicleProfile(
        key=key,
        frames=frames,
        share=(frames / counts.frames.sum()).astype(np.float32),
        median=limits[0],
        mad=limits[1],
        shortest=limits[2],
        longest=limits[3],
        narrow=limits[4].astype(bool),
        repeat_cost=_cost(repeats, follows[:, None], 2).astype(np.float32),
        flip_cost=_byte_cost(counts.flipped[known], follows),
        bit_cost=_byte_cost(counts.set_[known], frames),
        transition_cost=_cost(successions, successions.sum(axis=1, keepdims=True), len(key) + 1).astype(np.float32),
        log_duration=float(np.log(max(np.median(seconds), 1e-6))),
        centre=np.zeros((len(key), len(STATISTICS)), np.float32),
        spread=np.ones((len(key), len(STATISTICS)), np.float32),
        quarantine=np.inf,
    )


def _joined(samples: Sequence[Sample]) -> tuple[np.ndarray, list[np.ndarray], Counts]:
    """The IDs of all samples, the place of each sample's IDs among them, and the counts together."""
    if len(samples) == 1:
        ids = samples[0].capture.ids
        return ids, [np.arange(len(ids))], samples[0].counts
    ids = np.unique(np.concatenate([sample.capture.ids for sample in samples]))
    places = [np.searchsorted(ids, sample.capture.ids) for sample in samples]
    joined = Counts(*(np.zeros((len(ids), *each.shape[1:]), each.dtype) for each in vars(samples[0].counts).values()))
    for sample, place in zip(samples, places, strict=True):
        heard = np.flatnonzero(sample.counts.frames)  # few of a fuzzer's IDs
        for total, mine in zip(vars(joined).values(), vars(sample.counts).values(), strict=True):
            total[place[heard]] += mine[heard]
    return ids, places, joined


@njit(cache=True, nogil=True)
def _count(code, repeats, bits, flips, inside, first, stop, ids, lanes):
    """The fields of ``Counts`` of the frames inside, which lie from ``first`` to ``stop``.

    Bits add up in byte-wide lanes, eight at a time, taken out before they spill.
    """
    frames = np.zeros(ids, np.int64)
    repeated = np.zeros((ids, 2), np.int64)
    totals = np.zeros((2, ids, 64), np.int64)
    running = np.zeros((ids, 16), np.uint64)
    for i in range(np.uint64(first), np.uint64(stop)):  # unsigned indices need no look for negative ones
        if not inside[i]:
            continue
        k = np.uint64(code[i])
        frames[k] += 1
        if repeats[i] >= 0:
            repeated[k, np.uint64(repeats[i])] += 1
        f, b = flips[i], bits[i]
        mine = running[k]
        if f:
            for byte in range(np.uint64(8)):
                mine[byte] += lanes[f & np.uint64(255)]
                f >>= np.uint64(8)
        for byte in range(np.uint64(8), np.uint64(16)):
            mine[byte] += lanes[b & np.uint64(255)]
            b >>= np.uint64(8)
        if frames[k] % LANE_FULL == 0:
            _take_out(mine, totals[0, k], totals[1, k])
    for k in range(ids):
        if frames[k]:  # of a fuzzer's IDs, most windows hold few
            _take_out(running[k], totals[0, k], totals[1, k])
    return frames, repeated, totals[0], totals[1]


@njit(cache=True, nogil=True)
def _take_out(running, flipped, set_):
    for byte in range(8):
        for bit in range(8):
            shift = np.uint64(8 * bit)
            flipped[8 * byte + bit] += np.int64((running[byte] >> shift) & np.uint64(255))
            set_[8 * byte + bit] += np.int64((running[8 + byte] >> shift) & np.uint64(255))
    running[:] = 0


@njit(cache=True, nogil=True)
def _scan(code, log_interval, inside, first, stop, row_of, successions):
    """Row and ln interval of the frames inside (from ``first`` to ``stop``) of known IDs that have one; counts who
    follows whom into ``successions``."""
    unseen = np.uint64(len(successions) - 1)
    rows = np.empty(stop - first, np.int32)
    values = np.empty((stop - first, 1), np.float32)
    found = np.uint64(0)
    row = np.uint64(row_of[np.uint64(code[first - 1])]) if first else unseen
    for i in range(np.uint64(first), np.uint64(stop)):
        before, row = row, np.uint64(row_of[np.uint64(code[i])])
        if not inside[i]:
            continue
        successions[before, row] += 1
        if row < unseen and not np.isnan(log_interval[i]):
            rows[found] = row
            values[found, 0] = log_interval[i]
            found += np.uint64(1)
    return rows[:found].copy(), values[:found].copy()


def _interval_limits(rows: np.ndarray, log_interval: np.ndarray, ids: int) -> np.ndarray:
    """(5, ids) median, MAD, shortest and longest usual ln interval, and whether the ID is narrow.

    What a few frames show is widened by 1.5/√(n/10): the fewer were seen, the further the true extremes may lie.
    """
    intervals = Grouped.of(rows, log_interval, ids)
    n = intervals.counts()
    unknown = n == 0
    middle = np.where(unknown[:, None], np.float32(0), intervals.quantile(0.5))
    median, mad = middle[:, 0], np.where(unknown, np.float32(0), intervals.deviation(middle)[:, 0])
    least, low, most = (intervals.quantile(q)[:, 0] for q in (0.0, 0.01, 1.0))
    margin = 1.5 / np.sqrt(np.maximum(n, 1) / 10)
    narrow = (mad < NARROW) & (n >= NARROW_FRAMES)
    shortest = np.where(narrow, np.maximum(low, median - 6 * mad - 0.1), least - margin)
    longest = most + margin
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
    set_ = _cost(count, total[:, None], 2)
    clear = _cost(total[:, None] - count, total[:, None], 2)
    return _byte_sums(set_ - clear, clear.reshape(-1, 8, 8).sum(axis=2))


@njit(cache=True, nogil=True)
def _byte_sums(more, clear):
    """(ids, 8, 256) sums of ``more`` ((ids, 64)) over the bits that are set in a byte, above those of 0 ((ids, 8))."""
    out = np.empty((len(more), 8, 256), np.float32)
    sums = np.empty(256)
    for k in range(len(more)):
        for byte in range(8):
            sums[0] = clear[k, byte]
            for bit in range(8):
                # Of the values that have this bit as their highest: those below it, and the bit.
                highest = np.uint64(1) << np.uint64(bit)
                for value in range(highest):
                    sums[highest + value] = sums[value] + more[k, 8 * byte + bit]
            out[k, byte] = sums
    return out
