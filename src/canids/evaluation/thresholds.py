"""Operating points: thresholds for a target false-alarm rate, from attack-free windows alone."""

from __future__ import annotations

import numpy as np

TAIL = 0.05  # the largest 5 % of the scores tell the tail's shape
SMALLEST = 1e-7


def logit(probability: np.ndarray) -> np.ndarray:
    """Log-odds, finite for probabilities of 0 and 1."""
    p = np.clip(probability.astype(np.float64), SMALLEST, 1 - SMALLEST)
    return np.log(p / (1 - p))


def threshold_for(score: np.ndarray, false_alarm_rate: float) -> float:
    """The score that attack-free windows exceed with the given chance.

    A few hundred windows resolve no chance of one in a thousand, so the tail beyond the 95 % quantile is continued as
    an exponential of the same mean excess (peaks over threshold; Pickands, 1975, shape 0).

    Args:
        score: (n,) scores of attack-free windows, on a scale without bounds (log-odds).

    Raises:
        ValueError: there is no score.
    """
    if len(score) == 0:
        raise ValueError("no attack-free window to set a threshold on")
    start = np.quantile(score, 1 - TAIL)
    if false_alarm_rate >= TAIL:
        return float(np.quantile(score, 1 - false_alarm_rate))
    beyond = score[score > start]
    excess = float((beyond - start).mean()) if len(beyond) else 0.0
    return float(start + excess * np.log(TAIL / false_alarm_rate))
