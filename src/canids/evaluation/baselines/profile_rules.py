"""Rules profiled on attack-free traffic: known IDs, payload lengths, and bytes that keep to a few values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from canids.frames.frames import Frames
from canids.graphs.windows import EXTENDED, Cut

FEW = 16  # a byte that took more values than this is free
FRAMES_A_VALUE = 10  # frames seen for each value, before a byte is taken to have shown them all
LENGTHS = 65


@dataclass(frozen=True)
class Rules:
    """What K IDs have shown.

    Attributes:
        key: (K,) uint32, sorted (see ``windows.EXTENDED``). frames: (K,) int64, frames seen.
        lengths: (K, LENGTHS) bool, payload lengths seen. values: (K, 8, 256) bool, values of each byte seen.
    """

    key: np.ndarray
    frames: np.ndarray
    lengths: np.ndarray
    values: np.ndarray

    def closed(self) -> np.ndarray:
        """(K, 8) bool, bytes that keep to the values seen: constants, flags and small enumerations."""
        count = self.values.sum(axis=2)
        return (count <= FEW) & (self.frames[:, None] >= FRAMES_A_VALUE * count)


def observe(frames: Frames) -> Rules:
    """What some attack-free frames show."""
    key, row = np.unique(_keys(frames), return_inverse=True)
    lengths, values = np.zeros((len(key), LENGTHS), bool), np.zeros((len(key), 8, 256), bool)
    lengths[row, frames.dlc] = True
    for byte in range(8):
        values[row, byte, frames.payload[:, byte]] = True
    return Rules(key, np.bincount(row, minlength=len(key)), lengths, values)


def union(parts: Sequence[Rules]) -> Rules:
    """What several captures have shown together."""
    key = np.unique(np.concatenate([part.key for part in parts]))
    frames = np.zeros(len(key), np.int64)
    lengths, values = np.zeros((len(key), LENGTHS), bool), np.zeros((len(key), 8, 256), bool)
    for part in parts:
        at = np.searchsorted(key, part.key)
        frames[at] += part.frames
        lengths[at] |= part.lengths
        values[at] |= part.values
    return Rules(key, frames, lengths, values)


def broken(rules: Rules, frames: Frames) -> np.ndarray:
    """(n,) bool, frames of an unknown ID, of an unseen length, or with an unseen value in a closed byte."""
    keys = _keys(frames)
    row = np.minimum(np.searchsorted(rules.key, keys), len(rules.key) - 1)
    bad = (rules.key[row] != keys) | ~rules.lengths[row, frames.dlc]
    closed = rules.closed()
    for byte in range(8):
        bad |= closed[row, byte] & ~rules.values[row, byte, frames.payload[:, byte]]
    return bad


def rule_breaks(frames: Frames, rules: Rules | None, cut: Cut, warmup: int) -> np.ndarray:
    """(w,) ln(1 + frames that break a rule) of each window of a capture.

    Args:
        rules: of the vehicle; None for an unknown one, whose rules are those of its first ``warmup`` windows, which
            themselves break none.
    """
    first, last = cut.bounds(frames.timestamp)
    enrolled = 0
    if rules is None:
        enrolled = min(warmup, len(first))
        rules = observe(frames.take(slice(0, int(last[enrolled - 1]) + 1)))
    count = np.concatenate([[0], np.cumsum(broken(rules, frames))])
    breaks = count[last + 1] - count[first]
    breaks[:enrolled] = 0
    return np.log1p(breaks)


def _keys(frames: Frames) -> np.ndarray:
    return np.where(frames.is_extended, frames.arbitration_id | EXTENDED, frames.arbitration_id).astype(np.uint32)
