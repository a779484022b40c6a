"""Frames read against a vehicle profile: channels of a frame, statistics of a node."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from canids.graphs.profile import VehicleProfile
from canids.graphs.windows import WindowedCapture

# Channels of a frame; logarithms are natural, P is a probability under the profile of the frame's ID.
CHANNEL_DEFINITIONS = {
    "interval": "ln(interval / median interval)",
    "fast": "max(0, ln(shortest usual interval / interval))",
    "repeat": "-ln P(payload repeated, or changed)",
    "flips": "-ln P(these bits changed since the ID's last frame)",
    "bits": "-ln P(these bits are set)",
    "transition": "-ln P(this ID follows that one)",
}
# Statistics of a node, over its frames in the window: (formula, meaning).
STATISTIC_DEFINITIONS = {
    "share": ("ln(share of the window's frames / usual share)", "the ID sends more or less than usual"),
    "interval_mean": ("mean of interval", "its frames come faster or slower on the whole"),
    "interval_min": ("min of interval", "its frames come too close together"),
    "interval_max": ("max of interval", "it paused"),
    "fast_max": ("max of fast", "how far below anything usual its shortest interval lies"),
    "fast_share": ("share of its frames with fast > 0", "how many of its frames come too fast"),
    "repeat_mean": ("mean of repeat", "a counter stands still, or a constant changes"),
    "repeat_max": ("max of repeat", "the most surprising of these"),
    "flips_mean": ("mean of flips", "bits change that do not, or not together"),
    "flips_max": ("max of flips", "the most surprising change"),
    "bits_mean": ("mean of bits", "values that the ID does not have"),
    "bits_max": ("max of bits", "the most surprising value"),
    "transition_mean": ("mean of transition", "it follows IDs that it does not follow"),
    "transition_max": ("max of transition", "the most surprising succession"),
}
TOGETHER = 16  # windows whose frames are read at once
CHANNELS, STATISTICS = tuple(CHANNEL_DEFINITIONS), tuple(STATISTIC_DEFINITIONS)


def frame_channels(capture: WindowedCapture, profile: VehicleProfile, frames: slice) -> np.ndarray:
    """(n, 6) float32 channels of some frames; 0 for an unseen ID, the interval NaN where an ID has no last frame."""
    start, stop, _ = frames.indices(len(capture.code))
    out = np.empty((stop - start, len(CHANNELS)), np.float32)
    of_last = np.full(len(profile.key), np.nan, np.float32)
    _frame_channels(out, start, of_last, *_of_capture(capture, profile), *_of_profile(profile))
    return out


def _of_capture(capture: WindowedCapture, profile: VehicleProfile) -> tuple[np.ndarray, ...]:
    """What ``_frame_channels`` takes from a capture."""
    return (
        profile.rows(capture.ids),
        capture.code,
        capture.log_interval,
        capture.repeats,
        capture.bits,
        capture.flips,
    )


def _of_profile(profile: VehicleProfile) -> tuple[np.ndarray, ...]:
    """What ``_frame_channels`` takes from a profile."""
    return (
        profile.median,
        profile.shortest,
        profile.repeat_cost,
        sum(profile.flip_cost[:, byte, 0] for byte in range(8)),  # of a repeated payload, which many are
        profile.flip_cost,
        profile.bit_cost,
        profile.transition_cost,
    )


@dataclass(frozen=True)
class NodeReading:
    """The nodes of windows ``first`` to ``last`` - 1 against a profile.

    Attributes:
        rows: (nodes,) int32 row in the profile. statistics: (nodes, S) float32 ``STATISTICS``, 0 for an unseen ID.
    """

    first: int
    last: int
    rows: np.ndarray
    statistics: np.ndarray


def read_nodes(
    capture: WindowedCapture, profile: VehicleProfile, first: int, last: int, windows: np.ndarray | None = None
) -> NodeReading:
    """Read the nodes of windows ``first`` to ``last`` - 1 against a profile.

    Args:
        windows: (w,) bool, those of the capture's windows that are read, of others the statistics are 0; None: all.
    """
    rows = capture.node_rows(profile, first, last)
    begin, end = capture.node_start[first], capture.node_start[last]
    if begin == end:
        return NodeReading(first, last, rows, np.zeros((0, len(STATISTICS)), np.float32))
    statistics = _node_statistics(
        capture.slot[capture.frame_count()[:first].sum() :],
        capture.first_frame[first:last],
        capture.last_frame[first:last],
        np.ones(last - first, bool) if windows is None else windows[first:last],
        capture.node_start[first : last + 1] - begin,
        capture.node_frames[begin:end],
        rows,
        np.log(profile.share),
        _of_capture(capture, profile),
        _of_profile(profile),
    )
    return NodeReading(first, last, rows, statistics)


def z_scores(statistics: np.ndarray, profile: VehicleProfile, rows: np.ndarray) -> np.ndarray:
    """(nodes, S) (statistic - centre) / spread of each node's ID; 0 for an unseen one."""
    return _z_scores(statistics, profile.centre, profile.spread, rows)


@njit(cache=True, nogil=True, error_model="numpy")  # a spread is never 0: no look for it
def _z_scores(statistics, centre, spread, rows):
    out = np.zeros_like(statistics)
    for i in range(np.uint64(len(rows))):
        k = np.uint64(rows[i])
        if k < np.uint64(len(centre)):
            for s in range(np.uint64(statistics.shape[1])):
                out[i, s] = (statistics[i, s] - centre[k, s]) / spread[k, s]
    return out


