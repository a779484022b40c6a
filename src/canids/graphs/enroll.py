"""Enrolment: a vehicle profile fitted to windows of one or several captures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from canids.graphs.profile import VehicleProfile
from canids.graphs.references import Sample, SortedByRow, fit_references
from canids.graphs.statistics import STATISTICS, node_statistics, z_scores
from canids.graphs.windows import WindowedCapture

FEWEST_WINDOWS = 4  # an ID's spread is its own from so many windows on
SPREAD_FLOOR = np.float32(0.05)
TAINTED = 0.1  # ln interval below the shortest usual one, on a narrow ID: a window that looks attacked
QUARANTINE_QUANTILE = 0.95  # tolerates a warm-up with one attacked window in twenty
QUARANTINE_MARGIN = 1.5
UNSEEN_SHARE = 0.05  # most frames of unseen IDs in a window that fits
TIMING = [STATISTICS.index(name) for name in ("interval_mean", "interval_min", "fast_max")]


def fit_profile(samples: Sequence[Sample]) -> VehicleProfile:
    """Fit references and, cross-fitted, the centre and spread of each ID's node statistics.

    A z needs the spread of windows that did not fit the references, or it is too small: the references are fitted on
    one half of the windows and the statistics measured on the other, both ways.

    Raises:
        ValueError: there is no window to fit on.

    """
    profile = fit_references(samples)
    halves = [_half(sample) for sample in samples]
    measured = []
    for fit_on, measure_on in ((0, 1), (1, 0)):
        fitted = [half[fit_on] for half in halves if half[fit_on].windows.any()]
        if fitted:
            measured += _measure(fit_references(fitted), [half[measure_on] for half in halves])
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
    unseen = capture.node_rows(profile, first, last) == len(profile.key)
    unseen_frames = np.add.reduceat(np.where(unseen, capture.node_frames[begin:end], 0).astype(np.int64), starts)
    return (unseen_frames <= UNSEEN_SHARE * capture.window) & (
        _timing_surprise(capture, profile, first, last) <= profile.quarantine
    )


def _timing_surprise(capture: WindowedCapture, profile: VehicleProfile, first: int, last: int) -> np.ndarray:
    """(last - first,) largest asinh |z| of a window's nodes over the ``TIMING`` statistics."""
    statistics = node_statistics(capture, profile, first, last)
    if len(statistics) == 0:
        return np.zeros(0, np.float32)
    z = z_scores(statistics, profile, capture.node_rows(profile, first, last))[:, TIMING]
    starts = capture.node_start[first:last] - capture.node_start[first]
    return np.maximum.reduceat(np.abs(np.arcsinh(z)).max(axis=1), starts)


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


def _range(windows: np.ndarray) -> tuple[int, int]:
    """First and last + 1 of the windows that are chosen ((w,) bool)."""
    chosen = np.flatnonzero(windows)
    return (int(chosen[0]), int(chosen[-1]) + 1) if len(chosen) else (0, 0)


def _measure(profile: VehicleProfile, samples: Sequence[Sample]) -> list[tuple[np.ndarray, np.ndarray]]:
    """(rows, statistics) of the samples' nodes, less those of narrow IDs that hold a too-fast interval.

    Leaving these out repairs a warm-up that contains the attack.
    """
    measured = []
    for sample in samples:
        first, last = _range(sample.windows)
        begin, end = sample.capture.node_start[first], sample.capture.node_start[last]
        chosen = sample.windows[sample.capture.node_window()[begin:end]]
        statistics = node_statistics(sample.capture, profile, first, last)
        rows = sample.capture.node_rows(profile, first, last)
        tainted = np.append(profile.narrow, False)[rows] & (statistics[:, STATISTICS.index("fast_max")] > TAINTED)
        keep = chosen & (rows < len(profile.key)) & ~tainted
        measured.append((profile.key[rows[keep]], statistics[keep]))
    return measured


def _centre_and_spread(profile: VehicleProfile, measured: list) -> tuple[np.ndarray, np.ndarray]:
    if not measured:
        return profile.centre, profile.spread
    rows = profile.rows(np.concatenate([key for key, _ in measured]))
    statistics = np.concatenate([each for _, each in measured])
    known = rows < len(profile.key)
    centre, spread = _by_id(rows[known], statistics[known], len(profile.key))
    unmeasured = np.isnan(centre[:, 0])
    if unmeasured.all():
        return profile.centre, profile.spread
    centre[unmeasured] = np.median(centre[~unmeasured], axis=0)
    spread[unmeasured] = 2 * np.quantile(spread[~unmeasured], 0.75, axis=0)
    floor = np.maximum(SPREAD_FLOOR, 0.25 * np.median(spread, axis=0))
    return centre, np.maximum(spread, floor)


def _by_id(rows: np.ndarray, statistics: np.ndarray, ids: int) -> tuple[np.ndarray, np.ndarray]:
    """Median and spread (ids, S) of each ID's statistics; NaN where it has too few windows.

    Skewed statistics (maxima, surprises) have quiet medians, so the tails' reach counts as well as the MAD. The fewer
    windows were measured, the less is known of them.
    """
    n = np.bincount(rows, minlength=ids)
    centre, spread = np.empty((2, ids, statistics.shape[1]), np.float32)
    for s, values in enumerate(np.ascontiguousarray(statistics.T)):
        by_row = SortedByRow.of(rows, values, ids)
        low, middle, high = (by_row.quantile(q) for q in (0.02, 0.5, 0.98))
        deviation = 1.4826 * SortedByRow.of(rows, np.abs(values - middle[rows]), ids).quantile(0.5)
        centre[:, s] = middle
        spread[:, s] = np.maximum(deviation, np.maximum(high - middle, middle - low) / 2.05)
    spread *= 1 + 2 / np.sqrt(np.maximum(n, 1))[:, None]
    centre[n < FEWEST_WINDOWS] = np.nan
    return centre, spread


def _quarantine(profile: VehicleProfile, samples: Sequence[Sample]) -> float:
    values = []
    for sample in samples:
        first, last = _range(sample.windows)
        values.append(_timing_surprise(sample.capture, profile, first, last)[sample.windows[first:last]])
    return float(np.quantile(np.concatenate(values), QUARANTINE_QUANTILE)) + QUARANTINE_MARGIN
