"""How far a probability can be taken at its word: reliability by bins, and the expected calibration error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BINS = 10


@dataclass(frozen=True)
class Reliability:
    """Windows by the probability that a detector gave them, in the bins that hold any.

    Attributes:
        predicted: (b,) mean probability. observed: (b,) share of attacked windows. windows: (b,) how many.
    """

    predicted: np.ndarray
    observed: np.ndarray
    windows: np.ndarray


def reliability(label: np.ndarray, score: np.ndarray) -> Reliability:
    """Reliability of log-odds ((n,)) against labels ((n,) 0 or 1), in ``BINS`` bins of equal width in probability."""
    probability = 1 / (1 + np.exp(-np.clip(score, -60, 60)))
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    windows = np.bincount(bins, minlength=BINS)
    held = windows > 0
    predicted = np.bincount(bins, probability, BINS)[held] / windows[held]
    observed = np.bincount(bins, label, BINS)[held] / windows[held]
    return Reliability(predicted, observed, windows[held])


def expected_calibration_error(label: np.ndarray, score: np.ndarray) -> float:
    """Mean distance of predicted and observed, weighted by windows (Guo et al., 2017, arXiv 1706.04599)."""
    table = reliability(label, score)
    return float(np.average(np.abs(table.predicted - table.observed), weights=table.windows))
