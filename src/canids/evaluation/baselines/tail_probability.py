"""The untrained rule: how rarely does any channel of attack-free traffic go as far as in this window?

Each channel's tail is counted up to its 99 % quantile and exponential beyond it (mean excess; the peaks over a high
threshold of many distributions are, Pickands, 1975), so that it tells apart what no training window reached.
"""

from __future__ import annotations

import numpy as np

from canids.evaluation.baselines.extremes import COLUMNS, Extremes
from canids.graphs.store import GRAPH_COLUMNS, NODE_COLUMNS

TAIL = 0.01
LEAST_EXCESS = 0.05  # in the features' own scale (asinh, ln): a channel that was constant is not infinitely surprising
FEWEST = 50  # windows that a tail rests on
SIDES = [
    *((f"max_{name}", 1) for name in NODE_COLUMNS),
    *((f"min_{name}", -1) for name in NODE_COLUMNS),
    *((name, side) for name in GRAPH_COLUMNS if not name.endswith("_present") for side in (1, -1)),
]


def tail_probability(attack_free: Extremes, windows: Extremes) -> np.ndarray:
    """(w,) ln(1 - ln p) of the least probable channel of each window; 0 where there is none.

    Args:
        attack_free: windows to count tails on. windows: those to score.
    """
    surprise = np.zeros(len(windows.values))
    for name, side in SIDES:
        column = COLUMNS.index(name)
        reference = side * attack_free.values[:, column]
        reference = np.sort(reference[~np.isnan(reference)])
        if len(reference) >= FEWEST:
            surprise = np.fmax(surprise, _minus_log_p(reference, side * windows.values[:, column]))
    return np.log1p(surprise)


def _minus_log_p(reference: np.ndarray, value: np.ndarray) -> np.ndarray:
    """-ln P(a reference value reaches ``value``) for sorted references; NaN stays."""
    limit = np.quantile(reference, 1 - TAIL)
    beyond = reference[reference > limit]
    excess = max(float((beyond - limit).mean()) if len(beyond) else 0.0, LEAST_EXCESS)
    reaching = len(reference) - np.searchsorted(reference, value, side="left")
    counted = np.where(np.isnan(value), np.nan, -np.log(np.maximum(reaching / len(reference), TAIL)))
    return np.where(value > limit, -np.log(TAIL) + (value - limit) / excess, counted)
