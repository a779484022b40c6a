"""What was on the bus, as a digest."""

from __future__ import annotations

import hashlib

import numpy as np

from canids.frames.frames import Frames


def content_sha256(frames: Frames) -> str:
    """A digest of what was on the bus: times, IDs and payloads. Two files with equal digests are one capture."""
    digest = hashlib.sha256()
    for column in (frames.timestamp, frames.arbitration_id, frames.is_extended, frames.dlc, frames.payload):
        digest.update(np.ascontiguousarray(column))
    if frames.payload_fd is not None:
        digest.update(np.ascontiguousarray(frames.payload_fd))
    return digest.hexdigest()
