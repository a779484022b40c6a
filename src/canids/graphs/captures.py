"""The captures that graphs are built of: in windows, labelled, each with its recording and its part in the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from canids.errors import DatasetError
from canids.frames.fingerprint import fingerprint_path, read_fingerprint
from canids.frames.frames import ATTACK_FREE, FLEET, SYNTHESISED, Frames
from canids.frames.parquet import read_frames
from canids.frames.recordings import Pair, Place
from canids.graphs.duplicates import recordings
from canids.graphs.windows import Cut, WindowedCapture, window_capture
from canids.training_data import uses

MADE = (FLEET, SYNTHESISED)  # scenarios of captures that no dataset holds


@dataclass(frozen=True)
class LabelledCapture:
    """A capture in windows, with what the labels say of each window.

    Attributes:
        facts: of the ingest record. attack_type: (w,) names, ``ATTACK_FREE`` where a window is.
        injected: indices of the injected frames.
        place: its recording, and its clock's offset to the recording's; those of the original for a synthesised one.
    """

    facts: dict[str, Any]
    windows: WindowedCapture
    attack_type: np.ndarray
    injected: np.ndarray
    place: Place

    @property
    def attacked(self) -> np.ndarray:
        """(w,) bool."""
        return self.attack_type != ATTACK_FREE

    @property
    def attack_free(self) -> bool:
        """Whether it is declared so, and no label says otherwise."""
        return self.facts["attack_type"] == ATTACK_FREE and not self.attacked.any()

    @property
    def scenario(self) -> str:
        return self.facts["scenario"]

    @property
    def origin(self) -> str:
        """Digest of the content of the capture that attacks were synthesised on; of its own where none were."""
        return self.facts.get("origin_sha256", self.facts["content_sha256"])

    @property
    def recording(self) -> str:
        """Key of the first capture of its recording."""
        return self.place.recording

    @property
    def key(self) -> str:
        return f"{self.scenario}/{self.facts['capture']}"

    @property
    def vehicle(self) -> str:
        return self.facts["vehicle"]

    def spans(self) -> list[dict[str, Any]]:
        """The attacks on the capture, with the index of the first frame of each and how many frames it injects."""
        seconds = self.windows.timestamp - self.windows.timestamp[0]
        injected = seconds[self.injected]
        return [
            {
                **span,
                "first_frame": int(np.searchsorted(seconds, span["start"])),
                "injected": int(np.count_nonzero((injected >= span["start"]) & (injected <= span["end"]))),
            }
            for span in self.facts["attack_spans"]
        ]

    def window_times(self) -> tuple[np.ndarray, np.ndarray]:
        """(w,) start and end of each window, s since the capture's first frame."""
        times = self.windows.timestamp - self.windows.timestamp[0]
        return times[self.windows.first_frame], times[self.windows.last_frame]

    def recording_times(self) -> tuple[np.ndarray, np.ndarray]:
        """(w,) start and end of each window on the recording's clock, s."""
        start, end = self.window_times()
        return start + self.place.offset, end + self.place.offset


@dataclass(frozen=True)
class Sides:
    """Captures to train and to validate on, captures that only fit their vehicle's profile, and captures to test on."""

    training: list[LabelledCapture]
    profiling: list[LabelledCapture]
    testing: list[LabelledCapture]

    @property
    def references(self) -> list[LabelledCapture]:
        """Those that a vehicle's profile may rest on."""
        return [*self.training, *self.profiling]

    def without(self, excluded: Sequence[str]) -> Sides:
        """The captures less those of some keys."""
        return Sides(*([c for c in side if c.key not in excluded] for side in vars(self).values()))


