"""Windows of consecutive frames as graphs: nodes are arbitration IDs, edges their succession. Nothing learned yet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from canids.frames.frames import Frames
from canids.graphs.profile import VehicleProfile

STANDARD_IDS = 0x800
EXTENDED = np.uint32(1 << 31)  # sets a 29-bit identifier apart from a standard one of the same number


@dataclass(frozen=True)
class WindowedCapture:
    """A capture's frames with what precedes each of them, and the graphs of its windows.

    A window is ``window`` consecutive frames; window w starts at frame ``w * stride``. Frames after the last whole
    window belong to none.

    Attributes:
        timestamp: (n,) float64, s.
        ids: (K,) uint32, sorted keys: arbitration IDs, with ``EXTENDED`` set for 29-bit ones.
        code: (n,) int32, index of each frame's ID in ``ids``.
        log_interval: (n,) float32, ln of the seconds since the ID's last frame; NaN for its first.
        repeats: (n,) int8, 1 where the payload equals the ID's last one, 0 where not, -1 for its first.
        bits, flips: (n,) uint64, the payload, and its exclusive or with the ID's last one (0 for its first).
        node_start: (w + 1,) int64, window w has the nodes ``node_start[w]:node_start[w + 1]``.
        node_code: (nodes,) int32, index in ``ids``. node_frames: (nodes,) uint8, frames of the node.
        slot: (w, window) uint8, each frame's node, counted within its window.
        edge_start: (w + 1,) int64. edges: (2, edges) uint8, source and target node within the window.
        edge_frames: (edges,) uint8, how often the target followed the source.
    """

    timestamp: np.ndarray
    ids: np.ndarray
    code: np.ndarray
    log_interval: np.ndarray
    repeats: np.ndarray
    bits: np.ndarray
    flips: np.ndarray
    window: int
    stride: int
    node_start: np.ndarray
    node_code: np.ndarray
    node_frames: np.ndarray
    slot: np.ndarray
    edge_start: np.ndarray
    edges: np.ndarray
    edge_frames: np.ndarray

    def __len__(self) -> int:
        return len(self.slot)

    @property
    def node_key(self) -> np.ndarray:
        """(nodes,) uint32 key of each node."""
        return self.ids[self.node_code]

    def node_rows(self, profile: VehicleProfile, first: int, last: int) -> np.ndarray:
        """(nodes,) int32 row in a profile of each node of windows ``first`` to ``last`` - 1."""
        return profile.rows(self.ids)[self.node_code[self.node_start[first] : self.node_start[last]]]

    @property
    def first_frame(self) -> np.ndarray:
        """(w,) index of each window's first frame."""
        return np.arange(len(self)) * self.stride

    @property
    def last_frame(self) -> np.ndarray:
        """(w,) index of each window's last frame."""
        return self.first_frame + self.window - 1

    def seconds(self) -> np.ndarray:
        """(w,) each window's duration, s."""
        return self.timestamp[self.last_frame] - self.timestamp[self.first_frame]

    def node_window(self) -> np.ndarray:
        """(nodes,) each node's window."""
        return np.repeat(np.arange(len(self)), np.diff(self.node_start))

    def frames_of(self, windows: np.ndarray) -> np.ndarray:
        """(n,) bool, the frames that lie in one of some windows ((w,) bool)."""
        inside = np.zeros(len(self.code), bool)
        for offset in range(self.window):
            inside[self.first_frame[windows] + offset] = True
        return inside


def window_capture(frames: Frames, window: int, stride: int) -> WindowedCapture:
    """Cut a capture into windows and list each window's nodes and edges."""
    key = np.where(frames.is_extended, frames.arbitration_id | EXTENDED, frames.arbitration_id).astype(np.uint32)
    ids, code = _encode(key)
    codes = len(ids)
    bits = np.ascontiguousarray(frames.payload).view(np.uint64).ravel()
    windows = max(0, (len(frames) - window) // stride + 1)
    log_interval, repeats, flips = _since_last(frames.timestamp, code, bits, frames.dlc, codes)
    node_start, node_frame, node_frames, slot, edge_start, edges, edge_frames = _list_graphs(
        code, codes, windows, window, stride
    )
    return WindowedCapture(
        timestamp=frames.timestamp,
        ids=ids,
        code=code,
        log_interval=log_interval,
        repeats=repeats,
        bits=bits,
        flips=flips,
        window=window,
        stride=stride,
        node_start=node_start,
        node_code=code[node_frame],
        node_frames=node_frames,
        slot=slot,
        edge_start=edge_start,
        edges=edges,
        edge_frames=edge_frames,
    )


def _encode(key: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted unique keys, and each key's index among them ((n,) int32)."""
    if len(key) == 0 or key.max() >= STANDARD_IDS:
        ids, code = np.unique(key, return_inverse=True)
        return ids, code.astype(np.int32)
    present = np.zeros(STANDARD_IDS, bool)
    present[key] = True
    return np.flatnonzero(present).astype(np.uint32), (np.cumsum(present) - 1).astype(np.int32)[key]


@njit(cache=True)
def _since_last(timestamp, code, bits, dlc, codes):
    n = len(code)
    log_interval = np.full(n, np.nan, np.float32)
    repeats = np.full(n, -1, np.int8)
    flips = np.zeros(n, np.uint64)
    last = np.full(codes, -1, np.int64)
    for i in range(n):
        before = last[code[i]]
        if before >= 0:
            # Frames of one ID with equal timestamps exist (coarse clocks): a microsecond is the finest that logs tell.
            log_interval[i] = np.log(max(timestamp[i] - timestamp[before], 1e-6))
            flips[i] = bits[i] ^ bits[before]
            repeats[i] = flips[i] == 0 and dlc[i] == dlc[before]
        last[code[i]] = i
    return log_interval, repeats, flips


@njit(cache=True)
def _list_graphs(code, codes, windows, window, stride):
    slot = np.zeros((windows, window), np.uint8)
    node_start = np.zeros(windows + 1, np.int64)
    edge_start = np.zeros(windows + 1, np.int64)
    node_frame = np.empty(windows * window, np.int64)
    node_frames = np.empty(windows * window, np.uint8)
    edges = np.empty((2, windows * (window - 1)), np.uint8)
    edge_frames = np.empty(windows * (window - 1), np.uint8)
    node_of_code = np.full(codes, -1, np.int64)
    edge_of_pair = np.full((window, window), -1, np.int64)
    nodes = 0
    listed = 0
    for w in range(windows):
        first_node, first_edge, first = nodes, listed, w * stride
        for j in range(window):
            c = code[first + j]
            if node_of_code[c] < first_node:
                node_of_code[c] = nodes
                node_frame[nodes] = first + j
                node_frames[nodes] = 0
                nodes += 1
            node_frames[node_of_code[c]] += 1
            slot[w, j] = node_of_code[c] - first_node
        for j in range(1, window):
            u, v = slot[w, j - 1], slot[w, j]
            if edge_of_pair[u, v] < first_edge:
                edge_of_pair[u, v] = listed
                edges[0, listed] = u
                edges[1, listed] = v
                edge_frames[listed] = 0
                listed += 1
            edge_frames[edge_of_pair[u, v]] += 1
        node_start[w + 1] = nodes
        edge_start[w + 1] = listed
    return (
        node_start,
        node_frame[:nodes].copy(),
        node_frames[:nodes].copy(),
        slot,
        edge_start,
        edges[:, :listed].copy(),
        edge_frames[:listed].copy(),
    )
