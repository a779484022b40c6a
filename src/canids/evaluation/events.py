"""Event-level metrics: attacks found and how soon, false alarms for each hour of driving.

An alarm is known when its window has ended. Alarms less than ``SAME_ALARM_S`` apart are one. An alarm during an attack
is not a false one, even in a window that happens to hold no injected frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

SAME_ALARM_S = 1.0
HOUR_S = 3600.0


@dataclass(frozen=True)
class Span:
    """An attack on a capture: a burst of injected frames, or a stretch in which frames are missing.

    Attributes:
        start, end: s since the capture's first frame. first_frame: index of its first frame in the capture.
        injected: how many frames it injects; 0 for a suppression. kind: attack type.
    """

    start: float
    end: float
    first_frame: int
    injected: int
    kind: str


@dataclass(frozen=True)
class Drive:
    """A capture's windows in time order, and the attacks on it.

    Attributes:
        start, end: (w,) s since the capture's first frame. last_frame: (w,) index of the window's last frame.
    """

    start: np.ndarray
    end: np.ndarray
    last_frame: np.ndarray
    spans: tuple[Span, ...]

    def during(self, span: Span) -> np.ndarray:
        """(w,) bool, windows that overlap an attack in time."""
        return (self.start <= span.end) & (self.end >= span.start)

    @cached_property
    def seconds(self) -> np.ndarray:
        """(w,) s from each window's start to the next one's."""
        return np.diff(self.start, append=self.end[-1:])

    @cached_property
    def outside(self) -> np.ndarray:
        """(w,) bool, windows that overlap no attack."""
        inside = np.zeros(len(self.start), bool)
        for span in self.spans:
            inside |= self.during(span)
        return ~inside

    @cached_property
    def before(self) -> np.ndarray:
        """(w,) bool, windows that end before the first attack: all of an attack-free capture."""
        return self.end < min((span.start for span in self.spans), default=np.inf)


def drive_of(windows: pl.DataFrame, capture: dict[str, Any]) -> Drive:
    """The drive of a capture.

    Args:
        windows: the capture's windows in time order, with ``start``, ``end`` and ``last_frame``.
        capture: its facts in ``graphs.json``.
    """
    names = ("start", "end", "first_frame", "injected", "kind")
    return Drive(
        start=windows["start"].to_numpy(),
        end=windows["end"].to_numpy(),
        last_frame=windows["last_frame"].to_numpy(),
        spans=tuple(Span(**{name: span[name] for name in names}) for span in capture["attack_spans"]),
    )


def count_alarms(drive: Drive, alarm: np.ndarray) -> int:
    """How many alarms some windows ((w,) bool) raise, those less than ``SAME_ALARM_S`` apart taken as one."""
    at = np.flatnonzero(alarm)
    if not len(at):
        return 0
    return 1 + int(np.count_nonzero(drive.start[at[1:]] - drive.end[at[:-1]] >= SAME_ALARM_S))


def delays(drive: Drive, alarm: np.ndarray, kind: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """How long each attack (of a kind) went unnoticed: s, and frames since its first; infinite where it was missed.

    Args:
        alarm: (w,) bool.
    """
    seconds, frames = [], []
    for span in drive.spans:
        if kind is not None and span.kind != kind:
            continue
        raised = np.flatnonzero(alarm & drive.during(span))
        seconds.append(drive.end[raised[0]] - span.start if len(raised) else np.inf)
        frames.append(drive.last_frame[raised[0]] - span.first_frame if len(raised) else np.inf)
    return np.array(seconds, float), np.array(frames, float)


def event_metrics(drives: Sequence[Drive], alarms: Sequence[np.ndarray], kind: str | None = None) -> dict[str, Any]:
    """Event-level metrics of one detector on some captures.

    Args:
        alarms: (w,) bool for each drive. kind: count the attacks of this type alone.

    Returns:
        ``bursts``, ``bursts_found``; ``delay_s`` and ``delay_frames``, medians over those found, and ``delay_s_max``.
        ``driving_s``, the time before the first attack and of attack-free captures, ``false_alarms`` in it and
        ``false_alarms_per_hour``, and ``driving_under_alarm``, the share of that time in which one stands (one that
        never ends counts once). ``outside_s`` and ``alarms_outside``: the same outside every attack, so with what
        comes between and after them. ``suppressed_under_alarm``: share of the time of suppressions in which an alarm
        stands. None where there is nothing to measure on.
    """
    both = [delays(drive, alarm, kind) for drive, alarm in zip(drives, alarms, strict=True)]
    seconds, frames = (np.concatenate([np.zeros(0), *each]) for each in zip(*both, strict=True))
    found = np.isfinite(seconds)
    driving, false_alarms = _alarms_in(drives, alarms, [drive.before for drive in drives])
    outside, alarms_outside = _alarms_in(drives, alarms, [drive.outside for drive in drives])
    return {
        "bursts": len(seconds),
        "bursts_found": int(found.sum()),
        "delay_s": float(np.median(seconds[found])) if found.any() else None,
        "delay_s_max": float(seconds[found].max()) if found.any() else None,
        "delay_frames": float(np.median(frames[found])) if found.any() else None,
        "driving_s": driving,
        "false_alarms": false_alarms,
        "false_alarms_per_hour": false_alarms / driving * HOUR_S if driving else None,
        "driving_under_alarm": _under_alarm(drives, alarms) / driving if driving else None,
        "outside_s": outside,
        "alarms_outside": alarms_outside,
        "suppressed_under_alarm": _suppressed_under_alarm(drives, alarms, kind),
    }


def _alarms_in(drives, alarms, chosen) -> tuple[float, int]:
    """Seconds that the chosen windows last, and alarms that they raise."""
    each = list(zip(drives, alarms, chosen, strict=True))
    seconds = sum(float(drive.seconds[some].sum()) for drive, _, some in each)
    return seconds, sum(count_alarms(drive, alarm & some) for drive, alarm, some in each)


def _under_alarm(drives: Sequence[Drive], alarms: Sequence[np.ndarray]) -> float:
    """Seconds of driving before the first attack in which an alarm stands."""
    return sum(float(drive.seconds[drive.before & alarm].sum()) for drive, alarm in zip(drives, alarms, strict=True))


def _suppressed_under_alarm(drives: Sequence[Drive], alarms: Sequence[np.ndarray], kind: str | None) -> float | None:
    under = whole = 0.0
    for drive, alarm in zip(drives, alarms, strict=True):
        for span in drive.spans:
            if span.injected or kind not in (None, span.kind):
                continue
            until = drive.start + drive.seconds
            overlap = np.clip(np.minimum(until, span.end) - np.maximum(drive.start, span.start), 0, None)
            under, whole = under + float(overlap[alarm].sum()), whole + float(overlap.sum())
    return under / whole if whole else None
