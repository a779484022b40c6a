"""Scores → log-odds of an attack: Platt's slope, and even odds where few attack-free windows would alarm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.linear_model import LogisticRegression

from canids.graphs.store import READINGS

LEAST_SPREAD = 1e-9
TAIL = 0.05  # share of the attack-free scores whose excess tells how the tail goes on
FEWEST = 20  # attack-free windows that a limit can rest on
KEEPING = 0.9  # share of the captures that keep to it
# An enrolled vehicle's limit lies within these quantiles of the captures' limits, however it drove, whatever attacked.
LEAST, MOST = 0.75, 0.95
PRIOR_WINDOWS = 200  # windows of a vehicle that weigh as much as all that is known of others
READ_BY = 1 << len(READINGS)  # codes of which readings speak of a window, see ``GraphStore.read_by``
# (scores, readings, numbers of their captures), (n,) each
Samples = Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Calibration:
    """Log-odds slope * (score - limit), the limit being that of the readings that speak of the window.

    A score means less where only a young profile of the capture's own speaks than where the vehicle is known.

    Attributes:
        limit: (READ_BY,). lowest, highest: (READ_BY,) how far a vehicle's enrolment may move it.
    """

    slope: float
    limit: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray

    @classmethod
    def fit(cls, slope: float, samples: Samples, false_alarms: float) -> Calibration:
        """The limits that a share ``false_alarms`` of some attack-free windows exceeds, and their range.

        Raises:
            ValueError: there are too few windows.
        """
        limit, lowest, highest = (limits(samples, false_alarms, keeping) for keeping in (KEEPING, LEAST, MOST))
        return cls(slope, limit, np.minimum(lowest, limit), np.maximum(highest, limit))

    def enrolled(self, samples: Samples, false_alarms: float) -> Calibration:
        """The calibration of a vehicle, by attack-free windows of its own.

        Its captures' highest limit counts the more the more windows there are, and only within the range that other
        captures showed: neither an attack on the enrolment nor its lack can silence the detector. Where too few windows
        are read so, the limit stays.
        """
        score, readings, capture = (np.concatenate(each) for each in zip(*samples, strict=True))
        limit = self.limit.copy()
        for code in range(1, READ_BY):
            mine = readings == code
            found = _tail_limits(score[mine], capture[mine], false_alarms)
            if found:
                windows = np.count_nonzero(mine)
                moved = np.clip(max(found), self.lowest[code], self.highest[code]) - limit[code]
                limit[code] += moved * windows / (windows + PRIOR_WINDOWS)
        return replace(self, limit=limit)

    def logit(self, score: np.ndarray, readings: np.ndarray) -> np.ndarray:
        """(w,) log-odds of scores (w,) of windows that these readings speak of ((w,) int)."""
        return self.slope * (score - self.limit[readings])

    def probability(self, score: np.ndarray, readings: np.ndarray) -> np.ndarray:
        """(w,) probability of an attack."""
        return 1 / (1 + np.exp(-np.clip(self.logit(score, readings), -60, 60)))


def platt_slope(score: np.ndarray, label: np.ndarray) -> float:
    """Log-odds per unit of score, from scores and labels ((n,) each), both classes weighing the same (Platt, 1999).

    Raises:
        ValueError: only one class is there.
    """
    centre, spread = score.mean(), max(float(score.std()), LEAST_SPREAD)
    model = LogisticRegression(class_weight="balanced").fit(((score - centre) / spread)[:, None], label)
    # A score that seems to fall under attack tells nothing, and must not alarm for being low.
    return max(float(model.coef_[0, 0]), 0.0) / spread


def limits(samples: Samples, false_alarms: float, keeping: float = KEEPING) -> np.ndarray:
    """(READ_BY,) the score that a share ``false_alarms`` of the attack-free windows exceeds, by what speaks of them.

    Captures differ more than their windows do: each that is long enough has a limit of its own, and that of all is one
    that a share ``keeping`` of the captures keeps to. Where too few windows are read so, the strictest of the other
    limits holds.

    Args:
        samples: of attack-free windows that no model was fitted on.

    Raises:
        ValueError: there are too few windows altogether.
    """
    score, readings, capture = (np.concatenate(each) for each in zip(*samples, strict=True))
    found = np.full(READ_BY, np.nan)
    for code in range(1, READ_BY):
        mine = readings == code
        if np.count_nonzero(mine) >= FEWEST:
            each = _tail_limits(score[mine], capture[mine], false_alarms)
            found[code] = np.quantile(each or [tail_limit(score[mine], false_alarms)], keeping)
    if np.isnan(found).all():
        raise ValueError(f"{len(score)} attack-free windows are too few to calibrate on")
    return np.where(np.isnan(found), np.nanmax(found), found)


def _tail_limits(score: np.ndarray, capture: np.ndarray, false_alarms: float) -> list[float]:
    """The limit of each capture that is long enough."""
    each = [score[capture == number] for number in np.unique(capture)]
    return [tail_limit(some, false_alarms) for some in each if len(some) >= FEWEST]


def tail_limit(score: np.ndarray, share: float) -> float:
    """The value that a share of some scores ((n,)) exceeds, the tail beyond ``TAIL`` taken as exponential.

    The mean excess over a high threshold sets the exponential's scale (Pickands, 1975); but never beyond the largest
    score: of a detector whose scores are bounded, no attack would reach what a small sample is extrapolated to.
    """
    start = float(np.quantile(score, 1 - max(TAIL, share)))
    if share >= TAIL:
        return start
    beyond = score[score > start] - start
    excess = float(beyond.mean()) if len(beyond) else 0.0
    return min(start + excess * float(np.log(TAIL / share)), float(score.max()))


def quiet_windows(label: np.ndarray, capture: np.ndarray) -> np.ndarray:
    """(w,) bool, windows of captures without an attack; where there is none, those without an attack in themselves.

    What follows an attack in its capture bears its traces: a payload that changes back, a profile that learnt it.

    Args:
        label: (w,) 0 or 1. capture: (w,) int, at least 0.
    """
    attacked = np.bincount(capture, label, minlength=1) > 0
    quiet = ~attacked[capture]
    return quiet if quiet.any() else label == 0
