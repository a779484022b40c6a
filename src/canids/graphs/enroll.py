"""Fitting a vehicle profile to windows of one or several captures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from canids.graphs.profile import NARROW, NARROW_FRAMES, VehicleProfile
from canids.graphs.statistics import STATISTICS, node_statistics
from canids.graphs.windows import WindowedCapture

SMOOTHING = 0.5  # pseudo-count of every probability (Krichevsky-Trofimov)
FEWEST_FRAMES = 2  # an ID heard less often stays unseen: a fuzzer's random IDs should not become known ones
SPREAD_FLOOR = np.float32(0.05)
QUARANTINE_QUANTILE = 0.95  # tolerates a warm-up with one attacked window in twenty
QUARANTINE_MARGIN = 1.5
UNSEEN_SHARE = 0.05  # most frames of unseen IDs in such a window
TIMING = [STATISTICS.index(name) for name in ("interval_mean", "interval_min", "fast_max")]


@dataclass(frozen=True)
class Sample:
    """Windows of a capture to fit on: ``windows`` is (w,) bool."""

    capture: WindowedCapture
    windows: np.ndarray


def fit_profile(samples: Sequence[Sample]) -> VehicleProfile:
    """Fit references and, cross-fitted, the centre and spread of each ID's node statistics.

    A z needs the spread of windows that did not fit the references, or it is too small: the references are fitted on
    one half of the windows and the statistics measured on the other, both ways.

    Raises:
        ValueError: there is no window to fit on.

    """
    profile = _fit_references(samples)
    halves = [_half(sample) for sample in samples]
    measured = []
    for fit_on, measure_on in ((0, 1), (1, 0)):
        fitted = [half[fit_on] for half in halves if half[fit_on].windows.any()]
        if fitted:
            measured += _measure(_fit_references(fitted), [half[measure_on] for half in halves])
    centre, spread = _centre_and_spread(profile, measured)
    profile = replace(profile, centre=centre, spread=spread)
    return replace(profile, quarantine=_quarantine(profile, samples))


def fits(capture: WindowedCapture, profile: VehicleProfile, first: int, last: int) -> np.ndarray:
    """(last - first,) bool: windows quiet enough in their timing and IDs to enter the capture's own profile.

    Payload statistics have no say: signals wander into new ranges on every drive, and have to be learned.
    """
    begin, end = capture.node_start[first], capture.node_start[last]
    if begin == end:
        return np.zeros(0, bool)
    starts = capture.node_start[first:last] - begin
    unseen = profile.rows(capture.node_key[begin:end]) == len(profile.key)
    unseen_frames = np.add.reduceat(np.where(unseen, capture.node_frames[begin:end], 0).astype(np.int64), starts)
    return (unseen_frames <= UNSEEN_SHARE * capture.window) & (
        _timing_surprise(capture, profile, first, last) <= profile.quarantine
    )


def _timing_surprise(capture: WindowedCapture, profile: VehicleProfile, first: int, last: int) -> np.ndarray:
    """(last - first,) largest asinh |z| of a window's nodes over the ``TIMING`` statistics."""
    statistics = node_statistics(capture, profile, first, last)
    begin, end = capture.node_start[first], capture.node_start[last]
    z = z_scores(statistics, profile, profile.rows(capture.node_key[begin:end]))[:, TIMING]
    return np.maximum.reduceat(np.abs(np.arcsinh(z)).max(axis=1), capture.node_start[first:last] - begin)


def z_scores(statistics: np.ndarray, profile: VehicleProfile, rows: np.ndarray) -> np.ndarray:
    """(nodes, S) (statistic - centre) / spread of each node's ID; 0 for an unseen one."""
    unseen = rows == len(profile.key)
    known = np.where(unseen, 0, rows)
    z = (statistics - profile.centre[known]) / profile.spread[known]
    z[unseen] = 0
    return z


