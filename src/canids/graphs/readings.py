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

from canids.graphs.asinh import clipped_asinh
from canids.graphs.enroll import fit_profile, fits, measure, measured_of, with_statistics
from canids.graphs.profile import NARROW, VehicleProfile
from canids.graphs.references import Sample, fit_references
from canids.graphs.statistics import STATISTICS, NodeReading, read_nodes, z_scores
from canids.graphs.windows import WindowedCapture

RAW = np.array([STATISTICS.index(name) for name in (
    "share", "interval_mean", "interval_min", "interval_max", "fast_max", "fast_share", "repeat_max", "flips_max",
    "bits_max", "transition_max")])  # fmt: skip
NODE_FEATURES = (*(STATISTICS[s] for s in RAW), *(f"{name}_z" for name in STATISTICS), "heard", "unsteady", "unseen")
SILENT = 4.0  # ln of how much longer than usual an ID is silent, from where on it tells no more
HOLDS_Z = 3.0  # a channel holds today while its |z| stays below
# Features of a window and of an edge: (formula, range, meaning).
GRAPH_DEFINITIONS = {
    "present": ("1 where there is a profile to read against, else 0", "0 or 1", "whether the other columns speak"),
    "log_duration": ("ln(window's duration / usual duration)", "any", "the bus is busier or quieter than usual"),
    "silence": (
        "largest ln(time since last heard / longest usual interval) of the periodic IDs heard so far, within the range",
        f"0 to {SILENT:g}",
        "an ID has fallen silent",
    ),
    "silence_ids": (
        "ln(1 + IDs whose silence is above 1)",
        "at least 0",
        "how many have: a suppression silences one, a change of the vehicle's state several",
    ),
    "holds": (f"share of (node, statistic) pairs with |z| < {HOLDS_Z:g}", "0 to 1", "how well the profile fits today"),
}
EDGE_DEFINITIONS = {
    "transition_cost": ("-ln P(target follows source)", "at least 0", "how surprising the succession is"),
}
GRAPH_FEATURES, EDGE_FEATURES = tuple(GRAPH_DEFINITIONS), tuple(EDGE_DEFINITIONS)
LARGEST = 8.0  # features are clipped to ±8 after the asinh: e^8/2 ≈ 1500 spreads tell no more than that