@njit(cache=True, nogil=True)
def _frame_channels(out, first, of_last, rows, code, log_interval, repeats, bits, flips, median, shortest, repeat_cost,
                    unflipped, flip_cost, bit_cost, transition_cost):  # fmt: skip
    """Fill (n, 6) with the channels of n frames from ``first`` on.

    Args:
        of_last: (K,) what the bits of each ID's last frame cost; NaN where that is yet to be found out.
    """
    # Unsigned indices need no look for negative ones, and sums of their own stay in registers.
    unseen, begin = np.uint64(len(median)), np.uint64(first)
    before = np.uint64(rows[np.uint64(code[first - 1])]) if first else unseen
    for at in range(np.uint64(len(out))):
        i = begin + at
        previous, k = before, np.uint64(rows[np.uint64(code[i])])
        before = k
        for c in range(np.uint64(6)):
            out[at, c] = 0
        if k == unseen:
            out[at, 0] = np.nan
            continue
        out[at, 0] = log_interval[i] - median[k]
        total = of_last[k]
        if repeats[i] != 1 or np.isnan(total):
            set_, total = bits[i], np.float32(0)
            for byte in range(np.uint64(8)):
                total += bit_cost[k, byte, set_ & np.uint64(255)]
                set_ >>= np.uint64(8)
            of_last[k] = total
        out[at, 4] = total
        out[at, 5] = transition_cost[previous, k]
        if repeats[i] >= 0:
            out[at, 1] = max(np.float32(0), shortest[k] - log_interval[i])
            out[at, 2] = repeat_cost[k, np.uint64(repeats[i])]
            flipped, total = flips[i], unflipped[k]
            if flipped:
                total = np.float32(0)
                for byte in range(np.uint64(8)):
                    total += flip_cost[k, byte, flipped & np.uint64(255)]
                    flipped >>= np.uint64(8)
            out[at, 3] = total


@njit(cache=True, nogil=True)
def _node_statistics(
    slot, first_frame, last_frame, read, node_start, node_frames, rows, log_share, of_capture, of_profile
):
    """(nodes, S). Frames' channels are computed for a few windows at a time, and used while they are in the cache."""
    windows = len(first_frame)
    logarithms = np.log(np.arange(256))  # of every count that a node has
    out = np.empty((node_start[windows], 14), np.float32)
    of_last = np.full(len(log_share), np.float32(np.nan))
    sums, largest = np.empty((256, 4), np.float32), np.empty((256, 4), np.float32)  # of a window's nodes
    timing, intervals = np.empty((256, 5), np.float32), np.empty(256, np.int64)
    channels = np.empty((0, 6), np.float32)
    at, done, last = np.uint64(0), -1, 0
    while last < windows:
        first, last = last, last + 1
        if not read[first]:
            out[node_start[first] : node_start[last]] = 0
            at += np.uint64(last_frame[first] + 1 - first_frame[first])
            continue
        while last < min(first + TOGETHER, windows) and read[last]:
            last += 1
        begin, end = first_frame[first], last_frame[last - 1] + 1
        if begin != done:
            of_last[:] = np.nan  # frames between were not read, or are read again
        done = end
        if len(channels) < end - begin:
            channels = np.empty((2 * (end - begin), 6), np.float32)
        _frame_channels(channels[: end - begin], begin, of_last, *of_capture, *of_profile)
        for w in range(first, last):
            first_node, nodes = np.uint64(node_start[w]), np.uint64(node_start[w + 1] - node_start[w])
            sums[:nodes], largest[:nodes], timing[:nodes], intervals[:nodes] = 0, 0, 0, 0
            timing[:nodes, 1], timing[:nodes, 2] = np.inf, -np.inf
            for i in range(np.uint64(first_frame[w] - begin), np.uint64(last_frame[w] + 1 - begin)):
                node = np.uint64(slot[at])
                at += np.uint64(1)
                r, fast = channels[i, 0], channels[i, 1]
                if not np.isnan(r):
                    timing[node, 0] += r
                    timing[node, 1] = min(timing[node, 1], r)
                    timing[node, 2] = max(timing[node, 2], r)
                    intervals[node] += 1
                if fast > 0:
                    timing[node, 3] = max(timing[node, 3], fast)
                    timing[node, 4] += 1
                for c in range(np.uint64(4)):
                    value = channels[i, np.uint64(2) + c]
                    sums[node, c] += value
                    largest[node, c] = max(largest[node, c], value)
            log_frames = np.log(last_frame[w] - first_frame[w] + 1)
            for n in range(nodes):
                node = first_node + n
                if rows[node] == len(log_share):
                    out[node] = 0
                    continue
                out[node, 0] = logarithms[node_frames[node]] - log_frames - log_share[rows[node]]
                heard = intervals[n] > 0
                out[node, 1] = timing[n, 0] / intervals[n] if heard else 0
                out[node, 2] = timing[n, 1] if heard else 0
                out[node, 3] = timing[n, 2] if heard else 0
                share = np.float32(1) / np.float32(node_frames[node])
                out[node, 4] = timing[n, 3]
                out[node, 5] = timing[n, 4] * share
                for c in range(np.uint64(4)):
                    out[node, np.uint64(6) + np.uint64(2) * c] = sums[n, c] * share
                    out[node, np.uint64(7) + np.uint64(2) * c] = largest[n, c]
    return out
