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
CHANNELS, STATISTICS = tuple(CHANNEL_DEFINITIONS), tuple(STATISTIC_DEFINITIONS)


def frame_channels(capture: WindowedCapture, profile: VehicleProfile, frames: slice) -> np.ndarray:
    """(n, 6) float32 channels of some frames; 0 for an unseen ID, the interval NaN where an ID has no last frame."""
    rows = profile.rows(capture.ids)
    start, stop, _ = frames.indices(len(capture.code))
    return _frame_channels(
        rows,
        capture.code[start:stop],
        rows[capture.code[start - 1]] if start else len(profile.key),
        capture.log_interval[start:stop],
        capture.repeats[start:stop],
        capture.bits[start:stop],
        capture.flips[start:stop],
        profile.median,
        profile.shortest,
        profile.repeat_cost,
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


def read_nodes(capture: WindowedCapture, profile: VehicleProfile, first: int, last: int) -> NodeReading:
    """Read the nodes of windows ``first`` to ``last`` - 1 against a profile."""
    rows = capture.node_rows(profile, first, last)
    begin, end = capture.node_start[first], capture.node_start[last]
    if begin == end:
        return NodeReading(first, last, rows, np.zeros((0, len(STATISTICS)), np.float32))
    frames = slice(int(capture.first_frame[first]), int(capture.last_frame[last - 1]) + 1)
    statistics = _node_statistics(
        frame_channels(capture, profile, frames),
        capture.slot[capture.frame_count()[:first].sum() :],
        capture.first_frame[first:last] - frames.start,
        capture.last_frame[first:last] - frames.start,
        capture.node_start[first : last + 1] - begin,
        capture.node_frames[begin:end],
        rows,
        np.log(profile.share),
    )
    return NodeReading(first, last, rows, statistics)


def z_scores(statistics: np.ndarray, profile: VehicleProfile, rows: np.ndarray) -> np.ndarray:
    """(nodes, S) (statistic - centre) / spread of each node's ID; 0 for an unseen one."""
    return _z_scores(statistics, profile.centre, profile.spread, rows)


@njit(cache=True, nogil=True)
def _z_scores(statistics, centre, spread, rows):
    out = np.zeros_like(statistics)
    for i in range(np.uint64(len(rows))):
        k = np.uint64(rows[i])
        if k < np.uint64(len(centre)):
            for s in range(np.uint64(statistics.shape[1])):
                out[i, s] = (statistics[i, s] - centre[k, s]) / spread[k, s]
    return out


@njit(cache=True, nogil=True)
def _frame_channels(rows, code, before, log_interval, repeats, bits, flips, median, shortest, repeat_cost, flip_cost,
                    bit_cost, transition_cost):  # fmt: skip
    """The channels of frames of some codes; ``before`` is the row of the frame before the first."""
    # Unsigned indices need no look for negative ones, and sums of their own stay in registers.
    n, unseen, before = np.uint64(len(code)), np.uint64(len(median)), np.uint64(before)
    out = np.zeros((len(code), 6), np.float32)
    unflipped = flip_cost[:, :, 0].sum(axis=1)  # of a repeated payload, which many are
    of_last = np.full(len(median), np.float32(np.nan))  # bits' cost of each ID's last frame, if it is among these
    for i in range(n):
        previous, k = before, np.uint64(rows[np.uint64(code[i])])
        before = k
        if k == unseen:
            out[i, 0] = np.nan
            continue
        out[i, 0] = log_interval[i] - median[k]
        total = of_last[k]
        if repeats[i] != 1 or np.isnan(total):
            set_, total = bits[i], np.float32(0)
            for byte in range(np.uint64(8)):
                total += bit_cost[k, byte, set_ & np.uint64(255)]
                set_ >>= np.uint64(8)
            of_last[k] = total
        out[i, 4] = total
        out[i, 5] = transition_cost[previous, k]
        if repeats[i] >= 0:
            out[i, 1] = max(np.float32(0), shortest[k] - log_interval[i])
            out[i, 2] = repeat_cost[k, np.uint64(repeats[i])]
            flipped, total = flips[i], unflipped[k]
            if flipped:
                total = np.float32(0)
                for byte in range(np.uint64(8)):
                    total += flip_cost[k, byte, flipped & np.uint64(255)]
                    flipped >>= np.uint64(8)
            out[i, 3] = total
    return out


@njit(cache=True, nogil=True)
def _node_statistics(channels, slot, first_frame, last_frame, node_start, node_frames, rows, log_share):
    windows = len(first_frame)
    logarithms = np.log(np.arange(256))  # of every count that a node has
    nodes = node_start[windows]
    out = np.zeros((nodes, 14), np.float32)
    intervals = np.zeros(nodes, np.int64)
    at = np.uint64(0)
    for w in range(windows):
        first_node = np.uint64(node_start[w])
        for i in range(np.uint64(first_frame[w]), np.uint64(last_frame[w]) + np.uint64(1)):
            node = first_node + np.uint64(slot[at])
            at += np.uint64(1)
            r = channels[i, 0]
            if not np.isnan(r):
                first = intervals[node] == 0
                out[node, 2] = r if first else min(out[node, 2], r)
                out[node, 3] = r if first else max(out[node, 3], r)
                out[node, 1] += r
                intervals[node] += 1
            if channels[i, 1] > 0:
                out[node, 4] = max(out[node, 4], channels[i, 1])
                out[node, 5] += 1
            for c in range(np.uint64(4)):
                value, mean = channels[i, np.uint64(2) + c], np.uint64(6) + np.uint64(2) * c
                out[node, mean] += value
                out[node, mean + np.uint64(1)] = max(out[node, mean + np.uint64(1)], value)
    for w in range(windows):
        log_frames = np.log(last_frame[w] - first_frame[w] + 1)
        for node in range(np.uint64(node_start[w]), np.uint64(node_start[w + 1])):
            if rows[node] == len(log_share):
                out[node] = 0
                continue
            out[node, 0] = logarithms[node_frames[node]] - log_frames - log_share[rows[node]]
            if intervals[node] > 0:
                out[node, 1] /= intervals[node]
            share = np.float32(1) / np.float32(node_frames[node])
            for s in (5, 6, 8, 10, 12):
                out[node, s] *= share
    return out
