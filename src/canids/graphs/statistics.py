"""Frames read against a vehicle profile: channels of a frame, statistics of a node.

The channels of a frame (natural logarithms; P is a probability under the profile of the frame's ID):

    interval    ln(interval / median interval)
    fast        how far ln interval lies below the shortest usual one
    repeat      -ln P(payload repeated, or changed)
    flips       -ln P(these bits changed since the ID's last frame)
    bits        -ln P(these bits are set)
    transition  -ln P(this ID follows that one)
"""

from __future__ import annotations

import numpy as np
from numba import njit

from canids.graphs.profile import VehicleProfile
from canids.graphs.windows import WindowedCapture

CHANNELS = ("interval", "fast", "repeat", "flips", "bits", "transition")
STATISTICS = (
    "share",  # ln(share of the window's frames / usual share)
    "interval_mean",
    "interval_min",
    "interval_max",
    "fast_max",
    "fast_share",  # share of the node's frames that are too fast
    "repeat_mean",
    "repeat_max",
    "flips_mean",
    "flips_max",
    "bits_mean",
    "bits_max",
    "transition_mean",
    "transition_max",
)


def frame_channels(capture: WindowedCapture, profile: VehicleProfile, frames: slice) -> np.ndarray:
    """(n, 6) float32 channels of some frames; 0 for an unseen ID, the interval NaN where an ID has no last frame."""
    rows = profile.rows(capture.ids)
    start, stop, _ = frames.indices(len(capture.code))
    row = rows[capture.code[start:stop]]
    previous = rows[capture.code[start - 1]] if start else len(profile.key)
    before = np.concatenate([[previous], row[:-1]])[: len(row)].astype(np.int32)
    return _frame_channels(
        row,
        before,
        capture.log_interval[frames],
        capture.repeats[frames],
        capture.bits[frames],
        capture.flips[frames],
        profile.median,
        profile.shortest,
        profile.repeat_cost,
        profile.flip_cost,
        profile.bit_cost,
        profile.transition_cost,
    )


def node_statistics(capture: WindowedCapture, profile: VehicleProfile, first: int, last: int) -> np.ndarray:
    """(nodes, 14) float32 ``STATISTICS`` of the nodes of windows ``first`` to ``last`` - 1; 0 for an unseen ID."""
    begin, end = capture.node_start[first], capture.node_start[last]
    if begin == end:
        return np.zeros((0, len(STATISTICS)), np.float32)
    frames = slice(first * capture.stride, (last - 1) * capture.stride + capture.window)
    rows = capture.node_rows(profile, first, last)
    usual = np.append(profile.share, np.nan)[rows]
    statistics = _node_statistics(
        frame_channels(capture, profile, frames),
        capture.slot[first:last],
        capture.node_start[first : last + 1] - begin,
        capture.node_frames[begin:end],
        np.int64(capture.stride),
    )
    statistics[:, 0] = np.log(capture.node_frames[begin:end] / capture.window / usual)
    statistics[rows == len(profile.key)] = 0
    return statistics


def z_scores(statistics: np.ndarray, profile: VehicleProfile, rows: np.ndarray) -> np.ndarray:
    """(nodes, S) (statistic - centre) / spread of each node's ID; 0 for an unseen one."""
    unseen = rows == len(profile.key)
    known = np.where(unseen, 0, rows)
    z = (statistics - profile.centre[known]) / profile.spread[known]
    z[unseen] = 0
    return z


@njit(cache=True)
def _frame_channels(row, before, log_interval, repeats, bits, flips, median, shortest, repeat_cost, flip_cost, bit_cost,
                    transition_cost):  # fmt: skip
    n, unseen = len(row), len(median)
    out = np.zeros((n, 6), np.float32)
    for i in range(n):
        k = row[i]
        if k == unseen:
            out[i, 0] = np.nan
            continue
        out[i, 0] = log_interval[i] - median[k]
        if repeats[i] >= 0:
            out[i, 1] = max(np.float32(0), shortest[k] - log_interval[i])
            out[i, 2] = repeat_cost[k, repeats[i]]
        flipped, set_ = flips[i], bits[i]
        for byte in range(8):
            if repeats[i] >= 0:
                out[i, 3] += flip_cost[k, byte, flipped & np.uint64(255)]
            out[i, 4] += bit_cost[k, byte, set_ & np.uint64(255)]
            flipped >>= np.uint64(8)
            set_ >>= np.uint64(8)
        out[i, 5] = transition_cost[before[i], k]
    return out


@njit(cache=True)
def _node_statistics(channels, slot, node_start, node_frames, stride):
    windows, window = slot.shape
    nodes = node_start[windows]
    out = np.zeros((nodes, 14), np.float32)
    intervals = np.zeros(nodes, np.int64)
    for w in range(windows):
        for j in range(window):
            i = w * stride + j
            node = node_start[w] + slot[w, j]
            r = channels[i, 0]
            if not np.isnan(r):
                out[node, 2] = r if intervals[node] == 0 else min(out[node, 2], r)
                out[node, 3] = r if intervals[node] == 0 else max(out[node, 3], r)
                out[node, 1] += r
                intervals[node] += 1
            out[node, 4] = max(out[node, 4], channels[i, 1])
            if channels[i, 1] > 0:
                out[node, 5] += 1
            for c in range(4):
                out[node, 6 + 2 * c] += channels[i, 2 + c]
                out[node, 7 + 2 * c] = max(out[node, 7 + 2 * c], channels[i, 2 + c])
    for node in range(nodes):
        if intervals[node] > 0:
            out[node, 1] /= intervals[node]
        for s in (5, 6, 8, 10, 12):
            out[node, s] /= node_frames[node]
    return out
