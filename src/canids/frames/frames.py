"""The canonical frame table in memory: one row per frame, in time order, as columns."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

STANDARD_IDS = 0x800  # identifiers of 11 bits
ATTACK_FREE = "attack-free"
FLEET = "fleet"  # scenario of the drives of simulated vehicles
SYNTHESISED = "synthesised"  # scenario of the captures that attacks were synthesised on


def of_the_fleet(key: str) -> bool:
    """Whether a capture (``<scenario>/<capture>``) is a drive of a simulated fleet, or an attacked copy of one."""
    scenario, _, capture = key.partition("/")
    return scenario == FLEET or (scenario == SYNTHESISED and capture.startswith(f"{FLEET}-"))


def distinct_ids(arbitration_id: np.ndarray) -> np.ndarray:
    """The IDs that occur, ascending, of (n,) uint32; standard ones by a table, which is many times faster."""
    if not len(arbitration_id) or arbitration_id.max() >= STANDARD_IDS:
        return np.unique(arbitration_id)
    return np.flatnonzero(np.bincount(arbitration_id)).astype(arbitration_id.dtype)


@dataclass(frozen=True)
class AttackSpan:
    """A stretch of time under attack.

    Attributes:
        start, end: seconds since the capture's first frame.
        kind: attack type, such as ``suppression``.
        arbitration_ids: the IDs attacked or used by the attack; empty when any.
    """

    start: float
    end: float
    kind: str
    arbitration_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Frames:
    """Frames of one capture, sorted by time.

    Attributes:
        timestamp: (n,) float64, seconds.
        arbitration_id: (n,) uint32.
        is_extended: (n,) bool, 29-bit identifiers.
        dlc: (n,) uint8, payload bytes.
        payload: (n, 8) uint8, zero-padded; the first 8 bytes of a longer one.
        attack: (n,) bool, injected frames.
        attack_type: (n,) int8, index into ``attack_types``; meaningful where ``attack`` holds.
        attack_types: names of the attack types.
        payload_fd: (n, 64) uint8, zero-padded, the whole payloads where some frame has more than 8 bytes (CAN FD);
            None where no frame has.
    """

    timestamp: np.ndarray
    arbitration_id: np.ndarray
    is_extended: np.ndarray
    dlc: np.ndarray
    payload: np.ndarray
    attack: np.ndarray
    attack_type: np.ndarray
    attack_types: tuple[str, ...] = (ATTACK_FREE,)
    payload_fd: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.timestamp)

    def take(self, index: np.ndarray | slice) -> Frames:
        """The frames at an index, mask or slice."""
        columns = ("timestamp", "arbitration_id", "is_extended", "dlc", "payload", "attack", "attack_type")
        taken = {name: getattr(self, name)[index] for name in columns}
        long = self.payload_fd
        return replace(self, **taken, payload_fd=None if long is None else long[index])

    def sorted_by_time(self) -> tuple[Frames, int]:
        """The frames in time order (stable), and how many came before their predecessor."""
        steps_back = int(np.count_nonzero(np.diff(self.timestamp) < 0))
        return (self.take(np.argsort(self.timestamp, kind="stable")) if steps_back else self), steps_back
