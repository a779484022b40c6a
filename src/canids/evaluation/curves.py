"""What a detector gives at each false-alarm rate: recall, attacks found, and how soon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from canids.evaluation.events import HOUR_S, Drive, count_alarms, delays

RATES = (0.1, 1.0, 10.0)  # false alarms per hour
POINTS = 60


@dataclass(frozen=True)
class OperatingCurve:
    """p thresholds on the scores of driving without attacks, from the strictest on.

    Attributes:
        threshold: (p,), a score above it is an alarm; the first lets no false alarm through.
        false_alarms_per_hour: (p,) over all the driving given; never falls, although alarms that grow together become
            one: a threshold that lets more through is no better for it.
        hours: of that driving; nothing below 1 / hours can be told apart from none.
    """

    threshold: np.ndarray
    false_alarms_per_hour: np.ndarray
    hours: float

    def at(self, rate: float) -> float:
        """The least strict threshold with at most so many false alarms per hour; infinite without driving."""
        kept = self.threshold[self.false_alarms_per_hour <= rate]
        return float(kept.min()) if len(kept) else np.inf


def operating_curve(drives: Sequence[Drive], scores: Sequence[np.ndarray]) -> OperatingCurve:
    """False alarms per hour against the threshold, on windows before the first attack and in attack-free captures.

    Args:
        scores: (w,) of each drive.
    """
    hours = sum(float(drive.seconds[drive.before].sum()) for drive in drives) / HOUR_S
    quiet = [score[drive.before] for drive, score in zip(drives, scores, strict=True)]
    ranked = np.sort(np.unique(np.concatenate([np.zeros(0), *quiet])))[::-1]
    if not len(ranked):
        return OperatingCurve(np.zeros(0), np.zeros(0), hours)
    # each of the strictest, then ever sparser: the count of alarms needs one look at all windows for each
    chosen = np.unique(np.rint(np.geomspace(1, len(ranked), POINTS)).astype(int)) - 1
    threshold = ranked[chosen]
    alarms = [
        sum(count_alarms(d, d.before & (s > limit)) for d, s in zip(drives, scores, strict=True)) for limit in threshold
    ]
    return OperatingCurve(threshold, np.maximum.accumulate(alarms) / hours, hours)


def delay_curve(
    drives: Sequence[Drive], scores: Sequence[np.ndarray], threshold: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(p,) median delay (s) over all attacks, a missed one's being infinite, and (p,) share of attacks found."""
    rows = []
    for limit in threshold:
        seconds = np.concatenate([delays(d, s > limit)[0] for d, s in zip(drives, scores, strict=True)])
        rows.append((_median(seconds), np.isfinite(seconds).mean()))
    median, found = np.array(rows, float).reshape(-1, 2).T
    return median, found


def _median(seconds: np.ndarray) -> float:
    """Lower median, since the mean of a finite and an infinite delay tells nothing."""
    return float(np.sort(seconds)[(len(seconds) - 1) // 2])
