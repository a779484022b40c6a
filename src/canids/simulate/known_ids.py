"""What an attacker who listened to a bus knows of its IDs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from canids.errors import DatasetError
from canids.frames.frames import Frames

SEEN_OFTEN = 10  # frames
EXTENDED = np.int64(1 << 32)  # sets a 29-bit identifier apart from a standard one of the same number


@dataclass(frozen=True)
class KnownId:
    """An ID on the bus.

    Attributes:
        arbitration_id: its number; a standard and an extended ID of one number are two IDs.
        index: (n,) positions of its genuine frames, in time order.
        period: median interval, s; infinity where there is no interval.
        spread: median absolute deviation of ln(interval): 0.01 for a precise clock, about 1 for random events.
    """

    arbitration_id: int
    index: np.ndarray
    period: float
    spread: float


def identifiers(frames: Frames) -> np.ndarray:
    """(n,) int64, equal where both the number and the format of the ID are."""
    return frames.arbitration_id + EXTENDED * frames.is_extended


def number_of(identifier: int) -> int:
    """The number of one of ``identifiers``."""
    return int(identifier % EXTENDED)


def known_ids(frames: Frames) -> list[KnownId]:
    """Every ID with its genuine frames, standard ones first, in ascending order."""
    genuine = np.flatnonzero(~frames.attack)
    identifier = identifiers(frames)[genuine]
    order = np.argsort(identifier, kind="stable")
    borders = np.flatnonzero(np.diff(identifier[order])) + 1
    return [_known(frames, index) for index in np.split(genuine[order], borders) if len(index)]


def _known(frames: Frames, index: np.ndarray) -> KnownId:
    arbitration_id = int(frames.arbitration_id[index[0]])
    interval = np.log(np.maximum(np.diff(frames.timestamp[index]), 1e-6))
    if not len(interval):
        return KnownId(arbitration_id, index, np.inf, np.inf)
    middle = np.median(interval)
    return KnownId(arbitration_id, index, float(np.exp(middle)), float(np.median(np.abs(interval - middle))))


def inside(frames: Frames, index: np.ndarray, start: float, end: float) -> np.ndarray:
    """The positions among ``index`` within a span (s since the first frame), the first frame itself left out.

    A capture's times count from its first frame, so no attack may move that.
    """
    time = frames.timestamp[index] - frames.timestamp[0]
    return index[(time >= start) & (time <= end) & (index > 0)]


def pick(candidates: list, wanted: str, start: float, end: float, rng: np.random.Generator):
    """One of the candidates.

    Raises:
        DatasetError: there is none.
    """
    if not candidates:
        raise DatasetError(f"the capture has no {wanted} between {start:.3f} s and {end:.3f} s; use another span")
    return candidates[int(rng.integers(len(candidates)))]
