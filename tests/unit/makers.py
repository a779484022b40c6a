"""Made-up traffic for the tests: by hand, periodic, and drawn by hypothesis."""

import numpy as np
from hypothesis import strategies as st

from canids.frames.frames import Frames

IDENTIFIERS = [(5, False), (5, True), (6, False), (0x7FF, False), (0x1FFFFFFF, True), (0, False)]
# the empty one and the zeros differ in length only
PAYLOADS = [b"", b"\0", b"\0\0", bytes(8), b"\xff" * 8, b"\x01\x80"]
GAPS = [0, 1, 500, 10_000, 13_337, 2_500_000]  # µs; 0: a coarse clock repeats its time


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def frames_of(timestamp, arbitration_id, extended=False, dlc=8, payload=0) -> Frames:
    """Attack-free frames; what is not told apart by frame is the same for all."""
    count = len(timestamp)
    return Frames(
        timestamp=np.asarray(timestamp, float),
        arbitration_id=np.asarray(arbitration_id, np.uint32),
        is_extended=np.broadcast_to(extended, count).astype(bool),
        dlc=np.broadcast_to(dlc, count).astype(np.uint8),
        payload=np.broadcast_to(payload, (count, 8)).astype(np.uint8),
        attack=np.zeros(count, bool),
        attack_type=np.zeros(count, np.int8),
    )


def periodic(count: int, seed: int, ids: int = 4) -> Frames:
    """Frames of IDs 0x100, 0x101, ... with a period, a jitter and a counting byte of their own, at 1000 s and on."""
    random = rng(seed)
    periods = 0.01 * 2.0 ** np.arange(ids)
    sent = [np.arange(count) * period + random.normal(0, 0.02 * period, count) + 0.003 * k
            for k, period in enumerate(periods)]  # fmt: skip
    time = np.concatenate(sent)
    order = np.argsort(time, kind="stable")[:count]
    payload = np.zeros((ids * count, 8), np.uint8)
    payload[:, 0] = np.tile(np.arange(count), ids) % 16
    payload[:, 3] = random.integers(0, 256, ids * count) & 0x18
    number = np.repeat(np.arange(ids), count)
    return frames_of(1000 + time[order] - time[order[0]], 0x100 + number[order], payload=payload[order])


def _from_rows(rows: list) -> Frames:
    gaps, identifiers, payloads = zip(*rows, strict=True) if rows else ((), (), ())
    return frames_of(
        1.6e9 + np.cumsum(np.array(gaps, np.int64)) * 1e-6,
        [number for number, _ in identifiers],
        np.array([extended for _, extended in identifiers], bool),
        np.array([len(payload) for payload in payloads], np.uint8),
        np.array([list(payload.ljust(8, b"\0")) for payload in payloads], np.uint8).reshape(-1, 8),
    )


def random_frames(least: int = 0, most: int = 60) -> st.SearchStrategy[Frames]:
    """Frames of few IDs, some of them equal in number but not in length, at times that may repeat."""
    row = st.tuples(
        st.sampled_from(GAPS), st.sampled_from(IDENTIFIERS), st.sampled_from(PAYLOADS) | st.binary(max_size=8)
    )
    return st.lists(row, min_size=least, max_size=most).map(_from_rows)


def some_frames(least: int = 0, most: int = 60) -> st.SearchStrategy[Frames]:
    """Frames as ``random_frames`` or ``periodic`` make them."""
    regular = st.builds(periodic, st.integers(max(least, 2), 2 * most), st.integers(0, 99), st.integers(1, 5))
    return random_frames(least, most) | regular