def _half(sample: Sample) -> tuple[Sample, Sample]:
    """The first and the second half of a sample's windows, without those of the second that reach into the first."""
    chosen = np.flatnonzero(sample.windows)
    middle = len(chosen) // 2
    first, second = np.zeros_like(sample.windows), np.zeros_like(sample.windows)
    first[chosen[:middle]] = True
    if middle:
        overlap = sample.capture.first_frame[chosen] <= sample.capture.last_frame[chosen[middle - 1]]
        second[chosen[middle:][~overlap[middle:]]] = True
    else:
        second[chosen] = True
    return Sample(sample.capture, first), Sample(sample.capture, second)


def _fit_references(samples: Sequence[Sample]) -> VehicleProfile:
    inside = [(s.capture, s.capture.frames_of(s.windows)) for s in samples]
    column = {
        name: np.concatenate([getattr(capture, name)[mask] for capture, mask in inside])
        for name in ("key", "previous_key", "log_interval", "repeats", "bits", "flips")
    }
    if not len(column["key"]):
        raise ValueError("no window to fit a vehicle profile on")
    key, count = np.unique(column["key"], return_counts=True)
    key = key[count >= min(FEWEST_FRAMES, count.max())]
    rows = np.minimum(np.searchsorted(key, column["key"]), len(key) - 1)
    rows = np.where(key[rows] == column["key"], rows, len(key))
    ids = len(key)
    order = np.argsort(rows, kind="stable")
    bounds = np.searchsorted(rows[order], np.arange(ids + 1))
    limits = np.zeros((5, ids), np.float32)
    repeat_cost = np.zeros((ids, 2), np.float32)
    flip_cost, bit_cost = np.zeros((2, ids, 8, 256), np.float32)
    for k in range(ids):
        of_id = order[bounds[k] : bounds[k + 1]]
        follows = of_id[column["repeats"][of_id] >= 0]
        limits[:, k] = _interval_limits(column["log_interval"][follows])
        repeat_cost[k] = _cost(np.bincount(column["repeats"][follows], minlength=2), len(follows), 2)
        flip_cost[k] = _byte_cost(column["flips"][follows])
        bit_cost[k] = _byte_cost(column["bits"][of_id])
    durations = [
        (c.timestamp[c.last_frame] - c.timestamp[c.first_frame])[s.windows]
        for s, (c, _) in zip(samples, inside, strict=True)
    ]
    frames = np.diff(bounds)
    return VehicleProfile(
        key=key,
        frames=frames,
        share=(frames / len(rows)).astype(np.float32),
        median=limits[0],
        mad=limits[1],
        shortest=limits[2],
        longest=limits[3],
        narrow=limits[4].astype(bool),
        repeat_cost=repeat_cost,
        flip_cost=flip_cost,
        bit_cost=bit_cost,
        transition_cost=_transition_cost(key, column["previous_key"], rows),
        log_duration=float(np.log(max(np.median(np.concatenate(durations)), 1e-6))),
        centre=np.zeros((ids, len(STATISTICS)), np.float32),
        spread=np.ones((ids, len(STATISTICS)), np.float32),
        quarantine=np.inf,
    )


def _interval_limits(log_interval: np.ndarray) -> tuple[float, float, float, float, bool]:
    """Median, MAD, shortest and longest usual ln interval, and whether the ID is narrow.

    What a few frames show is widened by 1.5/√(n/10): the fewer were seen, the further the true extremes may lie.
    """
    n = len(log_interval)
    if n == 0:
        return 0.0, 0.0, -np.inf, np.inf, False
    median = float(np.median(log_interval))
    mad = float(np.median(np.abs(log_interval - median)))
    margin = 1.5 / np.sqrt(n / 10)
    narrow = mad < NARROW and n >= NARROW_FRAMES
    if narrow:
        shortest = max(float(np.quantile(log_interval, 0.01)), median - 6 * mad - 0.1)
    else:
        shortest = float(log_interval.min()) - margin
    return median, mad, shortest, float(log_interval.max()) + margin, narrow


def _cost(count: np.ndarray, total: int | np.ndarray, outcomes: int) -> np.ndarray:
    return -np.log((count + SMOOTHING) / (total + SMOOTHING * outcomes))


