"""Which captures are one recording, and how their clocks fit together."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from canids.frames.fingerprint import Fingerprint, overlap


@dataclass(frozen=True)
class Pair:
    """Two captures that are one recording.

    Attributes:
        first, second: their keys.
        share: of the sequences of the smaller one, that both hold.
        offset: s to add to the second one's clock for the first one's.
    """

    first: str
    second: str
    share: float
    offset: float


@dataclass(frozen=True)
class Place:
    """Where a capture belongs.

    Attributes:
        recording: key of the first capture of its recording, whose clock is the recording's.
        offset: s to add to the capture's clock for the recording's.
    """

    recording: str
    offset: float


def find_pairs(fingerprints: Mapping[str, Fingerprint]) -> list[Pair]:
    """The pairs of captures that are one recording; of a pair, the first is the one named first."""
    pairs = []
    for (first, one), (second, other) in itertools.combinations(fingerprints.items(), 2):
        found = overlap(one, other)
        if found.one_recording:
            pairs.append(Pair(first, second, found.share, found.offset))
    return pairs


def place(keys: Iterable[str], pairs: Iterable[Pair]) -> dict[str, Place]:
    """The recording of each capture: what is one recording with a capture of a recording belongs to it too."""
    steps: dict[str, list[tuple[str, float]]] = {key: [] for key in keys}
    for pair in pairs:
        steps[pair.first].append((pair.second, pair.offset))
        steps[pair.second].append((pair.first, -pair.offset))
    places: dict[str, Place] = {}
    for key in steps:
        if key in places:
            continue
        places[key] = Place(key, 0.0)
        waiting = [key]
        while waiting:
            here = waiting.pop(0)
            for there, offset in steps[here]:
                if there not in places:
                    places[there] = Place(key, places[here].offset + offset)
                    waiting.append(there)
    return places
