"""The vehicle profile: what is usual for each of a vehicle's arbitration IDs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from canids.artifacts import read_names, write_json, write_tensors
from canids.errors import ArtifactError

NARROW = 0.15  # an ID is narrow when the MAD of its ln interval is below
NARROW_FRAMES = 20  # ... and it was seen at least so often


@dataclass(frozen=True)
class VehicleProfile:
    """References of K arbitration IDs.

    Attributes:
        key: (K,) uint32, sorted (see ``windows.EXTENDED``).
        frames: (K,) int64, frames that the reference rests on.
        share: (K,) share of all frames.
        median, mad: (K,) of ln interval.
        shortest: (K,) ln interval below which a frame is too fast.
        longest: (K,) ln of the longest usual interval.
        narrow: (K,) bool, the interval is tightly kept.
        repeat_cost: (K, 2) -ln P(payload changed), -ln P(payload repeated).
        flip_cost, bit_cost: (K, 8, 256) -ln P of a byte's changed bits, and of its set bits.
        transition_cost: (K + 1, K + 1) -ln P(column's ID follows row's); the last row and column stand for unseen IDs.
        log_duration: ln of a window's usual duration, s.
        centre, spread: (K, S) of each node statistic (``statistics.STATISTICS``), on windows that did not fit the
            references.
        quarantine: largest |z| (asinh) of a window that may still enter the capture's own profile.
    """

    key: np.ndarray
    frames: np.ndarray
    share: np.ndarray
    median: np.ndarray
    mad: np.ndarray
    shortest: np.ndarray
    longest: np.ndarray
    narrow: np.ndarray
    repeat_cost: np.ndarray
    flip_cost: np.ndarray
    bit_cost: np.ndarray
    transition_cost: np.ndarray
    log_duration: float
    centre: np.ndarray
    spread: np.ndarray
    quarantine: float

    def rows(self, key: np.ndarray) -> np.ndarray:
        """(n,) int32 row of each key; K for an ID that the profile does not know."""
        at = np.searchsorted(self.key, key)
        known = (at < len(self.key)) & (self.key[np.minimum(at, len(self.key) - 1)] == key)
        return np.where(known, at, len(self.key)).astype(np.int32)


def save_profile(stem: Path, profile: VehicleProfile, vehicle: str, captures: list[str]) -> None:
    """Write ``<stem>.safetensors`` with the profile's arrays and ``<stem>.json`` for a reader's eyes."""
    arrays = {each.name: np.ascontiguousarray(getattr(profile, each.name)) for each in fields(profile)}
    arrays |= {name: np.asarray([arrays[name]], np.float64).ravel() for name in ("log_duration", "quarantine")}
    write_tensors(stem.with_name(f"{stem.name}.safetensors"), save_file, arrays)
    write_json(
        stem.with_name(f"{stem.name}.json"),
        {
            "vehicle": vehicle,
            "captures": captures,
            "window_duration_s": float(np.exp(profile.log_duration)),
            "arbitration_ids": {
                f"{key:X}": {
                    "frames": int(profile.frames[row]),
                    "share": float(profile.share[row]),
                    "interval_s": float(np.exp(profile.median[row])),
                    "interval_mad": float(profile.mad[row]),
                    "shortest_s": float(np.exp(profile.shortest[row])),
                    "longest_s": float(np.exp(profile.longest[row])),
                    "repeat_probability": float(np.exp(-profile.repeat_cost[row, 1])),
                }
                for row, key in enumerate(profile.key.tolist())
            },
        },
    )


def load_profile(stem: Path) -> VehicleProfile:
    """Read what ``save_profile`` wrote.

    Raises:
        ArtifactError: the file is missing or damaged.
    """
    path = stem.with_name(f"{stem.name}.safetensors")
    try:
        arrays = load_file(path)
        read_names(path)
        scalars = {name: float(arrays.pop(name)[0]) for name in ("log_duration", "quarantine")}
        return VehicleProfile(**arrays, **scalars)
    except (OSError, SafetensorError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path}: not a vehicle profile ({error}); run the graphs stage again") from None