@dataclass(frozen=True)
class Reading:
    """What a profile says about a capture's windows; all zero where there was no profile yet.

    Attributes:
        nodes: (nodes, len(NODE_FEATURES)) float32. Logarithms and z scores as asinh, clipped to ±``LARGEST``.
        edges: (edges, len(EDGE_FEATURES)) float32.
        graphs: (w, len(GRAPH_FEATURES)) float32, see ``GRAPH_DEFINITIONS``.
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
        _write(reading, capture, profile, read_nodes(capture, profile, 0, len(capture)))
    return reading


def own_reading(capture: WindowedCapture, warmup: int, quarantine: bool = True) -> Reading:
    """The capture against its own profile, from the end of its warm-up (windows) on.

    Args:
        quarantine: whether windows that do not fit the profile of their day are kept out of later ones.
    """
    reading = empty_reading(capture)
    for profile, nodes in own_profiles(capture, warmup, quarantine):
        _write(reading, capture, profile, nodes)
    return reading


def own_profiles(
    capture: WindowedCapture, warmup: int, quarantine: bool = True
) -> Iterator[tuple[VehicleProfile, NodeReading]]:
    """The capture's own profile as it grows, and what it says of the windows that it serves for.

    It rests on windows that came before these only, less (under quarantine) those that did not fit the profile of
    their day. Each growth is a cross-fit: what the profile had learned before and the windows that are new are measured
    against each other.
    """
    doublings = itertools.takewhile(lambda w: w < len(capture), (warmup << k for k in itertools.count()))
    chosen = np.zeros(len(capture), bool)
    chosen[:warmup] = True
    sample, profile, nodes = None, None, None
    for first, last in itertools.pairwise([*doublings, len(capture)]):
        # Overlapping windows reach beyond their own start: only those that ended before `first` began may enter.
        ended = chosen & (capture.last_frame < capture.first_frame[first])
        if sample is None and ended.any():
            sample = Sample.of(capture, ended)
            profile = fit_profile([sample])
        elif sample is not None:
            sample, profile = _grown(sample, profile, nodes, ended & ~sample.windows)
        if profile is not None:
            nodes = read_nodes(capture, profile, first, last)
            chosen[first:last] = fits(capture, profile, nodes) if quarantine else True
            yield profile, nodes


def _grown(
    sample: Sample, profile: VehicleProfile, nodes: NodeReading, windows: np.ndarray
) -> tuple[Sample, VehicleProfile]:
    """A sample and its profile with some windows more, of those that the profile has read."""
    capture = sample.capture
    grown, new = sample.extended(windows)
    if not new.inside.any():
        return sample, profile
    apart = windows & (capture.first_frame > np.flatnonzero(sample.inside)[-1])
    apart[: nodes.first] = False
    measured = [
        measured_of(capture, apart, profile, nodes),
        measure(capture, sample.windows, fit_references([new])),
    ]
    return grown, with_statistics(fit_references([grown]), measured)


def _write(reading: Reading, capture: WindowedCapture, profile: VehicleProfile, nodes: NodeReading) -> None:
    first, last, rows = nodes.first, nodes.last, nodes.rows
    if not len(rows):
        return
    begin, end = capture.node_start[first], capture.node_start[last]
    node_start = capture.node_start[first : last + 1] - begin
    z = z_scores(nodes.statistics, profile, rows)
    features = reading.nodes[begin:end]
    _node_features(features, nodes.statistics, z, rows, np.log(profile.frames), profile.mad / NARROW)
    clipped_asinh(features.reshape(-1), LARGEST)

    edges = slice(capture.edge_start[first], capture.edge_start[last])
    _edge_costs(
        reading.edges[edges, 0],
        profile.transition_cost,
        rows,
        capture.edges[:, edges],
        node_start,
        capture.edge_start[first : last + 1] - edges.start,
    )
    seconds = np.maximum(capture.seconds()[first:last], 1e-6)
    reading.graphs[first:last, 0] = 1
    reading.graphs[first:last, 1] = np.log(seconds) - profile.log_duration
    reading.graphs[first:last, 2:4] = _silence(
        profile.rows(capture.ids),
        capture.code,
        capture.timestamp,
        np.append(np.where(profile.narrow, profile.longest, np.float32(np.inf)), np.float32(np.inf)),
        capture.last_frame[first:last],
    )
    reading.graphs[first:last, 4] = _holds(z, rows, len(profile.key), node_start)


@njit(cache=True, nogil=True)
def _node_features(out, statistics, z, rows, heard, unsteady):
    """Fill (nodes, ``NODE_FEATURES``), before the asinh.

    Args:
        heard, unsteady: (K,) of the profile's IDs.
    """
    raw, series = np.uint64(len(RAW)), np.uint64(z.shape[1])
    for i in range(np.uint64(len(rows))):
        for c in range(raw):
            out[i, c] = statistics[i, RAW[c]]
        for s in range(series):
            out[i, raw + s] = z[i, s]
        k, last = np.uint64(rows[i]), raw + series
        known = k < np.uint64(len(heard))
        out[i, last] = heard[k] if known else 0
        out[i, last + np.uint64(1)] = unsteady[k] if known else 0
        out[i, last + np.uint64(2)] = 0 if known else 1


@njit(cache=True, nogil=True)
def _holds(z, rows, unseen, node_start):
    """(w,) share of the windows' (node, statistic) pairs with a small |z|; those of unseen IDs have none."""
    out = np.zeros(len(node_start) - 1, np.float32)
    for w in range(len(out)):
        quiet = 0
        for i in range(np.uint64(node_start[w]), np.uint64(node_start[w + 1])):
            if rows[i] < unseen:
                for s in range(np.uint64(z.shape[1])):
                    quiet += abs(z[i, s]) < HOLDS_Z
        out[w] = quiet / ((node_start[w + 1] - node_start[w]) * z.shape[1])
    return out


@njit(cache=True, nogil=True)
def _edge_costs(out, transition_cost, rows, edges, node_start, edge_start):
    for w in range(len(node_start) - 1):
        first = np.uint64(node_start[w])
        for e in range(np.uint64(edge_start[w]), np.uint64(edge_start[w + 1])):
            source, target = rows[first + np.uint64(edges[0, e])], rows[first + np.uint64(edges[1, e])]
            out[e] = transition_cost[np.uint64(source), np.uint64(target)]


@njit(cache=True, nogil=True)
def _silence(rows, code, timestamp, longest, last_frame):
    """(w, 2) the features ``silence`` and ``silence_ids``.

    Args:
        longest: (K + 1,) ln interval of the profile's IDs; infinite for one that is not periodic, and for unseen ones.
    """
    out = np.zeros((len(last_frame), 2), np.float32)
    heard = np.full(len(longest), np.nan)
    limit = np.exp(longest.astype(np.float64))
    i = np.uint64(0)
    for w in range(len(last_frame)):
        last = np.uint64(last_frame[w])
        while i <= last:
            heard[np.uint64(rows[np.uint64(code[i])])] = timestamp[i]
            i += np.uint64(1)
        now = timestamp[last]
        overdue, ids = 1.0, 0
        for k in range(np.uint64(len(limit))):
            silent = now - heard[k]
            if silent > overdue * limit[k]:
                overdue = silent / limit[k]
            ids += silent > np.e * limit[k]
        out[w, 0], out[w, 1] = min(np.log(overdue), SILENT), np.log(1 + ids)
    return out
