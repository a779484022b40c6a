"""Scores → probabilities (Platt scaling)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

LEAST_SPREAD = 1e-9


@dataclass(frozen=True)
class PlattScale:
    """P(attack | score) = 1 / (1 + exp(-(slope * score + intercept)))."""

    slope: float
    intercept: float

    def logit(self, score: np.ndarray) -> np.ndarray:
        """Log-odds of an attack, of the score's shape."""
        return self.slope * score + self.intercept

    def probability(self, score: np.ndarray) -> np.ndarray:
        """Probability of an attack, of the score's shape."""
        return 1 / (1 + np.exp(-np.clip(self.logit(score), -60, 60)))


def fit_platt(score: np.ndarray, label: np.ndarray) -> PlattScale:
    """Fit to scores and labels ((n,) each), both classes weighing the same (Platt, 1999).

    Raises:
        ValueError: only one class is there.
    """
    centre, spread = score.mean(), max(float(score.std()), LEAST_SPREAD)
    model = LogisticRegression(class_weight="balanced").fit(((score - centre) / spread)[:, None], label)
    # A score that seems to fall under attack tells nothing, and must not alarm for being low.
    slope = max(float(model.coef_[0, 0]), 0.0) / spread
    return PlattScale(slope, float(model.intercept_[0]) - slope * float(centre))