def sides_of(
    captures: Sequence[LabelledCapture], train: Sequence[str], profile: Sequence[str], training_data: str
) -> Sides:
    """The part of each capture; without labelled attacks to train on, attacked training captures and what was made of
    them have none.

    Args:
        train: scenarios to train on. profile: scenarios whose attack-free captures only fit profiles.
        training_data: the setting; without recorded captures, those to train on that are attack-free only fit profiles.
    """
    sides = Sides([], [], [])
    labelled = uses(training_data, "labelled")
    recorded = labelled or uses(training_data, "synthesised")
    unlabelled = {c.facts["content_sha256"] for c in captures if c.attack_free}
    for capture in captures:
        if capture.scenario in MADE:
            if labelled or capture.origin in unlabelled:
                sides.training.append(capture)
        elif capture.scenario in train:
            if labelled or (recorded and capture.attack_free):
                sides.training.append(capture)
            elif capture.attack_free:
                sides.profiling.append(capture)
        elif capture.scenario not in profile:
            sides.testing.append(capture)
        elif capture.attack_free:
            sides.profiling.append(capture)
    return sides


def load_capture(path: Path, graph: DictConfig) -> LabelledCapture:
    """A frame table in windows; its recording is yet to be told.

    Raises:
        DatasetError: the capture is too short for a window.
    """
    frames, facts = read_frames(path)
    return labelled_capture(frames, facts, graph, path)


def labelled_capture(frames: Frames, facts: dict[str, Any], graph: DictConfig, source: Path) -> LabelledCapture:
    """Frames in windows; their recording is yet to be told.

    Args:
        facts: of the ingest record. source: file that a message is to name.

    Raises:
        DatasetError: they are too few for a window.
    """
    windows = window_capture(frames, Cut(graph.window, graph.stride, graph.seconds, graph.stride_seconds))
    if len(windows) == 0:
        wanted = f"{graph.seconds:g} s" if graph.seconds else graph.window
        raise DatasetError(f"{source}: {len(frames)} frames are too few for one window of {wanted}")
    place = Place(f"{facts['scenario']}/{facts['capture']}", 0.0)
    attack_type = _attack_types(frames, windows, facts["attack_spans"])
    return LabelledCapture(facts, windows, attack_type, np.flatnonzero(frames.attack), place)


def placed(captures: list[LabelledCapture], parquets: Sequence[Path]) -> tuple[list[LabelledCapture], list[Pair]]:
    """The captures, each with its recording, and the pairs that are one recording."""
    recorded = {c.key: path for c, path in zip(captures, parquets, strict=True) if c.scenario not in MADE}
    contents = {c.key: c.facts["content_sha256"] for c in captures if c.scenario != SYNTHESISED}
    places, pairs = recordings(
        contents, {key: read_fingerprint(fingerprint_path(path)) for key, path in recorded.items()}
    )
    of_content = {content: places[key] for key, content in reversed(contents.items())}
    found = []
    for capture in captures:
        if capture.origin not in of_content:
            raise DatasetError(f"{capture.key}: synthesised on a capture that is not there; synthesise it again")
        found.append(replace(capture, place=places.get(capture.key, of_content[capture.origin])))
    return found, pairs


def _attack_types(frames: Frames, windows: WindowedCapture, spans: list[dict]) -> np.ndarray:
    """(w,) names: of the first injected frame's attack, or of a span that injects none and holds the whole window."""
    names = np.full(len(windows), ATTACK_FREE, dtype=object)
    seconds = frames.timestamp - frames.timestamp[0]
    for span in spans:
        inside = (seconds >= span["start"]) & (seconds <= span["end"])
        if not frames.attack[inside].any():
            names[inside[windows.first_frame] & inside[windows.last_frame]] = span["kind"]
    injected = np.flatnonzero(frames.attack)
    if len(injected):
        following = np.searchsorted(injected, windows.first_frame)
        first = injected[np.minimum(following, len(injected) - 1)]
        attacked = (first >= windows.first_frame) & (first <= windows.last_frame)
        names[attacked] = np.array(frames.attack_types, dtype=object)[frames.attack_type[first[attacked]]]
    return names
