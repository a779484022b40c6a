"""Windows of consecutive frames as graphs: nodes are arbitration IDs, edges their succession. Nothing learned yet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from canids.frames.frames import STANDARD_IDS, Frames
from canids.graphs.profile import VehicleProfile

EXTENDED = np.uint32(1 << 31)  # sets a 29-bit identifier apart from a standard one of the same number
CLOCK = 1e-9  # s: times of day in double precision tell no finer


@dataclass(frozen=True)
class Cut:
    """How a capture is cut into windows.

    By frames: ``window`` consecutive frames, every ``stride`` frames; those after the last whole window belong to none.
    By time, where ``seconds`` is above 0: the frames of ``seconds``, every ``stride_seconds``, in parts of ``window``
    frames where there are more (a flood); an interval without a frame is no window, and one that the capture does not
    reach the end of is not cut.
    """

    window: int
    stride: int
    seconds: float = 0.0
    stride_seconds: float = 0.0

    def bounds(self, timestamp: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(w,) int64 first and last frame of each window; (n,) float64 times (s) of the frames."""
        if self.seconds == 0:
            first = np.arange(0, len(timestamp) - self.window + 1, self.stride, dtype=np.int64)
            return first, first + self.window - 1
        stride = self.stride_seconds or self.seconds
        since = timestamp - timestamp[0] if len(timestamp) else timestamp
        intervals = np.arange(max(0, int((since[-1] - self.seconds + CLOCK) // stride) + 1)) if len(since) else []
        begin = np.searchsorted(since, np.asarray(intervals) * stride - CLOCK)
        end = np.searchsorted(since, np.asarray(intervals) * stride + self.seconds - CLOCK)
        parts = -(-(end - begin) // self.window)
        part = np.arange(parts.sum()) - np.repeat(np.cumsum(parts) - parts, parts)
        first = np.repeat(begin, parts) + part * self.window
        return first, np.minimum(first + self.window, np.repeat(end, parts)) - 1


@dataclass(frozen=True)
class WindowedCapture:
    """A capture's frames with what precedes each of them, and the graphs of its windows.

    Attributes:
        timestamp: (n,) float64, s.
        ids: (K,) uint32, sorted keys: arbitration IDs, with ``EXTENDED`` set for 29-bit ones.
        code: (n,) int32, index of each frame's ID in ``ids``.
        log_interval: (n,) float32, ln of the seconds since the ID's last frame; NaN for its first.
        repeats: (n,) int8, 1 where the payload equals the ID's last one, 0 where not, -1 for its first.
        bits, flips: (n,) uint64, the payload, and its exclusive or with the ID's last one (0 for its first).
        first_frame, last_frame: (w,) int64, each window's frames.
        node_start: (w + 1,) int64, window w has the nodes ``node_start[w]:node_start[w + 1]``.
        node_code: (nodes,) int32, index in ``ids``. node_frames: (nodes,) uint8, frames of the node.
        slot: (frames of all windows,) uint8, each frame's node, counted within its window; window after window.
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
    first_frame: np.ndarray
    last_frame: np.ndarray
    node_start: np.ndarray
    node_code: np.ndarray
    node_frames: np.ndarray
    slot: np.ndarray
    edge_start: np.ndarray
    edges: np.ndarray
    edge_frames: np.ndarray

    def __len__(self) -> int:
        return len(self.first_frame)

    @property
    def node_key(self) -> np.ndarray:
        """(nodes,) uint32 key of each node."""
        return self.ids[self.node_code]

    def node_rows(self, profile: VehicleProfile, first: int, last: int) -> np.ndarray:
        """(nodes,) int32 row in a profile of each node of windows ``first`` to ``last`` - 1."""
        return profile.rows(self.ids)[self.node_code[self.node_start[first] : self.node_start[last]]]

    def frame_count(self) -> np.ndarray:
        """(w,) frames of each window."""
        return self.last_frame - self.first_frame + 1

    def seconds(self) -> np.ndarray:
        """(w,) each window's duration, s."""
        return self.timestamp[self.last_frame] - self.timestamp[self.first_frame]

    def node_window(self) -> np.ndarray:
        """(nodes,) each node's window."""
        return np.repeat(np.arange(len(self)), np.diff(self.node_start))

    def frames_of(self, windows: np.ndarray) -> np.ndarray:
        """(n,) bool, the frames that lie in one of some windows ((w,) bool)."""
        return _inside(windows, self.first_frame, self.last_frame, len(self.code))

    def span(self, windows: np.ndarray) -> tuple[int, int]:
        """First frame of the first, and the frame behind the last, of some windows ((w,) bool); 0, 0 of none."""
        chosen = np.flatnonzero(windows)
        return (int(self.first_frame[chosen[0]]), int(self.last_frame[chosen[-1]]) + 1) if len(chosen) else (0, 0)

    def reach(self) -> int:
        """Most windows that begin within one window, itself among them: 1 where windows do not overlap."""
        behind = np.searchsorted(self.first_frame, self.last_frame, side="right")
        return int((behind - np.arange(len(self))).max(initial=1))


def window_capture(frames: Frames, cut: Cut) -> WindowedCapture:
    """Cut a capture into windows and list each window's nodes and edges."""
    key = np.where(frames.is_extended, frames.arbitration_id | EXTENDED, frames.arbitration_id).astype(np.uint32)
    ids, code = _encode(key)
    bits = np.ascontiguousarray(frames.payload).view(np.uint64).ravel()
    first, last = cut.bounds(frames.timestamp)
    log_interval, repeats, flips = _since_last(frames.timestamp, code, bits, frames.dlc, len(ids))
    node_start, node_frame, node_frames, slot, edge_start, edges, edge_frames = _list_graphs(
        code, len(ids), first, last, cut.window
    )
    return WindowedCapture(
        timestamp=frames.timestamp,
        ids=ids,
        code=code,
        log_interval=log_interval,
        repeats=repeats,
        bits=bits,
        flips=flips,
        first_frame=first,
        last_frame=last,
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


@njit(cache=True, nogil=True)
def _inside(windows, first_frame, last_frame, frames):
    inside = np.zeros(frames, np.bool_)
    for w in range(len(windows)):
        if windows[w]:
            inside[first_frame[w] : last_frame[w] + 1] = True
    return inside


@njit(cache=True, nogil=True)
def _since_last(timestamp, code, bits, dlc, codes):
    n = len(code)
    log_interval = np.full(n, np.nan, np.float32)
    repeats = np.full(n, -1, np.int8)
    flips = np.zeros(n, np.uint64)
    last = np.full(codes, -1, np.int64)
    for i in range(np.uint64(n)):
        k = np.uint64(code[i])
        if last[k] >= 0:
            before = np.uint64(last[k])
            # Frames of one ID with equal timestamps exist (coarse clocks): a microsecond is the finest that logs tell.
            log_interval[i] = np.log(max(timestamp[i] - timestamp[before], 1e-6))
            flips[i] = bits[i] ^ bits[before]
            repeats[i] = flips[i] == 0 and dlc[i] == dlc[before]
        last[k] = i
    return log_interval, repeats, flips


@njit(cache=True, nogil=True)
def _list_graphs(code, codes, first_frame, last_frame, window):
    windows = len(first_frame)
    frames = 0
    for w in range(windows):
        frames += last_frame[w] - first_frame[w] + 1
    slot = np.empty(frames, np.uint8)
    node_start = np.zeros(windows + 1, np.int64)
    edge_start = np.zeros(windows + 1, np.int64)
    node_frame = np.empty(frames, np.int64)
    node_frames = np.empty(frames, np.uint8)
    edges = np.empty((2, frames), np.uint8)
    edge_frames = np.empty(frames, np.uint8)
    # Numbers of nodes and edges are counted from 1 here: unsigned ones need no look for negative indices.
    one = np.uint64(1)
    node_of_code = np.zeros(codes, np.uint64)
    edge_of_pair = np.zeros((window, window), np.uint64)
    nodes, listed, at = np.uint64(0), np.uint64(0), np.uint64(0)
    for w in range(windows):
        first_node, first_edge = nodes, listed
        before = np.uint64(0)
        begin = np.uint64(first_frame[w])
        for i in range(begin, np.uint64(last_frame[w]) + one):
            c = np.uint64(code[i])
            if node_of_code[c] <= first_node:
                node_frame[nodes] = i
                node_frames[nodes] = 0
                nodes += one
                node_of_code[c] = nodes
            node = node_of_code[c] - one
            node_frames[node] += 1
            here = node - first_node
            slot[at] = here
            at += one
            if i > begin:
                if edge_of_pair[before, here] <= first_edge:
                    edges[0, listed] = before
                    edges[1, listed] = here
                    edge_frames[listed] = 0
                    listed += one
                    edge_of_pair[before, here] = listed
                edge_frames[edge_of_pair[before, here] - one] += 1
            before = here
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
