"""Captures that are one recording: none of them may be on two sides of a split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from canids.frames.fingerprint import Fingerprint
from canids.frames.recordings import Pair, Place, find_pairs, place

EXCLUDE_TRAINING = "exclude_training"


def recordings(
    contents: Mapping[str, str], fingerprints: Mapping[str, Fingerprint]
) -> tuple[dict[str, Place], list[Pair]]:
    """The recording of each capture, and the pairs of captures that are one.

    Args:
        contents: capture → digest of its content; equal ones are one recording, however short. fingerprints: of each.
    """
    found = {(pair.first, pair.second): pair for pair in find_pairs(fingerprints)}
    first: dict[str, str] = {}
    for key, content in contents.items():
        original = first.setdefault(content, key)
        if original != key:
            found[original, key] = Pair(original, key, 1.0, 0.0)
    return place(contents, found.values()), list(found.values())


def left_out(training: Mapping[str, str], testing: Mapping[str, str], policy: str) -> dict[str, list[str]]:
    """Captures that may not be used → those on the other side that are one recording with each.

    Args:
        training, testing: capture → its recording. policy: the setting ``graph.duplicates``.
    """
    staying, leaving = (testing, training) if policy == EXCLUDE_TRAINING else (training, testing)
    of_recording = defaultdict(list)
    for key, recording in staying.items():
        of_recording[recording].append(key)
    return {key: of_recording[recording] for key, recording in leaving.items() if recording in of_recording}
