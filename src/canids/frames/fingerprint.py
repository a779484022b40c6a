"""Whether two captures are one recording: a sketch of the frame sequences of each, and what two sketches share.

A drive that was published twice, with frames injected, changed or removed in one of the two, keeps long stretches as
they were. Two drives of one vehicle have next to no sequence of 12 frames in common (at most 0.2 % in hcrl_sa, set_04).
The sketch keeps the hashes below a bound: a random sample of the sequences that is the same sample in every capture, so
that shares can be estimated from sketches alone (Broder, "On the resemblance and containment of documents", 1997).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numba import njit
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from canids.artifacts import atomic_path
from canids.errors import ArtifactError
from canids.frames.frames import Frames

SEQUENCE = 12  # frames
SAMPLED = 1 / 64  # of the sequences of a long capture
FEWEST = 4096  # sequences of a short one that are kept, if it has so many
CHUNK = 1 << 17  # frames that are hashed at once; they fit a cache
ONE_RECORDING = 0.05  # share of the smaller capture's sequences above which two captures are one recording

SUFFIX = ".fingerprint.safetensors"
ODD = np.uint64(0x9E3779B97F4A7C15)
EVERY = 2**64 - 1


@dataclass(frozen=True)
class Fingerprint:
    """Sequences of a capture: those whose hash is below a bound, less those that it holds more than once.

    A sequence that comes again, as on the quiet bus of a standing vehicle, says nothing of when it was recorded.

    Attributes:
        hashes: (k,) uint64, ascending. times: (k,) float64, when each began, s since the capture's first frame.
        bound: the largest hash that would have been kept.
    """

    hashes: np.ndarray
    times: np.ndarray
    bound: int


@dataclass(frozen=True)
class Overlap:
    """What two captures have in common.

    Attributes:
        share: of the sequences of the one that has fewer.
        offset: seconds by which the second capture's clock has to be put forward to be the first one's; 0 where they
            share nothing.
    """

    share: float
    offset: float

    @property
    def one_recording(self) -> bool:
        """Whether the two captures are one recording."""
        return self.share > ONE_RECORDING


def fingerprint(frames: Frames) -> Fingerprint:
    """The fingerprint of a capture, from IDs and payloads alone: neither times nor labels count."""
    count = len(frames) - SEQUENCE + 1
    sampled = 1.0 if count <= FEWEST else max(SAMPLED, FEWEST / count)
    bound = EVERY if sampled == 1.0 else int(sampled * 2.0**64)
    hashes, starts = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    for first in range(0, count, CHUNK):
        found = _sequence_hashes(frames.take(slice(first, min(first + CHUNK + SEQUENCE - 1, len(frames)))))
        kept = np.flatnonzero(found <= np.uint64(bound))
        hashes.append(found[kept])
        starts.append(first + kept)
    found, start = np.concatenate(hashes), np.concatenate(starts)
    found, index, times = np.unique(found, return_index=True, return_counts=True)
    once = times == 1
    start = start[index[once]]
    return Fingerprint(found[once], frames.timestamp[start] - frames.timestamp[:1], bound)


def overlap(a: Fingerprint, b: Fingerprint) -> Overlap:
    """What two captures have in common, as far as their fingerprints tell."""
    bound = np.uint64(min(a.bound, b.bound))
    ours, theirs = (each.hashes[: np.searchsorted(each.hashes, bound, side="right")] for each in (a, b))
    if not len(ours) or not len(theirs):
        return Overlap(0.0, 0.0)
    place = np.minimum(np.searchsorted(ours, theirs), len(ours) - 1)
    shared = ours[place] == theirs
    if not shared.any():
        return Overlap(0.0, 0.0)
    offset = np.median(a.times[place[shared]] - b.times[: len(theirs)][shared])
    return Overlap(float(shared.sum() / min(len(ours), len(theirs))), float(offset))


def fingerprint_path(parquet: Path) -> Path:
    """Where the fingerprint of a frame table lies: beside it."""
    return parquet.with_name(f"{parquet.stem}{SUFFIX}")


def write_fingerprint(path: Path, value: Fingerprint) -> None:
    """Write a fingerprint, atomically."""
    arrays = {"hashes": value.hashes, "times": value.times, "bound": np.array([value.bound], np.uint64)}
    with atomic_path(path) as beside:
        save_file(arrays, beside)


def read_fingerprint(path: Path) -> Fingerprint:
    """Read a fingerprint.

    Raises:
        ArtifactError: the file is missing or damaged.
    """
    if not Path(path).is_file():
        raise ArtifactError(f"{path}: there is no such file; run the ingest stage (snakemake {path})")
    try:
        arrays = load_file(path)
        return Fingerprint(arrays["hashes"], arrays["times"], int(arrays["bound"][0]))
    except (SafetensorError, KeyError, OSError) as error:
        raise ArtifactError(f"{path}: no fingerprint ({error}); delete it and ingest again") from None


def _sequence_hashes(frames: Frames) -> np.ndarray:
    """(n - SEQUENCE + 1,) uint64: a hash of each run of frames. A polynomial of the frames' hashes, mixed once more."""
    payload = frames.payload if frames.payload_fd is None else frames.payload_fd
    words = np.ascontiguousarray(payload).view(np.uint64)
    return _hash_sequences(frames.arbitration_id, frames.is_extended, frames.dlc, words)


@njit(cache=True, nogil=True)
def _hash_sequences(arbitration_id, is_extended, dlc, payload):
    hashes = np.empty(len(dlc), np.uint64)
    out = np.empty(len(dlc) - SEQUENCE + 1, np.uint64)
    gone = np.uint64(1)  # the factor of a frame that leaves the run
    for _ in range(SEQUENCE):
        gone *= ODD
    total = np.uint64(0)
    for i in range(len(dlc)):
        word = np.uint64(arbitration_id[i]) | np.uint64(is_extended[i] | dlc[i] << 1) << np.uint64(32)
        for column in payload[i]:
            word = _mix(_mix(word) ^ column)
        hashes[i] = word
        total = total * ODD + word
        if i >= SEQUENCE:
            total -= hashes[i - SEQUENCE] * gone
        if i >= SEQUENCE - 1:
            out[i - SEQUENCE + 1] = _mix(total)
    return out


@njit(cache=True)
def _mix(word):
    """A bijection of 64-bit words in which each bit depends on all (Steele et al., SplitMix, OOPSLA 2014)."""
    word = word + ODD
    word ^= word >> np.uint64(30)
    word *= np.uint64(0xBF58476D1CE4E5B9)
    word ^= word >> np.uint64(27)
    word *= np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))
