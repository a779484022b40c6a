"""A capture read twice: against its vehicle's known profile, and against its own.

Known: the profile of the vehicle's attack-free training captures; sees what starts in the first second. Own: fitted on
the capture's warm-up, then grown at each doubling from windows that fit; knows the state that the vehicle is in today.
Both are causal: no feature of a window comes from a later frame, and none from a label.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numba import njit

from canids.graphs.enroll import fit_profile, fits
from canids.graphs.profile import VehicleProfile
from canids.graphs.references import Sample
from canids.graphs.statistics import STATISTICS, node_statistics, z_scores
from canids.graphs.windows import WindowedCapture

RAW = [STATISTICS.index(name) for name in (
    "share", "interval_mean", "interval_min", "interval_max", "fast_max", "fast_share", "repeat_max", "flips_max",
    "bits_max", "transition_max")]  # fmt: skip
NODE_FEATURES = (*(STATISTICS[s] for s in RAW), *(f"{name}_z" for name in STATISTICS), "unseen")
GRAPH_FEATURES = ("present", "log_duration", "silence", "holds")
EDGE_FEATURES = ("transition_cost",)
HOLDS_Z = 3.0  # a channel holds today while its |z| stays below
LARGEST = 8.0  # features are clipped to ±8 after the asinh: e^8/2 ≈ 1500 spreads tell no more than that


@dataclass(frozen=True)
class Reading:
    """What a profile says about a capture's windows; all zero where there was no profile yet.

    Attributes:
        nodes: (nodes, len(NODE_FEATURES)) float32. Logarithms and z scores as asinh, clipped to ±``LARGEST``.
        edges: (edges, len(EDGE_FEATURES)) float32.
        graphs: (w, len(GRAPH_FEATURES)) float32. ``present``: whether there was a profile. ``log_duration``: ln of the
            window's duration over the usual one. ``silence``: largest ln(time since an ID was last heard / its longest
            usual interval) over the profile's IDs that the capture has shown so far, at least 0. ``holds``: share of
            (node, statistic) pairs with |z| < ``HOLDS_Z``.
    """

    nodes: np.ndarray
    edges: np.ndarray
    graphs: np.ndarray


def empty_reading(capture: WindowedCapture) -> Reading:
    """The reading against no profile at all."""
    return Reading(
        nodes=np.zeros((len(capture.node_code), len(NODE_FEATURES)), np.float32),
        edges=np.zeros((len(capture.edge_frames), len(EDGE_FEATURES)), np.float32),
        graphs=np.zeros((len(capture), len(GRAPH_FEATURES)), np.float32),
    )


def known_reading(capture: WindowedCapture, profile: VehicleProfile | None) -> Reading:
    """The whole capture against one profile; empty without one."""
    reading = empty_reading(capture)
    if profile is not None:
        _read_into(reading, capture, profile, 0, len(capture))
    return reading


def own_reading(capture: WindowedCapture, warmup: int) -> Reading:
    """The capture against its own profile, from the end of its warm-up (windows) on."""
    reading = empty_reading(capture)
    for profile, first, last in own_profiles(capture, warmup):
        _read_into(reading, capture, profile, first, last)
    return reading


def own_profiles(capture: WindowedCapture, warmup: int) -> Iterator[tuple[VehicleProfile, int, int]]:
    """The capture's own profile as it grows: (profile, first window, last window + 1) that it serves for.

    It rests on windows that came before ``first`` only, less those that did not fit the profile of their day.
    """
    doublings = itertools.takewhile(lambda w: w < len(capture), (warmup << k for k in itertools.count()))
    bounds = [*doublings, len(capture)]
    chosen = np.zeros(len(capture), bool)
    chosen[:warmup] = True
    for first, last in itertools.pairwise(bounds):
        # Overlapping windows reach beyond their own start: only those that ended before `first` began may enter.
        whole = chosen & (capture.last_frame < first * capture.stride)
        if not whole.any():
            continue
        profile = fit_profile([Sample(capture, whole)])
        yield profile, first, last
        chosen[first:last] = fits(capture, profile, first, last)


def _read_into(reading: Reading, capture: WindowedCapture, profile: VehicleProfile, first: int, last: int) -> None:
    begin, end = capture.node_start[first], capture.node_start[last]
    if begin == end:
        return
    rows = capture.node_rows(profile, first, last)
    statistics = node_statistics(capture, profile, first, last)
    z = z_scores(statistics, profile, rows)
    unseen = rows == len(profile.key)
    features = np.concatenate([statistics[:, RAW], z, unseen[:, None]], axis=1)
    reading.nodes[begin:end] = np.clip(np.arcsinh(features), -LARGEST, LARGEST)

    edge_begin, edge_end = capture.edge_start[first], capture.edge_start[last]
    offset = np.repeat(capture.node_start[first:last] - begin, np.diff(capture.edge_start[first : last + 1]))
    source, target = capture.edges[:, edge_begin:edge_end] + offset
    reading.edges[edge_begin:edge_end, 0] = profile.transition_cost[rows[source], rows[target]]

    starts = capture.node_start[first:last] - begin
    quiet = (np.abs(z) < HOLDS_Z).mean(axis=1) * ~unseen
    seconds = np.maximum(capture.seconds()[first:last], 1e-6)
    reading.graphs[first:last, 0] = 1
    reading.graphs[first:last, 1] = np.log(seconds) - profile.log_duration
    reading.graphs[first:last, 2] = _silence(
        profile.rows(capture.ids)[capture.code],
        capture.timestamp,
        np.append(profile.longest, np.float32(np.inf)),
        capture.last_frame[first:last],
    )
    reading.graphs[first:last, 3] = np.add.reduceat(quiet, starts) / np.diff(capture.node_start[first : last + 1])


@njit(cache=True)
def _silence(row, timestamp, longest, last_frame):
    """(w,) largest ln(time since last heard / longest usual interval) of the IDs heard so far, at least 0."""
    out = np.zeros(len(last_frame), np.float32)
    heard = np.full(len(longest), np.nan)
    i = 0
    for w in range(len(last_frame)):
        while i <= last_frame[w]:
            heard[row[i]] = timestamp[i]
            i += 1
        now = timestamp[last_frame[w]]
        for k in range(len(longest)):
            if now > heard[k]:
                out[w] = max(out[w], np.log(now - heard[k]) - longest[k])
    return out
