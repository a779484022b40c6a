"""IDs that have fallen silent: no nodes of a window, and yet what carried the alarm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from canids.evaluation.causes import MOST, Cause
from canids.evaluation.tails import minus_log_p
from canids.graphs.profile import VehicleProfile, load_profile
from canids.graphs.readings import SILENT, own_profiles
from canids.graphs.store import GRAPH_COLUMNS, READINGS, GraphStore
from canids.graphs.windows import WindowedCapture

Serving = tuple[str, VehicleProfile, int, int]  # a reading, its profile, the first window it serves for, the last + 1


class SilenceAttribution:
    """Tails of the feature ``silence`` on attack-free windows, against which an ID's silence is surprising or not.

    A window is compared with those in which no more IDs have fallen silent: when a vehicle changes its state several
    do, for long, and an attack that silences one would not stand out among these.
    """

    def __init__(self, attack_free: GraphStore) -> None:
        graph = attack_free.graph_features.float().numpy()
        self.quiet = {reading: graph[graph[:, _column(reading, "present")] > 0] for reading in READINGS}

    def _surprise(self, reading: str, silent: np.ndarray, late: np.ndarray) -> np.ndarray:
        """(w, K) of how late IDs are ((w, K)) in windows that have the feature ``silence_ids`` of ``silent`` ((w,))."""
        surprise, quiet = np.zeros_like(late), self.quiet[reading]
        for value in np.unique(silent):
            tail = np.sort(quiet[quiet[:, _column(reading, "silence_ids")] <= value, _column(reading, "silence")])
            mine = late[silent == value]
            if len(tail):
                surprise[silent == value] = minus_log_p(tail, np.minimum(mine, SILENT).ravel()).reshape(mine.shape)
        return surprise

    def causes(self, store: GraphStore, capture: WindowedCapture, serving: list[Serving]) -> list[list[Cause]]:
        """The IDs that are overdue at the end of each window, at most ``MOST``, the most surprising first.

        Where the feature is 0 (nothing is overdue, or it was left out), there are none.

        Args:
            store: windows of one capture. serving: the profiles that its windows were read against.
        """
        found: list[list[Cause]] = [[] for _ in range(len(store))]
        positions, graph = store.position.numpy(), store.graph_features.float().numpy()
        for reading, profile, first, last in serving:
            told = graph[:, _column(reading, "silence")] > 0
            mine = np.flatnonzero(told & (positions >= first) & (positions < last))
            if len(mine):
                late = overdue(capture, profile, positions[mine])
                surprise = self._surprise(reading, graph[mine, _column(reading, "silence_ids")], late)
                for row, column in zip(*np.nonzero((late > 0) & (surprise > 0)), strict=True):
                    features = {"silence": float(late[row, column])}
                    cause = Cause(int(profile.key[column]), reading, "silence", float(surprise[row, column]), features)
                    found[mine[row]].append(cause)
        return [most_surprising(each) for each in found]


def serving_profiles(capture: WindowedCapture, known: Path | None, warmup: int, quarantine: bool) -> Iterator[Serving]:
    """The profiles that a capture's windows are read against.

    Args:
        known: stem of its vehicle's profile, where it has one. warmup, quarantine: of ``graph``.

    Raises:
        ArtifactError: the known profile is missing or damaged.
    """
    if known is not None:
        yield "known", load_profile(known), 0, len(capture)
    for profile, nodes in own_profiles(capture, warmup, quarantine):
        yield "own", profile, nodes.first, nodes.last


def overdue(capture: WindowedCapture, profile: VehicleProfile, windows: np.ndarray) -> np.ndarray:
    """(w, K) ln(time since an ID was heard / its longest usual pause) at the end of some windows ((w,) int).

    -inf for an ID that the capture has not shown by then, or that is not periodic (not narrow).
    """
    late = np.full((len(windows), len(profile.key)), -np.inf)
    ends = capture.last_frame[windows]
    for row in np.flatnonzero(profile.narrow & np.isin(profile.key, capture.ids)):
        frames = np.flatnonzero(capture.code == np.searchsorted(capture.ids, profile.key[row]))
        heard = np.searchsorted(frames, ends, side="right")
        since = capture.timestamp[ends] - capture.timestamp[frames[np.maximum(heard, 1) - 1]]
        pause = np.log(np.maximum(since, 1e-9)) - profile.longest[row]
        late[:, row] = np.where(heard > 0, pause, -np.inf)
    return late


def most_surprising(causes: list[Cause]) -> list[Cause]:
    """The ``MOST`` that surprise most, each ID once."""
    ranked = sorted(causes, key=lambda cause: -cause.surprise)
    first = {cause.key: cause for cause in reversed(ranked)}
    return [cause for cause in ranked if first[cause.key] is cause][:MOST]


def joined(one: list[list[Cause]], other: list[list[Cause]]) -> list[list[Cause]]:
    """The most surprising of two lists of causes, window by window."""
    return [most_surprising([*a, *b]) for a, b in zip(one, other, strict=True)]


def _column(reading: str, feature: str) -> int:
    return GRAPH_COLUMNS.index(f"{reading}_{feature}")
