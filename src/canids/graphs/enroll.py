"""Enrolment: a vehicle profile fitted to windows of one or several captures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numba import njit

from canids.graphs.grouped import Grouped, column_quantile
from canids.graphs.profile import VehicleProfile
from canids.graphs.references import Sample, fit_references
from canids.graphs.statistics import STATISTICS, NodeReading, read_nodes
from canids.graphs.windows import WindowedCapture

FEWEST_WINDOWS = 4  # an ID's spread is its own from so many windows on
SPREAD_FLOOR = np.float32(0.05)
TAINTED = 0.1  # ln interval below the shortest usual one, on a narrow ID: a window that looks attacked
QUARANTINE_QUANTILE = 0.95  # tolerates a warm-up with one attacked window in twenty
QUARANTINE_MARGIN = 1.5
UNSEEN_SHARE = 0.05  # most frames of unseen IDs in a window that fits
TIMING = tuple(STATISTICS.index(name) for name in ("interval_mean", "interval_min", "fast_max"))
FAST_MAX = STATISTICS.index("fast_max")


@dataclass(frozen=True)
class Measured:
    """Statistics of nodes, read against references that their windows had no part in.

    Attributes:
        ids: (K,) uint32 IDs of the capture. code: (m,) index in ``ids`` of each node. statistics: (m, S) float32.
        window_start: where each window's nodes begin.
    """

    ids: np.ndarray
    code: np.ndarray
    statistics: np.ndarray
    window_start: np.ndarray


def fit_profile(samples: Sequence[Sample]) -> VehicleProfile:
    """Fit references and, cross-fitted, the centre and spread of each ID's node statistics.

    A z needs the spread of windows that did not fit the references, or it is too small: the references are fitted on
    one half of the windows and the statistics measured on the other, both ways.

    Args:
        samples: none of them extended.

    Raises:
        ValueError: there is no window to fit on.
    """
    halves = [sample.halves for sample in samples]
    measured = []
    for fit_on, measure_on in ((0, 1), (1, 0)):
        fitted = [half[fit_on] for half in halves if half[fit_on].windows.any()]
        if fitted:
            references = fit_references(fitted)
            measured += [measure(half[measure_on].capture, half[measure_on].windows, references) for half in halves]
    return with_statistics(fit_references(samples), measured)


def with_statistics(references: VehicleProfile, measured: Sequence[Measured]) -> VehicleProfile:
    """The references with the centre and spread of what was measured, and the quarantine's limit."""
    measured = [each for each in measured if len(each.code)]
    if not measured:
        return replace(references, quarantine=QUARANTINE_MARGIN)
    rows = np.concatenate([references.rows(each.ids)[each.code] for each in measured])
    statistics = np.concatenate([each.statistics for each in measured])
    centre, spread = _centre_and_spread(references, rows, statistics)
    profile = replace(references, centre=centre, spread=spread)
    ends = np.cumsum([0, *(len(each.code) for each in measured)])
    starts = np.concatenate([each.window_start + end for each, end in zip(measured, ends, strict=False)])
    surprise = _timing_surprise(statistics, profile, rows, np.append(starts, len(rows)))
    limit = column_quantile(surprise[:, None], QUARANTINE_QUANTILE)[0]
    return replace(profile, quarantine=float(limit) + QUARANTINE_MARGIN)


def measure(capture: WindowedCapture, windows: np.ndarray, references: VehicleProfile) -> Measured:
    """The statistics of some windows ((w,) bool), read against references that they had no part in."""
    chosen = np.flatnonzero(windows)
    first, last = (int(chosen[0]), int(chosen[-1]) + 1) if len(chosen) else (0, 0)
    return measured_of(capture, windows, references, read_nodes(capture, references, first, last, windows))


def measured_of(
    capture: WindowedCapture, windows: np.ndarray, references: VehicleProfile, nodes: NodeReading
) -> Measured:
    """Of a reading's nodes, those in some windows ((w,) bool), less those of narrow IDs with a too-fast interval.

    Leaving these out repairs a warm-up that contains the attack.
    """
    starts = capture.node_start[nodes.first : nodes.last + 1] - capture.node_start[nodes.first]
    keep, window_start = _kept(
        windows[nodes.first : nodes.last], starts, nodes.rows, nodes.statistics, references.narrow, FAST_MAX
    )
    code = capture.node_code[capture.node_start[nodes.first] :][keep]
    return Measured(capture.ids, code, nodes.statistics[keep], window_start)