def _byte_cost(words: np.ndarray) -> np.ndarray:
    """(8, 256) -ln P of each value of each byte, its bits taken as independent Bernoulli variables."""
    bits = np.unpackbits(words.view(np.uint8).reshape(-1, 8, 1), axis=2, bitorder="little")
    set_ = bits.sum(axis=0, dtype=np.int64)
    cost_set, cost_clear = _cost(set_, len(words), 2), _cost(len(words) - set_, len(words), 2)
    value = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little").astype(bool)
    return np.where(value[None], cost_set[:, None], cost_clear[:, None]).sum(axis=2)


def _transition_cost(key: np.ndarray, previous_key: np.ndarray, rows: np.ndarray) -> np.ndarray:
    ids = len(key)
    at = np.minimum(np.searchsorted(key, previous_key), ids - 1)
    before = np.where(key[at] == previous_key, at, ids)
    count = np.bincount(before * (ids + 1) + rows, minlength=(ids + 1) ** 2).reshape(ids + 1, ids + 1)
    return _cost(count, count.sum(axis=1, keepdims=True), ids + 1).astype(np.float32)


def _measure(profile: VehicleProfile, samples: Sequence[Sample]) -> list[tuple[np.ndarray, np.ndarray]]:
    """(key, statistics) of the samples' nodes, less those of narrow IDs that hold a too-fast interval.

    Leaving these out repairs a warm-up that contains the attack.
    """
    measured = []
    for sample in samples:
        nodes = sample.windows[sample.capture.node_window()]
        key = sample.capture.node_key[nodes]
        statistics = node_statistics(sample.capture, profile, 0, len(sample.capture))[nodes]
        rows = profile.rows(key)
        tainted = np.append(profile.narrow, False)[rows] & (statistics[:, STATISTICS.index("fast_max")] > 0.1)
        keep = (rows < len(profile.key)) & ~tainted
        measured.append((key[keep], statistics[keep]))
    return measured


def _centre_and_spread(profile: VehicleProfile, measured: list) -> tuple[np.ndarray, np.ndarray]:
    if not measured:
        return profile.centre, profile.spread
    rows = profile.rows(np.concatenate([key for key, _ in measured]))
    statistics = np.concatenate([each for _, each in measured])
    ids = len(profile.key)
    order = np.argsort(rows, kind="stable")
    bounds = np.searchsorted(rows[order], np.arange(ids + 1))
    centre = np.full((ids, len(STATISTICS)), np.nan, np.float32)
    spread = np.full_like(centre, np.nan)
    for k in range(ids):
        of_id = statistics[order[bounds[k] : bounds[k + 1]]]
        if len(of_id) < 4:
            continue
        low, middle, high = np.quantile(of_id, [0.02, 0.5, 0.98], axis=0)
        deviation = 1.4826 * np.median(np.abs(of_id - middle), axis=0)
        # Skewed statistics (maxima, surprises) have quiet medians: the tails' reach counts as well. The fewer windows
        # were measured, the less is known of them.
        reach = np.maximum(high - middle, middle - low) / 2.05
        centre[k] = middle
        spread[k] = np.maximum(deviation, reach) * (1 + 2 / np.sqrt(len(of_id)))
    unmeasured = np.isnan(centre[:, 0])
    if unmeasured.all():
        return np.zeros_like(centre), np.ones_like(spread)
    centre[unmeasured] = np.median(centre[~unmeasured], axis=0)
    spread[unmeasured] = 2 * np.quantile(spread[~unmeasured], 0.75, axis=0)
    floor = np.maximum(SPREAD_FLOOR, 0.25 * np.median(spread, axis=0))
    return centre, np.maximum(spread, floor)


def _quarantine(profile: VehicleProfile, samples: Sequence[Sample]) -> float:
    values = [_timing_surprise(s.capture, profile, 0, len(s.capture))[s.windows] for s in samples]
    return float(np.quantile(np.concatenate(values), QUARANTINE_QUANTILE)) + QUARANTINE_MARGIN
