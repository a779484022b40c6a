"""Isolation forests (Liu et al., 2008) on the extremes of attack-free windows, one for each reading."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import IsolationForest

from canids.evaluation.baselines.extremes import Extremes, columns_of
from canids.graphs.store import READINGS

TREES = 200


def isolation(attack_free: Extremes, windows: Extremes, seed: int) -> np.ndarray:
    """(w,) how soon a window is isolated, 0 to 1, in the reading that isolates it sooner; 0 where there is none.

    Args:
        attack_free: windows to fit on. windows: those to score.
    """
    score = np.zeros(len(windows.values))
    for place, reading in enumerate(READINGS):
        columns = columns_of(reading)
        fit_on, there = attack_free.present[:, place], windows.present[:, place]
        if fit_on.any() and there.any():
            forest = IsolationForest(n_estimators=TREES, random_state=seed).fit(
                attack_free.values[np.ix_(fit_on, columns)]
            )
            isolated = -forest.score_samples(windows.values[np.ix_(there, columns)])
            score[there] = np.maximum(score[there], isolated)
    return score
