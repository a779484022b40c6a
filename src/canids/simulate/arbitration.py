"""Who may send when: frames that are ready wait for the bus, and the lowest ID waiting goes first."""

from __future__ import annotations

import heapq
from dataclasses import replace

import numpy as np
from numba import njit

from canids.frames.frames import Frames

BIT_RATE = 500_000  # bit/s

# bits of a frame without data, interframe space included, and those of them subject to bit stuffing
STANDARD_BITS, STANDARD_STUFFED = 47, 34
EXTENDED_BITS, EXTENDED_STUFFED = 67, 54


def frame_seconds(frames: Frames, bit_rate: float = BIT_RATE) -> np.ndarray:
    """(n,) seconds that each frame keeps the bus busy.

    Stuffing depends on the bits sent. A third of the worst case is taken, which puts an 8-byte frame at 0.238 ms on
    500 kbit/s; back-to-back frames of the recorded captures are 0.237 ms apart.
    """
    data = 8 * frames.dlc.astype(np.float64)
    plain = np.where(frames.is_extended, EXTENDED_BITS, STANDARD_BITS) + data
    worst = (np.where(frames.is_extended, EXTENDED_STUFFED, STANDARD_STUFFED) + data - 1) // 4
    return np.rint(plain + worst / 3) / bit_rate


def priority(frames: Frames) -> np.ndarray:
    """(n,) int64, lower wins: 11 base bits first, then the standard format, then the 18 bits of an extended ID."""
    number = frames.arbitration_id.astype(np.int64)
    extended = ((number >> 18) << 19) | (1 << 18) | (number & 0x3FFFF)
    return np.where(frames.is_extended, extended, number << 19)


def transmissions(frames: Frames, bit_rate: float = BIT_RATE) -> np.ndarray:
    """(n,) times (s) at which each frame, ready at its timestamp, is sent: at once if it finds the bus idle.

    Args:
        frames: sorted by time.
    """
    return _send(frames.timestamp.astype(np.float64), priority(frames), frame_seconds(frames, bit_rate))


def arbitrate(frames: Frames, bit_rate: float = BIT_RATE) -> Frames:
    """The frames in the order in which they are sent, with the times at which they are sent.

    Args:
        frames: each timestamp is the time at which the frame was ready to be sent; sorted by time.
        bit_rate: bit/s.
    """
    return at_times(frames, transmissions(frames, bit_rate))


def at_times(frames: Frames, timestamp: np.ndarray) -> Frames:
    """The frames at other (n,) times (s), sorted by them."""
    return replace(frames, timestamp=timestamp).take(np.argsort(timestamp, kind="stable"))


@njit(cache=True)
def _send(ready: np.ndarray, priority: np.ndarray, duration: np.ndarray) -> np.ndarray:
    sent = np.empty(len(ready))
    waiting = [(np.int64(0), np.int64(0)) for _ in range(0)]
    free, following = -np.inf, 0
    for _ in range(len(ready)):
        start = free
        if not waiting:
            start = max(free, ready[following])
        while following < len(ready) and ready[following] <= start:
            heapq.heappush(waiting, (priority[following], np.int64(following)))
            following += 1
        index = heapq.heappop(waiting)[1]
        sent[index] = start
        free = start + duration[index]
    return sent