@njit(cache=True, nogil=True)
def _kept(windows, node_start, rows, statistics, narrow, fast_max):
    """Numbers of the nodes that are kept, and where among them each window's begin."""
    keep = np.empty(len(rows), np.int64)
    starts = np.empty(len(windows), np.int64)
    kept = begun = 0
    for w in range(len(windows)):
        before = kept
        if windows[w]:
            for i in range(node_start[w], node_start[w + 1]):
                known = rows[i] < len(narrow)
                if known and not (narrow[rows[i]] and statistics[i, fast_max] > TAINTED):
                    keep[kept] = i
                    kept += 1
        if kept > before:
            starts[begun] = before
            begun += 1
    return keep[:kept].copy(), starts[:begun].copy()


def fits(capture: WindowedCapture, profile: VehicleProfile, nodes: NodeReading) -> np.ndarray:
    """(last - first,) bool: windows quiet enough in their timing and IDs to enter the capture's own profile.

    Payload statistics have no say: signals wander into new ranges on every drive, and have to be learned.
    """
    if not len(nodes.rows):
        return np.zeros(0, bool)
    begin, end = capture.node_start[nodes.first], capture.node_start[nodes.last]
    starts = capture.node_start[nodes.first : nodes.last + 1] - begin
    unseen = np.where(nodes.rows == len(profile.key), capture.node_frames[begin:end], 0).astype(np.int64)
    frames = capture.frame_count()[nodes.first : nodes.last]
    return (np.add.reduceat(unseen, starts[:-1]) <= UNSEEN_SHARE * frames) & (
        _timing_surprise(nodes.statistics, profile, nodes.rows, starts) <= profile.quarantine
    )


def _timing_surprise(
    statistics: np.ndarray, profile: VehicleProfile, rows: np.ndarray, window_start: np.ndarray
) -> np.ndarray:
    """(w,) largest asinh |z| of each window's nodes over the ``TIMING`` statistics; window_start is (w + 1,)."""
    return np.arcsinh(_largest_timing_z(statistics, profile.centre, profile.spread, rows, window_start))


@njit(cache=True, nogil=True)
def _largest_timing_z(statistics, centre, spread, rows, window_start):
    out = np.zeros(len(window_start) - 1, np.float32)
    for w in range(len(out)):
        for i in range(window_start[w], window_start[w + 1]):
            k = rows[i]
            if k < len(centre):
                for s in TIMING:
                    out[w] = max(out[w], abs(statistics[i, s] - centre[k, s]) / spread[k, s])
    return out


def _centre_and_spread(
    profile: VehicleProfile, rows: np.ndarray, statistics: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    centre, spread = _by_id(rows, statistics, len(profile.key))
    unmeasured = np.isnan(centre[:, 0])
    if unmeasured.all():
        return profile.centre, profile.spread
    if unmeasured.any():
        centre[unmeasured] = column_quantile(centre[~unmeasured], 0.5)
        spread[unmeasured] = 2 * column_quantile(spread[~unmeasured], 0.75)
    floor = np.maximum(SPREAD_FLOOR, np.float32(0.25) * column_quantile(spread, 0.5))
    return centre, np.maximum(spread, floor)


def _by_id(rows: np.ndarray, statistics: np.ndarray, ids: int) -> tuple[np.ndarray, np.ndarray]:
    """Median and spread (ids, S) of each ID's statistics; NaN where it has too few windows.

    Skewed statistics (maxima, surprises) have quiet medians, so the tails' reach counts as well as the MAD. The fewer
    windows were measured, the less is known of them.
    """
    grouped = Grouped.of(rows, statistics, ids)
    n = grouped.counts()
    low, middle, high = (grouped.quantile(q) for q in (0.02, 0.5, 0.98))
    deviation = np.float32(1.4826) * grouped.deviation(middle)
    spread = np.maximum(deviation, np.maximum(high - middle, middle - low) / np.float32(2.05))
    spread *= (1 + 2 / np.sqrt(np.maximum(n, 1))[:, None]).astype(np.float32)
    middle[n < FEWEST_WINDOWS] = np.nan
    return middle, spread
